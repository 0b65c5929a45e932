"""A converter as a function: what it cuts, and to which codes it rounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.hardware.quantisation import code_step


@dataclass(frozen=True, slots=True)
class Quantiser:
    """Rounds to multiples of `step` (ties to even), then clips to [-bound, bound].

    `step` 0 stands for no steps, an infinite `bound` for no clipping.  `stochastic` rounds up with
    the probability of the remainder, so that the mean is kept.  Both in the unit of what is
    converted.
    """

    bound: float = math.inf
    step: float = 0.0
    stochastic: bool = False

    def __post_init__(self) -> None:
        if not self.bound > 0:
            raise InputError(f"bound of a converter is {self.bound:g}, expected a number above 0")
        if not (self.step >= 0 and math.isfinite(self.step)):
            raise InputError(
                f"step of a converter is {self.step:g}, expected a finite number of at least 0",
                remedy="0 stands for a converter without steps.",
            )
        if self.step > self.bound:
            raise InputError(
                f"step {self.step:g} of a converter exceeds its bound {self.bound:g}, "
                "so that only zero could be converted"
            )

    @classmethod
    def of_bits(cls, bound: float, bits: float, *, stochastic: bool = False) -> Quantiser:
        """The converter of `bits` bits over [-bound, bound]."""
        return cls(bound, float(code_step(bound, bits)), stochastic)

    @property
    def unit(self) -> float:
        """What a code of 1 stands for: the step, or 1 without steps."""
        return self.step if self.step > 0 else 1.0

    @property
    def largest_code(self) -> float:
        """The bound in units of a code."""
        return self.bound / self.unit

    def round_codes(self, codes: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Round values in units of a code to whole codes, in place; without steps, do nothing."""
        if self.step == 0:
            return
        if self.stochastic:
            codes += rng.random(codes.shape, dtype=np.float32)
            np.floor(codes, out=codes)
        else:
            np.rint(codes, out=codes)


# A converter that changes nothing.
TRANSPARENT = Quantiser()
