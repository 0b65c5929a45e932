"""A matrix on several arrays is the same matrix, with one conversion more per partial sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.hardware.placement import Direction
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.tiling import Tiling, read_matrix

IDEAL = ReadParameters(noise_management="abs_max")


def seeded(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(1, 40),
    outputs=st.integers(1, 40),
    rows=st.integers(1, 20),
    cols=st.integers(1, 20),
    direction=st.sampled_from(Direction),
    seed=st.integers(0, 1000),
)
def test_splitting_changes_nothing_with_ideal_converters(
    inputs: int, outputs: int, rows: int, cols: int, direction: Direction, seed: int
) -> None:
    """Forward and transposed reads of any split are the product; splitting and joining invert."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(inputs, outputs)).astype(np.float32)
    tiling = Tiling(inputs, outputs, rows, cols)
    weights = tiling.split(matrix)
    assert weights.shape == tiling.shape
    assert weights.shape[1] <= rows
    assert weights.shape[2] <= cols
    np.testing.assert_array_equal(tiling.join(weights), matrix)
    applied = matrix if direction is Direction.FORWARD else matrix.T
    x = rng.normal(size=(3, len(applied))).astype(np.float32)
    found = read_matrix(weights, x, tiling, IDEAL, seeded(), direction)
    np.testing.assert_allclose(found.y, x.astype(np.float64) @ applied, atol=2e-4)
    assert found.repeats.shape == (3, len(weights))
    assert found.y.dtype == np.float32


def test_partial_sums_are_converted_one_by_one() -> None:
    """Three row splits: the sum of three converted products, and three times the noise variance."""
    rng = np.random.default_rng(1)
    matrix = rng.uniform(-1, 1, (30, 20)).astype(np.float32)
    x = rng.uniform(-1, 1, (400, 30)).astype(np.float32)
    tiling = Tiling(30, 20, 10, 20)
    p = ReadParameters(adc=Quantiser.of_bits(10.0, 6))
    found = read_matrix(tiling.split(matrix), x, tiling, p, seeded()).y
    parts = [x[:, k : k + 10] @ matrix[k : k + 10] for k in (0, 10, 20)]
    expected = sum(np.rint(part / p.adc.step) * p.adc.step for part in parts)
    assert (np.abs(found - expected) > 1e-4).mean() < 1e-3
    noisy = replace(IDEAL, noise_management="none", output_noise=0.1)
    noise = read_matrix(tiling.split(matrix), x, tiling, noisy, seeded()).y - x @ matrix
    ratio = np.square(noise, dtype=np.float64).mean() / (3 * 0.1**2)
    assert abs(ratio - 1) < 4 * np.sqrt(2 / noise.size)


def test_matrices_that_do_not_fit_are_refused() -> None:
    """Matrix, weights and vectors of other sizes, and empty tilings."""
    tiling = Tiling(30, 20, 10, 20)
    with pytest.raises(InputError, match=r"shape \[3, 3\], but the tiling is of 30 inputs"):
        tiling.split(np.ones((3, 3)))
    with pytest.raises(InputError, match=r"tiling asks for \[3, 10, 20\]"):
        tiling.join(np.ones((3, 3, 3), np.float32))
    weights = tiling.split(np.ones((30, 20)))
    with pytest.raises(InputError, match=r"x has shape \[1, 20\]; expected \[batch, 30\]"):
        read_matrix(weights, np.ones((1, 20)), tiling, IDEAL, seeded())
    with pytest.raises(InputError, match="rows is 0"):
        Tiling(1, 1, 0, 1)
