"""Weight matrices that are cut over several chips, as parts of which each lies on one chip.

A matrix is cut by columns.  Every part takes all inputs of a forward read and gives its share of the
outputs; for an input gradient it takes its share of the errors and gives a partial sum of all outputs,
which are added on their way to the first part.  A row that is looked up in a table comes from the part
that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.fields import FloatArray
from archsim.mapping.flows import Entries, Transfers
from archsim.mapping.traffic import overlaps
from archsim.simulation.mesh_matrices import MeshMatrices
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.weight_data import WeightData, Words
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class MatrixParts:
    """P parts of M matrices: `matrix` and `rank` are [P], `count` is [M].

    The first part of matrix m is number m, the others follow after all of these.
    """

    count: IntArray
    matrix: IntArray
    rank: IntArray

    def number(self, matrix: IntArray, rank: IntArray) -> IntArray:
        """The numbers of parts, by the matrix and the rank in it."""
        further = self.count - 1
        base = self.count.size + np.cumsum(further) - further
        return np.where(rank == 0, matrix, base[matrix] + rank - 1)


def cut_into(count: IntArray) -> MatrixParts:
    """M matrices in `count` ([M]) parts each."""
    whole, further = np.arange(count.size), count - 1
    matrix = np.repeat(whole, further)
    rank = np.arange(matrix.size) - np.repeat(np.cumsum(further) - further, further) + 1
    return MatrixParts(
        count, np.concatenate([whole, matrix]), np.concatenate([np.zeros_like(whole), rank])
    )


def parts_of(matrices: MeshMatrices, parts: MatrixParts) -> MeshMatrices:
    """The parts as matrices of their own: equal numbers of arrays, in rows as high as the matrix.

    A cut matrix has one copy.  Its blocks stand side by side.
    """
    matrix, rank, count = parts.matrix, parts.rank, parts.count[parts.matrix]
    cut = count > 1
    whole = np.asarray(np.rint(matrices.arrays), dtype=np.int64)[matrix]
    arrays = (rank + 1) * whole // count - rank * whole // count
    grid = matrices.rows * matrices.cols * matrices.groups
    held_in = np.maximum(whole // grid[matrix], 1)
    places = np.maximum(-(-arrays // held_in), 1)
    rows = np.minimum(matrices.rows[matrix], places)
    return MeshMatrices(
        matrix=matrix,
        arrays=np.where(cut, arrays, matrices.arrays[matrix]),
        copies=matrices.copies[matrix],
        rows=np.where(cut, rows, matrices.rows[matrix]),
        cols=np.where(cut, -(-places // rows), matrices.cols[matrix]),
        groups=np.where(cut, 1, matrices.groups[matrix]),
        chain_bits=np.where(cut, 0.0, matrices.chain_bits[matrix]),
    )


def data_of_parts(program: Program, data: WeightData, parts: MatrixParts) -> WeightData:
    """`data` of matrices as data of their parts."""
    if (parts.count == 1).all():
        return data
    gradients = program.of_kind(TaskKind.INPUT_GRADIENT)
    whole = data.transfers.from_rows & gradients[data.giver]
    transfers, each = _transfers(data.transfers, whole, parts)
    entering, enters = _shared(parts, data.entries.target, data.entries.to_columns)
    entries = data.entries
    partial = data.from_rows & gradients[data.summing]
    summed, summing = _shared(parts, data.summed, ~partial)
    again = _partial_sums(data, np.flatnonzero(partial), parts)
    words, word = _shared(parts, data.words.matrix, np.ones(data.words.task.size, dtype=np.bool_))
    return replace(
        data,
        transfers=transfers,
        giver=data.giver[each],
        taker=data.taker[each],
        entries=Entries(
            entering.number,
            entries.bits[enters] * entering.share,
            entries.to_columns[enters],
            entries.to_every_copy[enters],
        ),
        enters=data.enters[enters],
        summed=summed.number,
        sums=data.sums[summing] * summed.share,
        from_rows=data.from_rows[summing],
        summing=data.summing[summing],
        leaves=again.leaves,
        leaving=again.leaving,
        arrivals=again.arrivals,
        arriving=again.arriving,
        words=Words(
            data.words.task[word],
            words.number,
            data.words.read_bits[word] * words.share,
            data.words.pulse_bits[word] * words.share,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Shares:
    """Parts by `number`, and the share of a matrix's data that each has, all [N]."""

    number: IntArray
    share: FloatArray


def _shared(parts: MatrixParts, matrix: IntArray, divided: BoolArray) -> tuple[_Shares, IntArray]:
    """All parts of every entry of `matrix`, [E], and the entry of each.

    Each part has an equal share where data are `divided`, else all of them.
    """
    count = parts.count[matrix]
    each = np.repeat(np.arange(matrix.size), count)
    rank = np.arange(each.size) - np.repeat(np.cumsum(count) - count, count)
    share = np.where(divided, 1.0 / count, 1.0)[each]
    return _Shares(parts.number(matrix[each], rank), share), each


def _transfers(
    moved: Transfers, whole: BoolArray, parts: MatrixParts
) -> tuple[Transfers, IntArray]:
    """Transfers from part to part, and that between whole matrices which each is of.

    Sums that are `whole` are so on the first part.  What is divided on both ends goes, in order, to where
    it is needed.
    """
    given = np.where(whole, 1, parts.count[moved.source])
    taken = parts.count[moved.target]
    # Where every part takes all, all of them take what each of the others gives.
    every = ~moved.to_columns
    each, i, j, share = overlaps(given, np.where(every, 1, taken))
    again = np.where(every, taken, 1)[each]
    nth = np.arange(int(again.sum())) - np.repeat(np.cumsum(again) - again, again)
    share, i = np.repeat(share, again), np.repeat(i, again)
    each, j = np.repeat(each, again), np.repeat(j, again)
    j = np.where(every[each], nth, j)
    return (
        Transfers(
            parts.number(moved.source[each], i),
            parts.number(moved.target[each], j),
            moved.bits[each] * share,
            moved.from_rows[each],
            moved.to_columns[each],
            moved.to_every_copy[each],
        ),
        each,
    )


@dataclass(frozen=True, slots=True)
class _PartialSums:
    """Partial sums that leave parts and arrive at those before them, and the tasks that they are of."""

    leaves: Entries
    leaving: IntArray
    arrivals: Entries
    arriving: IntArray


def _partial_sums(data: WeightData, rows: IntArray, parts: MatrixParts) -> _PartialSums:
    """Sums along `rows`, as numbers of what is summed: from the last part to the one before, and so on."""
    shares, each = _shared(parts, data.summed[rows], np.zeros(rows.size, dtype=np.bool_))
    use = rows[each]
    rank, last = parts.rank[shares.number], parts.count[parts.matrix[shares.number]] - 1

    def moved(some: BoolArray) -> tuple[Entries, IntArray]:
        none = np.zeros(int(some.sum()), dtype=np.bool_)
        return Entries(shares.number[some], data.sums[use[some]], none, none), data.summing[
            use[some]
        ]

    return _PartialSums(*moved(rank > 0), *moved(rank < last))
