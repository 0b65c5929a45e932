"""Chopped Tiki-Taka version 2: the sign of each line is turned now and then."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from archsim.algorithm.buffered import BufferedTransfer
from archsim.fields import Quantity, Scalar


class ChoppedTikiTakaV2(BufferedTransfer):
    """Tiki-Taka version 2 with a sign per line of A that pulses and the read-out share.

    An offset of A then averages out in H.  After each read of a line its sign turns with
    `chop_probability`; if `chop_random` is false, all lines turn at every ceil(1/probability)-th
    pass.  Rasch et al. (2024).
    """

    published: ClassVar[str] = "alg.cTTv2"

    kind: Literal["chopped_tiki_taka_v2"]
    fast_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    chop_probability: Annotated[Scalar, Quantity(above=0, maximum=1)] = 0.01
    chop_random: bool = True
    reference: Literal["symmetry_point", "zero"] = "zero"

    @property
    def flags_per_line(self) -> int:
        """The sign of the chopper."""
        return 1
