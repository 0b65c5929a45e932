"""How an input vector passes through a macro: passes of the array, steps of its neurons."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from archsim.fields import Component, Quantity


@dataclass(frozen=True, slots=True)
class Counts:
    """How often per input vector: array passes, phases, and per output the steps of its converter.

    `integration_steps` accumulate charge, `conversion_steps` decide one bit each; `bits_per_pass`
    bits of an input are on its line in one pass.
    """

    passes: int
    phases: int
    integration_steps: int
    conversion_steps: int
    bits_per_pass: int


class ParallelEncoding(Component):
    """All input bits in one pass (amplitude, pulse count or pulse width)."""

    kind: Literal["parallel"]

    def counts(self, input_bits: int, output_bits: int, *, single_phase: bool) -> Counts:
        """One pass, one conversion."""
        del single_phase
        return Counts(1, 1, 1, output_bits, input_bits)


class BitSerialEncoding(Component):
    """`bits_per_pass` input bits per pass, as many levels on the line; each pass is converted."""

    kind: Literal["bit_serial"]
    bits_per_pass: Annotated[int, Quantity(integer=True, minimum=1, maximum=16)] = 1

    def counts(self, input_bits: int, output_bits: int, *, single_phase: bool) -> Counts:
        """A pass and a conversion per slice of the input bits, the last one padded."""
        del single_phase
        passes = ceil(input_bits / self.bits_per_pass)
        return Counts(passes, 1, passes, passes * output_bits, self.bits_per_pass)


class PhasedEncoding(Component):
    """Sign and magnitude: a pass per magnitude bit, weighted by repeated integration.

    A bit of weight 2^k is integrated 2^k times before one conversion.  More magnitude bits than
    `bits_per_phase` are split into two phases, each integrated and converted on its own; the
    second converts the output bits that the first leaves open.  `single_phase` keeps them together.
    """

    kind: Literal["phased"]
    bits_per_phase: Annotated[int, Quantity(integer=True, minimum=1, maximum=16)]

    def counts(self, input_bits: int, output_bits: int, *, single_phase: bool) -> Counts:
        """Passes, phases, integration and conversion steps of signed inputs of `input_bits`."""
        magnitude = max(1, input_bits - 1)
        undivided = single_phase or magnitude <= self.bits_per_phase
        first = magnitude if undivided else ceil(magnitude / 2)
        phases = [first] if first == magnitude else [first, magnitude - first]
        conversions = [output_bits, max(output_bits - first, 0)][: len(phases)]
        return Counts(
            passes=magnitude,
            phases=len(phases),
            integration_steps=sum(2**bits - 1 for bits in phases),
            conversion_steps=sum(conversions),
            bits_per_pass=1,
        )


Encoding: TypeAlias = Annotated[
    ParallelEncoding | BitSerialEncoding | PhasedEncoding, Field(discriminator="kind")
]
