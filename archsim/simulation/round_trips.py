"""Outputs that go to DRAM on their way to the next task, and come back: what that takes is waited for.

That is so for every output that is larger than the buffer: it passes through DRAM as a whole, and the
buffer is left to the others.  Outputs that are a large part of the buffer go the same way where that is faster
than letting in as few samples as have room with them.

What is saved for the backward pass is needed much later and fetched ahead.  An output that the next task
takes at once cannot be: it is written, and read when it is there.  Other samples work meanwhile, so
this lengthens the way of a sample and keeps nothing busy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.analytic import Segments
from archsim.simulation.columns import TaskCosts
from archsim.simulation.memory import add_dram_traffic, passing_edges, queue_edges
from archsim.simulation.program import BoolArray, IntArray, Program

# An output is large if that of one sample takes this part of the buffer.
LARGE = 0.125
# An output is written, then read.
_ACCESSES = 2.0


def with_round_trips(
    costs: TaskCosts,
    program: Program,
    architecture: Architecture,
    segments: Segments,
    largest_bits: FloatArray,
    *,
    times: float = 1.0,
) -> TaskCosts:
    """The costs, with traffic of and wait for outputs of more than `largest_bits` [C].

    `times` -1 takes back what 1 added.
    """
    waits = waits_for_dram(program, architecture, segments, largest_bits)
    if waits is None:
        return costs
    bits = passing_bits(program, architecture, segments, largest_bits)
    moved = add_dram_traffic(costs, architecture, times * _ACCESSES * bits)
    found = waiting_for_dram(moved, architecture, np.where(waits, times, 0.0))
    if times > 0.0:
        return found
    # No rests below zero.
    shared = {**found.shared_s, "dram": np.maximum(found.shared_s["dram"], 0.0)}
    return replace(found, transfer_s=np.maximum(found.transfer_s, 0.0), shared_s=shared)


def capacity_bits(architecture: Architecture, chips: IntArray) -> FloatArray:
    """What the buffers of all `chips` [C] hold, [C]."""
    capacity = np.asarray(architecture.activation_buffer.capacity_bit, dtype=np.float64)
    return np.asarray(np.broadcast_to(capacity, (chips.size, 1))[:, 0] * chips)


def passing_bits(
    program: Program, architecture: Architecture, segments: Segments, largest_bits: FloatArray
) -> FloatArray:
    """Outputs that wait in queues and pass through DRAM, as they have more than `largest_bits`, [C, T]."""
    queued = np.zeros(program.size, dtype=bool)
    queued[program.edge_from[queue_edges(program, segments)]] = True
    bits = program.output_elements * architecture.numbers.activation_bits
    return np.asarray(np.where(queued & (bits > largest_bits[:, None]), bits, 0.0))


def waits_for_dram(
    program: Program, architecture: Architecture, segments: Segments, largest_bits: FloatArray
) -> BoolArray | None:
    """Tasks that take an output of more than `largest_bits` [C], [C, T]; None: none do."""
    bits = np.asarray(architecture.numbers.activation_bits)
    largest = largest_bits[:, None]
    if not np.any(program.output_elements.max(initial=0.0) * bits > largest):
        return None
    edges = np.flatnonzero(passing_edges(program, segments))
    source, target = program.edge_from[edges], program.edge_to[edges]
    over = program.output_elements[source] * bits > largest
    waits = np.zeros((largest.size, program.size), dtype=bool)
    row, edge = np.nonzero(np.broadcast_to(over, (largest.size, edges.size)))
    waits[row, target[edge]] = True
    return waits


def waiting_for_dram(
    costs: TaskCosts, architecture: Architecture, waits: BoolArray | FloatArray
) -> TaskCosts:
    """The costs, with as many ways to DRAM and back before tasks as `waits` [C, T] says."""
    round_trip_s: FloatArray = np.asarray(_ACCESSES * architecture.dram.latency_s)
    return replace(costs, transfer_s=costs.transfer_s + round_trip_s * waits)
