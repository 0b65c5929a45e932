"""Costs of tasks as [C, T] columns, and the shared units that add to them."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Placement
from archsim.hardware.memory import Link
from archsim.mapping import Mapping
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.program import BoolArray, IntArray

if TYPE_CHECKING:
    from archsim.simulation.converter_sharing import ConverterSharing

# Resources that tasks occupy, besides the array group of each matrix.
SHARED_RESOURCES = ("vector_unit", "matrix_unit", "activation_buffer", "mesh", "dram")
# The link to a host, for an architecture that has one.
HOST_LINK = "host_link"
# Sets of converters, for an architecture in which arrays share them.
CONVERTERS = "converters"
# Buffers of what is written line by line, for an architecture that limits them.
LINE_WRITES = "line_writes"
# What streams the data of a task beside its work.
_STREAMS = ("activation_buffer", "dram", HOST_LINK)

# Power caps of the chip; a chip without a cap has no such resource.
CHIP_POWER = "chip_power"
UPDATE_POWER = "update_power"
POWER_CAPS = (CHIP_POWER, UPDATE_POWER)


@dataclass(frozen=True, slots=True)
class PowerDraw:
    """What tasks take of a power cap: `share` of it, in 0..1, for `held_s`, both [C, T].

    `cap_w` is the cap, one number or [C, 1].
    """

    share: FloatArray
    held_s: FloatArray
    cap_w: Scalar

    @property
    def busy_s(self) -> FloatArray:
        """Seconds for which each task would take the whole cap, [C, T]."""
        return self.share * self.held_s


@dataclass(frozen=True, slots=True)
class TaskCosts:
    """Costs of one sample's (or one step's) execution of each task, all [C, T].

    `main_s` is the time in the task's own unit, `transfer_s` what moving data adds to it; their sum
    is the task's duration.  `array_s` is how long its array group is taken; `shared_s` how long
    each shared resource is.  `energy_j` is by component.  `power` is what tasks take of each power
    cap.  With several chips `shared_s` is the time on each of a task's `chips`, and on its busiest
    link.  `array_of` [C, M] is the first of the matrices that share an array (None: none do).
    `sharing` says which sets of converters each array of a task has for `shared_s[CONVERTERS]`
    (None: every array has its own).
    `staged`: data are moved before and after the work of a task, not beside it.
    `transfers_s` is the part of `main_s` in which the update algorithm moves weights between
    arrays, `state_bits` what it reads and writes of its digital state (None: it has neither).
    """

    main_s: FloatArray
    transfer_s: FloatArray
    array_s: FloatArray
    shared_s: dict[str, FloatArray]
    energy_j: dict[str, FloatArray]
    power: MappingType[str, PowerDraw] = field(default_factory=dict)
    transfers_s: FloatArray | None = None
    state_bits: FloatArray | None = None
    chips: ChipSpread | None = None
    array_of: IntArray | None = None
    staged: bool = False
    sharing: ConverterSharing | None = None

    @property
    def occupancy_s(self) -> dict[str, FloatArray]:
        """Busy time of everything that tasks of several layers share, power caps last, [C, T]."""
        return {**self.shared_s, **{name: draw.busy_s for name, draw in self.power.items()}}


def stream_s(shared_s: MappingType[str, FloatArray]) -> FloatArray:
    """How long the slowest memory or link streams for each task, [C, T]."""
    found = [shared_s[name] for name in _STREAMS if name in shared_s]
    return np.asarray(np.maximum.reduce(found))


def waiting_s(
    shared_s: MappingType[str, FloatArray], main_s: FloatArray, *, staged: bool
) -> FloatArray:
    """How long each task waits for memories and links beyond its own work, [C, T].

    All of their time if data are `staged`, else what they take longer than the work.
    """
    stream = stream_s(shared_s)
    return stream if staged else np.maximum(stream - main_s, 0.0)


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
        self.converters = np.zeros(self.shape)
        self.shared = {name: np.zeros(self.shape) for name in SHARED_RESOURCES}
        self.energy: dict[str, FloatArray] = {}
        self.transfers = np.zeros(self.shape)
        self.state_bits = np.zeros(self.shape)

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
        at_once=pick(mapping.read_place.arrays_at_once, mapping, matrices),
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


def use_host_link(build: CostColumns, link: Link, columns: IntArray, bits: Scalar) -> None:
    """Take bits ([C, len(columns)]) from the host: occupancy, energy, and the way of the first one."""
    held = build.shared.setdefault(HOST_LINK, np.zeros(build.shape))
    held[:, columns] += bits / link.bandwidth_bit_per_s
    build.add_energy(HOST_LINK, columns, link.transfer_j(bits))
    build.latency[:, columns] += link.latency_s


def use_vector_unit(
    build: CostColumns, architecture: Architecture, columns: IntArray, counts: Sequence[Scalar]
) -> None:
    """Do scalar operations, counted by class, on the vector unit: time, occupancy, energy."""
    unit = architecture.vector_unit
    duration = unit.duration_s(counts)
    build.main[:, columns] += duration
    build.shared["vector_unit"][:, columns] += duration
    build.add_energy("vector_unit", columns, unit.energy_j(counts))
