"""Results as pandas frames, for notebooks and for tables on a terminal.

pandas takes 0.4 s to import, so it is imported when a frame is asked for, and writing a report does
without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.report.attribution import breakdowns, labels
from archsim.report.rows import LAYER_COLUMNS, ResultMapping
from archsim.result.energy import EnergyRow

if TYPE_CHECKING:
    import pandas as pd


def layer_frame(result: ResultMapping) -> pd.DataFrame:
    """`layers` of a result: one row per layer and phase, columns as in `layers.csv`."""
    import pandas as pd

    layers = [dict(row) for row in result.get("layers", ())]
    extra = sorted({key for row in layers for key in row} - set(LAYER_COLUMNS))
    return pd.DataFrame(layers, columns=[*LAYER_COLUMNS, *extra])


def energy_frame(energy_rows: Sequence[EnergyRow]) -> pd.DataFrame:
    """Energy in long form: columns layer, phase, component, energy_j."""
    import pandas as pd

    return pd.DataFrame(list(energy_rows), columns=list(EnergyRow._fields))


def compare_frame(results: Sequence[ResultMapping]) -> pd.DataFrame:
    """Results side by side: columns quantity, by, item, then one column per architecture.

    Values are SI (s, J, m²).  For every architecture after the first, a column `NAME - FIRST` holds
    the difference; over the items of one quantity and `by`, it adds up to that of item `total`.
    """
    import pandas as pd

    names = labels(results)
    table: list[tuple[object, ...]] = []
    for breakdown in breakdowns(results):
        head = (breakdown.title, breakdown.by)
        for item, values in zip(breakdown.items, breakdown.parts, strict=True):
            table.append((*head, item, *values))
        table.append((*head, "total", *breakdown.totals))
    frame = pd.DataFrame(table, columns=["quantity", "by", "item", *names])
    for name in names[1:]:
        frame[f"{name} - {names[0]}"] = frame[name] - frame[names[0]]
    return frame
