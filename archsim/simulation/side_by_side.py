"""Several mappings of one configuration, priced at once: arrays with a row for each of them.

For one configuration nearly all time goes to calls of numpy, whose arrays are short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.simulation.analytic import Segments
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.converter_sharing import ConverterSharing
from archsim.simulation.program import IntArray

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


def with_copies(one: Mapping, copies: FloatArray, rows: IntArray) -> Mapping:
    """The configurations `rows` [R] of a mapping, which may be there several times, with `copies` [R, M]."""

    def own(value: Any) -> Any:
        wide = isinstance(value, np.ndarray) and value.ndim > 1 and value.shape[0] > 1
        return value[rows] if wide else value

    place = replace(
        one.place, **{f.name: own(getattr(one.place, f.name)) for f in fields(one.place)}
    )
    return replace(
        one,
        place=place,
        arrays_per_copy=own(one.arrays_per_copy),
        copies=copies,
        on_array=np.asarray(one.on_array[rows]),
        cell_utilisation=own(one.cell_utilisation),
        chips=one.chips[rows],
        array_of=None if one.array_of is None else one.array_of[rows],
        round_of=None if one.round_of is None else one.round_of[rows],
        stages=None,
    )


def row_of(value: Value, row: int) -> Value:
    """One row of every array in `value`, as arrays of one row; what has no rows stays as it is.

    `value` is an array, or dataclasses and mappings of arrays whose first axis counts rows.  An
    array of a single row is the same for all.
    """
    found: Value = _row(value, row)
    return found


def _row(value: Any, row: int) -> Any:
    kind = type(value)
    if kind is np.ndarray:
        return value if value.shape[0] == 1 else value[row : row + 1]
    if kind is dict:
        return {key: _row(entry, row) for key, entry in value.items()}
    own = _OWN_ROWS.get(kind)
    if own is not None:
        return own(value, row)
    if not is_dataclass(value):
        return value
    return kind(*(_row(getattr(value, field.name), row) for field in fields(value)))


def _spread_row(value: ChipSpread, row: int) -> ChipSpread:
    own = {name: _row(getattr(value, name), row) for name in _BY_ROW}
    return replace(value, **own, links=(value.links[row],))


def _sharing_row(value: ConverterSharing, row: int) -> ConverterSharing:
    return ConverterSharing(_row(value.user, row), (value.arrays[row],), (value.names[row],))


def _segments_row(value: Segments, row: int) -> Segments:
    del row  # they are the same for all
    return value


_BY_ROW = ("chips", "matrix_first", "matrix_count", "first", "count")
# What holds more than arrays whose first axis counts rows.
_OWN_ROWS: dict[type, Callable[[Any, int], Any]] = {
    ChipSpread: _spread_row,
    ConverterSharing: _sharing_row,
    Segments: _segments_row,
}
