"""What a tile dissipates while all its arrays work at once, against what can be cooled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from archsim.architecture.static_power import static_power
from archsim.fields import Scalar
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics

if TYPE_CHECKING:
    from archsim.architecture.architecture import Architecture


def tile_power_w(architecture: Architecture) -> Mapping[str, Scalar]:
    """Power of a tile whose arrays are full and all do the same at full rate, by operation, in W.

    Updates are those of a layer with one vector per sample and signed operands: its pulses are the
    densest.  Leakage of the arrays is included, buffer and router are not.
    """
    crossbar, update = architecture.crossbar, architecture.update
    arrays, array = architecture.tile.arrays, architecture.array
    full = Placement(array.rows, array.weight_columns, 1, 1, 1, 1, at_once=arrays)
    idle_w = sum(static_power(architecture).per_array_w.values())
    power: dict[str, Scalar] = {}
    for direction in Direction:
        read = crossbar.read_cost(full, direction)
        energy_j = sum(read.energy_j.values())
        power[f"{direction}_read"] = arrays * (energy_j / read.interval_s + idle_w)
    fires = update.firing_probability(1.0)
    write = crossbar.update_cost(full, PulseStatistics(fires, fires, 2.0, 2.0))
    power["update"] = arrays * (sum(write.energy_j.values()) / write.duration_s + idle_w)
    return power


def tile_area_m2(architecture: Architecture) -> Scalar:
    """Area of a tile: arrays with their periphery, buffer, router."""
    arrays = sum(architecture.crossbar.area_by_component_m2().values())
    around = architecture.tile.buffer.area_m2 + architecture.mesh.router_area_m2
    return architecture.tile.arrays * arrays + around


def peak_tile_density_w_per_m2(architecture: Architecture) -> Scalar:
    """The largest of `tile_power_w` over the tile's area, in W/m^2."""
    largest: Scalar = 0.0
    for power_w in tile_power_w(architecture).values():
        largest = np.maximum(largest, power_w)
    return np.asarray(largest / tile_area_m2(architecture))
