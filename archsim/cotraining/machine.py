"""All weight matrices of a network, as the matrix backend of its numerics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.holders import F32, MatrixHolder
from archsim.errors import InputError

_Use: TypeAlias = tuple[F32, F32]


@contextmanager
def _of(matrix: str) -> Iterator[None]:
    """What a matrix refuses, such as numbers beyond its range, names the matrix."""
    try:
        yield
    except InputError as error:
        place = ": ".join(filter(None, (f"matrix '{matrix}'", error.place)))
        raise InputError(error.message, place=place, remedy=error.remedy) from None


class Machine:
    """Multiplies and updates every matrix in its holder (see `numerics.backend.MatrixBackend`).

    A matrix learns when its last use of a backward pass is recorded, with all uses as one
    minibatch, at `rate`, which the training sets before each step; at the latest at the end of the
    minibatch, where the gradient of a use has died on its way.
    """

    def __init__(self, holders: Mapping[str, MatrixHolder]) -> None:
        self.holders = dict(holders)
        self.rate = 0.0
        self._uses: dict[str, list[_Use]] = {}

    def forward(self, matrix: str, x: NDArray[Any]) -> F32:
        """Vectors [block, vector, input] through a matrix."""
        with _of(matrix):
            return self.holders[matrix].forward(x)

    def backward(self, matrix: str, d: NDArray[Any]) -> F32:
        """Vectors [block, vector, output] through the transposed matrix."""
        with _of(matrix):
            return self.holders[matrix].backward(d)

    def record(self, matrix: str, x: NDArray[Any], d: NDArray[Any], *, last: bool) -> None:
        """Note one use; after the last, the matrix learns."""
        uses = self._uses.pop(matrix, [])
        uses.append((x, d))
        if not last:
            self._uses[matrix] = uses
            return
        self._learn(matrix, uses)

    def end_of_minibatch(self, elapsed_s: float = 0.0) -> None:
        """Matrices that still wait for a use learn from those they have; then time passes."""
        for matrix in list(self._uses):
            self._learn(matrix, self._uses.pop(matrix))
        for holder in self.holders.values():
            holder.end_of_minibatch(elapsed_s)

    def _learn(self, matrix: str, uses: list[_Use]) -> None:
        x, d = uses[0]
        if len(uses) > 1:
            inputs, errors = zip(*uses, strict=True)
            x, d = np.concatenate(inputs, axis=1), np.concatenate(errors, axis=1)
        with _of(matrix):
            self.holders[matrix].update(x, d, self.rate)

    def state(self) -> dict[str, NDArray[Any]]:
        """The states of all holders, as one flat mapping."""
        return {
            f"{name}\n{key}": array
            for name, holder in self.holders.items()
            for key, array in holder.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave."""
        split: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in self.holders}
        for path, array in state.items():
            name, _, key = path.rpartition("\n")
            split[name][key] = array
        for name, part in split.items():
            self.holders[name].restore(part)
