"""Converters that sit in the columns of a macro: energy and area from their circuits.

They run far below the speed at which the survey of published converters bends, so that their energy
is that of capacitors, comparator decisions and logic.  Circuits are sized at the nominal supply.
"""

from __future__ import annotations

from math import exp2, sqrt
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, model_validator

from archsim.fields import Component, Quantity
from archsim.hardware.macro.technology import (
    BOLTZMANN_J_PER_K,
    CAPACITOR_F_PER_M2,
    DRIVER_FACTOR,
    LEAST_UNIT_F,
    TEMPERATURE_K,
    comparator_area_m2,
    driver_area_m2,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
    terminal_capacitance_f,
)

# A clocked comparator switches about ten narrow transistors with two terminals each, twice as wide
# as the narrowest (assumed).
_COMPARATOR_TERMINALS = 2.0 * 10.0 * 2.0
# Monotonic switching takes 2^(bits-2) units of capacitance per conversion from the reference (Liu et
# al., IEEE JSSC 45:731, 2010).
_SWITCHED_SHARE = 0.25
# Differential: two arrays, one of which switches at each step.
_SIDES = 2.0


def comparator_energy_j(bits: float, node_m: float, supply_v: float, nominal_v: float) -> float:
    """Energy of one decision that is as noisy as the quantisation of `bits` over the nominal supply.

    The latch integrates on C with a noise of 4kT/C (van Elzakker et al., IEEE JSSC 45:1007, 2010;
    noise factor 1); quantisation noise is (supply / 2^bits)^2 / 12.  Both sides are charged.
    """
    step_v = nominal_v / exp2(bits)
    noise_f = 12.0 * 4.0 * BOLTZMANN_J_PER_K * TEMPERATURE_K / step_v**2
    own_f = _COMPARATOR_TERMINALS * terminal_capacitance_f(node_m)
    return (2.0 * noise_f + own_f) * supply_v**2


class SarConverter(Component):
    """Successive approximation: a capacitor array, one comparator, and two registers of `bits`.

    Each of bits + 1 steps clocks the sequencer, whose bits clock the code: each of its flip-flops once
    per conversion (Anderson, Computer Design 11:81, 1972; recalled).  Top plates are sampled, so
    that each of two sides has 2^(bits - 1) units of `unit_capacitance`, and a ring of dummies around
    them that makes all units see the same neighbours; drivers switch the bottom plates.

    `decisions` is how many bits are decided per conversion, by default all: a converter that starts
    at a guess near its input, with the least bit first, decides fewer (Yaul & Chandrakasan, IEEE
    JSSC 49:2825, 2014) and switches only the units of these.
    """

    kind: Literal["sar"]
    bits: Annotated[float, Quantity(integer=True, minimum=1, maximum=16)]
    decisions: Annotated[float, Quantity(minimum=1, maximum=16)] | None = None
    unit_capacitance_f: Annotated[float, Quantity("F", above=0)] = LEAST_UNIT_F

    @model_validator(mode="after")
    def _decides_its_bits(self) -> Self:
        if self.decisions is not None and self.decisions > self.bits:
            raise ValueError(
                f"{self.decisions:g} decisions for a converter of {self.bits:g} bits; "
                "state at most one per bit"
            )
        return self

    def energy_j(self, node_m: float, supply_v: float, nominal_v: float) -> float:
        """Energy of one conversion."""
        decided = self.bits if self.decisions is None else self.decisions
        array = _SWITCHED_SHARE * exp2(decided) * self.unit_capacitance_f
        decisions = decided * comparator_energy_j(self.bits, node_m, supply_v, nominal_v)
        clocks = self.bits * (decided + 1.0) + self.bits
        logic = clocks * flip_flop_energy_j(node_m, supply_v)
        return DRIVER_FACTOR * array * supply_v**2 + decisions + logic

    def footprint_m2(self, node_m: float) -> float:
        """Capacitors, their drivers, comparator, registers and as much steering logic."""
        units = exp2(self.bits - 1.0)
        placed = (sqrt(units) + 2.0) ** 2  # a square with one ring of dummies
        capacitors = _SIDES * placed * self.unit_capacitance_f / CAPACITOR_F_PER_M2
        drivers = _SIDES * driver_area_m2(units * self.unit_capacitance_f, node_m)
        registers = 2.0 * self.bits * flip_flop_area_m2(node_m)
        return capacitors + drivers + comparator_area_m2(node_m) + 2.0 * registers


class _Comparing(NamedTuple):
    """Comparators, and the adders that count their ones: 2^k - 1 - k for 2^k - 1 levels."""

    comparators: float
    adders: float

    def energy_j(self, bits: float, node_m: float, supply_v: float, nominal_v: float) -> float:
        """Energy of one conversion, with an output register."""
        decisions = self.comparators * comparator_energy_j(bits, node_m, supply_v, nominal_v)
        counting = self.adders * full_adder_energy_j(node_m, supply_v)
        return decisions + counting + bits * flip_flop_energy_j(node_m, supply_v)

    def footprint_m2(self, bits: float, node_m: float) -> float:
        """Area of both, and of the register."""
        return (
            self.comparators * comparator_area_m2(node_m)
            + self.adders * full_adder_area_m2(node_m)
            + bits * flip_flop_area_m2(node_m)
        )


class FlashConverter(Component):
    """A comparator for each of 2^bits - 1 levels, and an adder tree that counts them."""

    kind: Literal["flash"]
    bits: Annotated[float, Quantity(integer=True, minimum=1, maximum=8)]

    @property
    def _parts(self) -> _Comparing:
        return _Comparing(exp2(self.bits) - 1.0, exp2(self.bits) - 1.0 - self.bits)

    def energy_j(self, node_m: float, supply_v: float, nominal_v: float) -> float:
        """Energy of one conversion."""
        return self._parts.energy_j(self.bits, node_m, supply_v, nominal_v)

    def footprint_m2(self, node_m: float) -> float:
        """Comparators, adders and output registers."""
        return self._parts.footprint_m2(self.bits, node_m)


class SubrangingConverter(Component):
    """Two flash converters in turn: `coarse_bits` choose the range that the rest resolve.

    All 2^coarse - 1 + 2^(bits - coarse) - 1 comparators are as accurate as `bits` ask for.
    """

    kind: Literal["subranging"]
    bits: Annotated[float, Quantity(integer=True, minimum=2, maximum=12)]
    coarse_bits: Annotated[float, Quantity(integer=True, minimum=1, maximum=8)]

    @model_validator(mode="after")
    def _leaves_fine_bits(self) -> Self:
        if self.coarse_bits >= self.bits:
            raise ValueError(
                f"{self.coarse_bits:g} coarse bits of {self.bits:g} leave none to resolve; "
                f"state at most {self.bits - 1:g}"
            )
        return self

    @property
    def _parts(self) -> _Comparing:
        comparators = exp2(self.coarse_bits) + exp2(self.bits - self.coarse_bits) - 2.0
        return _Comparing(comparators, comparators - self.bits)

    def energy_j(self, node_m: float, supply_v: float, nominal_v: float) -> float:
        """Energy of one conversion."""
        return self._parts.energy_j(self.bits, node_m, supply_v, nominal_v)

    def footprint_m2(self, node_m: float) -> float:
        """Comparators, adders and output registers."""
        return self._parts.footprint_m2(self.bits, node_m)


Converter: TypeAlias = Annotated[
    SarConverter | FlashConverter | SubrangingConverter, Field(discriminator="kind")
]
