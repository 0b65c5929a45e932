"""What must be kept between tasks: on the chip as far as it fits, else in DRAM.

Within a segment samples follow each other, and only those on their way are live.  What crosses from
one segment to a later one is kept for every sample of the minibatch: saved activations, and the
errors and activations that wait at a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.analytic import Segments, Timeline
from archsim.simulation.columns import TaskCosts
from archsim.simulation.program import BoolArray, Program
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Memory:
    """Bits kept at once and how they move, for C configurations.

    `stored_bits` [C] is everything live at once, `spilled_share` [C] the part of it that does not
    fit on the chip, `traffic_bits` [C, T] what each task would write and read per sample if all of
    it were off the chip.
    """

    stored_bits: FloatArray
    spilled_share: FloatArray
    traffic_bits: FloatArray


def memory(
    program: Program, architecture: Architecture, draft: Timeline, batch: FloatArray
) -> Memory:
    """What is kept, given a schedule without spills."""
    segments, saved = draft.segments, program.saved
    bits = architecture.numbers.activation_bits
    tensors = np.asarray(saved.values * bits + saved.fixed_bits)
    tensors = np.broadcast_to(tensors, (batch.shape[0], saved.values.size))
    crossing = _crossing_tensors(program, segments)
    waiting = np.where(_waiting_outputs(program, segments), program.output_elements, 0.0)
    waiting = np.broadcast_to(np.asarray(waiting * bits), (batch.shape[0], program.size))
    live = live_samples(draft, batch)
    stored = (tensors * np.where(crossing[None, :], batch, live)).sum(axis=1)
    stored = stored + (waiting * batch).sum(axis=1)
    capacity = np.asarray(architecture.activation_buffer.capacity_bit, dtype=np.float64)
    excess = np.maximum(stored - np.broadcast_to(capacity, batch.shape)[:, 0], 0.0)
    traffic = 2.0 * waiting
    rows = np.arange(batch.shape[0])[:, None]
    np.add.at(traffic, (rows, saved.writer[None, :]), tensors)
    np.add.at(traffic, (rows, saved.reader[None, :]), tensors)
    traffic = traffic + _second_pass(program, segments) * bits
    return Memory(
        stored_bits=stored,
        spilled_share=excess / np.maximum(stored, 1.0),
        traffic_bits=traffic,
    )


def add_spills(costs: TaskCosts, architecture: Architecture, kept: Memory) -> TaskCosts:
    """The costs with the spilled share of what is kept written to DRAM and read back.

    Spills stream beside the computation, so they lengthen a task only where DRAM is slower.
    """
    if not kept.spilled_share.any():
        return costs
    traffic = kept.traffic_bits * kept.spilled_share[:, None]
    shared, energy = dict(costs.shared_s), dict(costs.energy_j)
    before = np.maximum(shared["activation_buffer"], shared["dram"])
    shared["dram"] = shared["dram"] + traffic / architecture.dram.bandwidth_bit_per_s
    after = np.maximum(shared["activation_buffer"], shared["dram"])
    waiting = np.maximum(after - costs.main_s, 0.0) - np.maximum(before - costs.main_s, 0.0)
    energy["dram"] = energy.get("dram", np.zeros_like(traffic)) + (
        traffic * architecture.dram.energy_j_per_bit
    )
    return TaskCosts(costs.main_s, costs.transfer_s + waiting, costs.array_s, shared, energy)


def _crossing_tensors(program: Program, segments: Segments) -> BoolArray:
    """Saved tensors that a task of another segment reads, [S]."""
    saved = program.saved
    other = segments.segment[saved.use_by] != segments.segment[saved.writer[saved.use_of]]
    crossing = np.zeros(saved.values.size, dtype=bool)
    crossing[saved.use_of[other]] = True
    return crossing


def _waiting_outputs(program: Program, segments: Segments) -> BoolArray:
    """Tasks whose output a task of a later segment takes, other than as a saved tensor, [T]."""
    source, target = program.edge_from, program.edge_to
    crosses = segments.segment[source] != segments.segment[target]
    crosses = crosses & program.edge_data & ~program.per_step[target]
    ahead = np.zeros(program.size, dtype=bool)
    ahead[program.select(TaskKind.FORWARD, TaskKind.LOSS)] = True
    forward = np.zeros(program.size, dtype=bool)
    forward[program.select(TaskKind.FORWARD)] = True
    # From a forward to a backward task only saved tensors pass, which are counted as such; a
    # forward output that is saved anyway is not kept twice.
    crosses = crosses & (~forward[source] | ahead[target])
    kept = np.zeros(program.size, dtype=bool)
    kept[program.saved.writer[program.saved.values > 0]] = True
    waiting = np.zeros(program.size, dtype=bool)
    waiting[source[crosses]] = True
    return waiting & ~(kept & forward)


def _second_pass(program: Program, segments: Segments) -> FloatArray:
    """Elements that normalisations read again after their barrier, [T].

    The first pass over the minibatch gathers statistics (forward) or sums over the errors
    (backward), the second, after the barrier, reads the input once more.
    """
    barriers = program.barrier & (segments.segment > 0) & ~program.per_step
    return np.where(barriers, program.input_elements, 0.0)


def live_samples(draft: Timeline, batch: FloatArray) -> FloatArray:
    """Samples on their way at once, [C, 1]: the most over the segments."""
    tiny = np.finfo(np.float64).tiny
    ways = np.ceil(draft.latency_s / np.maximum(draft.interval_s, tiny))
    steps = draft.segments.per_step
    ways = np.where(steps[None, :] | (draft.latency_s <= 0), 1.0, ways)
    return np.asarray(np.minimum(ways.max(axis=1, keepdims=True, initial=1.0), batch))
