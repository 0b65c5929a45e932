"""All weight matrices of a network, as the matrix backend of its numerics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.holders import F32, MatrixHolder
from archsim.cotraining.update_order import AtOnce, Due, Queue
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

    When the last use of a matrix in a backward pass is recorded, all its uses join the `queue`, which
    says when it learns from them (by default at once), at `rate`, which the training sets before each
    step.  They join at the latest at the end of the pass, where the gradient of a use has died on its
    way.
    """

    def __init__(self, holders: Mapping[str, MatrixHolder], queue: Queue | None = None) -> None:
        self.holders = dict(holders)
        self.queue: Queue = AtOnce() if queue is None else queue
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
        """Note one use; after the last, they join the queue."""
        uses = self._uses.pop(matrix, [])
        uses.append((x, d))
        if not last:
            self._uses[matrix] = uses
            return
        self._learn(matrix, uses)

    def end_of_pass(self) -> None:
        """Matrices that still wait for a use take those they have."""
        for matrix in list(self._uses):
            self._learn(matrix, self._uses.pop(matrix))

    def end_of_minibatch(self, elapsed_s: float = 0.0) -> None:
        """The last pass ends, matrices learn what the queue has for the end; then time passes."""
        self.end_of_pass()
        self._update(self.queue.end_of_minibatch())
        for holder in self.holders.values():
            holder.end_of_minibatch(elapsed_s)

    def _learn(self, matrix: str, uses: list[_Use]) -> None:
        x, d = uses[0]
        if len(uses) > 1:
            inputs, errors = zip(*uses, strict=True)
            x, d = np.concatenate(inputs, axis=1), np.concatenate(errors, axis=1)
        self._update(self.queue.add(matrix, x, d))

    def _update(self, dues: Iterable[Due]) -> None:
        for due in dues:
            with _of(due.matrix):
                self.holders[due.matrix].update(due.x, due.error, self.rate * due.share)

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
