"""Adders and multipliers from published tables: energy, area and cycles by precision.

Energies: references `mac.h_*` (45 nm) and `mac.t_*` (7 nm), interpolated linearly in the logarithms of
energy and node.  Areas: reference `mac.h_area` (45 nm), scaled to the node by `stillmaker.area`.
bfloat16 is published at 7 nm only, in energy; at 45 nm, and in area, it is taken to be to fp16 what
its energy is at 7 nm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.digital.scaling import area_ratio, energy_ratio, nominal_supply_v

Precision: TypeAlias = Literal["int8", "int32", "fp16", "bf16", "fp32"]


class _Published(NamedTuple):
    """Energy in pJ of one addition and one multiplication at 45 and at 7 nm, areas in um^2 at 45 nm.

    `bits` is the width of a number, `digits` that of its integer or significand, with hidden bit.
    """

    add_45: float
    add_7: float
    mul_45: float
    mul_7: float
    add_um2: float
    mul_um2: float
    bits: int
    digits: int


_BF16_ADD, _BF16_MUL = 0.11 / 0.16, 0.21 / 0.34
TABLE: dict[Precision, _Published] = {
    "int8": _Published(0.03, 0.007, 0.2, 0.07, 36, 282, 8, 8),
    "int32": _Published(0.1, 0.03, 3.1, 1.48, 137, 3495, 32, 32),
    "fp16": _Published(0.4, 0.16, 1.1, 0.34, 1360, 1640, 16, 11),
    "bf16": _Published(
        0.4 * _BF16_ADD, 0.11, 1.1 * _BF16_MUL, 0.21, 1360 * _BF16_ADD, 1640 * _BF16_MUL, 16, 8
    ),
    "fp32": _Published(0.9, 0.38, 3.7, 1.31, 4184, 7700, 32, 24),
}
_LOG_NODES = (np.log(7.0), np.log(45.0))
_AREA_NODE_M = 45e-9
# Rounding takes a guard and a round digit.
_GUARD_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One adder and one multiplier at a node and supply (the node's nominal one if None)."""

    precision: Precision
    node_m: Scalar
    supply_v: Scalar | None = None

    @property
    def add_j(self) -> Scalar:
        """Energy of an addition."""
        published = TABLE[self.precision]
        return self._volts() * _between(self.node_m, published.add_45, published.add_7)

    @property
    def mul_j(self) -> Scalar:
        """Energy of a multiplication."""
        published = TABLE[self.precision]
        return self._volts() * _between(self.node_m, published.mul_45, published.mul_7)

    @property
    def add_m2(self) -> Scalar:
        """Area of an adder."""
        ratio = area_ratio(_AREA_NODE_M, self.node_m)
        return TABLE[self.precision].add_um2 * 1e-12 * ratio

    @property
    def mul_m2(self) -> Scalar:
        """Area of a multiplier."""
        ratio = area_ratio(_AREA_NODE_M, self.node_m)
        return TABLE[self.precision].mul_um2 * 1e-12 * ratio

    def _volts(self) -> Scalar:
        """Energy at the supply over that at the node's nominal one."""
        if self.supply_v is None:
            return 1.0
        nominal = nominal_supply_v(self.node_m)
        return energy_ratio(self.node_m, nominal, self.node_m, self.supply_v)


def _between(node_m: Scalar, at_45: float, at_7: float) -> Scalar:
    log_nm = np.log(np.asarray(node_m, dtype=np.float64) * 1e9)
    return np.exp(np.interp(log_nm, _LOG_NODES, (np.log(at_7), np.log(at_45)))) * 1e-12


def entered(name: str, value: Scalar | None) -> Scalar:
    """A value that a validated unit holds if it has no table."""
    if value is None:
        raise ValueError(f"{name} is neither given nor in a table")
    return value


def digit_recurrence_cycles(precision: Precision, radix: int) -> int:
    """Cycles of a division or square root that retires log2(radix) digits in each.

    One cycle per group of digits of quotient or root with two guard digits, and one to normalise
    and round: the digit recurrence of M. Ercegovac and T. Lang, Digital Arithmetic (2004), chapter
    5, reference `digital.srt`.  `radix` is a power of two from 2 to 16.
    """
    digits = TABLE[precision].digits + _GUARD_DIGITS
    return -(-digits // (radix.bit_length() - 1)) + 1
