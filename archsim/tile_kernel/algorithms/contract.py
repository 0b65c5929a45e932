"""What the kernel of every update algorithm offers, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.hardware.placement import Direction
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.ir_drop import IrDrop, WireLosses, wire_losses
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import read_tiles, seen_by_read
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


LossesOf: TypeAlias = Callable[[str, F32, IrDrop], WireLosses]


def fresh_losses(role: str, weights: F32, drop: IrDrop) -> WireLosses:
    """The losses of an array, computed anew."""
    return wire_losses(weights, drop)


@dataclass(frozen=True, slots=True)
class Step:
    """One minibatch for an algorithm: `x` [batch, (tile,) row], `error` [batch, (tile,) col].

    `read` is how lines are read for transfers, None for exact reads; `losses(role, weights, drop)`
    gives the losses of the wires of an array then.
    """

    x: ArrayLike
    error: ArrayLike
    learning_rate: float
    parameters: UpdateParameters
    rng: np.random.Generator
    read: ReadParameters | None = None
    losses: LossesOf = fresh_losses


@dataclass(frozen=True, slots=True)
class AlgorithmKernel:
    """The kernel of one algorithm, as three functions of its frozen component and its state.

    `create(algorithm, new_array)` makes the state: frozen, with arrays inside that change.
    `weights(algorithm, state)` is what forward and transposed reads multiply by.
    `learn(algorithm, state, step)` changes the state in place.
    `program(algorithm, state, target, rng)` writes weights [tile, row, col], all inside numbers, as
    far as the devices reach, and returns the share of them that bounds kept from the target.
    `arrays(state)` are the device arrays by their role, and `read_roles(algorithm)` the roles of
    those that `weights` are made of.
    """

    create: Callable[[Any, NewArray], Any]
    weights: Callable[[Any, Any], F32]
    learn: Callable[[Any, Any, Step], LearnReport]
    program: Callable[[Any, Any, F32, np.random.Generator], float]
    arrays: Callable[[Any], Mapping[str, DeviceArray]]
    read_roles: Callable[[Any], tuple[str, ...]]


def read_lines(weights: F32, lines: NDArray[np.intp], step: Step, role: str) -> F32:
    """Rows `lines` of every tile, read one at a time with a full-scale input: [tile, line, col].

    `role` is that of the array whose weights [tile, row, col] these are.
    """
    rows = weights[:, lines, :]
    if step.read is None:
        return rows
    tiles, count, cols = rows.shape
    losses: WireLosses | None = None
    if step.read.ir_drop is not None:
        losses = step.losses(role, weights, step.read.ir_drop).of_rows(lines)
    seen = seen_by_read(rows, step.read, Direction.FORWARD, losses)
    # A line driven alone is an array of one row.
    alone = seen.reshape(tiles * count, 1, -1)
    full = np.ones((tiles * count, 1, 1), dtype=np.float32)
    return read_tiles(alone, full, step.read, step.rng).y.reshape(tiles, count, cols)
