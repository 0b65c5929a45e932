"""What must be kept between tasks: on the chip as far as it fits, else in DRAM.

Within a segment samples follow each other, and only those on their way are live.  What crosses from
one segment to a later one is kept for every sample of the minibatch: saved activations, and the
errors and activations that wait at a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.analytic import Segments, Timeline
from archsim.simulation.columns import TaskCosts, waiting_s
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Memory:
    """Bits kept at once and how they move, for C configurations.

    `stored_bits` [C] is everything live at once, `spilled_share` [C] the part of it that does not
    fit on the chip, `traffic_bits` [C, T] what each task would write and read per sample if all of
    it were off the chip.  `minibatch_bits` [C] is the part of `stored_bits` that is kept for every
    sample of the minibatch, `sample_bits` [C, S] what each sample on its way through a segment keeps
    besides.  `capacity_bits` [C] is what the buffers of all chips hold, `samples` [C] how many samples
    are on their way at once.
    """

    stored_bits: FloatArray
    spilled_share: FloatArray
    traffic_bits: FloatArray
    minibatch_bits: FloatArray
    sample_bits: FloatArray
    capacity_bits: FloatArray
    samples: FloatArray


def memory(
    program: Program,
    architecture: Architecture,
    draft: Timeline,
    batch: FloatArray,
    chips: IntArray,
) -> Memory:
    """What is kept, given a schedule without spills; the buffers of all `chips` [C] count together."""
    segments, saved = draft.segments, program.saved
    bits = architecture.numbers.activation_bits
    tensors = np.asarray(saved.values * bits + saved.fixed_bits)
    tensors = np.broadcast_to(tensors, (batch.shape[0], saved.values.size))
    crossing = _crossing_tensors(program, segments)
    waiting = np.where(_waiting_outputs(program, segments), program.output_elements, 0.0)
    waiting = np.broadcast_to(np.asarray(waiting * bits), (batch.shape[0], program.size))
    live = live_samples(draft, batch)
    kept_tensors, kept_outputs = _samples_kept(program, segments, architecture, batch)
    stored = (tensors * np.where(crossing[None, :], kept_tensors, live)).sum(axis=1)
    stored = stored + (waiting * kept_outputs).sum(axis=1)
    capacity = np.asarray(architecture.activation_buffer.capacity_bit, dtype=np.float64)
    capacity = np.asarray(np.broadcast_to(capacity, batch.shape)[:, 0] * chips)
    excess = np.maximum(stored - capacity, 0.0)
    traffic = 2.0 * waiting
    rows = np.arange(batch.shape[0])[:, None]
    np.add.at(traffic, (rows, saved.writer[None, :]), tensors)
    np.add.at(traffic, (rows, saved.reader[None, :]), tensors)
    traffic = traffic + _second_pass(program, segments) * bits
    own = np.zeros((batch.shape[0], segments.count))
    np.add.at(own, (rows, segments.segment[saved.writer][None, :]), tensors * ~crossing[None, :])
    return Memory(
        stored_bits=stored,
        spilled_share=excess / np.maximum(stored, 1.0),
        traffic_bits=traffic,
        minibatch_bits=(tensors * crossing[None, :] * kept_tensors).sum(axis=1)
        + (waiting * kept_outputs).sum(axis=1),
        sample_bits=own,
        capacity_bits=capacity,
        samples=live[:, 0],
    )


def _samples_kept(
    program: Program, segments: Segments, architecture: Architecture, batch: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """For how many samples saved tensors [C, S] and outputs [C, T] that cross segments are kept.

    For the minibatch, or for all that share one update if a deferred update takes them.
    """
    accumulated = batch * architecture.schedule.accumulate
    updates = program.of_kind(TaskKind.WEIGHT_GRADIENT)
    saved, source, target = program.saved, program.edge_from, program.edge_to
    later = segments.segment[saved.use_by] != segments.segment[saved.writer[saved.use_of]]
    tensors = np.zeros(saved.values.size, dtype=bool)
    tensors[saved.use_of[later & updates[saved.use_by]]] = True
    outputs = np.zeros(program.size, dtype=bool)
    crossing = segments.segment[source] != segments.segment[target]
    outputs[source[crossing & updates[target]]] = True
    if architecture.schedule.update != "deferred":
        tensors, outputs = np.zeros_like(tensors), np.zeros_like(outputs)
    return np.where(tensors, accumulated, batch), np.where(outputs, accumulated, batch)


def queue_edges(program: Program, segments: Segments) -> BoolArray:
    """Edges over which an output passes within its segment, and that nothing saves, [E].

    What passes there waits in queues, which `memory` does not count.
    """
    source = program.edge_from
    kept = np.zeros(program.size, dtype=bool)
    kept[program.saved.writer[program.saved.values > 0]] = True
    stored = (kept & program.of_kind(TaskKind.FORWARD)) | _waiting_outputs(program, segments)
    return np.asarray(passing_edges(program, segments) & ~stored[source])


def passing_edges(program: Program, segments: Segments) -> BoolArray:
    """Edges over which a task takes an output of its segment, other than as a saved tensor, [E]."""
    inside = segments.segment[program.edge_from] == segments.segment[program.edge_to]
    return np.asarray(inside & _passed_on(program))


def _passed_on(program: Program) -> BoolArray:
    """Edges over which an output passes other than as a saved tensor, [E].

    From a forward to a backward task only saved tensors pass, which are counted as such.
    """
    forward = program.of_kind(TaskKind.FORWARD)
    ahead = program.of_kind(TaskKind.FORWARD, TaskKind.LOSS)
    return program.edge_data & (~forward[program.edge_from] | ahead[program.edge_to])


def add_spills(costs: TaskCosts, architecture: Architecture, kept: Memory) -> TaskCosts:
    """The costs with the spilled share of what is kept written to DRAM and read back.

    Spills stream beside the computation, so they lengthen a task only where DRAM is slower; data
    that are staged lengthen it in any case.
    """
    if not kept.spilled_share.any():
        return costs
    return add_dram_traffic(costs, architecture, kept.traffic_bits * kept.spilled_share[:, None])


def add_dram_traffic(
    costs: TaskCosts, architecture: Architecture, traffic: FloatArray
) -> TaskCosts:
    """The costs with `traffic` [C, T] bits per sample to and from DRAM, beside the computation."""
    traffic_s = traffic / architecture.dram.bandwidth_bit_per_s
    if costs.chips is not None:
        traffic_s = traffic_s / costs.chips.count
    shared, energy = dict(costs.shared_s), dict(costs.energy_j)
    before = waiting_s(shared, costs.main_s, staged=costs.staged)
    shared["dram"] = shared["dram"] + traffic_s
    waiting = waiting_s(shared, costs.main_s, staged=costs.staged) - before
    energy["dram"] = energy.get("dram", np.zeros_like(traffic)) + (
        traffic * architecture.dram.energy_j_per_bit
    )
    return replace(costs, transfer_s=costs.transfer_s + waiting, shared_s=shared, energy_j=energy)


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
    crosses = crosses & _passed_on(program) & ~program.per_step[target]
    # A forward output that is saved anyway is not kept twice.
    forward = program.of_kind(TaskKind.FORWARD)
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
    # No sample is on its way while arrays are written.
    latency_s = draft.latency_s - draft.writing_s
    ways = np.ceil(latency_s / np.maximum(draft.interval_s, tiny))
    steps = draft.segments.per_step
    ways = np.where(steps[None, :] | (latency_s <= 0), 1.0, ways)
    return np.asarray(np.minimum(ways.max(axis=1, keepdims=True, initial=1.0), batch))
