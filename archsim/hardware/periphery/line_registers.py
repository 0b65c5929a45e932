"""Registers at the lines of an array: input codes beside the drivers, results behind the converters."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Quantity, Scalar
from archsim.hardware.digital.registers import Registers


class LineRegisters(Registers):
    """`input_words` codes of `read.input_bits` for each driven line, and one result for each output.

    Two words let the next vector be loaded while one is applied.  A result has `output_bits`, by
    default those of the converter.  Every code and every result is clocked in once (reference
    `reg.aladdin`): a code in each read, and in each update at rows and columns alike.
    """

    input_words: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    output_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)] | None = None

    def result_bits(self, converter_bits: Scalar) -> Scalar:
        """Bits of one result behind a converter of `converter_bits`."""
        return converter_bits if self.output_bits is None else self.output_bits
