"""Copies of weight matrices for a pipeline that barriers may cut into segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.segment_balance import Segmented, minimise_segments
from archsim.simulation.analytic import Segments
from archsim.simulation.columns import CONVERTERS, TaskCosts
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class CopiesPriced:
    """What is known before copies are chosen here.

    `one` is the mapping with one copy of each matrix and `costs` its costs; `copies` [C, M] are the
    best so far, with which tasks take their arrays for `array_s` [C, T].
    """

    one: Mapping
    costs: TaskCosts
    copies: FloatArray
    array_s: FloatArray


def chooses_by_segment(architecture: Architecture) -> bool:
    """Whether `segment_copies` chooses copies too: for a pipeline on one chip.

    Where no two stages overlap, `minimise_sum` finds them.  Matrices that share arrays, and networks
    that take several chips or rounds of writing, keep to what `mapping_candidates` offers.
    """
    policy = architecture.mapping
    pipelined = architecture.schedule.mode == "pipelined"
    return pipelined and policy.packing == "none" and policy.replication == "auto"


def segment_copies(
    program: Program,
    architecture: Architecture,
    segments: Segments,
    known: CopiesPriced,
    batch: FloatArray,
) -> FloatArray:
    """Copies [C, M] that nearly minimise a step of `batch` [C, 1] samples.

    Stages are taken from the prices of what is known, so that only the times of numbers of copies
    that nobody has priced are guesses.
    """
    limits = known.one.stages
    if limits is None:
        return known.copies
    busy_s = _shared_units_s(program, known.costs, segments)
    every = np.arange(segments.count)
    pairs = _pairs(program, segments, _shared_by_copies(program, architecture), known)
    # What shared units take of a segment is a stage of its own.
    floor = _Pairs(every, 0 * every, np.ones(every.size), 0.0 * busy_s, 0.0 * busy_s, busy_s)
    joined = pairs.and_then(floor)
    problem = Segmented(
        limits=limits,
        alone_s=joined.alone_s,
        shared_s=joined.shared_s,
        fixed_s=joined.fixed_s,
        vectors=joined.vectors,
        matrix=joined.matrix,
        segment=joined.segment,
        overlapped=np.asarray((batch - 1.0) / batch),
    )
    return minimise_segments(problem, known.copies)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of a segment and a matrix, as `Segmented` has them."""

    segment: IntArray
    matrix: IntArray
    vectors: FloatArray
    alone_s: FloatArray
    shared_s: FloatArray
    fixed_s: FloatArray

    def and_then(self, other: _Pairs) -> _Pairs:
        """The pairs of both, sorted by segment."""
        segment = np.concatenate([self.segment, other.segment])
        order = np.argsort(segment, kind="stable")
        return _Pairs(
            segment[order],
            np.concatenate([self.matrix, other.matrix])[order],
            np.concatenate([self.vectors, other.vectors])[order],
            np.hstack([self.alone_s, other.alone_s])[:, order],
            np.hstack([self.shared_s, other.shared_s])[:, order],
            np.hstack([self.fixed_s, other.fixed_s])[:, order],
        )


def _pairs(program: Program, segments: Segments, shares: BoolArray, known: CopiesPriced) -> _Pairs:
    """Array times of the tasks of each segment and matrix; `shares` [T] are shared by copies."""
    tasks = np.flatnonzero((program.matrix >= 0) & ~program.per_step)
    shared, count = shares[tasks], len(program.matrices.names)
    keys = segments.segment[tasks] * count + program.matrix[tasks]
    found, place = np.unique(keys, return_inverse=True)
    of_step = program.vectors[tasks] / program.serial_steps[tasks]
    vectors = np.ones(found.size)
    np.maximum.at(vectors, place, np.where(shared, of_step, 1.0))
    matrix = found % count
    alone_s = _added(place, found.size, known.costs.array_s[:, tasks] * shared)
    several_s = _added(place, found.size, known.array_s[:, tasks] * shared)
    copies = known.copies[:, matrix]
    whole_s = several_s * (vectors / np.ceil(vectors / copies))
    return _Pairs(
        segment=found // count,
        matrix=matrix,
        vectors=vectors,
        alone_s=alone_s,
        shared_s=np.where(copies > 1, whole_s, alone_s),
        fixed_s=_added(place, found.size, known.costs.array_s[:, tasks] * ~shared),
    )


def _shared_by_copies(program: Program, architecture: Architecture) -> BoolArray:
    """Whether copies divide the vectors of each task among them, [T]."""
    kinds = [TaskKind.FORWARD, TaskKind.INPUT_GRADIENT]
    if architecture.mapping.sync == "average":
        kinds.append(TaskKind.WEIGHT_GRADIENT)
    return program.of_kind(*kinds)


def _shared_units_s(program: Program, costs: TaskCosts, segments: Segments) -> FloatArray:
    """Busy time of the busiest shared unit in each segment by one sample, [C, S].

    Sets of converters are left out: no set is all matrices', and copies share their work among more.
    """
    busy = np.zeros((costs.main_s.shape[0], segments.count))
    for name, held in costs.occupancy_s.items():
        if name == CONVERTERS:
            continue
        sums = _added(segments.segment, segments.count, held * ~program.per_step)
        busy = np.maximum(busy, sums)
    return busy


def _added(index: IntArray, count: int, values: FloatArray) -> FloatArray:
    """Values ([C, N]) added up by `index` ([N], below `count`), [C, count]."""
    sums = np.zeros((count, values.shape[0]))
    np.add.at(sums, index, values.T)
    # Sums over rows must not depend on how many rows there are.
    return np.ascontiguousarray(sums.T)
