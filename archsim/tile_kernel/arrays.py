"""Array types of the kernel, and the checks that every entry point makes before it changes anything."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError

F32: TypeAlias = NDArray[np.float32]
Bits: TypeAlias = NDArray[np.bool_]


def finite(name: str, values: ArrayLike) -> F32:
    """`values` as a float32 array; InputError names the first entry that is not finite."""
    try:
        array: NDArray[Any] = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} is a list of rows that differ in length") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} is an array of {array.dtype}, where numbers are expected")
    with np.errstate(over="ignore"):
        converted = np.asarray(array, dtype=np.float32)
    # One sum finds NaN and infinity without an array of flags; overflow of finite sums is rare,
    # and then the slow check decides.
    with np.errstate(over="ignore", invalid="ignore"):
        total = converted.sum()
    if not np.isfinite(total):
        good = np.isfinite(converted)
        if not good.all():
            place = [int(i) for i in np.argwhere(~good)[0]]
            raise InputError(
                f"{name} is {array[tuple(place)]} at index {place}; every entry must be finite in float32"
            )
    return converted


def lines_of(name: str, values: ArrayLike, tiles: int, lines: int, axis: str) -> F32:
    """A batch of vectors as float32 [tile, batch, line].

    Accepts [batch, line] for one tile, and [batch, tile, line].
    """
    array = finite(name, values)
    if array.ndim == 2 and tiles == 1:
        array = array[:, np.newaxis, :]
    if array.ndim != 3 or array.shape[1:] != (tiles, lines):
        expected = f"[batch, {lines}]" if tiles == 1 else f"[batch, {tiles}, {lines}]"
        raise InputError(
            f"{name} has shape {list(np.shape(values))}, but the array has {tiles} tile(s) of "
            f"{lines} {axis}; expected shape {expected}"
        )
    return np.ascontiguousarray(array.swapaxes(0, 1))


def part(values: F32, where: slice | NDArray[np.intp]) -> F32:
    """Entries `where` of a flattened array per device, or the one value that holds for all."""
    if values.size == 1:
        return values.reshape(())
    flat = values.reshape(-1)
    return flat[where] if isinstance(where, slice) else flat.take(where)
