"""How large an array may be before its product is no longer what its speed promises."""

from __future__ import annotations

from collections.abc import Callable

from archsim.architecture import Architecture
from archsim.hardware.crossbar import Crossbar

SMALLEST, LARGEST = 2, 65536


def of_size(architecture: Architecture, size: int) -> Crossbar:
    """The array of an architecture with `size` rows and columns, everything else unchanged."""
    array = architecture.array.model_copy(update={"rows": size, "cols": size})
    return architecture.model_copy(update={"array": array}).crossbar


def largest(architecture: Architecture, measure: Callable[[Crossbar], float], bound: float) -> int:
    """The largest size of a square array whose `measure` stays within `bound`; 0 if none does.

    `measure` must not fall with the size.  Found by bisection between 2 and 65536.
    """
    if measure(of_size(architecture, SMALLEST)) > bound:
        return 0
    low, high = SMALLEST, LARGEST
    if measure(of_size(architecture, high)) <= bound:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if measure(of_size(architecture, middle)) <= bound:
            low = middle
        else:
            high = middle
    return low
