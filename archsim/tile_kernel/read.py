"""Reads of analog arrays: what comes out of converters when vectors are put in.

y = scale * ADC(DAC(x / scale) @ (W + noise) + noise), vectorised over tiles and batch, in float32.
Noise is drawn from the generator that is passed in, in an order that only shapes and data decide:
the same seed gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.tile_kernel.arrays import F32, finite, lines_of
from archsim.tile_kernel.ir_drop import effective_weights
from archsim.tile_kernel.parameters import BoundManagement, NoiseManagement, ReadParameters

# Elements of the larger operand of a block: blocks that stay in the cache are twice as fast.
_BLOCK_ELEMENTS = 1 << 17
# Vectors below are read as zero, and numbers above are refused: their squares leave float32.
_SMALLEST_SCALE = 1e-30
_LARGEST_NUMBER = 1e15


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """What a read gives.

    `y` is [batch, outputs] or [batch, tile, outputs] in float32; `repeats` [batch] or [batch, tile]
    counts the reads that each vector took; `clipped_share` is the share of returned outputs that
    the ADC clipped, `clipped_input_share` that of inputs that the DAC clipped in the first read.
    """

    y: F32
    repeats: NDArray[np.int32]
    clipped_share: float
    clipped_input_share: float


def read_forward(
    weights: F32, x: ArrayLike, parameters: ReadParameters, rng: np.random.Generator
) -> ReadOutput:
    """x @ W as the array computes it: rows driven, columns sensed.

    `weights` is [row, col] with x [batch, row] and y [batch, col], or [tile, row, col] with
    x [batch, tile, row] and y [batch, tile, col]; each tile converts its own inputs and outputs.
    Raises `InputError` for shapes that do not match and for numbers that are not finite.
    """
    return _read(_tiles(weights), x, parameters, rng, transposed=False, single=weights.ndim == 2)


def read_transposed(
    weights: F32, x: ArrayLike, parameters: ReadParameters, rng: np.random.Generator
) -> ReadOutput:
    """x @ W^T as the array computes it: columns driven, rows sensed; x is [batch, (tile,) col]."""
    return _read(_tiles(weights), x, parameters, rng, transposed=True, single=weights.ndim == 2)


def _tiles(weights: F32) -> F32:
    """The weights as [tile, row, col]."""
    array = finite("weights", weights)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(
            f"weights have shape {list(array.shape)}; expected [row, col] or [tile, row, col] "
            "with at least one cell"
        )
    return array.reshape(-1, *array.shape[-2:])


def _read(
    tiles: F32,
    x: ArrayLike,
    parameters: ReadParameters,
    rng: np.random.Generator,
    *,
    transposed: bool,
    single: bool,
) -> ReadOutput:
    lines, axis = (tiles.shape[2], "columns") if transposed else (tiles.shape[1], "rows")
    inputs = lines_of("x", x, tiles.shape[0], lines, axis)
    largest = max(float(inputs.max(initial=0.0)), -float(inputs.min(initial=0.0)))
    if largest > _LARGEST_NUMBER:
        raise InputError(f"x is as large as {largest:g}; expected at most {_LARGEST_NUMBER:g}")
    if parameters.ir_drop is not None:
        tiles = effective_weights(tiles, parameters.ir_drop)
    matrices = tiles.swapaxes(1, 2) if transposed else tiles
    count, batch, outputs = matrices.shape[0], inputs.shape[1], matrices.shape[2]
    y = np.empty((batch, count, outputs), dtype=np.float32)
    repeats = np.ones((batch, count), dtype=np.int32)
    clipped_outputs, clipped_inputs = 0.0, 0
    for tile_part, batch_part in _blocks(count, batch, max(lines, outputs)):
        block = _read_block(matrices[tile_part], inputs[tile_part, batch_part], parameters, rng)
        y[batch_part, tile_part] = block.y.swapaxes(0, 1)
        repeats[batch_part, tile_part] = block.repeats.T
        clipped_outputs += float(block.clipped.sum())
        clipped_inputs += block.clipped_inputs
    return ReadOutput(
        y=y[:, 0] if single else y,
        repeats=repeats[:, 0] if single else repeats,
        clipped_share=clipped_outputs / max(y.size, 1),
        clipped_input_share=clipped_inputs / max(inputs.size, 1),
    )


def _blocks(tiles: int, batch: int, lines: int) -> Iterator[tuple[slice, slice]]:
    """Parts of tiles and batch that fit the cache: whole tiles if small, else parts of a batch."""
    rows = max(1, _BLOCK_ELEMENTS // lines)
    together = max(1, rows // max(batch, 1))
    for tile in range(0, tiles, together):
        for row in range(0, batch, rows):
            yield slice(tile, tile + together), slice(row, row + rows)


@dataclass(slots=True)
class _Block:
    """Outputs [tile, batch, output]; repeats and clipped outputs [tile, batch]; clipped inputs."""

    y: F32
    repeats: NDArray[np.int32]
    clipped: F32
    clipped_inputs: int


def _read_block(w: F32, x: F32, parameters: ReadParameters, rng: np.random.Generator) -> _Block:
    """Vectors x [tile, batch, line] through matrices w [tile, line, output]."""
    scale = _SCALES[parameters.noise_management](x, parameters)
    y, clipped, clipped_inputs = _read_once(w, x, scale, parameters, rng)
    block = _Block(y, np.ones(scale.shape, dtype=np.int32), clipped, clipped_inputs)
    if clipped.any():
        _MANAGERS[parameters.bound_management](block, w, x, scale, parameters, rng)
    return block


def _abs_max(x: F32, parameters: ReadParameters) -> F32:
    scale: F32 = np.maximum(x.max(axis=-1), -x.min(axis=-1))
    if parameters.largest_scale < np.inf:
        np.minimum(scale, np.float32(parameters.largest_scale), out=scale)
    scale[scale < _SMALLEST_SCALE] = 0.0
    return scale


def _constant(x: F32, parameters: ReadParameters) -> F32:
    return np.full(x.shape[:-1], parameters.constant_scale, dtype=np.float32)


def _none(x: F32, _: ReadParameters) -> F32:
    return np.ones(x.shape[:-1], dtype=np.float32)


_SCALES: Mapping[NoiseManagement, Callable[[F32, ReadParameters], F32]] = {
    "abs_max": _abs_max,
    "constant": _constant,
    "none": _none,
}


def _read_once(
    w: F32, x: F32, scale: F32, parameters: ReadParameters, rng: np.random.Generator
) -> tuple[F32, F32, int]:
    """One read of every vector: outputs, clipped outputs per vector, and clipped inputs."""
    dac, adc = parameters.dac, parameters.adc
    inverse = np.zeros_like(scale)
    np.divide(np.float32(1.0 / dac.unit), scale, out=inverse, where=scale > 0)
    codes = x * inverse[..., np.newaxis]
    dac.round_codes(codes, rng)
    clipped_inputs = _clip_inputs(codes, parameters)
    if parameters.input_noise > 0:
        noise = rng.standard_normal(codes.shape, dtype=np.float32)
        noise *= np.float32(parameters.input_noise / dac.unit)
        codes += noise
    convert = _convert_bits if parameters.serial_bits else _convert
    y, clipped = convert(codes, w, parameters, rng)
    y *= (scale * np.float32(adc.unit))[..., np.newaxis]
    return y, clipped, clipped_inputs


def _clip_inputs(codes: F32, parameters: ReadParameters) -> int:
    """Clip to the DAC's bound in place; how many were clipped."""
    dac = parameters.dac
    scaled = parameters.noise_management == "abs_max" and parameters.largest_scale == np.inf
    if dac.bound == np.inf or (scaled and dac.bound >= 1.0 and not dac.stochastic):
        return 0
    limit = np.float32(dac.largest_code)
    # Rounding and division leave the largest input a part in 1e7 above the bound.
    beyond = int(np.count_nonzero(np.abs(codes) > limit * np.float32(1.0 + 1e-6)))
    np.clip(codes, -limit, limit, out=codes)
    return beyond


def _convert(
    codes: F32, w: F32, parameters: ReadParameters, rng: np.random.Generator
) -> tuple[F32, F32]:
    """ADC codes of a product with noise, and the clipped outputs of each vector."""
    return _digitise(codes, w, parameters.dac.unit, parameters, rng)


def _convert_bits(
    codes: F32, w: F32, parameters: ReadParameters, rng: np.random.Generator
) -> tuple[F32, F32]:
    """The same bit by bit: each bit of the magnitude is fed with its sign at full size."""
    magnitude = np.abs(codes).astype(np.int32)
    sign = np.sign(codes)
    bits = max(1, int(parameters.dac.largest_code).bit_length())
    total: F32 = np.zeros((*codes.shape[:-1], w.shape[-1]), dtype=np.float32)
    clipped: F32 = np.zeros(codes.shape[:-1], dtype=np.float32)
    for bit in range(bits):
        plane = ((magnitude >> bit) & 1).astype(np.float32) * sign
        y, beyond = _digitise(plane, w, 1.0, parameters, rng)
        total += np.float32(2.0**bit * parameters.dac.unit) * y
        clipped += beyond / np.float32(bits)
    return total, clipped


def _digitise(
    codes: F32, w: F32, unit: float, parameters: ReadParameters, rng: np.random.Generator
) -> tuple[F32, F32]:
    """Product of inputs in units of `unit`, noise, and conversion to ADC codes."""
    adc = parameters.adc
    y: F32 = np.matmul(codes, w)
    _add_noise(y, codes, unit, parameters, rng)
    y *= np.float32(unit / adc.unit)
    clipped = np.zeros(y.shape[:-1], dtype=np.float32)
    if adc.bound < np.inf:
        limit = np.float32(adc.largest_code)
        over = np.maximum(y.max(axis=-1), -y.min(axis=-1)) > limit
        if over.any():
            clipped[over] = np.count_nonzero(np.abs(y[over]) > limit, axis=-1)
    adc.round_codes(y, rng)
    if adc.bound < np.inf:
        np.clip(y, -limit, limit, out=y)
    return y, clipped


def _add_noise(
    y: F32, codes: F32, unit: float, parameters: ReadParameters, rng: np.random.Generator
) -> None:
    """Noise of outputs and weights, in units of `unit`, in place.

    Weights that are noisy anew for each vector give each output a Gaussian of deviation
    weight_noise * |x|_2, independent of the other outputs: one draw per output instead of one per
    cell and vector.
    """
    output, weight = parameters.output_noise / unit, parameters.weight_noise
    if output == 0 and weight == 0:
        return
    noise = rng.standard_normal(y.shape, dtype=np.float32)
    if weight == 0:
        noise *= np.float32(output)
    else:
        squares = np.einsum("tbl,tbl->tb", codes, codes)
        deviation = np.sqrt(np.float32(output**2) + np.float32(weight**2) * squares)
        noise *= deviation[..., np.newaxis]
    y += noise


def _leave_clipped(
    block: _Block,
    w: F32,
    x: F32,
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    del block, w, x, scale, parameters, rng


def _halve(
    block: _Block,
    w: F32,
    x: F32,
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    """Read clipped vectors again at half the input, until none clips or the limit is reached."""
    for tile in np.flatnonzero(block.clipped.any(axis=1)):
        vectors = np.flatnonzero(block.clipped[tile])
        division = 2.0
        while vectors.size and division <= parameters.most_divided:
            divided = scale[tile, vectors] * np.float32(division)
            _repeat(block, w, x, (tile, vectors), divided, parameters, rng)
            vectors = vectors[block.clipped[tile, vectors] > 0]
            division *= 2.0


def _assume_worst(
    block: _Block,
    w: F32,
    x: F32,
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    """Read clipped vectors once more, scaled for weights that all have the assumed size."""
    factor = np.float32(parameters.assumed_weight / parameters.adc.bound)
    for tile in np.flatnonzero(block.clipped.any(axis=1)):
        vectors = np.flatnonzero(block.clipped[tile])
        chosen = x[tile, vectors]
        positive = np.maximum(chosen, 0.0).sum(axis=-1)
        negative = positive - chosen.sum(axis=-1)
        safe = np.maximum(np.maximum(positive, negative) * factor, scale[tile, vectors])
        _repeat(block, w, x, (tile, vectors), safe, parameters, rng)


def _repeat(
    block: _Block,
    w: F32,
    x: F32,
    where: tuple[np.intp, NDArray[np.intp]],
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    """Read some vectors of one tile again, and put the results in place of the last ones."""
    tile, vectors = where
    y, clipped, _ = _read_once(
        w[tile : tile + 1], x[tile : tile + 1, vectors], scale[np.newaxis], parameters, rng
    )
    block.y[tile, vectors] = y[0]
    block.clipped[tile, vectors] = clipped[0]
    block.repeats[tile, vectors] += 1


_Manager: TypeAlias = Callable[[_Block, F32, F32, F32, ReadParameters, np.random.Generator], None]
_MANAGERS: Mapping[BoundManagement, _Manager] = {
    "none": _leave_clipped,
    "iterative": _halve,
    "worst_case": _assume_worst,
}
