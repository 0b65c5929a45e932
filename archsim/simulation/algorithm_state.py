"""Digital words of an update algorithm: where they are kept, and what moving them costs.

They are kept beside the vector units that work on them: in the activation buffer as far as saved
activations leave room, the rest in DRAM.  Tile buffers hold vectors on their way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.transfers import strips
from archsim.simulation.columns import TaskCosts, waiting_s
from archsim.simulation.memory import Memory
from archsim.simulation.program import Program

# What the state costs in the buffer, and in DRAM.
STATE, STATE_IN_DRAM = "algorithm_state", "algorithm_state_dram"


@dataclass(frozen=True, slots=True)
class AlgorithmState:
    """The digital state of all matrices on arrays: `bits` [C] and the share in DRAM, [C]."""

    bits: FloatArray
    off_chip_share: FloatArray


def algorithm_state(
    program: Program, architecture: Architecture, mapping: Mapping, kept: Memory
) -> AlgorithmState:
    """How much state there is beside what `kept` says of activations, and where it is."""
    nothing = np.zeros_like(kept.stored_bits)
    operations = structure(architecture)
    if not np.any(operations.state_words):
        return AlgorithmState(nothing, nothing)
    strip = strips(architecture, mapping.place)
    of_strip = architecture.algorithm.operations(strip.lines, mapping.place.outputs)
    held = np.where(program.matrices.updates > 0, mapping.on_array, 0.0)
    if not operations.copies_alike:
        held = held * mapping.copies
    words = (held * strip.count * of_strip.state_words).sum(axis=1)
    bits = words * np.asarray(architecture.numbers.parameter_bits).reshape(-1)
    capacity = np.asarray(architecture.activation_buffer.capacity_bit, dtype=np.float64)
    on_chip = kept.stored_bits * (1.0 - kept.spilled_share)
    room = np.broadcast_to(capacity.reshape(-1), bits.shape) * mapping.chips - on_chip
    room = np.maximum(room, 0.0)
    return AlgorithmState(bits, 1.0 - np.minimum(room / np.maximum(bits, 1.0), 1.0))


def add_state_traffic(
    costs: TaskCosts, architecture: Architecture, state: AlgorithmState
) -> TaskCosts:
    """The costs with the words of the state moved: half of them read, half of them written.

    Lines come in turn, so that words in DRAM are fetched ahead: traffic streams beside the
    arrays, and lengthens a task only where it is slower.
    """
    if costs.state_bits is None or not costs.state_bits.any():
        return costs
    buffer, dram = architecture.activation_buffer, architecture.dram
    away = costs.state_bits * state.off_chip_share[:, None]
    near = costs.state_bits - away
    shared, energy = dict(costs.shared_s), dict(costs.energy_j)
    before = waiting_s(shared, costs.main_s, staged=costs.staged)
    shared["activation_buffer"] = shared["activation_buffer"] + near / buffer.bandwidth_bit_per_s
    shared["dram"] = shared["dram"] + away / dram.bandwidth_bit_per_s
    waiting = waiting_s(shared, costs.main_s, staged=costs.staged) - before
    each_j = 0.5 * (buffer.read_energy_j_per_bit + buffer.write_energy_j_per_bit)
    energy[STATE] = np.asarray(near * each_j)
    energy[STATE_IN_DRAM] = np.asarray(away * dram.energy_j_per_bit)
    return replace(costs, transfer_s=costs.transfer_s + waiting, shared_s=shared, energy_j=energy)
