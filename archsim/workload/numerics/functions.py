"""Functions of one number that several kernels share, and that numpy lacks."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from archsim.workload.numerics.kernel import Array

_KNOTS_PER_UNIT = 64
_LARGEST_ARGUMENT = 6  # erf(6) is 1 less 2e-17


@lru_cache(maxsize=1)
def _erf_table() -> tuple[Array, Array]:
    """erf and its derivative (per knot) at knots from 0 to `_LARGEST_ARGUMENT`."""
    knots = np.arange(_LARGEST_ARGUMENT * _KNOTS_PER_UNIT + 2) / _KNOTS_PER_UNIT
    values = np.asarray([math.erf(knot) for knot in knots])
    slopes = 2.0 / math.sqrt(math.pi) * np.exp(-(knots**2)) / _KNOTS_PER_UNIT
    return values, slopes


def erf(x: Array) -> Array:
    """The error function, by cubic Hermite interpolation between exact values.

    The error is below h^4/384 times the largest fourth derivative (about 14), h = 1/64: 3e-9.
    """
    values, slopes = _erf_table()
    place = np.minimum(np.abs(x.astype(np.float64)), _LARGEST_ARGUMENT) * _KNOTS_PER_UNIT
    place = np.nan_to_num(place, nan=0.0)
    knot = place.astype(np.int64)
    t = place - knot
    before, after = values[knot], values[knot + 1]
    curve = (
        (1 + 2 * t) * (1 - t) ** 2 * before
        + t * (1 - t) ** 2 * slopes[knot]
        + t**2 * (3 - 2 * t) * after
        + t**2 * (t - 1) * slopes[knot + 1]
    )
    return np.asarray(np.where(np.isnan(x), np.nan, np.copysign(curve, x))).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small)).astype(x.dtype, copy=False)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.asarray(np.logaddexp(x, x.dtype.type(0)))


def gelu_erf(x: Array) -> Array:
    """x * (1 + erf(x / sqrt 2)) / 2, Hendrycks and Gimpel 2016 (arXiv:1606.08415)."""
    return np.asarray(x * 0.5 * (1 + erf(x * x.dtype.type(math.sqrt(0.5))))).astype(x.dtype)


def gelu_tanh(x: Array) -> Array:
    """The approximation of `gelu_erf` by a tanh, from the same paper."""
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
    return np.asarray(0.5 * x * (1 + np.tanh(inner))).astype(x.dtype, copy=False)


def softmax(x: Array, axis: int | tuple[int, ...]) -> Array:
    """exp(x) over its sum along `axis`; a row of minus infinities gives NaN, as in ONNX."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True)).astype(x.dtype, copy=False)
