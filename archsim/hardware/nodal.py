"""Node voltages of a crossbar with resistive wires: the reference for IR drop.

Every cell joins a node of its row wire to a node of its column wire.  Rows are driven at the end
beside column 0, columns are sensed (held at zero) at the end behind the last row, through one
segment of wire each.  Kirchhoff's current law at all 2 * rows * cols nodes is solved by conjugate
gradients, preconditioned by exact solutions along every wire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

# Relative residual of Kirchhoff's law at which the solution counts as exact.
_TOLERANCE = 1e-12
_MOST_ITERATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Wires:
    """Resistance of one segment of a row wire and of a column wire, in ohm, each above 0."""

    row_ohm: float
    col_ohm: float


@dataclass(frozen=True, slots=True)
class NodalSolution:
    """Currents out of the columns [cols] in A, voltages across the cells [rows, cols] in V."""

    column_current_a: FloatArray
    cell_voltage_v: FloatArray


def solve_crossbar(
    conductance_siemens: NDArray[np.floating], row_voltage_v: NDArray[np.floating], wires: Wires
) -> NodalSolution:
    """Currents and cell voltages for conductances [rows, cols] >= 0 and row voltages [rows].

    Raises ValueError for shapes that do not fit or wires without resistance, and ArithmeticError if
    the solution does not converge.  A transposed read is the same problem with the transposed
    conductances and the two wires exchanged.
    """
    g = np.asarray(conductance_siemens, dtype=np.float64)
    drive = np.asarray(row_voltage_v, dtype=np.float64)
    if g.ndim != 2 or drive.shape != g.shape[:1]:
        raise ValueError(f"conductances {g.shape} and row voltages {drive.shape} do not fit")
    if not (wires.row_ohm > 0 and wires.col_ohm > 0):
        raise ValueError("wires need a resistance above 0")
    rows, cols = g.shape
    y_row, y_col = 1.0 / wires.row_ohm, 1.0 / wires.col_ohm
    # Degree of a node along its wire: the far end of a row, and the near end of a column, are open.
    row_degree = np.full((rows, cols), 2.0)
    row_degree[:, -1] = 1.0
    col_degree = np.full((rows, cols), 2.0)
    col_degree[0, :] = 1.0
    row_solver = _Tridiagonal(y_row * row_degree + g, y_row)
    col_solver = _Tridiagonal((y_col * col_degree + g).T, y_col)

    def apply(x: FloatArray) -> FloatArray:
        u, w = x
        out = np.empty_like(x)
        out[0] = (y_row * row_degree + g) * u - g * w
        out[0, :, 1:] -= y_row * u[:, :-1]
        out[0, :, :-1] -= y_row * u[:, 1:]
        out[1] = (y_col * col_degree + g) * w - g * u
        out[1, 1:, :] -= y_col * w[:-1, :]
        out[1, :-1, :] -= y_col * w[1:, :]
        return out

    def precondition(r: FloatArray) -> FloatArray:
        return np.stack([row_solver.solve(r[0]), col_solver.solve(r[1].T).T])

    b = np.zeros((2, rows, cols))
    b[0, :, 0] = y_row * drive
    x = _conjugate_gradients(apply, precondition, b)
    return NodalSolution(column_current_a=y_col * x[1, -1, :], cell_voltage_v=x[0] - x[1])


class _Tridiagonal:
    """Many symmetric tridiagonal systems with one constant off-diagonal `-y`, factored once.

    `diagonal` is [systems, size]; Thomas' algorithm along the last axis.
    """

    def __init__(self, diagonal: FloatArray, y: float) -> None:
        size = diagonal.shape[1]
        self._y = y
        self._pivot = np.empty((size, diagonal.shape[0]))
        self._pivot[0] = diagonal[:, 0]
        for k in range(1, size):
            self._pivot[k] = diagonal[:, k] - y * y / self._pivot[k - 1]

    def solve(self, right: FloatArray) -> FloatArray:
        """Solutions [systems, size] for right-hand sides of that shape."""
        x = right.T.copy()
        for k in range(1, x.shape[0]):
            x[k] += self._y / self._pivot[k - 1] * x[k - 1]
        x[-1] /= self._pivot[-1]
        for k in range(x.shape[0] - 2, -1, -1):
            x[k] = (x[k] + self._y * x[k + 1]) / self._pivot[k]
        return np.ascontiguousarray(x.T)


def _conjugate_gradients(
    apply: Callable[[FloatArray], FloatArray],
    precondition: Callable[[FloatArray], FloatArray],
    b: FloatArray,
) -> FloatArray:
    x = precondition(b)
    r = b - apply(x)
    z = precondition(r)
    p, rz = z, float(np.vdot(r, z))
    goal = _TOLERANCE * float(np.linalg.norm(b))
    for _ in range(_MOST_ITERATIONS):
        if float(np.linalg.norm(r)) <= goal:
            return x
        q = apply(p)
        alpha = rz / float(np.vdot(p, q))
        x = x + alpha * p
        r = r - alpha * q
        z = precondition(r)
        following = float(np.vdot(r, z))
        p, rz = z + following / rz * p, following
    raise ArithmeticError("the node voltages of the crossbar did not converge")


# A crossbar with uniform conductance is a continuum that g * r * N^2 alone describes; this many
# segments resolve it to about one per cent.
_UNIFORM_SIZE = 128


def uniform_drop(loading: float) -> float:
    """Mean relative output error of a uniform square crossbar at full input, by nodal solution.

    `loading` = g * r * N^2 >= 0 for N x N cells of conductance g and wires of r per cell.  Segments
    are finite, so results carry a relative error of about 1 %; the limit for small loading is 2/3
    of it.
    """
    if loading <= 0:
        return 0.0
    n = _UNIFORM_SIZE
    # Sums over n segments exceed integrals over a wire by (1 + 3/(2n)): the loading is lowered.
    resistance = loading / (n**2 * (1.0 + 1.5 / n))
    solution = solve_crossbar(np.ones((n, n)), np.ones(n), Wires(resistance, resistance))
    return float(1.0 - solution.column_current_a.mean() / n)
