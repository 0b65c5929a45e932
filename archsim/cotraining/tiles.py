"""A weight matrix on analog tiles, as the training sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.cotraining.holders import F32, State
from archsim.cotraining.recipe import TileRecipe
from archsim.tile_kernel.analog_matrix import AnalogMatrix, MatrixParameters
from archsim.tile_kernel.matrix_statistics import MatrixStatistics

# Between the number of a block and a name inside its state.
_BLOCK = "/"


@dataclass(frozen=True, slots=True)
class TiledMatrix:
    """The blocks of a matrix, each on arrays of its own; what is inside the blocks changes."""

    blocks: tuple[AnalogMatrix, ...]

    def forward(self, x: F32) -> F32:
        """x [block, vector, input] through the tiles, [block, vector, output]."""
        return _stacked([b.forward(part) for b, part in zip(self.blocks, x, strict=True)])

    def backward(self, error: F32) -> F32:
        """error [block, vector, output] through the tiles the other way, [block, vector, input]."""
        return _stacked([b.backward(part) for b, part in zip(self.blocks, error, strict=True)])

    def update(self, x: F32, error: F32, rate: float) -> None:
        """One minibatch under the update algorithm of the architecture."""
        for block, inputs, errors in zip(self.blocks, x, error, strict=True):
            block.update(inputs, errors, rate)

    def end_of_minibatch(self, elapsed_s: float) -> None:
        """Bounds wander, and devices of known retention drift for `elapsed_s`."""
        for block in self.blocks:
            block.end_of_minibatch(0.0 if block.device.retention is None else elapsed_s)

    def read_out(self) -> tuple[dict[str, F32], ...]:
        """The arrays that reads go through, block by block (see `AnalogMatrix.read_out`)."""
        return tuple(block.read_out() for block in self.blocks)

    def move(self, changes: Sequence[Mapping[str, F32]]) -> None:
        """Write `changes` into these arrays (see `AnalogMatrix.move`)."""
        for block, change in zip(self.blocks, changes, strict=True):
            block.move(change)

    def weights(self) -> F32:
        """What an exact read would give, [block, input, output]."""
        return np.stack([block.weights() for block in self.blocks])

    def state(self) -> State:
        """The states of all blocks."""
        return {
            f"{index}{_BLOCK}{name}": array
            for index, block in enumerate(self.blocks)
            for name, array in block.state().items()
        }

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""
        for index, block in enumerate(self.blocks):
            start = f"{index}{_BLOCK}"
            block.restore(
                {n.removeprefix(start): a for n, a in state.items() if n.startswith(start)}
            )

    def statistics(self) -> tuple[MatrixStatistics, ...]:
        """What was measured of each block."""
        return tuple(block.statistics() for block in self.blocks)


def tiled_matrix(
    architecture: Architecture,
    recipe: TileRecipe,
    weights: F32,
    rng: np.random.Generator,
    parameters: MatrixParameters | None = None,
) -> TiledMatrix:
    """`weights` [block, input, output] on arrays of `architecture`.

    All blocks draw from `rng`; `parameters` default to those of architecture and recipe.  Raises
    `InputError` for what the kernel does not model.
    """
    known = parameters or matrix_parameters(architecture, recipe)
    # One generator per block: the state of each is saved with it.
    seeds = rng.integers(0, 2**63, size=len(weights))
    return TiledMatrix(
        tuple(
            AnalogMatrix.from_architecture(
                architecture,
                block,
                np.random.Generator(np.random.SFC64(int(seed))),
                parameters=known,
                unknown=recipe.unknown_spread,
            )
            for block, seed in zip(weights, seeds, strict=True)
        )
    )


def matrix_parameters(architecture: Architecture, recipe: TileRecipe) -> MatrixParameters:
    """Reads and updates of the hardware, managed as the recipe says."""
    known = MatrixParameters.from_architecture(architecture, recipe.weight_scale)
    reads = {
        name: replace(
            getattr(known, name),
            noise_management=recipe.noise_management,
            bound_management=recipe.bound_management or getattr(known, name).bound_management,
        )
        for name in ("forward", "transposed")
    }
    update = replace(
        known.update,
        update_management=recipe.update_management,
        length_management=recipe.length_management,
        merge=recipe.merge,
    )
    return replace(known, **reads, update=update)


def _stacked(parts: Sequence[F32]) -> NDArray[Any]:
    return parts[0][np.newaxis] if len(parts) == 1 else np.stack(parts)
