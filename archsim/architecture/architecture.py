"""The whole accelerator: one frozen tree of components, as a YAML file describes it."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from archsim.algorithm import Algorithm
from archsim.architecture.policy import MappingPolicy, NumberFormats, SchedulePolicy
from archsim.architecture.system import System
from archsim.fields import Component, Scalar, lone
from archsim.hardware.adc import Adc
from archsim.hardware.array import Array
from archsim.hardware.chip import Chip, Tile
from archsim.hardware.crossbar import Crossbar
from archsim.hardware.device import Device
from archsim.hardware.digital import MatrixUnit, VectorUnit
from archsim.hardware.memory import Buffer, Dram, Link
from archsim.hardware.mesh import Mesh
from archsim.hardware.periphery import Periphery
from archsim.hardware.programming import ProgrammingScheme
from archsim.hardware.read import ReadScheme
from archsim.hardware.update import UpdateScheme


class Architecture(Component):
    """Device, array, periphery, digital units, memories, mesh, chip, and how they are used.

    Every number may also be an array of shape [C, 1] over C configurations (see
    `archsim.fields.stack`); every cost function of the tree then prices C configurations at once.

    `host_link` is the link over which the network's inputs come from a host (`extends: links/pcie5`).
    Without one (the default) they lie in DRAM when the step begins.
    """

    name: str
    description: str = ""
    device: Device
    array: Array
    read: ReadScheme
    update: UpdateScheme
    programming: ProgrammingScheme
    periphery: Periphery
    adc: Adc
    tile: Tile
    vector_unit: VectorUnit
    matrix_unit: MatrixUnit
    activation_buffer: Buffer
    dram: Dram
    mesh: Mesh
    chip: Chip
    numbers: NumberFormats
    algorithm: Algorithm
    mapping: MappingPolicy
    schedule: SchedulePolicy
    system: System | None = None
    host_link: Link | None = None

    @model_validator(mode="after")
    def _realisable(self) -> Self:
        """Refuse cells that cannot do all three operations."""
        line_map = self.array.line_map
        if line_map.source == line_map.drain:
            raise ValueError(
                "array.line_map: source and drain are on the same axis, so neither forward nor "
                "transposed read is possible; put one on the row and one on the column axis"
            )
        if (self.device.terminals == "three_terminal") != (line_map.gate != "none"):
            wanted = "'none'" if line_map.gate != "none" else "'row' or 'column'"
            raise ValueError(
                f"array.line_map.gate is '{line_map.gate}', but {self.device.name} is a "
                f"{self.device.terminals} device, which needs "
                f"{wanted}; "
                f"start array.line_map from cells/{self.device.terminals}"
            )
        if self.array.access is not None:
            if line_map.gate == "row" or line_map.floating_in_update != "none":
                raise ValueError(
                    "array.line_map: with array.access rows open the transistors, so a gate must "
                    "be on the 'column' axis and floating_in_update 'none'"
                )
        elif line_map.gate != "none":
            same_axis = "source" if line_map.source == line_map.gate else "drain"
            if line_map.floating_in_update != same_axis:
                raise ValueError(
                    f"array.line_map.floating_in_update must be '{same_axis}': during an update "
                    "the channel terminal on the gate's axis floats, so that channels take the "
                    "potential of the other axis"
                )
        elif line_map.floating_in_update != "none":
            raise ValueError(
                "array.line_map.floating_in_update must be 'none' for a two-terminal device"
            )
        if self.array.weight_columns < 1:
            raise ValueError("array.cols is too small to hold one weight with this encoding")
        return self

    @model_validator(mode="after")
    def _drivable(self) -> Self:
        """Refuse reads and updates that the circuits around the array cannot make."""
        kind, encoding = self.periphery.input_driver.kind, self.read.encoding
        if kind != encoding:
            raise ValueError(
                f"periphery.input_driver.kind is '{kind}', but read.encoding is '{encoding}'; "
                "the driver must be of the kind of the encoding (see arch_configs/drivers)"
            )
        if (self.update.select == "access_transistor") != (self.array.access is not None):
            raise ValueError(
                "update.select 'access_transistor' needs cells with array.access, and cells with "
                "array.access need update.select 'access_transistor'"
            )
        if self.update.select != "half" and self.update.scheme == "two_phase":
            raise ValueError(
                f"update.scheme 'two_phase' is published with lines at half of the voltage; with "
                f"update.select '{self.update.select}' use update.scheme 'half_bias'"
            )
        return self

    @model_validator(mode="after")
    def _sets_are_whole(self) -> Self:
        """Refuse sets of converters that do not come out even in a tile."""
        arrays, shared = int(lone(self.tile.arrays)), int(lone(self.tile.arrays_per_converter_set))
        if arrays % shared:
            fitting = [n for n in range(1, arrays + 1) if arrays % n == 0]
            nearest = min(fitting, key=lambda n: abs(n - shared))
            raise ValueError(
                f"tile.arrays_per_converter_set is {shared}, which does not divide tile.arrays, "
                f"{arrays}; the nearest number that does is {nearest}"
            )
        return self

    @model_validator(mode="after")
    def _holds_more(self) -> Self:
        """Refuse ways of holding a large network that lack a part or contradict each other."""
        overflow = self.mapping.overflow
        if overflow == "multi_chip" and self.system is None:
            raise ValueError(
                "mapping.overflow 'multi_chip' needs the block 'system' with link and max_chips, "
                "such as 'system: {link: {extends: links/ucie}, max_chips: 16}'"
            )
        if self.system is not None and self.system.min_chips > self.system.max_chips:
            raise ValueError(
                f"system.min_chips is {self.system.min_chips}, above system.max_chips, "
                f"{self.system.max_chips}"
            )
        return self

    @property
    def crossbar(self) -> Crossbar:
        """One array with its periphery, as a cost model."""
        return Crossbar(
            self.device,
            self.array,
            self.read,
            self.update,
            self.periphery,
            self.adc,
            self.tile.arrays_per_converter_set,
        )

    def area_by_component_m2(self) -> dict[str, Scalar]:
        """Area of the chip by component."""
        arrays, tiles = self.arrays_available, self.mesh.tiles
        parts = {name: arrays * area for name, area in self.crossbar.area_by_component_m2().items()}
        parts["tile_buffers"] = tiles * self.tile.buffer.area_m2
        parts["activation_buffer"] = self.activation_buffer.area_m2
        parts["vector_unit"] = self.vector_unit.area_m2
        parts["matrix_unit"] = self.matrix_unit.area_m2
        parts["mesh"] = tiles * self.mesh.router_area_m2
        if self.host_link is not None:
            parts["host_link"] = self.host_link.area_m2
        return parts

    @property
    def hop_m(self) -> Scalar:
        """Distance between neighbouring routers: the side of a square tile's share of the chip."""
        area = sum(self.area_by_component_m2().values())
        return np.sqrt(np.asarray(area) / self.mesh.tiles)

    @property
    def arrays_available(self) -> Scalar:
        """Arrays on the chip."""
        return self.mesh.tiles * self.tile.arrays
