"""Sums of many words by ripple-carry adders: their number, what they switch, when bits arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

from archsim.hardware.macro.adder_timing import AdderTiming

# Inputs of a full adder, and how many of them change from cycle to cycle if all are random bits.
_INPUTS = 3
_RANDOM_CHANGES = 0.5 * _INPUTS


@dataclass(frozen=True, slots=True)
class Signal:
    """One bit: how long after the clock edge it is valid, how often it is one, how often it changes.

    `ones` is the probability of a one, `toggle` that of another value in the next cycle; `toggle` is at
    most twice the smaller of `ones` and 1 - `ones`.
    """

    arrival_s: float = 0.0
    ones: float = 0.0
    toggle: float = 0.0


ZERO = Signal()
RANDOM = Signal(ones=0.5, toggle=0.5)


@dataclass(frozen=True, slots=True)
class Word:
    """A number of 0 to `maximum` (>= 1) by its bits, lowest first: as many as `maximum` has."""

    maximum: int
    bits: tuple[Signal, ...]

    @property
    def width(self) -> int:
        """Number of bits."""
        return len(self.bits)

    @property
    def latest_s(self) -> float:
        """When its last bit is valid."""
        return max(bit.arrival_s for bit in self.bits)


@dataclass(frozen=True, slots=True)
class Sum:
    """A word, the full adders behind it, and as how many with random inputs they switch."""

    word: Word
    adders: int = 0
    random_adders: float = 0.0


def uniform(maximum: int, bit: Signal) -> Word:
    """A word of equal bits."""
    return Word(maximum, (bit,) * maximum.bit_length())


def restarted(word: Word) -> Word:
    """The same word behind a register."""
    return Word(word.maximum, tuple(replace(bit, arrival_s=0.0) for bit in word.bits))


def full_adder(inputs: tuple[Signal, Signal, Signal], timing: AdderTiming) -> tuple[Signal, Signal]:
    """Sum and carry of three bits that are independent of each other.

    Signal and transition probabilities follow from those of the inputs in two successive cycles (Najm,
    IEEE Trans. CAD 12:310, 1993); glitches within a cycle are not counted.
    """
    ready_s = max(bit.arrival_s for bit in inputs)
    sum_ones = sum_toggle = carry_ones = carry_toggle = 0.0
    for states in product(_STATES, repeat=_INPUTS):
        share = 1.0
        for bit, state in zip(inputs, states, strict=True):
            share *= _share(bit, state)
        now, later = (sum(state[cycle] for state in states) for cycle in (0, 1))
        sum_ones += share * (now % 2)
        sum_toggle += share * (now % 2 != later % 2)
        carry_ones += share * (now // 2)
        carry_toggle += share * (now // 2 != later // 2)
    return (
        Signal(ready_s + timing.sum_s, sum_ones, sum_toggle),
        Signal(ready_s + timing.carry_s, carry_ones, carry_toggle),
    )


# A bit in two successive cycles.
_STATES = tuple(product((0, 1), repeat=2))


def _share(bit: Signal, state: tuple[int, ...]) -> float:
    """Probability of a bit's values in two successive cycles."""
    half = bit.toggle / 2.0
    now, later = state
    if now != later:
        return half
    return bit.ones - half if now else 1.0 - bit.ones - half


def add(low: Sum, high: Sum, shift: int, timing: AdderTiming) -> Sum:
    """low + high * 2^shift; bits of `low` below `shift` pass by the adder.

    A full adder switches in proportion to how many of its three inputs change.
    """
    below, above = low.word, high.word
    maximum = below.maximum + (above.maximum << shift)
    adders, random_adders = low.adders + high.adders, low.random_adders + high.random_adders
    if shift >= below.width:
        between = (ZERO,) * (shift - below.width)
        return Sum(Word(maximum, below.bits + between + above.bits), adders, random_adders)
    bits, carry = list(below.bits[:shift]), ZERO
    for position in range(shift, max(below.width, shift + above.width)):
        inputs = (_bit(below, position), _bit(above, position - shift), carry)
        total, carry = full_adder(inputs, timing)
        bits.append(total)
        adders += 1
        random_adders += sum(bit.toggle for bit in inputs) / _RANDOM_CHANGES
    if maximum.bit_length() > len(bits):
        bits.append(carry)
    return Sum(Word(maximum, tuple(bits)), adders, random_adders)


def _bit(word: Word, position: int) -> Signal:
    """A bit of a word, or none above it."""
    return word.bits[position] if position < word.width else ZERO


def tree_sum(count: int, word: Word, timing: AdderTiming) -> Sum:
    """The sum of `count` equal words by a balanced tree.

    n words of 0 to 2^w - 1 take n (w + 1) - (w + 1 + log2(n)) full adders, if n is a power of two.
    """
    return _balanced(count, Sum(word), lambda _: 0, timing)


def weighted_sum(count: int, word: Word, timing: AdderTiming) -> Sum:
    """The sum of `count` equal words, each one place above the one before."""
    return _balanced(count, Sum(word), lambda below: below, timing)


def _balanced(count: int, leaf: Sum, shift: Callable[[int], int], timing: AdderTiming) -> Sum:
    """Halves first; `shift` is the place of the upper half above so many leaves."""
    known = {1: leaf}

    def of(leaves: int) -> Sum:
        if leaves not in known:
            below = (leaves + 1) // 2
            known[leaves] = add(of(below), of(leaves - below), shift(below), timing)
        return known[leaves]

    return of(count)
