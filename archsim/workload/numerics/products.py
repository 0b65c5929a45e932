"""Products of matrices, multiplied as they are counted, and counted as they are multiplied.

Kernels lower every product to one of two forms: vectors [blocks, V, K] times a stationary matrix
[blocks, K, N], or activations [count, m, k] times activations [count, k, n].  The shapes of the
arrays are the count; a `Ledger` compares it with what the workload says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.workload.graph import DynamicMatmul, WeightMatrix, WeightUse

Array: TypeAlias = NDArray[Any]


class MiscountError(Exception):
    """What a network computes is not what the workload counts: the importer is wrong.

    This is no fault of the user's, so it is no `InputError`.
    """


@dataclass(frozen=True, slots=True)
class Expected:
    """A product that the workload counts, and the op that it belongs to.

    Either `use` and its `matrix` are set, or `dynamic` is.
    """

    op: str
    use: WeightUse | None = None
    matrix: WeightMatrix | None = None
    dynamic: DynamicMatmul | None = None

    @property
    def size(self) -> tuple[int, int, int]:
        """(blocks, K, N) of a product by a weight; K and N trade places in a transposed use."""
        assert self.matrix is not None
        assert self.use is not None
        sizes = (self.matrix.inputs, self.matrix.outputs)
        inputs, outputs = sizes[::-1] if self.use.transposed else sizes
        return self.matrix.blocks, inputs, outputs


class Products(Protocol):
    """Where kernels multiply matrices."""

    @property
    def counted(self) -> bool:
        """Whether the products are part of a workload's op, and not of a constant."""

    @property
    def following(self) -> Expected | None:
        """The next product that the workload counts, or None if it counts no more."""

    def weight(self, vectors: Array, matrix: Array, label: str = "") -> Array:
        """[blocks, V, K] times the stationary [blocks, K, N] is [blocks, V, N].

        Calls with one `label` are the dependent steps of one use.
        """

    def dynamic(self, left: Array, right: Array) -> Array:
        """[count, m, k] times [count, k, n] is [count, m, n]; both are activations."""


def _multiplied(left: Array, right: Array) -> Array:
    """The product of matrices; sums of numbers of two bytes are kept in four."""
    if left.dtype.itemsize == 2:
        wide = np.matmul(left.astype(np.float32), right.astype(np.float32))
        return np.asarray(wide.astype(left.dtype))
    return np.asarray(np.matmul(left, right))


class Uncounted:
    """Products of constants, which the workload folds away."""

    counted = False
    following: Expected | None = None

    def weight(self, vectors: Array, matrix: Array, label: str = "") -> Array:
        """See `Products`."""
        return _multiplied(vectors, matrix)

    def dynamic(self, left: Array, right: Array) -> Array:
        """See `Products`."""
        return _multiplied(left, right)


@dataclass(slots=True)
class _Entry:
    """Products found under one label: their shapes, the number of calls, the matrix."""

    stationary: bool
    shape: tuple[int, int, int, int]
    calls: int = 1
    matrix: Array | None = None


class Matrices:
    """The stationary matrices met so far: uses that share one must multiply by the same numbers."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Array, bool]] = {}

    def check(self, expected: Expected, matrix: Array) -> None:
        """Remember the elements of the expected matrix, or compare them with the first use's."""
        assert expected.matrix is not None
        assert expected.use is not None
        name, transposed = expected.matrix.name, expected.use.transposed
        first, orientation = self._held.setdefault(name, (matrix, transposed))
        turned = first if orientation == transposed else first.swapaxes(-1, -2)
        if not np.array_equal(turned, matrix):
            raise MiscountError(
                f"op '{expected.op}': it multiplies by other numbers than the first use of the "
                f"matrix '{name}', which both are counted to share."
            )


class Ledger:
    """Products of one op, or of several ops that are one node, against their counts."""

    counted = True

    def __init__(self, ops: Sequence[str], expected: Sequence[Expected], held: Matrices) -> None:
        self._ops = ops
        self._expected = expected
        self._held = held
        self._entries: list[_Entry] = []
        self._labels: dict[str, _Entry] = {}

    @property
    def following(self) -> Expected | None:
        """See `Products`."""
        done = len(self._entries)
        return self._expected[done] if done < len(self._expected) else None

    def weight(self, vectors: Array, matrix: Array, label: str = "") -> Array:
        """See `Products`."""
        blocks, count, inputs = vectors.shape
        shape = (blocks, count, inputs, matrix.shape[-1])
        known = self._labels.get(label) if label else None
        if known is None:
            entry = _Entry(stationary=True, shape=shape, matrix=matrix)
            self._entries.append(entry)
            if label:
                self._labels[label] = entry
        else:
            known.calls += 1
            if known.shape != shape or known.matrix is not matrix:
                raise MiscountError(f"{self._place}: the steps of '{label}' differ.")
        return _multiplied(vectors, matrix)

    def dynamic(self, left: Array, right: Array) -> Array:
        """See `Products`."""
        count, rows, inner = left.shape
        self._entries.append(_Entry(stationary=False, shape=(count, rows, inner, right.shape[-1])))
        return _multiplied(left, right)

    def close(self) -> None:
        """Compare all products with the counts; raises `MiscountError`."""
        if len(self._entries) != len(self._expected):
            raise MiscountError(
                f"{self._place}: {len(self._expected)} products are counted, and "
                f"{len(self._entries)} are computed."
            )
        for entry, expected in zip(self._entries, self._expected, strict=True):
            if expected.dynamic is not None:
                self._check_dynamic(entry, expected, expected.dynamic)
            else:
                self._check_weight(entry, expected)

    def _check_dynamic(self, entry: _Entry, expected: Expected, counted: DynamicMatmul) -> None:
        shape = (counted.count, counted.m, counted.k, counted.n)
        if entry.stationary or entry.shape != shape:
            raise MiscountError(
                f"op '{expected.op}': products (count, m, k, n) = {shape} of activations are "
                f"counted, and {entry.shape} are computed."
            )

    def _check_weight(self, entry: _Entry, expected: Expected) -> None:
        assert expected.use is not None
        blocks, inputs, outputs = expected.size
        steps, count = expected.use.sequential_steps, expected.use.vectors
        found_blocks, per_call, found_inputs, found_outputs = entry.shape
        found = (found_blocks, per_call * entry.calls, found_inputs, found_outputs)
        chosen = expected.use.chosen_blocks
        if chosen is not None:
            # Every vector brings the blocks that the network chose for it.
            if (found_blocks * per_call, *found[2:]) != (count * chosen, inputs, outputs):
                raise MiscountError(
                    f"op '{expected.op}': {count} vectors through {chosen} chosen matrices of "
                    f"(K, N) = {(inputs, outputs)} are counted, and {found} are computed."
                )
            return
        if not entry.stationary or found != (blocks, count, inputs, outputs):
            raise MiscountError(
                f"op '{expected.op}': (blocks, vectors, K, N) = "
                f"{(blocks, count, inputs, outputs)} are counted for the matrix "
                f"'{expected.use.matrix}', and {found} are computed."
            )
        if entry.calls != steps:
            raise MiscountError(
                f"op '{expected.op}': {steps} dependent steps are counted, and {entry.calls} are "
                "computed."
            )
        assert entry.matrix is not None
        self._held.check(expected, entry.matrix)

    @property
    def _place(self) -> str:
        return "op " + ", ".join(f"'{name}'" for name in self._ops)
