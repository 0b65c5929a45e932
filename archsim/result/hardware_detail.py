"""Details of the hardware that a result states beside its totals."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.tile_power import peak_tile_density_w_per_m2, tile_power_w
from archsim.hardware.adc import SPREADS
from archsim.hardware.crossbar import Direction, Placement
from archsim.result.energy import EnergyRow
from archsim.simulation.estimate import Estimate
from archsim.simulation.programming import programming

# Converters at work, at work for transfers between arrays, and idle.
_CONVERTERS = ("adc", "transfer_adc", "static_adc")


def hardware_detail(
    priced: Estimate, tree: Architecture, energy: tuple[EnergyRow, ...]
) -> dict[str, Any]:
    """Times of a read, initial programming, spread of the converters, power of a tile at work."""
    return {
        "read": _read_detail(tree),
        "programming": _programming(priced, tree),
        "adc_energy_j": _adc_energy(energy, tree),
        "tile_power_w": {
            name: float(np.asarray(power)) for name, power in tile_power_w(tree).items()
        },
        "tile_power_density_w_per_m2": float(np.asarray(peak_tile_density_w_per_m2(tree))),
    }


def _adc_energy(energy: tuple[EnergyRow, ...], tree: Architecture) -> dict[str, float]:
    """Energy of a step's converters, leakage included, at each point of the published spread."""
    spent = sum(row.energy_j for row in energy if row.component in _CONVERTERS)
    now = float(np.asarray(tree.adc.conversion_energy_j()))
    return {
        spread: spent * float(np.asarray(tree.adc.at_spread(spread).conversion_energy_j())) / now
        if now
        else 0.0
        for spread in SPREADS
    }


def _programming(priced: Estimate, tree: Architecture) -> dict[str, float]:
    """What is spent once, before the first step, and how much of the time recalibration takes."""
    once = programming(tree, priced.mapping)
    interval = tree.programming.calibration_interval_s
    seconds = float(once.calibration_s[0])
    return {
        "seconds": float(once.seconds[0]),
        "energy_j": float(sum(energy[0] for energy in once.energy_j.values())),
        "calibration_seconds": seconds,
        "calibration_energy_j": float(once.calibration_j[0]),
        "calibration_share_of_time": 0.0 if interval is None else seconds / float(interval),
    }


def _read_detail(tree: Architecture) -> dict[str, float]:
    """Times of a read of one full array: which of integration and conversion sets the pace.

    All arrays of its tile are read at once, those included with which it shares converters.
    """
    crossbar, one, array = tree.crossbar, 1.0, tree.array
    full = Placement(array.rows, array.weight_columns, one, one, one, one, tree.tile.arrays)
    times = {}
    for direction in Direction:
        cost = crossbar.read_cost(full, direction)
        times[f"{direction}_integration_s"] = float(np.asarray(cost.integration_s))
        times[f"{direction}_conversion_s"] = float(np.asarray(cost.conversion_s))
        times[f"{direction}_interval_s"] = float(np.asarray(cost.interval_s))
    return times
