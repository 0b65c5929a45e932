"""Space in the activation buffer: how many samples may be on their way, and what spills.

Outputs that the next tasks have not taken yet take space from the start of the task that makes them to
the end of the last one that takes them.  They come first; what is saved for the backward pass, or waits
for the minibatch, has the rest of the buffer, and spills to DRAM as in `archsim.simulation.memory`.

Samples are admitted only while those on their way leave space (a window), so nothing inside ever
waits for space that only later samples could free: there is no deadlock.  How many that are is found
from the schedule itself: it starts from as many as are wanted, and as long as what they have on their
way at once exceeds the buffer, fewer are let in.  What a single sample has on its way beyond the whole
buffer goes to DRAM and back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone, stack
from archsim.simulation.columns import TaskCosts
from archsim.simulation.estimate import Estimate
from archsim.simulation.memory import Memory, add_spills, memory, queue_edges
from archsim.simulation.program import IntArray
from archsim.simulation.round_trips import LARGE, waiting_for_dram, waits_for_dram

DRAM = "dram"
# Bits that no step keeps.
_PLENTY = 1e30
# Of the samples that a pipeline without queues has on their way, one works and one waits at each
# place: with fewer, every queue would empty the units behind it.
DOUBLE_BUFFERING = 2
# First guess of what is on its way at once, over its mean: a guess too low costs another simulation.
# Close ones cost more simulations, and let less spill.
_MARGIN = 1.5
_CLOSE = 1.02
# Outputs of several samples that are large one by one may take this part of the buffer together.
_SHARE_OF_LARGE = 0.25
# Where too much waits, it is reduced to this part of the buffer: every round is a simulation.
_SPARING = 0.9


@dataclass(frozen=True, slots=True)
class Demand:
    """What a step asks of the activation buffer, in bits.

    `whole` is what the buffers hold, `room` what the digital state of the update algorithm leaves of
    it, `minibatch` is kept for all samples, `saved` [S] by each sample on its way through a segment, and `passing` [T] is the output of
    a task that waits in queues, which the tasks `taken_by` take (pairs of task and taker).  Outputs of more
    than `largest_bits` pass through DRAM instead (`archsim.simulation.round_trips`).
    """

    whole: float
    room: float
    minibatch: float
    saved: FloatArray
    passing: FloatArray
    taken_by: tuple[IntArray, IntArray]
    largest_bits: float

    def takers(self, task: int) -> tuple[int, ...]:
        """The tasks that take what `task` hands on."""
        return tuple(self.taken_by[1][self.taken_by[0] == task].tolist())


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that waits in queues at once, in bits, and of how many samples' outputs of which tasks.

    `tasks` are the program's, `samples` one for each of them.
    """

    bits: float
    tasks: IntArray
    samples: IntArray


@dataclass(frozen=True, slots=True)
class Space:
    """How the activation buffer is shared in one step.

    `samples` may be on their way in each of S segments (at least one), `queue_bits` are kept for what
    they have on their way.  `spilled_share` is the part of what is saved that goes to DRAM,
    `overflow_share` that of what is on its way.  `outputs` bounds for how many samples the output of
    single tasks may wait at once: (task, samples).
    """

    samples: tuple[int, ...]
    queue_bits: float
    spilled_share: float
    overflow_share: float = 0.0
    outputs: tuple[tuple[int, int], ...] = ()


def demand(
    priced: Estimate, architecture: Architecture, largest_bits: float | None = None
) -> Demand:
    """The demand of the first configuration of `priced`, which is `architecture`.

    Outputs of more than `largest_bits`, by default as in `priced`, do not wait in the buffer.
    """
    largest = float(priced.largest_bits[0]) if largest_bits is None else largest_bits
    program, segments = priced.program, priced.timeline.segments
    kept = _kept(priced, architecture)
    capacity = lone(architecture.activation_buffer.capacity_bit)
    state = float(priced.state.bits[0] * (1.0 - priced.state.off_chip_share[0]))
    edges = np.flatnonzero(queue_edges(program, segments))
    source, target = program.edge_from[edges], program.edge_to[edges]
    width = lone(architecture.numbers.activation_bits)
    passing = np.zeros(program.size)
    passing[source] = program.output_elements[source] * width
    whole = capacity * float(priced.mapping.chips[0])
    passing[passing > largest] = 0.0
    return Demand(
        whole=whole,
        room=whole - state,
        minibatch=float(kept.minibatch_bits[0]),
        saved=kept.sample_bits[0],
        passing=passing,
        taken_by=(source, target),
        largest_bits=largest,
    )


def first_space(
    priced: Estimate, architecture: Architecture, asked: Demand, *, sparing: bool = True
) -> Space:
    """All samples that are wanted, and a guess of what they have on their way.

    Two are wanted for each place of a pipeline, the minibatch between barriers if it fits; if
    `sparing`, no more than suffice for a pipeline without gaps where others would make something
    spill.
    """
    policy, batch = architecture.schedule, int(priced.batch[0])
    barriers = policy.batchnorm == "batch" and bool(priced.program.barrier.any())
    mean = _mean_bits(priced, asked)
    peak = float(asked.passing.max(initial=0.0))
    samples, queue = [], 0.0
    for s in range(priced.timeline.segments.count):
        live = _live(priced, s) if policy.mode == "pipelined" else 1
        held = float(asked.saved[s]) + _MARGIN * float(mean[s])
        left = asked.room - asked.minibatch - peak
        fitting = max(math.floor(left / held), 0) if held else batch
        wanted = min(DOUBLE_BUFFERING * live, batch) if policy.mode == "pipelined" else 1
        if barriers and policy.mode == "pipelined" and fitting >= batch:
            wanted = batch
        elif fitting >= live and sparing:
            wanted = min(wanted, fitting)
        samples.append(wanted)
        queue = max(queue, _MARGIN * wanted * float(mean[s]) + peak)
    queue = min(queue, asked.room)
    share = max(_spilled(asked, samples, queue), float(priced.spilled_share[0]))
    return Space(tuple(samples), queue, share, outputs=_large_outputs(priced, asked, samples))


def wanted_samples(priced: Estimate, architecture: Architecture, asked: Demand) -> tuple[int, ...]:
    """How many samples would be let into each segment if the buffer had room for all of them."""
    return first_space(priced, architecture, replace(asked, room=_PLENTY)).samples


def fewer(asked: Demand, first: Space, most: int) -> Space:
    """`first`, which a step begins with, for at most `most` samples on their way in each segment."""
    samples = tuple(min(wanted, most) for wanted in first.samples)
    share = _spilled(asked, samples, 0.0)
    return replace(first, samples=samples, queue_bits=0.0, spilled_share=share)


def without_queues(asked: Demand, space: Space, most: int) -> Space:
    """The least that spills with at most `most` samples on their way: nothing waits in queues."""
    return replace(fewer(asked, space, most), overflow_share=0.0)


def _large_outputs(
    priced: Estimate, asked: Demand, samples: list[int]
) -> tuple[tuple[int, int], ...]:
    """Outputs of which a few would fill the buffer, and more samples are on their way."""
    segment = priced.timeline.segments.segment
    filling = asked.passing > LARGE * asked.room
    return tuple(
        (task, max(math.floor(_SHARE_OF_LARGE * asked.room / float(asked.passing[task])), 1))
        for task in np.flatnonzero(filling).tolist()
        if samples[segment[task]] < int(priced.batch[0])
    )


def next_space(
    asked: Demand, space: Space, peak: Peak, segment: IntArray, *, afresh: bool
) -> Space | None:
    """Another division where `peak` was on its way at once, None if that is within `space`.

    `segment` [T] is that of each task.  `afresh`: where less is let in, what spills is found anew, in
    more steps than where all of the buffer is kept for queues from then on.
    """
    held = (asked.minibatch + _saved(asked, space.samples)) * (1.0 - space.spilled_share)
    if held + peak.bits * (1.0 - space.overflow_share) <= asked.room * (1.0 + 1e-9):
        return None
    if peak.bits > asked.room:
        narrow = _narrower(asked, space, peak, segment)
        if afresh and narrow.overflow_share == space.overflow_share:
            share = _spilled(asked, narrow.samples, 0.0)
            narrow = replace(narrow, queue_bits=0.0, spilled_share=share)
        return narrow
    margin = _CLOSE if afresh else _MARGIN
    queue = min(margin * max(peak.bits, space.queue_bits), asked.room)
    share = max(_spilled(asked, space.samples, queue), space.spilled_share)
    return replace(space, queue_bits=queue, spilled_share=share)


def _narrower(asked: Demand, space: Space, peak: Peak, segment: IntArray) -> Space:
    """Less on its way: of the outputs that take most, else fewer samples, else less on the chip."""
    share = _spilled(asked, space.samples, asked.room)
    space = replace(space, queue_bits=asked.room, spilled_share=share)
    outputs = {**dict(space.outputs), **_bounded(asked, peak)}
    if outputs != dict(space.outputs):
        return replace(space, outputs=tuple(sorted(outputs.items())))
    samples = list(space.samples)
    fewer = [s for s in np.unique(segment[peak.tasks]).tolist() if samples[s] > 1]
    for s in fewer:
        fitting = math.floor(samples[s] * _SPARING * asked.room / peak.bits)
        samples[s] = max(min(fitting, samples[s] - 1), 1)
    if fewer:
        return replace(space, samples=tuple(samples))
    return replace(space, overflow_share=max(space.overflow_share, 1.0 - asked.room / peak.bits))


def _bounded(asked: Demand, peak: Peak) -> dict[int, int]:
    """For how many samples outputs may wait, so that those of the peak fit with some to spare."""
    fitting = _SPARING * asked.room / peak.bits
    counts = np.maximum(np.floor(peak.samples * fitting), 1.0)
    large = asked.passing[peak.tasks] * peak.samples >= LARGE * asked.room
    changed = np.flatnonzero((counts < peak.samples) & large)
    return {int(peak.tasks[n]): int(counts[n]) for n in changed}


def with_spills(
    costs: TaskCosts, priced: Estimate, architecture: Architecture, asked: Demand, space: Space
) -> TaskCosts:
    """`costs`, which have the spills of `priced`, with those of `space`."""
    kept = _kept(priced, architecture)
    more = np.array([space.spilled_share - float(priced.spilled_share[0])])
    spilled = add_spills(costs, architecture, replace(kept, spilled_share=more))
    over = replace(
        kept,
        traffic_bits=2.0 * asked.passing[None, :],
        spilled_share=np.array([space.overflow_share]),
    )
    found = add_spills(spilled, architecture, over)
    if space.overflow_share:
        found = _fetched(found, priced, architecture, asked)
    if more[0] >= 0.0:
        return found
    # Less than `priced` spills: what is taken back leaves no rests below zero.
    energy = {**found.energy_j, DRAM: np.maximum(found.energy_j[DRAM], 0.0)}
    shared = {**found.shared_s, DRAM: np.maximum(found.shared_s[DRAM], 0.0)}
    transfer_s = np.maximum(found.transfer_s, 0.0)
    return replace(found, transfer_s=transfer_s, shared_s=shared, energy_j=energy)


def _fetched(
    costs: TaskCosts, priced: Estimate, architecture: Architecture, asked: Demand
) -> TaskCosts:
    """The costs with a way to DRAM and back for all that waits in queues, besides what has it already."""
    waits = np.zeros((1, priced.program.size), dtype=bool)
    waits[0, asked.taken_by[1]] = True
    segments, largest = priced.timeline.segments, np.array([asked.largest_bits])
    already = waits_for_dram(priced.program, architecture, segments, largest)
    if already is not None:
        waits &= ~already
    return waiting_for_dram(costs, architecture, waits)


def _saved(asked: Demand, samples: Sequence[int]) -> float:
    """The most that samples on their way save, besides what waits for the minibatch."""
    return float((np.array(samples) * asked.saved).max(initial=0.0))


def _spilled(asked: Demand, samples: Sequence[int], queue_bits: float) -> float:
    """Share of what is saved that does not fit beside `queue_bits`."""
    kept = asked.minibatch + _saved(asked, samples)
    return min(max(kept + queue_bits - asked.room, 0.0) / kept, 1.0) if kept else 0.0


def _kept(priced: Estimate, architecture: Architecture) -> Memory:
    batch, chips = priced.batch[:1, None], priced.mapping.chips[:1]
    return memory(priced.program, stack([architecture]), priced.timeline, batch, chips)


def _live(priced: Estimate, segment: int) -> int:
    """Samples that a pipeline without queues has on their way in a segment."""
    timeline = priced.timeline
    waited_s = timeline.wake_s[0, segment] + timeline.writing_s[0, segment]
    latency_s = float(timeline.latency_s[0, segment] - waited_s)
    interval_s = float(timeline.bottleneck_s[0, segment])
    if timeline.segments.per_step[segment] or latency_s <= 0 or interval_s <= 0:
        return 1
    return min(max(math.ceil(latency_s / interval_s), 1), int(priced.batch[0]))


def _mean_bits(priced: Estimate, asked: Demand) -> FloatArray:
    """What one sample has on its way in each segment, in the mean over its time there, [S]."""
    timeline = priced.timeline
    finish = timeline.finish_s[0]
    start = finish - (priced.costs.main_s + priced.costs.transfer_s)[0]
    until = finish.copy()
    np.maximum.at(until, asked.taken_by[0], finish[asked.taken_by[1]])
    held = np.zeros(timeline.segments.count)
    np.add.at(held, timeline.segments.segment, asked.passing * (until - start))
    latency_s = timeline.latency_s[0] - timeline.writing_s[0]
    latency_s = np.maximum(latency_s, np.finfo(np.float64).tiny)
    return np.asarray(held / latency_s)
