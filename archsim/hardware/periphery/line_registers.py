"""Registers at the lines of an array: input codes beside the drivers, results behind the converters."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Quantity, Scalar
from archsim.hardware.digital.registers import Registers


class LineRegisters(Registers):
    """`input_words` codes of `read.input_bits` for each driven line, and one result for each output.

    Two words let the next vector be loaded while one is applied.  A result has `output_bits`.
    Every code and every result is clocked in once (reference `reg.aladdin`).
    """

    input_words: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    output_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
