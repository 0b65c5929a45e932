"""One line of an array at a time: a one-hot read at full drive, a write of sparse pulses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import Scalar
from archsim.hardware.crossbar import Bystanders, Direction, Placement, PulseStatistics

# What is spent along the driven line; the rest of a read is spent where outputs are sensed.
_DRIVEN = ("array_devices", "array_lines", "input_drivers", "input_registers", "access_transistors")


@dataclass(frozen=True, slots=True)
class LineCost:
    """One line of `outputs` weights across all column splits: time, energy by component."""

    seconds: Scalar
    energy_j: Mapping[str, Scalar]


def line_placement(place: Placement) -> Placement:
    """One row of one block, over all column splits; all arrays of the matrix read a row at once."""
    one = np.ones_like(np.asarray(place.inputs))
    return Placement(
        one, place.outputs, one, one, one, place.col_splits, at_once=place.arrays_at_once
    )


def line_read(architecture: Architecture, place: Placement, *, with_reference: bool) -> LineCost:
    """A forward read with one input at full scale and all others zero.

    `with_reference`: the same line of a second array is driven at once, and its current subtracted
    before the converter.
    """
    # All of its pulse, or all of its amplitude, or all of its bits.
    full = architecture.read.model_copy(update={"mean_abs_input": 1.0, "mean_square_input": 1.0})
    crossbar = replace(architecture.crossbar, read=full)
    cost = crossbar.read_cost(line_placement(place), Direction.FORWARD)
    bits_set = 2.0 if full.encoding == "bit_serial" else 1.0
    driven = 2.0 if with_reference else 1.0
    energy = {
        name: value * (driven if name in _DRIVEN else 1.0) for name, value in cost.energy_j.items()
    }
    energy["array_devices"] = energy["array_devices"] * bits_set
    return LineCost(cost.interval_s, energy)


def line_write(
    architecture: Architecture, place: Placement, slots: Scalar, density: Scalar
) -> LineCost:
    """One row takes a train of `slots` slots, both polarities one after the other.

    The row fires in every slot, a column with probability `density`.  The other rows of the array
    do not fire, but fired columns cross their cells.
    """
    crossbar, array, update = architecture.crossbar, architecture.array, architecture.update
    one = np.ones_like(np.asarray(place.inputs))
    fired = PulseStatistics(one, density * one, one, 2.0 * one)
    rows = np.minimum(place.inputs * place.blocks_per_array, array.rows)
    beside = place.outputs * array.columns_per_weight * (place.blocks_per_array - 1.0)
    train = crossbar.update_cost(line_placement(place), fired, Bystanders(rows - 1.0, beside))
    # Everything but the set-up of a train is proportional to its length.
    share = slots / update.train_length
    firing_s = train.duration_s - update.setup_s
    return LineCost(
        firing_s * share + update.setup_s,
        {name: value * share for name, value in train.energy_j.items()},
    )
