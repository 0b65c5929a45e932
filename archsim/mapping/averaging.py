"""Keeping averaged copies equal: what one synchronisation asks of arrays, mesh and vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Placement
from archsim.mapping.partition import arrays_per_copy
from archsim.mapping.row_write import row_write


@dataclass(frozen=True, slots=True)
class Averaging:
    """One synchronisation of each matrix, [C, M].

    `array_s` is how long the arrays of every copy are taken (all copies at once), `pulses` what each
    device takes, `energy_j` what one copy spends by component, `bit_hops` the mesh traffic of each copy beyond the first, and
    `additions` the sums that each of those takes.
    """

    array_s: FloatArray
    pulses: FloatArray
    energy_j: Mapping[str, FloatArray]
    bit_hops: FloatArray
    additions: FloatArray


def averaging(architecture: Architecture, place: Placement, batch: FloatArray) -> Averaging:
    """Read every row of every copy (one-hot), average digitally, write the mean back row by row.

    Between two synchronisations a device takes n pulses whose signs differ from copy to copy, so
    copies drift apart by about sqrt(n) of them; as many are written back, in trains of BL slots.
    `batch` is [C, 1] samples per step.

    Copies are combined along a chain and the mean is sent back along it.  Neighbouring copies are
    as many hops apart as a copy has tiles, but no more than two random tiles of the mesh.
    """
    mesh = architecture.mesh
    one = np.ones_like(np.asarray(place.inputs))
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    apart = np.sqrt(
        architecture.update.pulses_per_sample * batch * architecture.mapping.sync_interval
    )
    row = row_write(architecture, place, apart, 1.0)
    weights = np.asarray(place.inputs * place.outputs * place.blocks)
    tiles = np.ceil(arrays_per_copy(place) / architecture.tile.arrays)
    distance = np.minimum(tiles, np.maximum(mesh.mean_hops, 1.0))
    bits = weights * architecture.numbers.partial_sum_bits
    return Averaging(
        array_s=np.asarray(rows * row.seconds),
        pulses=np.asarray(apart * one),
        energy_j={name: np.asarray(place.inputs * value) for name, value in row.energy_j.items()},
        bit_hops=np.asarray(2.0 * bits * distance),
        additions=weights,
    )
