"""Several mappings of one configuration, priced at once: arrays with a row for each of them.

For one configuration nearly all time goes to calls of numpy, whose arrays are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from functools import singledispatch
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archsim.mapping import Mapping
from archsim.simulation.analytic import Segments
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.converter_sharing import ConverterSharing

Value = TypeVar("Value")


def side_by_side(mappings: Sequence[Mapping]) -> Mapping:
    """Mappings of one configuration (C = 1) as rows of one; they share their placement."""
    first = mappings[0]

    def rows(name: str) -> Any:
        values = [getattr(mapping, name) for mapping in mappings]
        return None if values[0] is None else np.concatenate(values)

    return replace(
        first,
        copies=rows("copies"),
        on_array=rows("on_array"),
        chips=rows("chips"),
        array_of=rows("array_of"),
        round_of=rows("round_of"),
    )


def row_of(value: Value, row: int) -> Value:
    """One row of every array in `value`, as arrays of one row; what has no rows stays as it is.

    `value` is an array, or dataclasses and mappings of arrays whose first axis counts rows.  An
    array of a single row is the same for all.
    """
    found: Value = _row(value, row)
    return found


@singledispatch
def _row(value: Any, row: int) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {field.name: _row(getattr(value, field.name), row) for field in fields(value)}
    return replace(value, **parts)


@_row.register
def _(value: np.ndarray, row: int) -> NDArray[Any]:
    return value if value.shape[0] == 1 else value[row : row + 1]


@_row.register
def _(value: dict, row: int) -> dict[Any, Any]:  # type: ignore[type-arg]
    return {key: _row(entry, row) for key, entry in value.items()}


@_row.register
def _(value: ChipSpread, row: int) -> ChipSpread:
    own = {name: _row(getattr(value, name), row) for name in _BY_ROW}
    return replace(value, **own, links=(value.links[row],))


@_row.register
def _(value: ConverterSharing, row: int) -> ConverterSharing:
    return ConverterSharing(_row(value.user, row), (value.arrays[row],), (value.names[row],))


@_row.register
def _(value: Segments, row: int) -> Segments:
    return value


_BY_ROW = ("chips", "matrix_first", "matrix_count", "first", "count")
