"""How a step shrinks when a device sees only a part of the programming voltage."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from archsim.fields import Component, Quantity, Scalar

BOLTZMANN_J_PER_K = 1.380649e-23
ELEMENTARY_CHARGE_C = 1.602176634e-19
# sinh is linear here to the last digit, and its quotient a number.
LEAST_ARGUMENT = 1e-12


class HoppingLaw(Component):
    """Ions that hop over barriers which the field lowers: step ~ sinh(q a V / (2 k T d)).

    `hop_distance_m` is a, `thickness_m` the electrolyte's d (Mott and Gurney; stated for protons
    in phosphosilicate glass by Onen et al. 2022).
    """

    kind: Literal["sinh"]
    hop_distance_m: Annotated[Scalar, Quantity("m", above=0, maximum=1e-8)]
    thickness_m: Annotated[Scalar, Quantity("m", above=0, maximum=1e-5)]

    def step_fraction(
        self, voltage_fraction: Scalar, pulse_v: Scalar, temperature_k: Scalar
    ) -> Scalar:
        """sinh(x f) / sinh(x), with x = q a V / (2 k T d) at the full pulse `pulse_v`."""
        field_v = pulse_v * self.hop_distance_m / (2.0 * self.thickness_m)
        x = ELEMENTARY_CHARGE_C * np.abs(field_v) / (BOLTZMANN_J_PER_K * temperature_k)
        x = np.maximum(x, LEAST_ARGUMENT)
        f = np.asarray(voltage_fraction, dtype=np.float64)
        # sinh(x f) / sinh(x) with both divided by exp(x), which might overflow.
        return np.exp(x * (f - 1.0)) * np.expm1(-2.0 * x * f) / np.expm1(-2.0 * x)


class ThresholdLaw(Component):
    """No step at or below a fraction of the voltage, a step linear in the rest above it."""

    kind: Literal["threshold"]
    threshold: Annotated[Scalar, Quantity(minimum=0, maximum=0.99)]

    def step_fraction(
        self, voltage_fraction: Scalar, pulse_v: Scalar, temperature_k: Scalar
    ) -> Scalar:
        """max(0, f - threshold) / (1 - threshold); voltage and temperature do not enter."""
        f = np.asarray(voltage_fraction, dtype=np.float64)
        return np.maximum(f - self.threshold, 0.0) / (1.0 - np.asarray(self.threshold))


class LinearLaw(Component):
    """A step in proportion to the voltage: no nonlinearity protects half-selected devices."""

    kind: Literal["linear"]

    def step_fraction(
        self, voltage_fraction: Scalar, pulse_v: Scalar, temperature_k: Scalar
    ) -> Scalar:
        """The fraction itself; voltage and temperature do not enter."""
        return np.asarray(voltage_fraction, dtype=np.float64)


FieldLaw: TypeAlias = Annotated[HoppingLaw | ThresholdLaw | LinearLaw, Field(discriminator="kind")]
