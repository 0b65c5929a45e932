"""One read of vectors by tiles: converters, noise, and what follows where an output is clipped.

y = scale * ADC(DAC(x / scale) @ W + noise), on blocks that fit the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.parameters import BoundManagement, NoiseManagement, ReadParameters

# Vectors below are read as zero: their inverse leaves float32.
_SMALLEST_SCALE = 1e-30


@dataclass(slots=True)
class Block:
    """Outputs [tile, batch, output]; repeats and clipped outputs [tile, batch]; fed inputs.

    `clipped_inputs` counts those of the first read.  `abs_inputs` and `square_inputs` are sums of
    |x| and x^2, relative to full scale, over all inputs of all reads, repeats included.
    """

    y: F32
    repeats: NDArray[np.int32]
    clipped: F32
    clipped_inputs: int
    abs_inputs: float
    square_inputs: float


def read_block(w: F32, x: F32, parameters: ReadParameters, rng: np.random.Generator) -> Block:
    """Vectors x [tile, batch, line] through matrices w [tile, line, output]."""
    scale = _SCALES[parameters.noise_management](x, parameters)
    once = _read_once(w, x, scale, parameters, rng)
    block = Block(once.y, np.ones(scale.shape, dtype=np.int32), *once[1:])
    if block.clipped.any():
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


class _Once(NamedTuple):
    """One read of every vector, by the fields of `Block`."""

    y: F32
    clipped: F32
    clipped_inputs: int
    abs_inputs: float
    square_inputs: float


def _read_once(
    w: F32, x: F32, scale: F32, parameters: ReadParameters, rng: np.random.Generator
) -> _Once:
    dac, adc = parameters.dac, parameters.adc
    inverse = np.zeros_like(scale)
    np.divide(np.float32(1.0 / dac.unit), scale, out=inverse, where=scale > 0)
    codes = x * inverse[..., np.newaxis]
    dac.round_codes(codes, rng)
    clipped_inputs = _clip_inputs(codes, parameters)
    flat = codes.reshape(-1)
    abs_inputs = float(np.abs(flat).sum()) * dac.unit
    square_inputs = float(np.vdot(flat, flat)) * dac.unit**2
    if parameters.input_noise > 0:
        noise = rng.standard_normal(codes.shape, dtype=np.float32)
        noise *= np.float32(parameters.input_noise / dac.unit)
        codes += noise
    convert = _convert_bits if parameters.serial_bits else _convert
    y, clipped = convert(codes, w, parameters, rng)
    y *= (scale * np.float32(adc.unit))[..., np.newaxis]
    return _Once(y, clipped, clipped_inputs, abs_inputs, square_inputs)


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
    block: Block,
    w: F32,
    x: F32,
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    del block, w, x, scale, parameters, rng


def _halve(
    block: Block,
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
    block: Block,
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
    block: Block,
    w: F32,
    x: F32,
    where: tuple[np.intp, NDArray[np.intp]],
    scale: F32,
    parameters: ReadParameters,
    rng: np.random.Generator,
) -> None:
    """Read some vectors of one tile again, and put the results in place of the last ones."""
    tile, vectors = where
    once = _read_once(
        w[tile : tile + 1], x[tile : tile + 1, vectors], scale[np.newaxis], parameters, rng
    )
    block.y[tile, vectors] = once.y[0]
    block.clipped[tile, vectors] = once.clipped[0]
    block.repeats[tile, vectors] += 1
    block.abs_inputs += once.abs_inputs
    block.square_inputs += once.square_inputs


_Manager: TypeAlias = Callable[[Block, F32, F32, F32, ReadParameters, np.random.Generator], None]
_MANAGERS: Mapping[BoundManagement, _Manager] = {
    "none": _leave_clipped,
    "iterative": _halve,
    "worst_case": _assume_worst,
}
