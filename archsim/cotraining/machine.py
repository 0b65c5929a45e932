"""All weight matrices of a network, as the matrix backend of its numerics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.holders import F32, MatrixHolder

_Use: TypeAlias = tuple[F32, F32]


class Machine:
    """Multiplies and updates every matrix in its holder (see `numerics.backend.MatrixBackend`).

    A matrix learns when its last use of a backward pass is recorded, with all uses as one
    minibatch, at `rate`, which the training sets before each step.
    """

    def __init__(self, holders: Mapping[str, MatrixHolder]) -> None:
        self.holders = dict(holders)
        self.rate = 0.0
        self._uses: dict[str, list[_Use]] = {}

    def forward(self, matrix: str, x: NDArray[Any]) -> F32:
        """Vectors [block, vector, input] through a matrix."""
        return self.holders[matrix].forward(x)

    def backward(self, matrix: str, d: NDArray[Any]) -> F32:
        """Vectors [block, vector, output] through the transposed matrix."""
        return self.holders[matrix].backward(d)

    def record(self, matrix: str, x: NDArray[Any], d: NDArray[Any], *, last: bool) -> None:
        """Note one use; after the last, the matrix learns."""
        uses = self._uses.pop(matrix, [])
        uses.append((x, d))
        if not last:
            self._uses[matrix] = uses
            return
        if len(uses) > 1:
            inputs, errors = zip(*uses, strict=True)
            x, d = np.concatenate(inputs, axis=1), np.concatenate(errors, axis=1)
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
