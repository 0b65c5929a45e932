"""How many samples are admitted at once: as many as make the step shortest.

More samples keep more units busy, but what they save takes space.  What does not fit goes to DRAM and
back, which may take longer than fewer samples do.  So where what spills could cost time, the step is
simulated with fewer samples too, from coarse to fine, and the shortest is taken.

Most numbers of samples need no simulation.  A sample follows the one that is as many before as are
admitted, so a step is no shorter than one sample's longest path times the rounds that makes.  And fewer samples
save no more time than DRAM is busy less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from archsim.simulation.cycle.fast import Progress
from archsim.simulation.cycle.settling import Settled, Step, lowered_with, settled
from archsim.simulation.cycle.space import (
    DRAM,
    Space,
    fewer,
    first_space,
    with_spills,
    without_queues,
)
from archsim.simulation.cycle.template import Template

# What shortens the step by a smaller part is no reason to simulate it again.
_LEAST_GAIN = 0.01
# Up to so many samples each number of them is tried, above that powers of two and then between them.
_EACH = 8
# Numbers of samples that are simulated beside the first, each once or a few times.
_MOST_TRIALS = 12


def admitted(step: Step, progress: Progress | None = None) -> Settled:
    """The shortest step over how many samples are admitted at once."""
    priced, architecture, asked = step.priced, step.architecture, step.asked
    spare, wide = (first_space(priced, architecture, asked, sparing=less) for less in (True, False))
    first = settled(step, spare, progress)
    if spare.samples == wide.samples:  # more than `first` has were tried and did not fit
        wide = replace(wide, samples=first.space.samples)
        if not first.space.spilled_share and not first.space.overflow_share:
            return first
    bound, enough_s = _Bound(step, first, wide), (1.0 - _LEAST_GAIN) * first.makespan_s
    numbers = range(1, bound.widest + 1)
    for least_s in (bound.apart_from_paths_s, bound.least_s):
        if min(map(least_s, numbers)) > enough_s:
            return first
    found: dict[int, Settled] = {}

    def time_s(most: int) -> float:
        space = fewer(asked, wide, most)
        found[most] = settled(step, space, progress, afresh=True)
        return found[most].makespan_s

    best = shortest(bound.widest, time_s, bound.least_s, first.makespan_s)
    return first if best is None else found[best]


def shortest(
    widest: int,
    time_s: Callable[[int], float],
    least_s: Callable[[int], float],
    known_s: float = math.inf,
) -> int | None:
    """The number in 1..`widest` of least `time_s`, of equals the largest; None if all take `known_s`.

    `least_s` is a lower bound of `time_s`.  Up to `_EACH` this is exact, above it as good as the largest
    between powers of two, for a time that first falls and then rises with the number.
    """
    coarse = set(range(1, widest + 1)) if widest <= _EACH else {*_powers_below(widest), widest}
    known: dict[int, float] = {}

    def attempt(candidates: set[int]) -> None:
        for most in sorted(candidates - set(known), key=lambda most: (least_s(most), -most)):
            if len(known) < _MOST_TRIALS and least_s(most) < min([known_s, *known.values()]):
                known[most] = time_s(most)

    attempt(coarse)
    points = set(coarse)
    while known:
        here = min(known, key=lambda most: (known[most], -most))
        below = max((p for p in points if p < here), default=here)
        above = min((p for p in points if p > here), default=here)
        between = {(below + here) // 2, (here + above) // 2} - points
        if not between:
            return here if known[here] < known_s else None
        attempt(between)
        points |= between
    return None


def _powers_below(widest: int) -> set[int]:
    return {2**n for n in range(widest.bit_length()) if 2**n < widest}


class _Bound:
    """Lower bounds of a step by how many samples are admitted, known from the step `first`.

    `wide` has as many samples as are wanted, `widest` is the most of all segments.
    """

    def __init__(self, step: Step, first: Settled, wide: Space) -> None:
        self.step, self.first, self.wide = step, first, wide
        self.widest = max(wide.samples)
        self.samples = int(step.priced.batch[0])
        self.dram_s = self._dram_s(1.0) - self._dram_s(0.0)
        self.busiest_s = _busiest_s(first.lowered.template)

    @cached_property
    def longest_s(self) -> float:
        """Seconds of the longest way of one sample between its admission and what admits another."""
        _, _, lowered = lowered_with(self.step, without_queues(self.step.asked, self.wide, 1))
        template = lowered.template
        return max((_longest(template, w.entry, w.exit) for w in template.windows), default=0.0)

    def apart_from_paths_s(self, most: int) -> float:
        """The least that the step takes with at most `most` samples, by how busy units are."""
        if most > max(self.first.space.samples):
            return self.busiest_s
        share = without_queues(self.step.asked, self.wide, most).spilled_share
        saved_s = (self.first.space.spilled_share - share) * self.dram_s
        return max(self.busiest_s, self.first.makespan_s - max(saved_s, 0.0))

    def least_s(self, most: int) -> float:
        """The least that the step takes with at most `most` samples on their way."""
        rounds = -(-self.samples // most)
        return max(rounds * self.longest_s, self.apart_from_paths_s(most))

    def _dram_s(self, share: float) -> float:
        """For how long DRAM is busy if `share` of what is saved goes there."""
        space = replace(self.first.space, spilled_share=share)
        step = self.step
        costs = with_spills(step.base, step.priced, step.architecture, step.asked, space)
        return float(costs.shared_s[DRAM].sum()) * self.samples


def _busiest_s(template: Template) -> float:
    """Seconds for which the busiest unit is, but DRAM, which has less to do where less spills."""
    names, holds = template.resources.names, template.holds
    busy = np.zeros(len(names))
    repeats = template.counts[holds.row] * holds.amount
    np.add.at(busy, holds.item, template.hold_ticks * repeats)
    busy /= template.resources.capacity
    others = [name.partition(":")[0] != DRAM for name in names]
    return float(busy[others].max(initial=0.0)) * template.tick_s


def _longest(template: Template, entry: int, leave: int) -> float:
    """Seconds of the longest chain of tasks of one sample from `entry` to `leave`."""
    own = template.duration.tolist()
    done = [-1] * template.size
    done[entry] = own[entry]
    edges = sorted(zip(template.target.tolist(), template.source.tolist(), strict=True))
    for target, source in edges:
        if done[source] >= 0 and not template.once[target]:
            done[target] = max(done[target], done[source] + own[target])
    return max(done[leave], 0) * template.tick_s
