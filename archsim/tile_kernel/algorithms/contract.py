"""What the kernel of every update algorithm offers, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import read_forward
from archsim.tile_kernel.state import DeviceArray
from archsim.tile_kernel.trains import UpdateParameters
from archsim.tile_kernel.update import UpdateReport

# Makes one array of devices, each call with a draw of its own.
NewArray: TypeAlias = Callable[[], DeviceArray]


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What one minibatch did: measured counts that the energy model asks for.

    `update` is the parallel update of the array that takes the gradient; `lines_read` the lines
    read for transfers, over all tiles; `written_pulses` the pulses on the array that they feed (or
    that a refresh writes); `resets` the devices reset.
    """

    update: UpdateReport = field(default_factory=UpdateReport)
    lines_read: int = 0
    written_pulses: float = 0.0
    resets: int = 0

    def __add__(self, other: LearnReport) -> LearnReport:
        return LearnReport(
            self.update + other.update,
            self.lines_read + other.lines_read,
            self.written_pulses + other.written_pulses,
            self.resets + other.resets,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One minibatch for an algorithm: `x` [batch, (tile,) row], `error` [batch, (tile,) col].

    `read` is how lines are read for transfers, None for exact reads.
    """

    x: ArrayLike
    error: ArrayLike
    learning_rate: float
    parameters: UpdateParameters
    rng: np.random.Generator
    read: ReadParameters | None = None


@dataclass(frozen=True, slots=True)
class AlgorithmKernel:
    """The kernel of one algorithm, as three functions of its frozen component and its state.

    `create(algorithm, new_array)` makes the state: frozen, with arrays inside that change.
    `weights(algorithm, state)` is what forward and transposed reads multiply by.
    `learn(algorithm, state, step)` changes the state in place.
    """

    create: Callable[[Any, NewArray], Any]
    weights: Callable[[Any, Any], F32]
    learn: Callable[[Any, Any, Step], LearnReport]


def read_lines(weights: F32, lines: np.ndarray[Any, np.dtype[np.intp]], step: Step) -> F32:
    """Rows `lines` of every tile, read one at a time with a one-hot input: [tile, line, col]."""
    if step.read is None:
        return weights[:, lines, :]
    tiles, rows, _ = weights.shape
    one_hot = np.zeros((lines.size, tiles, rows), dtype=np.float32)
    one_hot[np.arange(lines.size), :, lines] = 1.0
    return read_forward(weights, one_hot, step.read, step.rng).y.swapaxes(0, 1)
