"""Area of a static memory cell whose layout is not published."""

from __future__ import annotations

# Reference `cell.area_neurosim`: six transistors in 8 x 20 squares of the feature size.
_CELL_FEATURES = 8.0 * 20.0
_CELL_TRANSISTORS = 6.0


def memory_cell_area_m2(transistors: float, node_m: float) -> float:
    """Area of a static cell of six `transistors` or more, each further one as large as one of six."""
    return transistors / _CELL_TRANSISTORS * _CELL_FEATURES * node_m**2
