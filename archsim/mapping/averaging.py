"""Keeping averaged copies equal: what one synchronisation asks of arrays, mesh and vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Placement
from archsim.mapping.line_access import line_write
from archsim.mapping.partition import arrays_per_copy
from archsim.mapping.row_write import row_read
from archsim.mapping.write_back import write_backs


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


def averaging(
    architecture: Architecture, place: Placement, batch: FloatArray, copies: Scalar = np.inf
) -> Averaging:
    """Read every row of every copy (one-hot), average digitally, write the difference row by row.

    How many pulses that takes, and in how many slots, is in `write_back`.  `batch` is [C, 1] samples
    per step, `copies` [C, M] the copies of each matrix (many where their number is not known yet:
    of two, each is written 0.7 times as much).

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

    def spend(name: str, value: Scalar) -> None:
        energy[name] = np.asarray(energy.get(name, 0.0) + value)

    for back in write_backs(architecture, batch, copies):
        read = row_read(architecture, place)
        write = line_write(architecture, place, back.slots, back.pulses / back.slots)
        array_s = np.asarray(array_s + back.read * rows * (read.seconds + write.seconds))
        for name, value in read.energy_j.items():
            spend(name, back.read * (place.inputs * value))
        for name, value in write.energy_j.items():
            spend(name, back.read * (place.inputs * place.blocks * value))
        arrays = np.asarray(arrays + back.read)
        most = np.maximum(most, back.read * back.pulses)
    return Averaging(
        array_s=array_s,
        pulses=most,
        energy_j=energy,
        bit_hops=np.asarray(arrays * (2.0 * bits * distance)),
        additions=np.asarray(arrays * weights),
    )
