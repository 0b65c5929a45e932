"""Effective weights follow the nodal solution to first order in the wire resistance."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.hardware.nodal import Wires, solve_crossbar
from archsim.tile_kernel.ir_drop import IrDrop, effective_weights

Layout = Literal["differential", "reference"]
Floats = NDArray[np.float64]
REFERENCE = 0.46


def transfer(cells: Floats, wires: Wires) -> Floats:
    """Current of each column [row, col] per volt on each row, rows driven beside column 0."""
    return np.stack([solve_crossbar(cells, e, wires).column_current_a for e in np.eye(len(cells))])


def pair_cells(weights: Floats) -> Floats:
    """Conductances [row, 2 col] of neighbouring pairs: reference + w and reference, none negative."""
    cells = np.full((weights.shape[0], 2 * weights.shape[1]), REFERENCE)
    cells[:, ::2] = np.maximum(REFERENCE + weights, 0)
    cells[:, 1::2] += np.maximum(-REFERENCE - weights, 0)
    return cells


def nodal_weights(weights: Floats, wires: Wires, ends: str) -> Floats:
    """Weights that a differential array applies, from node voltages."""
    cells = pair_cells(weights)
    if ends == "near":
        seen = transfer(cells, wires)
    else:
        # Rows are driven behind the last column and columns sensed before the first row: the same
        # circuit from its far corner.
        seen = transfer(cells[::-1, ::-1], wires)[::-1, ::-1]
    return seen[:, ::2] - seen[:, 1::2]


def some_weights(
    rows: int, cols: int, seed: int = 3, low: float = -0.9 * REFERENCE
) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(low, low + 1, (rows, cols)).astype(np.float32)


@pytest.mark.parametrize("ends", ["near", "far"])
@pytest.mark.parametrize("low", [-0.9 * REFERENCE, -2.0 * REFERENCE])
@pytest.mark.parametrize("wire", ["row", "column", "both"])
def test_the_error_is_second_order_in_the_drop(
    ends: Literal["near", "far"], wire: str, low: float
) -> None:
    """A tenth of the resistance leaves a hundredth of the deviation from the nodal solution."""
    weights = some_weights(24, 17, low=low)
    deviations = []
    for loading in (1e-4, 1e-5):
        small = 1e-5 * loading
        row, col = {
            "row": (loading, small),
            "column": (small, loading),
            "both": (loading, loading),
        }[wire]
        exact = nodal_weights(weights.astype(np.float64), Wires(row, col), ends)
        drop = IrDrop(row, col, REFERENCE, "differential", ends)
        found = effective_weights(weights, drop).astype(np.float64)
        deviations.append(np.abs(found - exact).max())
        assert deviations[-1] < 0.1 * np.abs(exact - weights).max()
    assert deviations[1] == pytest.approx(deviations[0] / 100, rel=0.2)


def test_a_shared_reference_column_loads_its_rows() -> None:
    """Layout `reference`: each column less the reference as read there, by nodal solution."""
    weights = some_weights(20, 14).astype(np.float64)
    cells = np.column_stack([REFERENCE + weights, np.full(len(weights), REFERENCE)])
    for flip, ends in ((False, "near"), (True, "far")):
        deviations = []
        for loading in (3e-4, 3e-5):
            wires = Wires(loading, loading)
            turned = cells[::-1, ::-1] if flip else cells
            seen = transfer(turned, wires)
            seen = (seen[::-1, ::-1] if flip else seen)[:, :-1]
            expected = np.empty_like(weights)
            for j in range(weights.shape[1]):
                # A column of references takes the place of column j.
                swapped = turned.copy()
                place = turned.shape[1] - 1 - j if flip else j
                swapped[:, place] = REFERENCE
                reference = transfer(swapped, wires)
                column = (reference[::-1, ::-1] if flip else reference)[:, j]
                expected[:, j] = seen[:, j] - column
            # That lightens the rows by the weights of column j, which the model's reference, read
            # beside column j, does not.
            own = np.cumsum(np.ones(weights.shape[1] + flip))[flip:]
            segments = own if not flip else own[::-1]
            expected += REFERENCE * loading * weights * segments
            drop = IrDrop(loading, loading, REFERENCE, "reference", ends)  # type: ignore[arg-type]
            found = effective_weights(weights.astype(np.float32), drop)
            deviations.append(np.abs(found - expected).max())
        assert deviations[1] == pytest.approx(deviations[0] / 100, rel=0.25)


@pytest.mark.parametrize("ends", ["near", "far"])
@pytest.mark.parametrize("layout", ["differential", "reference"])
def test_wide_arrays_follow_the_sums_cell_by_cell(
    layout: Layout, ends: Literal["near", "far"]
) -> None:
    """g / (1 + s) with s summed over all pairs of cells of a row and of a column, 300 columns."""
    weights = some_weights(6, 300).astype(np.float64)
    drop = IrDrop(1e-6, 2e-4, REFERENCE, layout, ends)
    pairs = layout == "differential"
    references = np.full(len(weights), REFERENCE)
    cells = pair_cells(weights) if pairs else np.column_stack([REFERENCE + weights, references])
    rows, cols = cells.shape
    along_row = np.arange(cols) + 1 if ends == "near" else cols - np.arange(cols)
    along_col = rows - np.arange(rows) if ends == "near" else np.arange(rows) + 1
    row_share = cells @ np.minimum.outer(along_row, along_row)
    col_share = np.minimum.outer(along_col, along_col) @ cells
    seen = cells / (1 + drop.row_loading * row_share + drop.col_loading * col_share)
    if pairs:
        expected = seen[:, ::2] - seen[:, 1::2]
    else:
        alone = np.minimum.outer(along_col, along_col).sum(axis=1)[:, None] * REFERENCE
        lost = drop.row_loading * row_share[:, :-1] + drop.col_loading * alone
        expected = seen[:, :-1] - REFERENCE / (1 + lost)
    found = effective_weights(weights.astype(np.float32), drop)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(expected - weights).max() > 0.01


@pytest.mark.parametrize(
    ("loading", "slack"), [(0.05, 0.01), (0.2, 0.03), (1.0, 0.10), (3.0, 0.12)]
)
def test_uniform_arrays_keep_near_the_nodal_solution_at_large_drops(
    loading: float, slack: float
) -> None:
    """g * r * N^2 up to 3, where two thirds of the signal are lost: the output is within 12 %."""
    n = 64
    segment = loading / n**2
    found = effective_weights(
        np.ones((n, n), np.float32), IrDrop(segment, segment, 0.0, "reference")
    )
    currents = solve_crossbar(np.ones((n, n)), np.ones(n), Wires(segment, segment)).column_current_a
    np.testing.assert_allclose(found.sum(axis=0), currents, rtol=slack)


def test_mean_drop_is_two_thirds_of_the_loading() -> None:
    """Small uniform drop: mean output error 2/3 G r N^2, the closed form of the limits."""
    n, loading = 512, 1e-3
    segment = loading / n**2
    found = effective_weights(
        np.ones((n, n), np.float32), IrDrop(segment, segment, 0.0, "reference")
    )
    lost = 1 - found.sum(axis=0, dtype=np.float64).mean() / n
    assert lost == pytest.approx(2 / 3 * loading, rel=4 / n)


def test_transposed_reads_from_the_same_ends_see_the_transpose() -> None:
    """Columns driven where they are sensed: node voltages give the same effective weights."""
    weights = some_weights(15, 12).astype(np.float64)
    wires = Wires(2e-4, 3e-4)
    cells = pair_cells(weights)
    # Columns driven behind the last row, rows sensed beside the first column.
    backward = transfer(cells.T[::-1, ::-1], Wires(wires.col_ohm, wires.row_ohm))[::-1, ::-1]
    applied = (backward[::2] - backward[1::2]).T
    drop = IrDrop(wires.row_ohm, wires.col_ohm, REFERENCE)
    found = effective_weights(weights.astype(np.float32), drop)
    assert np.abs(found - applied).max() < 0.1 * np.abs(applied - weights).max()


def test_tiles_are_independent() -> None:
    """Effective weights of a stack of tiles are those of each tile."""
    tiles = np.stack([some_weights(9, 7, seed) for seed in range(3)])
    drop = IrDrop(1e-3, 2e-3, REFERENCE, ends="far")
    found = effective_weights(tiles, drop)
    for tile, one in zip(tiles, found, strict=True):
        np.testing.assert_array_equal(effective_weights(tile, drop), one)
    assert found.dtype == np.float32


def test_no_resistance_leaves_the_weights() -> None:
    """Wires without resistance change nothing beyond rounding, also below -reference."""
    weights = np.linspace(-2, 2, 60, dtype=np.float32).reshape(6, 10)
    found = effective_weights(weights, IrDrop(0.0, 0.0, REFERENCE))
    np.testing.assert_allclose(found, weights, atol=3e-7)


def test_refuses_what_no_device_can_be() -> None:
    """A negative conductance, negative wires and unknown layouts are refused."""
    with pytest.raises(InputError, match=r"lowest weight is -0\.5, expected at least -0\.46"):
        effective_weights(np.array([[-0.5]], np.float32), IrDrop(1e-3, 1e-3, 0.46, "reference"))
    with pytest.raises(InputError, match="row_loading is -1"):
        IrDrop(-1.0, 0.0, 0.0)
    with pytest.raises(InputError, match="ends is 'left'"):
        IrDrop(0.0, 0.0, 0.0, ends="left")  # type: ignore[arg-type]
