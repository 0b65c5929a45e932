"""Costs of tasks as [C, T] columns, and the shared units that add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Placement
from archsim.mapping import Mapping
from archsim.simulation.program import BoolArray, IntArray

# Resources that tasks occupy, besides the array group of each matrix.
SHARED_RESOURCES = ("vector_unit", "matrix_unit", "activation_buffer", "mesh", "dram")


@dataclass(frozen=True, slots=True)
class TaskCosts:
    """Costs of one sample's (or one step's) execution of each task, all [C, T].

    `main_s` is the time in the task's own unit, `transfer_s` what moving data adds to it; their sum
    is the task's duration.  `array_s` is how long its array group is taken; `shared_s` how long
    each shared resource is.  `energy_j` is by component.
    """

    main_s: FloatArray
    transfer_s: FloatArray
    array_s: FloatArray
    shared_s: dict[str, FloatArray]
    energy_j: dict[str, FloatArray]


class CostColumns:
    """Costs under construction: [C, T] columns that the parts of the model add to.

    `hop_m` is the architecture's, which takes the area of everything to compute.
    """

    def __init__(self, configurations: int, tasks: int, hop_m: Scalar) -> None:
        self.shape = (configurations, tasks)
        self.hop_m = hop_m
        self.main = np.zeros(self.shape)
        self.latency = np.zeros(self.shape)
        self.array = np.zeros(self.shape)
        self.shared = {name: np.zeros(self.shape) for name in SHARED_RESOURCES}
        self.energy: dict[str, FloatArray] = {}

    def add_energy(self, component: str, columns: IntArray, value: Scalar) -> None:
        """Add `value` ([C, len(columns)] or broadcastable) to a component's columns."""
        column = self.energy.setdefault(component, np.zeros(self.shape))
        column[:, columns] += value


def pick(values: Scalar | BoolArray, mapping: Mapping, matrices: IntArray) -> FloatArray:
    """Columns of a [C, M] quantity for the matrices of some tasks."""
    full = np.asarray(values, dtype=np.float64)
    if full.shape != mapping.copies.shape:
        full = np.broadcast_to(full, mapping.copies.shape)
    return np.asarray(full[:, matrices])


def pick_place(mapping: Mapping, matrices: IntArray) -> Placement:
    """The placements of the matrices of some tasks, [C, len(matrices)]."""
    place = mapping.place
    return Placement(
        inputs=pick(place.inputs, mapping, matrices),
        outputs=pick(place.outputs, mapping, matrices),
        blocks=pick(place.blocks, mapping, matrices),
        blocks_per_array=pick(place.blocks_per_array, mapping, matrices),
        row_splits=pick(place.row_splits, mapping, matrices),
        col_splits=pick(place.col_splits, mapping, matrices),
    )


def use_activation_buffer(
    build: CostColumns, architecture: Architecture, columns: IntArray, read: Scalar, written: Scalar
) -> None:
    """Read and write bits ([C, len(columns)]) in the activation buffer: occupancy and energy."""
    buffer = architecture.activation_buffer
    build.shared["activation_buffer"][:, columns] += (read + written) / buffer.bandwidth_bit_per_s
    energy = read * buffer.read_energy_j_per_bit + written * buffer.write_energy_j_per_bit
    build.add_energy("activation_buffer", columns, energy)


def use_dram(
    build: CostColumns, architecture: Architecture, columns: IntArray, bits: Scalar
) -> None:
    """Move bits ([C, len(columns)]) from or to DRAM: occupancy and energy."""
    dram = architecture.dram
    build.shared["dram"][:, columns] += bits / dram.bandwidth_bit_per_s
    build.add_energy("dram", columns, bits * dram.energy_j_per_bit)


def use_vector_unit(
    build: CostColumns, architecture: Architecture, columns: IntArray, counts: Sequence[Scalar]
) -> None:
    """Do scalar operations, counted by class, on the vector unit: time, occupancy, energy."""
    unit = architecture.vector_unit
    duration = unit.duration_s(counts)
    build.main[:, columns] += duration
    build.shared["vector_unit"][:, columns] += duration
    build.add_energy("vector_unit", columns, unit.energy_j(counts))
