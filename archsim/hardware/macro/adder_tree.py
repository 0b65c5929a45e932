"""A digital compute-in-memory macro whose cells share multipliers and trees of adders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from archsim.fields import Component, Quantity
from archsim.hardware.macro.adder_timing import AdderTiming, adder_timing
from archsim.hardware.macro.gates import XOR_GATES, gate_area_m2, gate_energy_j
from archsim.hardware.macro.macro import Logic
from archsim.hardware.macro.memory_cell import memory_cell_area_m2
from archsim.hardware.macro.ripple import (
    RANDOM,
    Signal,
    Sum,
    Word,
    add,
    restarted,
    tree_sum,
    uniform,
    weighted_sum,
)
from archsim.hardware.macro.technology import (
    DRIVER_FACTOR,
    WIRE_F_PER_M,
    driver_area_m2,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
    terminal_capacitance_f,
)

# What one tree adds up: products with whole weights, or with one bit of each weight.
Summing: TypeAlias = Literal["words", "weight_bits"]
# What is added up over the bits of an input: the sums, or each product before it is summed.
Accumulating: TypeAlias = Literal["sums", "products"]
# Where registers cut the way from the input to the accumulator.
Pipeline: TypeAlias = Literal["none", "products", "weight_bits"]

_BOOTH_BITS = 2
# NAND2 equivalents (reference `logic.cells45`).  A bit of a product is an AND.  Radix-4 Booth: a bit of
# a product is an AND-OR-invert of 5/3 and an exclusive-or of 2, an encoder two exclusive-ors and three
# gates (as in Weste & Harris, CMOS VLSI Design; recalled).
_AND_GATES = 1.0
_BOOTH_GATES, _ENCODER_GATES = 5.0 / 3.0 + XOR_GATES, 2.0 * XOR_GATES + 3.0
# Control lines of an encoder: once, twice, negative.
_BOOTH_LINES = 3
# With a random digit a bit of a product is one in 3 of 8 cases, whatever the weight, and so it changes in
# 2 * 3/8 * 5/8 of cycles: 15/16 of a random bit.
_BOOTH_ONES, _BOOTH_TOGGLE = 3.0 / 8.0, 15.0 / 16.0
_CELL_TRANSISTORS = 6.0
# An input line ends at an n- and a p-channel gate per multiplier.
_GATE_TERMINALS = 2.0


@dataclass(frozen=True, slots=True)
class _Structure:
    """Sums behind one output: of one product, of a column, of all columns; the clock without register.

    `accumulators` is how many accumulators an output has.
    """

    product: Sum
    column: Sum
    total: Sum
    stage_s: float
    accumulators: int


class AdderTreeMacro(Component):
    """`macros` equal macros, each with `inputs` x `outputs` weights of `weight_bits` at work.

    In every cycle `input_bits_per_cycle` bits of each input are multiplied by its weights (by radix-4
    Booth encoding if `booth`, two bits per cycle), products are summed over the inputs by a tree of
    ripple-carry adders that grow with their sums, and accumulated in `accumulator_bits`.  `summing:
    weight_bits` has a tree for each bit of a weight and adds their sums, `accumulating: products` an
    accumulator for each product before the tree.  `pipeline` says where registers cut the way.
    `cells_per_multiplier` cells share a multiplier, one of them at work; a cell drives it statically and
    takes no energy in a cycle.  `macros_per_input` macros share an input register.  `other` are circuits
    of each macro that rest (for other number formats): area only.
    """

    node_m: Annotated[float, Quantity("m", minimum=7e-9, maximum=130e-9)]
    macros: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)] = 1
    inputs: Annotated[int, Quantity(integer=True, minimum=2, maximum=65536)]
    outputs: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)]
    weight_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    input_bits_per_cycle: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    cells_per_multiplier: Annotated[int, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    macros_per_input: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)] = 1
    booth: bool = False
    summing: Summing = "words"
    accumulating: Accumulating = "sums"
    pipeline: Pipeline = "none"
    accumulator_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=64)]
    threshold_v: Annotated[float, Quantity("V", minimum=0)]
    other: Logic = Field(default_factory=Logic)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.booth and (self.input_bits_per_cycle != _BOOTH_BITS or self.summing != "words"):
            raise ValueError(
                "booth encoding takes two input bits per cycle and whole weights: state "
                f"`input_bits_per_cycle: {_BOOTH_BITS}` and `summing: words`, or `booth: false`"
            )
        if self.pipeline == "weight_bits" and self.summing != "weight_bits":
            raise ValueError(
                "a pipeline behind sums of weight bits needs `summing: weight_bits`; "
                f"found `summing: {self.summing}`"
            )
        if self.summing == "weight_bits" and self.accumulating == "products":
            raise ValueError(
                "products of single weight bits are not accumulated one by one: state "
                "`summing: words` or `accumulating: sums`"
            )
        return self

    @model_validator(mode="after")
    def _wide_enough(self) -> Self:
        found = self._structure(AdderTiming(0.0, 0.0, 0.0), RANDOM)
        summand = found.product if self.accumulating == "products" else found.total
        if self.accumulator_bits < summand.word.width:
            raise ValueError(
                f"an accumulator of {self.accumulator_bits} bits is narrower than the "
                f"{summand.word.width} bits that are added in a cycle; widen `accumulator_bits`"
            )
        return self

    @property
    def columns(self) -> int:
        """Trees per output."""
        return self.weight_bits if self.summing == "weight_bits" else 1

    @property
    def operations(self) -> float:
        """Operations of all macros per input vector; a multiply-accumulate is two."""
        return 2.0 * self.inputs * self.outputs * self.macros

    def cycles(self, input_bits: int) -> int:
        """Cycles per input vector."""
        return ceil(input_bits / self.input_bits_per_cycle)

    def period_s(self, supply_v: float) -> float:
        """Least clock period: a register, and the slowest stage between registers.

        Carries ripple through the levels of the tree at the same time.  The gate of a product, wires
        and clock skew are not counted.  Raises `ValueError` at or below the threshold.
        """
        timing = adder_timing(self.node_m, supply_v, self.threshold_v)
        return timing.register_s + self._structure(timing, RANDOM).stage_s

    def energy_j(
        self, input_bits: int, supply_v: float, input_toggle: float, weight_ones: float
    ) -> Mapping[str, float]:
        """Energy of all macros per input vector, by component.

        `input_toggle` is the probability that a bit of an input differs from the one in the cycle
        before, `weight_ones` the share of ones in the bits of weights.
        """
        node = self.node_m
        timing = adder_timing(node, supply_v, self.threshold_v)
        bit = self._product_bit(input_toggle, weight_ones)
        found = self._structure(timing, bit)
        adder, register = (of(node, supply_v) for of in (full_adder_energy_j, flip_flop_energy_j))
        gate = gate_energy_j(node, supply_v)
        line_j = DRIVER_FACTOR * self._line_f * supply_v**2 / 2.0  # per transition
        bits = self.inputs * self.input_bits_per_cycle / self.macros_per_input
        per_output = {
            "multipliers": self._product_gates * gate * bit.toggle / RANDOM.toggle,
            "adders": self._random_adders(found) * adder,
            "accumulators": found.accumulators * self.accumulator_bits * adder,
            "registers": self._register_bits(found) * register,
        }
        per_cycle = {name: self.outputs * value for name, value in per_output.items()} | {
            "inputs": bits * register
            + self.inputs * self._encoder_gates * gate * input_toggle / RANDOM.toggle
            + self.inputs * self._lines * input_toggle * line_j
        }
        times = self.cycles(input_bits) * self.macros
        return {name: times * value for name, value in per_cycle.items()}

    def area_m2(self) -> Mapping[str, float]:
        """Area of all macros, by component."""
        node = self.node_m
        logic = self._logic_area_m2()
        bits = self.inputs * self.input_bits_per_cycle / self.macros_per_input
        encoders = self.inputs * self._encoder_gates * gate_area_m2(node)
        drivers = self.inputs * self._lines * driver_area_m2(self._line_f, node)
        inputs = bits * flip_flop_area_m2(node) + encoders + drivers
        return {name: self.macros * value for name, value in (logic | {"inputs": inputs}).items()}

    def _logic_area_m2(self) -> dict[str, float]:
        """Area of one macro without its inputs, by component."""
        node = self.node_m
        found = self._structure(AdderTiming(0.0, 0.0, 0.0), RANDOM)
        adder, register = full_adder_area_m2(node), flip_flop_area_m2(node)
        cells = self.inputs * self.outputs * self.weight_bits * self.cells_per_multiplier
        per_output = {
            "multipliers": self._product_gates * gate_area_m2(node),
            "adders": self._adders(found) * adder,
            "accumulators": found.accumulators * self.accumulator_bits * adder,
            "registers": self._register_bits(found) * register,
        }
        return {
            "cells": cells * memory_cell_area_m2(_CELL_TRANSISTORS, node),
            **{name: self.outputs * value for name, value in per_output.items()},
            "other": self.other.footprint_m2(node),
        }

    def _product_bit(self, input_toggle: float, weight_ones: float) -> Signal:
        """A bit of a product, of inputs that are one as often as not."""
        if self.booth:
            toggle = min(_BOOTH_TOGGLE * input_toggle, 2.0 * _BOOTH_ONES)
            return Signal(ones=_BOOTH_ONES, toggle=toggle)
        return Signal(ones=RANDOM.ones * weight_ones, toggle=input_toggle * weight_ones)

    def _structure(self, timing: AdderTiming, bit: Signal) -> _Structure:
        """Sums, stages and accumulators, for products of such bits."""
        product = self._product(timing, bit)
        summand = self._cut(product.word, "products")
        if self.accumulating == "products":
            held = self._accumulated(summand, timing)
            total = tree_sum(self.inputs, held, timing)
            stage_s = max(product.word.latest_s, total.word.latest_s)
            return _Structure(product, total, total, stage_s, self.inputs)
        column = tree_sum(self.inputs, summand, timing)
        total = weighted_sum(self.columns, self._cut(column.word, "weight_bits"), timing)
        held = self._accumulated(total.word, timing)
        stage_s = max(word.latest_s for word in (product.word, column.word, held))
        return _Structure(product, column, total, stage_s, 1)

    def _accumulated(self, summand: Word, timing: AdderTiming) -> Word:
        """What an accumulator holds next; a carry out of it is never used."""
        maximum = (1 << self.accumulator_bits) - 1
        bits = add(Sum(uniform(maximum, RANDOM)), Sum(summand), 0, timing).word.bits
        late = tuple(replace(RANDOM, arrival_s=bit.arrival_s) for bit in bits)
        return Word(maximum, late[: self.accumulator_bits])

    def _product(self, timing: AdderTiming, bit: Signal) -> Sum:
        """The product of the bits of an input in a cycle with a weight, or with a bit of it."""
        if self.booth:
            return Sum(uniform((2 << self.weight_bits) - 1, bit))
        bits = self.weight_bits // self.columns
        return weighted_sum(self.input_bits_per_cycle, uniform((1 << bits) - 1, bit), timing)

    def _cut(self, word: Word, place: Pipeline) -> Word:
        return restarted(word) if self.pipeline == place else word

    def _adders(self, found: _Structure) -> int:
        """Full adders of one output, without accumulators."""
        products = self.inputs * self.columns * found.product.adders
        columns = 0 if self.accumulating == "products" else self.columns * found.column.adders
        return products + columns + found.total.adders

    def _random_adders(self, found: _Structure) -> float:
        """The same, counted as full adders with random operands."""
        products = self.inputs * self.columns * found.product.random_adders
        per_tree = 0.0 if self.accumulating == "products" else found.column.random_adders
        return products + self.columns * per_tree + found.total.random_adders

    def _register_bits(self, found: _Structure) -> float:
        """Bits of one output that are clocked in every cycle: accumulators and pipeline."""
        pipeline = {
            "none": 0,
            "products": self.inputs * self.columns * found.product.word.width,
            "weight_bits": self.columns * found.column.word.width,
        }[self.pipeline]
        # Accumulated products are summed behind their accumulators, into a register of the output.
        output = found.total.word.width if self.accumulating == "products" else 0
        return float(found.accumulators * self.accumulator_bits + pipeline + output)

    @property
    def _product_gates(self) -> float:
        """NAND2 equivalents of the multipliers of one output, without the adders in them."""
        if self.booth:
            return self.inputs * (self.weight_bits + 1) * _BOOTH_GATES
        return self.inputs * self.input_bits_per_cycle * self.weight_bits * _AND_GATES

    @property
    def _encoder_gates(self) -> float:
        return _ENCODER_GATES if self.booth else 0.0

    @property
    def _lines(self) -> int:
        """Lines that carry one input to all outputs."""
        return _BOOTH_LINES if self.booth else self.input_bits_per_cycle

    @property
    def _line_f(self) -> float:
        """Load of such a line: gates of the multipliers, and a wire as long as the macro is wide."""
        gates = _GATE_TERMINALS * self.outputs * (self.weight_bits + self.booth)
        width_m = sqrt(sum(self._logic_area_m2().values()))
        return gates * terminal_capacitance_f(self.node_m) + WIRE_F_PER_M * width_m
