"""How a stored conductance drifts when it is left alone."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from archsim.fields import Component, Quantity, Scalar


class ExponentialRetention(Component):
    """Relaxation towards the rest state with one time constant (a leaking capacitor)."""

    kind: Literal["exponential"]
    time_constant_s: Annotated[Scalar, Quantity("s", above=0, maximum=1e12)]

    def relative_drift(self, time_s: Scalar) -> Scalar:
        """Share of the distance to the rest state that is lost after `time_s`: 1 - exp(-t/tau)."""
        return -np.expm1(-np.asarray(time_s, dtype=np.float64) / self.time_constant_s)


class PowerLawRetention(Component):
    """Drift g = g0 * (1 + t/t0)^-exponent, as of phase-change memories."""

    kind: Literal["power_law"]
    exponent: Annotated[Scalar, Quantity(minimum=0, maximum=1)]
    start_s: Annotated[Scalar, Quantity("s", above=0, maximum=1e6)]

    def relative_drift(self, time_s: Scalar) -> Scalar:
        """Relative change of the conductance after `time_s`, (1 + t/t0)^-exponent from 1."""
        elapsed = np.log1p(np.asarray(time_s, dtype=np.float64) / self.start_s)
        return -np.expm1(-self.exponent * elapsed)


class LogarithmicRetention(Component):
    """Drift in proportion to the logarithm of time: `per_decade` of the conductance per decade."""

    kind: Literal["logarithmic"]
    per_decade: Annotated[Scalar, Quantity(minimum=0, maximum=1)]
    start_s: Annotated[Scalar, Quantity("s", above=0, maximum=1e6)]

    def relative_drift(self, time_s: Scalar) -> Scalar:
        """Relative change after `time_s`: per_decade * log10(1 + t/t0), at most 1."""
        decades = np.log1p(np.asarray(time_s, dtype=np.float64) / self.start_s) / np.log(10.0)
        return np.asarray(np.minimum(self.per_decade * decades, 1.0))


Retention: TypeAlias = Annotated[
    ExponentialRetention | PowerLawRetention | LogarithmicRetention, Field(discriminator="kind")
]
