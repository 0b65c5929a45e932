"""The analytic fidelity: steady state from fill and bottleneck, on the program's dataflow graph.

A minibatch barrier (normalisation by minibatch statistics, deferred updates, the optimizer) cuts
the step into segments; a segment starts when the one before has ended for all samples.  Within a
segment one sample takes

    L = max(longest path of task durations, largest occupancy of one resource),

and B samples take B * L when sequential, or L + (B - 1) * b when pipelined, where b is the largest
occupancy of one resource by one sample, or L / n if only n samples may be in flight and that is
longer.  The step is the sum over segments.  Contention on the way,
and overlap between neighbouring segments, are not modelled here.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray, Scalar
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.columns import CONVERTERS, TaskCosts
from archsim.simulation.program import IntArray, Program
from archsim.simulation.row_blocks import blocked_finish, row_blocks
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Segments:
    """The static structure of a schedule: who is in which segment, in which order.

    `segment` is [T].  Each entry of `waves` is (tasks, edge sources, offsets) for tasks of equal
    depth whose predecessors in the same segment are all in earlier waves.  `per_step` is [S].
    """

    segment: IntArray
    count: int
    per_step: NDArray[np.bool_]
    first: IntArray
    waves: tuple[tuple[IntArray, IntArray, IntArray], ...]


@dataclass(frozen=True, slots=True)
class Writing:
    """Arrays that are written anew within a step: what waits for it, and what it keeps busy.

    `waited_s` [C, S] is what each segment waits before it begins, `arrays_s` [C, M] how long the arrays of
    each matrix are taken in a step, `shared_s` [C] how long each unit that all share is.
    """

    waited_s: FloatArray
    arrays_s: FloatArray
    shared_s: MappingType[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times of a step for C configurations.

    `makespan_s` is [C]; `samples`, `latency_s` of the first sample, `interval_s` between
    samples and `bottleneck_s` are [C, S] per segment; `resource_s` is [C, R]
    busy time per step over `resources`; `bottleneck` [C, S] indexes `resources`.
    `finish_s` [C, T] is when one sample's task ends, counted from its segment's start.
    `wake_s` [C, S] is the part of `latency_s` in which arrays are switched on, `writing_s` [C, S]
    that in which they are written anew.
    """

    makespan_s: FloatArray
    latency_s: FloatArray
    interval_s: FloatArray
    bottleneck_s: FloatArray
    bottleneck: IntArray
    resources: tuple[str, ...]
    resource_s: FloatArray
    finish_s: FloatArray
    segments: Segments
    samples: FloatArray
    wake_s: FloatArray
    writing_s: FloatArray


def segment_tasks(
    program: Program, *, batch_barriers: bool, deferred: bool, phase: IntArray | None = None
) -> Segments:
    """Assign every task to a segment and order the tasks of each segment in waves.

    All tasks of a `phase` ([T], None: there is but one) come before all of the next; updates are
    deferred to its end.  With a single phase they follow from the program alone, and are kept.
    """
    if phase is not None:
        return _segmented(program, batch_barriers=batch_barriers, deferred=deferred, phase=phase)
    key = ("segments", batch_barriers, deferred)
    known = program.derived.get(key)
    if known is None:
        known = _segmented(program, batch_barriers=batch_barriers, deferred=deferred, phase=None)
        program.derived[key] = known
    found: Segments = known
    return found


def _segmented(
    program: Program, *, batch_barriers: bool, deferred: bool, phase: IntArray | None
) -> Segments:
    levels: list[int] = []
    rises = (program.barrier & batch_barriers).tolist()
    for sources, rise in zip(program.predecessors, rises, strict=True):
        levels.append(max((levels[p] for p in sources), default=0) + int(rise))
    segment = np.array(levels, dtype=np.intp)
    last = int(segment.max(initial=0))
    if deferred:
        updates = program.select(TaskKind.WEIGHT_GRADIENT)
        last += int(updates.size > 0)
        segment[updates] = last
    if phase is not None:
        _, segment = np.unique(phase * (last + 1) + segment, return_inverse=True)
        last = int(segment[~program.per_step].max(initial=0))
    per_step = np.flatnonzero(program.per_step)
    last += int(per_step.size > 0)
    segment[per_step] = last
    return _waves(segment, program.predecessors, program.per_step)


def _waves(
    segment: IntArray, predecessors: tuple[tuple[int, ...], ...], per_step: NDArray[np.bool_]
) -> Segments:
    depths: list[int] = []
    inside: list[list[int]] = []
    own = segment.tolist()
    for task, sources in enumerate(predecessors):
        kept = [p for p in sources if own[p] == own[task]]
        inside.append(kept)
        depths.append(1 + max((depths[p] for p in kept), default=-1))
    depth = np.array(depths, dtype=np.intp)
    order = np.argsort(depth, kind="stable")
    levels = np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)
    waves = []
    for tasks in levels[1:]:
        sizes = [len(inside[t]) for t in tasks]
        joined = np.array([p for t in tasks for p in inside[t]], dtype=np.intp)
        offsets = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        waves.append((tasks, joined, offsets))
    count = int(segment.max(initial=0)) + 1
    steps = np.zeros(count, dtype=bool)
    steps[segment[per_step]] = True
    first = np.flatnonzero(depth == 0)
    return Segments(segment, count, steps, first, tuple(waves))


def schedule(
    program: Program,
    costs: TaskCosts,
    segments: Segments,
    batch: FloatArray,
    *,
    pipelined: bool,
    wake_s: Scalar = 0.0,
    writing: Writing | None = None,
    blocks: Scalar = 1.0,
    in_flight: FloatArray | None = None,
) -> Timeline:
    """Makespan and occupancy of a step of `batch` [C, 1] samples.

    `wake_s` is what a segment in which arrays work waits for them to be switched on, `writing` what
    it waits for them to be written (None: nothing).  `blocks` is in how many blocks of rows a
    sample's images are made.  `in_flight` ([C, 1] or [C, S]) bounds the samples of a pipeline on their
    way at once (None: no bound).
    """
    duration = costs.main_s + costs.transfer_s
    finish = _finish(program, segments, duration, np.broadcast_to(blocks, batch.shape)[:, 0])
    path = _largest(segments, finish)

    samples = np.where(segments.per_step[None, :], 1.0, batch)
    largest, bottleneck, resource = _occupancy(program, costs, segments, samples)
    latency = np.maximum(path, largest)
    interval = largest if pipelined else latency
    if pipelined and in_flight is not None:
        interval = followed_s(latency, largest, in_flight)
    wake = _waking(program, costs, segments, wake_s)
    names = (*(f"arrays:{name}" for name in program.matrices.names), *costs.occupancy_s)
    waited = np.zeros_like(wake)
    time = latency + wake + (samples - 1.0) * interval
    if writing is not None:
        waited = writing.waited_s
        time = time + waited
        resource = _with_writing(resource, names, writing)
    return Timeline(
        makespan_s=time.sum(axis=1),
        latency_s=latency + wake + waited,
        interval_s=interval,
        bottleneck_s=largest,
        bottleneck=bottleneck,
        resources=names,
        resource_s=resource,
        finish_s=finish,
        segments=segments,
        samples=samples,
        wake_s=wake,
        writing_s=waited,
    )


def followed_s(
    latency_s: FloatArray, bottleneck_s: FloatArray, in_flight: FloatArray
) -> FloatArray:
    """After how long a sample follows another with at most `in_flight` on their way, [C, S]."""
    return np.asarray(np.maximum(bottleneck_s, latency_s / in_flight))


def _with_writing(resource_s: FloatArray, names: tuple[str, ...], writing: Writing) -> FloatArray:
    """Busy times of the resources `names`, [C, R], with those of writing arrays."""
    found = resource_s.copy()
    found[:, : writing.arrays_s.shape[1]] += writing.arrays_s
    for name, held in writing.shared_s.items():
        found[:, names.index(name)] += held
    return found


def _finish(
    program: Program, segments: Segments, duration: FloatArray, blocks: FloatArray
) -> FloatArray:
    """When one sample's tasks end, counted from the start of their segments, [C, T].

    `duration` is [C, T], `blocks` [C] the number of blocks of rows.
    """
    finish = duration.copy()
    for tasks, sources, offsets in segments.waves:
        start = np.maximum.reduceat(finish[:, sources], offsets, axis=1)
        finish[:, tasks] += start
    for count in np.unique(blocks[blocks > 1]).tolist():
        mine = np.flatnonzero(blocks == count)
        cut = row_blocks(program, int(count))
        finish[mine] = blocked_finish(program, segments, duration[mine], cut)
    return finish


def _waking(program: Program, costs: TaskCosts, segments: Segments, wake_s: Scalar) -> FloatArray:
    """What each segment waits for its arrays to be switched on, [C, S]."""
    wake = np.zeros((costs.main_s.shape[0], segments.count))
    if np.any(wake_s):
        wake = wake + wake_s * working_segments(program, costs, segments).any(axis=2)
    return wake


def segment_times(timeline: Timeline) -> FloatArray:
    """Time that each segment takes, [C, S]; they sum to the makespan."""
    return timeline.latency_s + (timeline.samples - 1.0) * timeline.interval_s


def working_segments(program: Program, costs: TaskCosts, segments: Segments) -> NDArray[np.bool_]:
    """In which segments the arrays of each matrix work, [C, S, M]."""
    configurations, matrices = costs.array_s.shape[0], len(program.matrices.names)
    works = np.zeros((configurations, segments.count, matrices), dtype=bool)
    for task in np.flatnonzero(program.matrix >= 0):
        works[:, segments.segment[task], program.matrix[task]] |= costs.array_s[:, task] > 0
    return works


def _occupancy(
    program: Program, costs: TaskCosts, segments: Segments, samples: FloatArray
) -> tuple[FloatArray, IntArray, FloatArray]:
    """The busiest resource of each segment, and how busy each resource is in all.

    `samples` is [C, S].  Gives the largest time by one sample of a resource and its index, both
    [C, S], and the busy time per step of each resource, [C, R].  The arrays of a matrix work in a
    few segments only, so they are kept as pairs of segment and matrix rather than as a table.
    """
    configurations, matrices = costs.array_s.shape[0], len(program.matrices.names)
    rows = np.arange(configurations)[:, None]
    shared, total = _shared_busy(costs, segments, samples)
    largest = shared.max(axis=2)
    bottleneck = shared.argmax(axis=2) + matrices
    resource = np.zeros((configurations, matrices + total.shape[1]))
    resource[:, matrices:] = total
    weighted = np.flatnonzero(program.matrix >= 0)
    if not weighted.size:
        return largest, bottleneck, resource
    if costs.array_of is not None:
        busy = _busy_arrays(program, costs, segments, costs.array_of)
        resource[:, :matrices] = (busy * samples[:, :, None]).sum(axis=1)
        wins = busy.max(axis=2) >= largest
        bottleneck = np.where(wins, busy.argmax(axis=2), bottleneck)
        return np.maximum(busy.max(axis=2), largest), bottleneck, resource

    keys = segments.segment[weighted] * matrices + program.matrix[weighted]
    pairs, place = np.unique(keys, return_inverse=True)
    busy = _sums(place, pairs.size, costs.array_s[:, weighted])
    segment, matrix = np.divmod(pairs, matrices)
    np.add.at(resource, (rows, matrix[None, :]), busy * samples[:, segment])
    present, starts = np.unique(segment, return_index=True)
    most = np.maximum.reduceat(busy, starts, axis=1)
    # The first of equally busy matrices, and a matrix rather than a shared resource.
    first = np.where(
        busy == np.repeat(most, np.diff([*starts, pairs.size]), axis=1), matrix, matrices
    )
    first = np.minimum.reduceat(first, starts, axis=1)
    wins = most >= largest[:, present]
    bottleneck[:, present] = np.where(wins, first, bottleneck[:, present])
    largest[:, present] = np.where(wins, most, largest[:, present])
    return largest, bottleneck, resource


def _sums(index: IntArray, count: int, values: FloatArray) -> FloatArray:
    """Values ([C, N]) added up by `index` ([N], below `count`), each in the order of N, [C, count]."""
    rows = values.shape[0]
    keys = index[None, :] + count * np.arange(rows)[:, None]
    sums = np.bincount(keys.ravel(), np.ravel(values), minlength=rows * count)
    return np.asarray(sums, dtype=np.float64).reshape(rows, count)


def _largest(segments: Segments, values: FloatArray) -> FloatArray:
    """The largest of the values ([C, T], none negative) in each segment, [C, S]."""
    found = np.zeros((values.shape[0], segments.count))
    if not values.size:
        return found
    order = np.argsort(segments.segment, kind="stable")
    present, starts = np.unique(segments.segment[order], return_index=True)
    found[:, present] = np.maximum.reduceat(values[:, order], starts, axis=1)
    return found


def _shared_busy(
    costs: TaskCosts, segments: Segments, samples: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Busy time of each of K shared units by one sample, [C, S, K], and in a step, [C, K].

    Of several chips, links, or sets of converters, each segment has its busiest one, and so has the
    step.
    """
    occupancy, segment, count = costs.occupancy_s, segments.segment, segments.count
    shared = np.zeros((samples.shape[0], count, len(occupancy)))
    spread, sharing = costs.chips, costs.sharing
    if spread is None and sharing is None:
        for index, held in enumerate(occupancy.values()):
            shared[:, :, index] = _sums(segment, count, held)
        return shared, np.asarray((shared * samples[:, :, None]).sum(axis=1))
    total = np.zeros((samples.shape[0], len(occupancy)))
    for c in range(samples.shape[0]):
        for index, (name, held) in enumerate(occupancy.items()):
            if sharing is not None and name == CONVERTERS:
                busy = sharing.busy_s(held, segment, count, c)
            elif spread is None:
                busy = _sums(segment, count, held[[c]])[0][:, None]
            elif name == CHIP_LINK:
                busy = spread.busy_by_link_s(segment, count, c)
            else:
                busy = spread.busy_by_chip_s(held, segment, count, c)
            shared[c, :, index] = busy.max(axis=1)
            total[c, index] = (busy * samples[c, :, None]).sum(axis=0).max()
    return shared, total


def _busy_arrays(
    program: Program, costs: TaskCosts, segments: Segments, array_of: IntArray
) -> FloatArray:
    """Busy time of the arrays of each matrix by one sample, [C, S, M], where matrices share arrays.

    Matrices that share an array take turns; their time counts for the first of them.
    """
    weighted = np.flatnonzero(program.matrix >= 0)
    rows = np.arange(array_of.shape[0])[:, None]
    busy = np.zeros((array_of.shape[0], segments.count, array_of.shape[1]))
    own = array_of[:, program.matrix[weighted]]
    np.add.at(busy, (rows, segments.segment[weighted][None, :], own), costs.array_s[:, weighted])
    return busy
