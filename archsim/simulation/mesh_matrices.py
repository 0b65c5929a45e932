"""The weight matrices that may lie on a mesh: arrays, copies, and how a copy is cut into arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.averaging import averaging
from archsim.simulation.program import BoolArray, IntArray, Program


@dataclass(frozen=True, slots=True)
class MeshMatrices:
    """K matrices, or parts of matrices, all [K].

    `matrix` is that of the program, `arrays` what a copy takes, `copies` how many there are (0 where
    it is not on the mesh).  A copy has `rows` x `cols` arrays for each of its `groups` of blocks, or
    several times as many.  `chain_bits` go from a copy to the next one in a step, one way.
    """

    matrix: IntArray
    arrays: FloatArray
    copies: FloatArray
    rows: IntArray
    cols: IntArray
    groups: IntArray
    chain_bits: FloatArray

    @property
    def grids(self) -> tuple[IntArray, IntArray, IntArray]:
        """Row splits, column splits and groups of blocks."""
        return self.rows, self.cols, self.groups

    def only(self, here: BoolArray) -> MeshMatrices:
        """The same with copies of those `here` ([K]) alone."""
        return replace(
            self,
            copies=np.where(here, self.copies, 0.0),
            chain_bits=np.where(here, self.chain_bits, 0.0),
        )


def whole_matrices(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> MeshMatrices:
    """The program's matrices, none of them cut; `architecture` is the first configuration of `mapping`."""
    place, arrays = mapping.place, mapping.arrays_needed[0]
    groups = np.ceil(np.asarray(place.blocks) / np.asarray(place.blocks_per_array))
    rows, cols, groups = (
        np.broadcast_to(np.asarray(values), mapping.copies.shape)[0].astype(np.int64)
        for values in (place.row_splits, place.col_splits, groups)
    )
    return MeshMatrices(
        matrix=np.arange(arrays.size),
        arrays=arrays,
        copies=np.where(arrays > 0, mapping.copies[0], 0.0),
        rows=rows,
        cols=cols,
        groups=groups,
        chain_bits=_chain_bits(program, architecture, mapping, samples),
    )


def _chain_bits(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> FloatArray:
    """Bits that a copy of each matrix exchanges with the next one per step, one way, [M]."""
    policy = architecture.mapping
    copied = (mapping.copies > 1) & mapping.on_array & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return np.zeros(copied.shape[1])
    weights = averaging(architecture, mapping.place, np.array([[float(samples)]])).additions
    bits = (
        weights
        * architecture.numbers.partial_sum_bits
        * copied
        / (policy.sync_interval * architecture.schedule.accumulate)
    )
    return np.asarray(np.broadcast_to(bits, copied.shape)[0], dtype=np.float64)
