"""AGAD: chopped transfer whose reference is computed, not programmed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from archsim.algorithm.buffered import BufferedTransfer
from archsim.fields import Quantity, Scalar


class Agad(BufferedTransfer):
    """Analog gradient accumulation with dynamic reference: chopped, read against its own mean.

    Rasch et al. (2024).  As the chopped version 2, but each read of A is taken relative to the mean of the reads of the
    chopper period before: two running means per weight are kept beside H.  A mean forgets
    min(1, tail_weighting / period) per read, with period = ceil(1 / chop_probability).  C is not
    written in the first period.
    """

    published: ClassVar[str] = "alg.AGAD"

    kind: Literal["agad"]
    granularity: Annotated[Scalar, Quantity(above=0, maximum=1e9)] = 750.0
    chop_probability: Annotated[Scalar, Quantity(above=0, maximum=1)] = 0.005
    chop_random: bool = False
    tail_weighting: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 50.0
    reference: Literal["zero"] = "zero"

    @property
    def words_per_weight(self) -> int:
        """H and the means of the present and of the past chopper period."""
        return 3

    @property
    def flags_per_line(self) -> int:
        """The sign of the chopper, and whether it has just turned."""
        return 2
