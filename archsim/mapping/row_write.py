"""Reading and writing an array row by row: averaging of copies, initial programming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import Scalar
from archsim.hardware.crossbar import Bystanders, Direction, Placement, PulseStatistics

# Writing a row fires the row in every slot of its train and a column in half of them.
WRITE_DENSITY = 0.5


@dataclass(frozen=True, slots=True)
class RowWrite:
    """Reading a row of each matrix, writing it, or both: time and energy by component, per row."""

    seconds: Scalar
    energy_j: Mapping[str, Scalar]


def row_read(architecture: Architecture, place: Placement) -> RowWrite:
    """A one-hot read of a row."""
    read = architecture.crossbar.read_cost(_one_row(place), Direction.FORWARD)
    return RowWrite(read.interval_s, read.energy_j)


def row_write(
    architecture: Architecture, place: Placement, pulses: Scalar, reads: Scalar
) -> RowWrite:
    """`reads` one-hot reads of a row, and trains of BL slots that give a device `pulses` pulses.

    All columns of a row at once, both polarities one after the other.  The other rows of the array
    do not fire, but fired columns cross their cells.
    """
    crossbar = architecture.crossbar
    one = np.ones_like(np.asarray(place.inputs))
    read = row_read(architecture, place)
    fired = PulseStatistics(one, WRITE_DENSITY * one, one, 2.0 * one)
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    packed = place.outputs * architecture.array.columns_per_weight * (place.blocks_per_array - 1.0)
    write = crossbar.update_cost(_one_row(place), fired, Bystanders(rows - 1.0, packed))
    trains = np.ceil(pulses / (architecture.update.train_length * WRITE_DENSITY))
    parts = {name: reads * energy for name, energy in read.energy_j.items()}
    for component, energy in write.energy_j.items():
        parts[component] = parts.get(component, 0.0) + trains * energy
    return RowWrite(reads * read.seconds + trains * write.duration_s, parts)


def _one_row(place: Placement) -> Placement:
    one = np.ones_like(np.asarray(place.inputs))
    return Placement(
        one, place.outputs, place.blocks, one, one, place.col_splits, place.arrays_at_once
    )
