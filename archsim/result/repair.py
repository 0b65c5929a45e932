"""What a reader of a result must know of faulty devices and lines: arrays that stay broken."""

from __future__ import annotations

from archsim.architecture import Architecture
from archsim.fields import Scalar, lone
from archsim.hardware.faults import array_yield, column_fails, row_yield, spares_for

# Fewer broken arrays than one on a chip are no caution.
UNREPAIRED_LIMIT = 1.0


def unrepaired_arrays(architecture: Architecture) -> Scalar:
    """Arrays of a chip that spare lines do not make whole, on average."""
    return architecture.arrays_available * (1.0 - array_yield(architecture.array))


def unrepaired_message(architecture: Architecture) -> str:
    """A sentence on arrays that stay broken and how many spare columns would do, or ""."""
    broken, array = lone(unrepaired_arrays(architecture)), architecture.array
    if broken < UNREPAIRED_LIMIT:
        return ""
    total = lone(architecture.arrays_available)
    said = (
        f"Of {total:,.0f} arrays {broken:,.3g} have more faults than {lone(array.spare_rows):.0f} spare "
        f"rows and {lone(array.spare_cols):.0f} spare columns repair; all are priced as working."
    )
    wanted = (1.0 - UNREPAIRED_LIMIT / total) / max(lone(row_yield(array)), 1e-300)
    needed = spares_for(int(lone(array.cols)), lone(column_fails(array)), wanted)
    if needed is None:
        return f"{said}  No number of spare columns alone leaves less than one."
    return f"{said}  With {needed} spare columns less than one is left."
