"""What waits in queues for the next task takes space too, and bounds how many samples are in flight.

An output takes space from the start of the task that makes it to the end of the last one that takes it.
One sample alone has a most of it at once, which follows from when its tasks end; each further one adds its
mean over the time that it is on its way.
"""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.analytic import Timeline
from archsim.simulation.columns import TaskCosts
from archsim.simulation.memory import Memory, queue_edges
from archsim.simulation.program import IntArray, Program

# Sums and differences of bits agree to this part.
_ROUNDING = 1e-9


def most_in_flight(
    program: Program,
    architecture: Architecture,
    costs: TaskCosts,
    draft: Timeline,
    kept: Memory,
    largest_bits: FloatArray,
) -> FloatArray | None:
    """For how many samples the buffer holds what waits in queues, in each segment, [C, S].

    Outputs of more than `largest_bits` [C] pass through DRAM (`archsim.simulation.round_trips`).  At least one.  None where it holds that of all samples that a pipeline without gaps has.
    """
    segments = draft.segments
    edges = np.flatnonzero(queue_edges(program, segments))
    if not edges.size:
        return None
    source, target = program.edge_from[edges], program.edge_to[edges]
    makers, place = np.unique(source, return_inverse=True)
    width = np.broadcast_to(
        np.asarray(architecture.numbers.activation_bits), (kept.samples.size, 1)
    )
    bits = program.output_elements[makers] * width
    bits = np.where(bits > largest_bits[:, None], 0.0, bits)
    of_maker = segments.segment[makers]
    every = np.zeros((kept.samples.size, segments.count))
    rows = np.arange(kept.samples.size)[:, None]
    np.add.at(every, (rows, of_maker[None, :]), bits)
    if (every.max(axis=1) * kept.samples <= kept.capacity_bits).all():
        return None
    begin = draft.finish_s[:, makers] - (costs.main_s + costs.transfer_s)[:, makers]
    until = draft.finish_s[:, makers].copy()
    np.maximum.at(until, (rows, place[None, :]), draft.finish_s[:, target])
    held = np.zeros_like(every)
    np.add.at(held, (rows, of_maker[None, :]), bits * (until - begin))
    latency_s = draft.latency_s - draft.writing_s - draft.wake_s
    mean = held / np.maximum(latency_s, np.finfo(np.float64).tiny)
    alone = np.zeros_like(every)
    present = np.unique(of_maker)
    alone[:, present] = np.stack(
        [_peak(begin[:, s], until[:, s], bits[:, s]) for s in (of_maker == p for p in present)],
        axis=1,
    )
    room = np.maximum(kept.capacity_bits[:, None] * (1.0 + _ROUNDING) - alone, 0.0)
    some = mean > 0.0
    most = np.where(some, 1.0 + np.floor(room / np.where(some, mean, 1.0)), np.inf)
    return None if (most >= kept.samples[:, None]).all() else most


def _peak(begin: FloatArray, end: FloatArray, bits: FloatArray) -> FloatArray:
    """The most of `bits` that is held at once between `begin` and `end`, each [C, N], as [C].

    Space is freed before it is taken.
    """
    times = np.concatenate([end, begin], axis=1)
    change = np.concatenate([-bits, bits], axis=1)
    order: IntArray = np.argsort(times, axis=1, kind="stable")
    return np.asarray(np.cumsum(np.take_along_axis(change, order, axis=1), axis=1).max(axis=1))
