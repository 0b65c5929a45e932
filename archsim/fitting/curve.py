"""A measured curve: conductance against pulse number, in branches of one polarity each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.hardware.response import Polarity

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Branch:
    """A run of `pulses` pulses of one polarity."""

    polarity: Polarity
    pulses: int


@dataclass(frozen=True)
class Curve:
    """Conductances `conductance_siemens` [N] after `pulses` [N] pulses, the first of which is 0.

    `branches` say what those pulses were, in order; their lengths add up to the last pulse or more.
    `name` is that of the file, for messages and figures.
    """

    name: str
    pulses: Counts
    conductance_siemens: Floats
    branches: tuple[Branch, ...]

    @property
    def points(self) -> int:
        """Number of measured points."""
        return len(self.pulses)

    @property
    def lowest_siemens(self) -> float:
        """Lowest measured conductance."""
        return float(self.conductance_siemens.min())

    @property
    def highest_siemens(self) -> float:
        """Highest measured conductance."""
        return float(self.conductance_siemens.max())
