"""Power that flows whether or not anything happens, by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.fields import Scalar

if TYPE_CHECKING:
    from archsim.architecture.architecture import Architecture

# Logic that a free-running clock reaches.
_CLOCKED = (
    "vector_unit",
    "matrix_unit",
    "mesh",
    "output_digital",
    "input_registers",
    "output_registers",
)


@dataclass(frozen=True, slots=True)
class StaticPower:
    """Static power in W by component: of one array with its periphery, and of the rest."""

    per_array_w: Mapping[str, Scalar]
    chip_w: Mapping[str, Scalar]

    def whole_chip_w(self, arrays: Scalar) -> dict[str, Scalar]:
        """Power of the chip with all its arrays switched on."""
        return {**{name: arrays * w for name, w in self.per_array_w.items()}, **self.chip_w}


def static_power(architecture: Architecture) -> StaticPower:
    """Leakage of everything that is switched on, the clock tree, and refresh of DRAM.

    Passive cells take none; memories leak by bit; circuits that state no leakage of their own take
    the chip's density over their area.
    """
    chip, areas = architecture.chip, architecture.area_by_component_m2()
    density = chip.static_power_density_w_per_m2
    vector = architecture.vector_unit
    if vector.lane_leakage_w is None:
        vector_w = density * areas["vector_unit"]
    else:
        vector_w = vector.units * vector.lanes * vector.lane_leakage_w
    link_w = {}
    if architecture.host_link is not None:
        link_w["static_host_link"] = architecture.host_link.static_power_w
    return StaticPower(
        per_array_w={
            f"static_{name}": power
            for name, power in architecture.crossbar.leakage_by_component_w(density).items()
        },
        chip_w={
            "static_vector_unit": vector_w,
            "static_matrix_unit": density * areas["matrix_unit"],
            "static_mesh": density * areas["mesh"],
            "static_tile_buffers": architecture.mesh.tiles * architecture.tile.buffer.leakage_w,
            "static_activation_buffer": architecture.activation_buffer.leakage_w,
            "static_clock_tree": chip.clock.power_w(sum(areas.get(name, 0.0) for name in _CLOCKED)),
            "static_dram": architecture.dram.static_power_w,
            **link_w,
        },
    )
