"""How many samples a pipeline has in flight where what all of them save does not fit on the chip.

A pipeline without gaps has as many samples on their way as it takes intervals to pass it.  With fewer,
`n`, one follows another after the n-th part of its latency.  What spills then is less, and may be nothing.
So where it spills, several numbers are priced, and for each configuration the fastest is taken: as many as
fit, powers of two, and a single one, which is as fast as one sample after the other.  Never are there more
than the buffer has space for what they have in queues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from archsim.fields import FloatArray, Scalar
from archsim.simulation.analytic import Timeline, followed_s
from archsim.simulation.memory import Memory
from archsim.simulation.program import BoolArray
from archsim.simulation.round_trips import LARGE


class Timed(Protocol):
    """What is chosen by its time."""

    @property
    def timeline(self) -> Timeline:
        """The schedule of a step."""
        ...


# What shortens the step by a smaller part is no reason to price it again.
_LEAST_GAIN = 1e-6

T = TypeVar("T", bound=Timed)


def fastest_in_flight(
    draft: Timeline,
    kept: Memory,
    most: FloatArray | None,
    dram_bit_per_s: Scalar,
    price: Callable[[Memory, FloatArray | None], T],
) -> T:
    """The fastest of what `price` makes of what is kept and of how many samples are in flight.

    `draft` is the schedule without spills, with as many samples in flight as `kept` has.  `most` [C, S] is
    for how many samples there is space in queues (None: for all); `price` takes bounds of that shape
    or [C, 1], None where there are none.  `dram_bit_per_s` is the rate of what spills.
    """
    start = kept.samples
    if most is not None:
        start = np.minimum(start, most.max(axis=1))

    def priced(samples: FloatArray) -> T:
        return price(_keeping(kept, samples), _bounds(kept, samples, most))

    best = priced(start)
    sample_bits = kept.sample_bits.sum(axis=1)
    spills = (_keeping(kept, start).spilled_share > 0) & (sample_bits > 0) & (start > 1)
    if not spills.any():
        return best
    chosen, least_s = start, best.timeline.makespan_s
    bound = _Bound(draft, kept, _keeping(kept, start).spilled_share, least_s, dram_bit_per_s)
    for number in _numbers(kept, sample_bits):
        tried = np.where(spills, np.minimum(number, start), start)
        enough_s = (1.0 - _LEAST_GAIN) * least_s
        worth = (tried < start) & (bound.least_s(tried) < enough_s)
        if not worth.any():
            continue
        tried = np.where(worth, tried, start)
        other = priced(tried)
        faster = worth & (other.timeline.makespan_s < least_s)
        least_s = np.where(faster, other.timeline.makespan_s, least_s)
        chosen = np.where(faster, tried, chosen)
        if faster.all():
            best = other
    # Of several configurations each may have another number.
    return best if (best.timeline.makespan_s == least_s).all() else priced(chosen)


def fastest_outputs(
    whole_bits: FloatArray, price: Callable[[FloatArray], tuple[T, BoolArray]]
) -> T:
    """The faster of two ways for outputs that are a large part of the buffer, for each configuration.

    `price` takes the largest output that waits on the chip, [C] bits, and says where what waits bounds the
    samples in flight, [C].  There, large outputs may pass through DRAM like those that exceed the buffer,
    which has `whole_bits` [C].
    """
    waiting, bound = price(whole_bits)
    if not bound.any():
        return waiting
    part_bits = np.where(bound, LARGE * whole_bits, whole_bits)
    passing, _ = price(part_bits)
    faster = passing.timeline.makespan_s < waiting.timeline.makespan_s
    if not faster.any():
        return waiting
    if (faster | ~bound).all():
        return passing
    return price(np.where(faster, part_bits, whole_bits))[0]


def _numbers(kept: Memory, sample_bits: FloatArray) -> Iterator[FloatArray]:
    """Numbers of samples to try, each [C]: those that fit, then more, then less, one last."""
    room = kept.capacity_bits - kept.minibatch_bits
    fitting = np.floor(room / np.maximum(sample_bits, 1.0))
    yield np.clip(fitting, 1.0, kept.samples)
    most = int(kept.samples.max(initial=1.0)) - 1
    for power in reversed(range(most.bit_length())):
        yield np.full_like(fitting, 2.0**power)


@dataclass(frozen=True, slots=True)
class _Bound:
    """Lower bounds of a step by how many samples are in flight.

    `draft` is the schedule without spills; with a share of `spilled_share` [C] the step takes `step_s` [C].
    """

    draft: Timeline
    kept: Memory
    spilled_share: FloatArray
    step_s: FloatArray
    dram_bit_per_s: Scalar

    def least_s(self, samples: FloatArray) -> FloatArray:
        """The least that the step takes with so many `samples` [C] in flight, [C].

        What it takes if nothing spills, and if something does, what it took less the time of the data
        that do not any more.
        """
        draft = self.draft
        waited_s = draft.wake_s + draft.writing_s
        interval_s = followed_s(draft.latency_s - waited_s, draft.bottleneck_s, samples[:, None])
        least_s = (draft.latency_s + (draft.samples - 1.0) * interval_s).sum(axis=1)
        share = _keeping(self.kept, samples).spilled_share
        # Without spills there may be room for the state of the update algorithm as well.
        repeats = draft.samples[:, draft.segments.segment]
        all_s = (self.kept.traffic_bits * repeats / self.dram_bit_per_s).sum(axis=1)
        spilling_s = self.step_s - (self.spilled_share - share) * all_s
        return np.asarray(np.where(share > 0.0, np.maximum(least_s, spilling_s), least_s))


def _keeping(kept: Memory, samples: FloatArray) -> Memory:
    """What is kept with so many `samples` [C] in flight."""
    stored = kept.minibatch_bits + kept.sample_bits.sum(axis=1) * samples
    stored = np.where(samples == kept.samples, kept.stored_bits, stored)
    excess = np.maximum(stored - kept.capacity_bits, 0.0)
    return replace(
        kept, stored_bits=stored, spilled_share=excess / np.maximum(stored, 1.0), samples=samples
    )


def _bounds(kept: Memory, samples: FloatArray, most: FloatArray | None) -> FloatArray | None:
    """Bounds on samples in flight where there are fewer than `kept` has, infinite elsewhere.

    [C, 1], or [C, S] if there is no space in queues for more than `most`.  None without any.
    """
    live = kept.samples[:, None]
    found = np.where(samples[:, None] < live, samples[:, None], np.inf)
    if most is not None:
        found = np.minimum(found, np.where(most < live, most, np.inf))
    return None if np.isinf(found).all() else found
