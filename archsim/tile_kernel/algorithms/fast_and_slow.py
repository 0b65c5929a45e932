"""A fast array that takes gradients and a slow one that is fed from it, line after line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from archsim.algorithm.operations import Unit
from archsim.errors import InputError
from archsim.fields import Scalar
from archsim.tile_kernel.algorithms.contract import NewArray
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray, put_weights
from archsim.tile_kernel.symmetry import symmetry_points
from archsim.tile_kernel.trains import Merge

# A symmetry point this close to a bound, relative to the range, is none.
_MARGIN = 0.005
# Share of the devices that must have one.
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """Fast array A and slow array C; `reference` is what A is read against, [tile, row, col].

    `clock` int64 counts [vectors or minibatches seen, lines transferred].
    """

    fast: DeviceArray
    slow: DeviceArray
    reference: F32
    clock: NDArray[np.int64]

    @property
    def signal(self) -> F32:
        """A relative to its reference: what a transfer reads."""
        return self.fast.weights - self.reference


def make_pair(reference: Literal["symmetry_point", "zero"], new_array: NewArray) -> Pair:
    """Two arrays; A starts at its reference."""
    fast, slow = new_array(), new_array()
    at = np.zeros((1, 1, 1), dtype=np.float32)
    if reference == "symmetry_point":
        at = symmetry_points(fast)
        _require_symmetry(fast, at)
        put_weights(fast, slice(None), at.reshape(-1))
    return Pair(fast, slow, at, np.zeros(2, dtype=np.int64))


def roles(pair: Pair) -> Mapping[str, DeviceArray]:
    """The arrays by their role."""
    return {"fast": pair.fast, "slow": pair.slow}


def _require_symmetry(fast: DeviceArray, points: F32) -> None:
    """InputError if most devices have no weight at which steps up and down are equal."""
    margin = np.float32(_MARGIN) * (fast.upper - fast.lower)
    inside = (points > fast.lower + margin) & (points < fast.upper - margin)
    if inside.mean() < _ENOUGH:
        raise InputError(
            f"{1 - inside.mean():.0%} of the devices have no symmetry point inside their bounds, "
            "which the fast array is to be read against",
            remedy="Set algorithm.reference to 'zero', or take a device whose steps depend on "
            "its state.",
        )


def due_lines(
    pair: Pair, unit: Unit, every: int, vectors: int
) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Lines to transfer after `vectors` more vector pairs, one group per pass over the array.

    Lines come in turn; every group holds distinct lines of one pass, with the number of that pass.
    Advances the clock.
    """
    before = int(pair.clock[0])
    pair.clock[0] += vectors if unit is Unit.VECTOR else 1
    due = int(pair.clock[0]) // every - before // every
    rows = pair.fast.shape[1]
    while due:
        passes, first = divmod(int(pair.clock[1]), rows)
        some = min(due, rows - first)
        pair.clock[1] += some
        due -= some
        yield np.arange(first, first + some, dtype=np.intp), passes


class Transferring(Protocol):
    """An algorithm that moves lines of A to C now and then."""

    @property
    def transfer_unit(self) -> Unit:
        """What `transfer_every` counts."""

    @property
    def transfer_every(self) -> Scalar:
        """Units from one transfer to the next."""


def transfers_due(
    algorithm: Transferring, pair: Pair, vectors: int, *, last: bool
) -> Iterator[tuple[NDArray[np.intp], int]]:
    """`due_lines` after a part of a minibatch; `last` says whether it ends there."""
    if algorithm.transfer_unit is Unit.MINIBATCH and not last:
        return iter(())
    return due_lines(pair, algorithm.transfer_unit, int(algorithm.transfer_every), vectors)


def parts_of(batch: int, merge: Merge) -> Iterator[tuple[slice, int]]:
    """Parts of a minibatch after which transfers may be due, and the vectors in each.

    With `merge: minibatch` it is one: each line sees up to one minibatch of gradients that would
    have come later.  With `merge: sample` the order is the published one, vector after vector.
    """
    size = batch if merge == "minibatch" and batch else 1
    for start in range(0, max(batch, 1), size):
        yield slice(start, start + size), min(size, batch)


def devices_of_lines(
    pair: Pair, lines: NDArray[np.intp], marked: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Flat indices of the devices of `lines` that `marked` [tile, line, col] selects."""
    _, rows, cols = pair.slow.shape
    tile, line, col = np.nonzero(marked)
    return (tile * rows + lines[line]) * cols + col
