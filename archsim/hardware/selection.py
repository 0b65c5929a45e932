"""How the devices at the crossings of fired lines are told from all others in an update."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Select: TypeAlias = Literal["half", "third", "access_transistor"]


class LineBias(NamedTuple):
    """Voltages of an update relative to the full programming pulse.

    `row_swing` and `column_swing` are the change of a line when it fires, `row_level` and
    `column_level` the largest level that its driver must stand.  A device on one fired line sees
    `half_selected` of the pulse, one on none `unselected` (of the other polarity).
    """

    row_swing: float
    column_swing: float
    row_level: float
    column_level: float
    half_selected: float
    unselected: float


# `half`: fired rows at +V/2, fired columns at -V/2, idle lines at 0.
# `third`: idle rows at V/3, fired at V; idle columns at 2V/3, fired at 0.  Every device that is not
# selected sees a third of the pulse, those on idle lines in the other direction.
# `access_transistor`: rows open transistors (at a voltage of their own), fired columns carry V.
SELECTIONS: dict[Select, LineBias] = {
    "half": LineBias(1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 0.0),
    "third": LineBias(2 / 3, 2 / 3, 1.0, 2 / 3, 1 / 3, 1 / 3),
    "access_transistor": LineBias(0.0, 1.0, 0.0, 1.0, 0.0, 0.0),
}
