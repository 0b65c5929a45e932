"""Keeping averaged copies equal: what one synchronisation asks of arrays, mesh and vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import Pulsed
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, structure, weight_arrays
from archsim.fields import FloatArray, Scalar
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

    Only arrays that reads go through are averaged: copies then are equal wherever they are read.
    An array that is not read (the fast one of most transfers) and the digital state beside it stay
    a copy's own.  Arrays of a weight take turns.  Where all copies are written the same pulses
    there is nothing to average.

    Copies are combined along a chain and the mean is sent back along it.  Neighbouring copies are
    as many hops apart as a copy has tiles, but no more than two random tiles of the mesh.
    """
    mesh = architecture.mesh
    one = np.ones_like(np.asarray(place.inputs))
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    weights = np.asarray(place.inputs * place.outputs * place.blocks)
    arrays_of_copy = arrays_per_copy(place) * arrays_per_weight(architecture)
    tiles = np.ceil(arrays_of_copy / architecture.tile.arrays)
    distance = np.minimum(tiles, mesh.mean_hops)
    bits = weights * architecture.numbers.partial_sum_bits
    energy: dict[str, FloatArray] = {}
    array_s, arrays, most = (np.asarray(0.0 * one) for _ in range(3))
    for share, apart in _drifting(architecture, batch):
        row = row_write(architecture, place, apart, 1.0)
        array_s = np.asarray(array_s + share * (rows * row.seconds))
        for name, value in row.energy_j.items():
            energy[name] = np.asarray(energy.get(name, 0.0) + share * (place.inputs * value))
        arrays = np.asarray(arrays + share)
        most = np.maximum(most, share * apart)
    return Averaging(
        array_s=array_s,
        pulses=most,
        energy_j=energy,
        bit_hops=np.asarray(arrays * (2.0 * bits * distance)),
        additions=np.asarray(arrays * weights),
    )


def _drifting(architecture: Architecture, batch: FloatArray) -> list[tuple[Scalar, Scalar]]:
    """For each array that may drift apart: 1 if it is read (else 0), and by how many pulses."""
    operations = structure(architecture)
    if operations.copies_alike:
        return []
    between = batch * architecture.mapping.sync_interval * architecture.schedule.accumulate
    per_sample: dict[Pulsed, Scalar] = {
        Pulsed.PARALLEL: architecture.update.pulses_per_sample,
        Pulsed.SHARED: 0.5 * architecture.update.pulses_per_sample,
        Pulsed.WRITTEN: operations.written_pulses_per_sample,
    }
    return [
        (array.read, np.sqrt(per_sample[array.pulsed] * between))
        for array in weight_arrays(architecture)
        if array.pulsed in per_sample and np.any(array.read)
    ]
