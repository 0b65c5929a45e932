"""Node voltages obey Kirchhoff's law, and small drops follow the closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.hardware.nodal import Wires, solve_crossbar, uniform_drop

Floats = NDArray[np.float64]


def circuit_matrix_currents(g: Floats, v: Floats, wires: Wires) -> Floats:
    """The same circuit as one dense system of nodes, stamped resistor by resistor."""
    rows, cols = g.shape
    row_node = np.arange(rows * cols).reshape(rows, cols)
    col_node = row_node + rows * cols
    size = 2 * rows * cols
    matrix, right = np.zeros((size, size)), np.zeros(size)

    def join(a: int, b: int, y: float) -> None:
        matrix[[a, b], [a, b]] += y
        matrix[[a, b], [b, a]] -= y

    for i in range(rows):
        for j in range(cols):
            join(row_node[i, j], col_node[i, j], g[i, j])
            if j + 1 < cols:
                join(row_node[i, j], row_node[i, j + 1], 1 / wires.row_ohm)
            if i + 1 < rows:
                join(col_node[i, j], col_node[i + 1, j], 1 / wires.col_ohm)
        matrix[row_node[i, 0], row_node[i, 0]] += 1 / wires.row_ohm
        right[row_node[i, 0]] += v[i] / wires.row_ohm
    for j in range(cols):
        matrix[col_node[-1, j], col_node[-1, j]] += 1 / wires.col_ohm
    return np.asarray(np.linalg.solve(matrix, right)[col_node[-1]] / wires.col_ohm)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    log_row=st.floats(-2, 7),
    log_col=st.floats(-2, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_a_general_solution_of_the_circuit_matrix(
    rows: int, cols: int, log_row: float, log_col: float, seed: int
) -> None:
    """The line-wise solver and a dense solve of all nodes give the same column currents."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(0, 2e-7, (rows, cols))
    v = rng.uniform(-1, 1, rows)
    wires = Wires(10**log_row, 10**log_col)
    found = solve_crossbar(g, v, wires).column_current_a
    scale = np.abs(g).sum() * np.abs(v).max() + 1e-30
    np.testing.assert_allclose(
        found, circuit_matrix_currents(g, v, wires), atol=1e-7 * scale, rtol=1e-6
    )


@pytest.mark.parametrize(("rows", "cols"), [(48, 48), (96, 32), (200, 200)])
def test_small_drops_follow_the_closed_forms(rows: int, cols: int) -> None:
    """For g*r*N^2 << 1: mean output error g*r*(rows^2 + cols^2)/3, farthest cell (..)/2."""
    g, drop = 1e-7, 1e-3
    r = drop / (g * max(rows, cols) ** 2)
    solution = solve_crossbar(np.full((rows, cols), g), np.ones(rows), Wires(r, r))
    loss = 1 - solution.column_current_a / (g * rows)
    small = g * r * (rows**2 + cols**2)
    # The sums over segments exceed the integrals by about 1.5 / N.
    slack = 2.5 / min(rows, cols)
    assert loss.mean() == pytest.approx(small / 3, rel=slack)
    assert loss.max() == pytest.approx(g * r * (rows**2 / 3 + cols**2 / 2), rel=slack)
    assert 1 - solution.cell_voltage_v.min() == pytest.approx(small / 2, rel=slack)


def _transfer(g: Floats, wires: Wires) -> Floats:
    """Current of each column [rows, cols] per volt on each row."""
    return np.stack([solve_crossbar(g, e, wires).column_current_a for e in np.eye(g.shape[0])])


def test_reads_from_the_same_ends_are_reciprocal() -> None:
    """If every wire is driven and sensed at one and the same end, the transposed read applies
    exactly the transpose of what the forward read applies, however large the drop."""
    g = np.random.default_rng(1).uniform(1e-8, 2e-7, (40, 25))
    wires = Wires(2000.0, 700.0)
    forward = _transfer(g, wires)
    # Columns driven where they are sensed (behind the last row), rows sensed where they are driven.
    backward = _transfer(g.T[::-1, ::-1], Wires(wires.col_ohm, wires.row_ohm))[::-1, ::-1]
    np.testing.assert_allclose(backward, forward.T, rtol=1e-7)
    assert np.abs(forward / g - 1).max() > 0.05


def test_transposed_read_from_the_other_ends_sees_another_matrix() -> None:
    """Driving columns and sensing rows at their other ends applies another matrix than W^T."""
    g = np.random.default_rng(1).uniform(1e-8, 2e-7, (40, 40))
    wires = Wires(2000.0, 2000.0)
    forward, backward = _transfer(g, wires), _transfer(g.T, wires)
    assert np.abs(forward - backward.T).max() > 0.01 * g.max()


def test_currents_are_linear_in_the_inputs() -> None:
    """Superposition: the response to a sum of inputs is the sum of the responses."""
    rng = np.random.default_rng(2)
    g, wires = rng.uniform(0, 1e-6, (12, 17)), Wires(800.0, 100.0)
    a, b = rng.normal(size=(2, 12))
    both = solve_crossbar(g, a - 3 * b, wires).column_current_a
    parts = [solve_crossbar(g, v, wires).column_current_a for v in (a, b)]
    np.testing.assert_allclose(both, parts[0] - 3 * parts[1], rtol=1e-8, atol=1e-18)


def test_refuses_what_is_no_crossbar() -> None:
    """Shapes that do not fit and wires without resistance are refused."""
    with pytest.raises(ValueError, match="do not fit"):
        solve_crossbar(np.ones((3, 2)), np.ones(2), Wires(1.0, 1.0))
    with pytest.raises(ValueError, match="above 0"):
        solve_crossbar(np.ones((3, 2)), np.ones(3), Wires(0.0, 1.0))


@pytest.mark.parametrize("loading", [1e-4, 0.1, 1.0, 10.0])
def test_uniform_crossbars_depend_on_their_loading_only(loading: float) -> None:
    """g * r * N^2 decides: a 400 x 400 crossbar errs as `uniform_drop` says."""
    n = 400
    r = loading / n**2
    solution = solve_crossbar(np.ones((n, n)), np.ones(n), Wires(r, r))
    assert uniform_drop(loading) == pytest.approx(
        1 - solution.column_current_a.mean() / n, rel=0.01
    )


def test_uniform_drop_starts_at_two_thirds_of_the_loading() -> None:
    """Small loading: 2/3 of it; and no loading, no drop."""
    assert uniform_drop(1e-5) == pytest.approx(2 / 3 * 1e-5, rel=0.01)
    assert uniform_drop(0.0) == 0.0
