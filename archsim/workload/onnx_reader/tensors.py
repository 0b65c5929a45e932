"""Tensors that a file stores: what must hold of them, and the values of small ones.

External data is never opened, whatever the file says: what can be known of such a tensor is its
type and its shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import SparseTensorProto, TensorProto, numpy_helper

from archsim.errors import InputError
from archsim.workload.onnx_reader.binding import LARGEST_TENSOR_ELEMENTS

Array: TypeAlias = NDArray[Any]

# Shape arithmetic works on a handful of numbers; masks and tables need no values.
LARGEST_KNOWN_ELEMENTS = 1024
# As many as numpy can have, and many more than any network.
LARGEST_RANK = 64

# Bytes per element of the types that fill whole bytes.
WHOLE_BYTES: Mapping[int, int] = {
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64), 8),
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 4),
    **dict.fromkeys(
        (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT16, TensorProto.UINT16), 2
    ),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), 1),
    TensorProto.COMPLEX64: 8,
    TensorProto.COMPLEX128: 16,
}
_COMPLEX = (TensorProto.COMPLEX64, TensorProto.COMPLEX128)
_LISTS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_ELEMENT_TYPES = frozenset(TensorProto.DataType.values()) - {TensorProto.UNDEFINED}
_DAMAGED = "The file is damaged; export the network again."


def stored_shape(tensor: TensorProto, name: str, place: str = "") -> tuple[int, ...]:
    """The shape of a stored tensor, called `name` in messages, once it makes sense.

    Raises `InputError` for sizes that no tensor has, an unknown element type, data that is given
    twice or does not have the shape's number of elements, and external data outside the folder.
    """
    shape = _shape(tensor.dims, name, place)
    if tensor.data_type not in _ELEMENT_TYPES:
        raise InputError(
            f"the stored tensor '{name}' has the unknown element type {tensor.data_type}.",
            place=place,
            remedy=_DAMAGED,
        )
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        _check_location(tensor, name, place)
    else:
        _check_data(tensor, shape, name, place)
    return shape


def sparse_shape(sparse: SparseTensorProto, name: str, place: str = "") -> tuple[int, ...]:
    """The dense shape of a sparse tensor, once it makes sense; as `stored_shape`."""
    stored_shape(sparse.values, name, place)
    stored_shape(sparse.indices, f"{name}, its indices", place)
    return _shape(sparse.dims, name, place)


def _shape(dims: Sequence[int], name: str, place: str) -> tuple[int, ...]:
    if len(dims) > LARGEST_RANK:
        raise InputError(
            f"the stored tensor '{name}' has {len(dims):,} dimensions, more than any network's.",
            place=place,
            remedy=_DAMAGED,
        )
    shape = tuple(dims)
    if any(size < 0 for size in shape) or math.prod(shape) > LARGEST_TENSOR_ELEMENTS:
        raise InputError(
            f"the stored tensor '{name}' has the shape {shape}, which no tensor can have.",
            place=place,
            remedy=_DAMAGED,
        )
    return shape


def _check_location(tensor: TensorProto, name: str, place: str) -> None:
    for entry in tensor.external_data:
        if entry.key != "location":
            continue
        location = entry.value
        if not isinstance(location, str) or _leaves_folder(location):
            raise InputError(
                f"the stored tensor '{name}' refers to external data at {location!r:.200}, outside "
                "the model's folder.",
                place=place,
                remedy="Nothing was opened; external data is named relative to the model's file.",
            )


def _leaves_folder(location: str) -> bool:
    windows = PureWindowsPath(location)
    absolute = bool(windows.drive or windows.root) or PurePosixPath(location).is_absolute()
    # A Windows path also splits at the other system's slashes.
    return absolute or ".." in windows.parts


def _check_data(tensor: TensorProto, shape: tuple[int, ...], name: str, place: str) -> None:
    given = [field for field in _LISTS if getattr(tensor, field)]
    if tensor.HasField("raw_data"):
        given.append("raw_data")
    if len(given) > 1:
        raise InputError(
            f"the stored tensor '{name}' has its data twice: {' and '.join(given)}.",
            place=place,
            remedy=_DAMAGED,
        )
    width = WHOLE_BYTES.get(tensor.data_type)
    if not given or width is None:
        return
    found = len(getattr(tensor, given[0]))
    # Complex numbers are stored as pairs of real ones.
    unit = width if given == ["raw_data"] else 1 + (tensor.data_type in _COMPLEX)
    if found != math.prod(shape) * unit:
        kind = "bytes" if given == ["raw_data"] else "numbers"
        raise InputError(
            f"the stored tensor '{name}' holds {found:,} {kind}, and its shape {shape} needs "
            f"{math.prod(shape) * unit:,}.",
            place=place,
            remedy=_DAMAGED,
        )


def tensor_value(tensor: TensorProto) -> Array | None:
    """The elements of a small tensor inside the file, in its shape; None for any other.

    The tensor's shape may be anything: what does not fit is None.
    """
    inside = tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data
    if not inside or any(size < 0 for size in tensor.dims):
        return None
    if math.prod(tensor.dims) > LARGEST_KNOWN_ELEMENTS:
        return None
    try:
        # A damaged file may hold signalling NaNs, which numpy warns about.
        with np.errstate(all="ignore"):
            return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, LookupError, RuntimeError):
        # A damaged payload matters only if a shape depends on it, which is reported there.
        return None
