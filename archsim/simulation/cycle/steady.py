"""Recognition of a steady state: what follows equal states is equal.

After each sample's last task the whole state of the event loop (coming events, partly satisfied
instances, when resources are free) is compared with an earlier one, relative to the current tick
and sample.  If they are equal, everything in between repeats, shifted by the same time and the same
number of samples, for as long as no event concerns a sample that does not exist: the loop is
deterministic and all samples are alike.  So the repetition is exact, not an approximation.

One state is kept, and replaced whenever the number of samples has doubled (Brent's method): that
finds every period within three times the samples after which it is there.  Pipelines with many
samples in flight and unequal stages often never repeat; then this costs next to nothing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from archsim.simulation.cycle.events import Layout, Waiting
    from archsim.simulation.cycle.pools import Pool

_State: TypeAlias = tuple[object, ...]

_TASKS_PER_LOOK = 64


@dataclass(frozen=True, slots=True)
class _Kept:
    """An earlier state, when it was, and how much had been claimed by then."""

    outline: tuple[int, int, int]
    state: _State
    now: int
    sample: int
    lengths: list[int]


class Watch:
    """Compares states, and repeats what lies between two equal ones."""

    def __init__(self, layout: Layout, waiting: Waiting, heap: list[int]) -> None:
        self.layout, self.waiting, self.heap = layout, waiting, heap
        self.kept: _Kept | None = None
        self.repeated = 0
        # Small components are stepped as fast as they are compared, so they are compared less often.
        self.stride = max(1, _TASKS_PER_LOOK // len(layout.finishes))
        # Inputs from outside do not move with the samples: no two states are equal before the last.
        self.settled = max((values[-1] for values in layout.component.base if values), default=0)

    def look(self, now: int, sample: int) -> bool:
        """Compare the state after the last task of `sample`; says whether to go on comparing."""
        if now < self.settled or sample % self.stride:
            return True
        kept, heap = self.kept, self.heap
        shift = (now << self.layout.low_bits) + (sample << self.layout.task_bits)
        waiting = len(self.waiting.partial) + len(self.waiting.halves)
        outline = (len(heap), waiting, heap[0] - shift if heap else 0)
        if kept is not None and kept.outline == outline and kept.state == self._state(now, sample):
            period = sample - kept.sample
            # Claims of a period reach as far as the samples that its events are about.
            farthest = max(self._farthest(), *(len(ticks) - 1 for ticks in self.layout.finishes))
            times = (self.layout.component.samples - 1 - farthest) // period
            if times > 0:
                self._repeat(kept.lengths, now - kept.now, period, times)
            return False
        if kept is None or sample + 1 >= 2 * (kept.sample + 1):
            lengths = [len(ticks) for ticks in self.layout.finishes]
            self.kept = _Kept(outline, self._state(now, sample), now, sample, lengths)
        return True

    def _state(self, now: int, sample: int) -> _State:
        """All that decides what follows, relative to tick and sample.

        Resources free by now, and arrivals by now, are the same as at this very tick.
        """
        component, waiting = self.layout.component, self.waiting
        later = sample << self.layout.task_bits
        shift = (now << self.layout.low_bits) + later
        events = tuple(sorted(event - shift for event in self.heap))
        partial = tuple(
            sorted(
                (low - later, left, max(at - now, 0)) for low, (left, at) in waiting.partial.items()
            )
        )
        halves = tuple(
            sorted((low - later, max(at - now, 0)) for low, at in waiting.halves.items())
        )
        free = tuple(max(component.free[r] - now, 0) for r in component.used)
        pools = tuple(
            (
                pool.free,
                max(pool.last - now, 0),
                tuple(sorted((max(end - now, 0), units) for end, units in pool.releases)),
            )
            for pool in self._pools()
        )
        return (events, partial, halves, free, pools)

    def _pools(self) -> list[Pool]:
        """The resources of several units that the component uses."""
        component = self.layout.component
        return [component.pools[r] for r in component.used if r in component.pools]

    def _farthest(self) -> int:
        """The last sample that any coming event or partly satisfied instance is about."""
        layout = self.layout
        mask = (1 << layout.sample_bits) - 1
        lows = [*self.heap, *self.waiting.partial, *self.waiting.halves]
        return max(((low >> layout.task_bits & mask) - 1 for low in lows), default=0)

    def _repeat(self, before: list[int], ticks: int, period: int, times: int) -> None:
        """Append `times` repetitions of what was claimed since `before`, and shift the state."""
        layout, component = self.layout, self.layout.component
        shifts = np.arange(1, times + 1, dtype=np.int64)[:, None] * ticks
        for starts, finishes, since in zip(layout.starts, layout.finishes, before, strict=True):
            for recorded in (finishes,) if starts is None else (starts, finishes):
                latest = np.array(recorded[since:], dtype=np.int64)
                recorded.frombytes((latest + shifts).tobytes())
        self.repeated = period * times * len(before)
        later, further = ticks * times, period * times
        moved = further << layout.task_bits
        self.heap[:] = [event + (later << layout.low_bits) + moved for event in self.heap]
        heapq.heapify(self.heap)
        waiting = self.waiting
        partial = {low + moved: (left, at + later) for low, (left, at) in waiting.partial.items()}
        halves = {low + moved: at + later for low, at in waiting.halves.items()}
        # The event loop holds on to these very maps.
        waiting.partial.clear()
        waiting.partial.update(partial)
        waiting.halves.clear()
        waiting.halves.update(halves)
        for resource in component.used:
            component.free[resource] += later
        for pool in self._pools():
            pool.last += later
            pool.releases[:] = [(end + later, units) for end, units in pool.releases]
