"""`.npz` files: x_train, y_train, x_test, y_test as plain arrays, never as pickled objects."""

from __future__ import annotations

import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from archsim.cotraining.data.bounded import refuse_large, refuse_more, take
from archsim.cotraining.data.dataset import DataSet, Samples
from archsim.errors import InputError

# What every version of numpy holds.
_MOST_AXES = 32
NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path) -> DataSet:
    """Training and test set of one `.npz` file.

    InputError if it is damaged, if an array is missing or holds objects, or if it is too large.
    """
    arrays = read_arrays(path, NAMES)
    x_train, y_train, x_test, y_test = (arrays[name] for name in NAMES)
    return DataSet(
        path.stem,
        Samples(x_train, y_train, f"{path} (x_train)"),
        Samples(x_test, y_test, f"{path} (x_test)"),
        f"arrays of '{path.name}'",
    )


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The arrays `names` of an `.npz` file, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path, names)
            return {name: _array(archive, path, name) for name in names}
    except (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        damage = str(error)
    except (RuntimeError, UnicodeError) as error:
        # What zipfile does not unpack: encryption, unknown compression, names of no encoding.
        damage = str(error)
    raise InputError(
        f"the file is damaged, cut off, or no .npz file ({damage}).",
        place=str(path),
        remedy="Write it with numpy.savez.",
    )


def _check_members(archive: zipfile.ZipFile, path: Path, names: tuple[str, ...]) -> None:
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    missing = [name for name in names if f"{name}.npy" not in sizes]
    if missing:
        held = ", ".join(sorted(name.removesuffix(".npy") for name in sizes)[:10]) or "nothing"
        raise InputError(
            f"the arrays {', '.join(missing)} are missing; the file holds {held}.",
            place=str(path),
            remedy=f"Expected {', '.join(names)}.",
        )
    refuse_large(sum(sizes[f"{name}.npy"] for name in names), path)


def _array(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    place = Path(f"{path}")
    with archive.open(f"{name}.npy") as member:
        shape, fortran, kind = _header(member, path, name)
        size = math.prod(shape) * kind.itemsize
        refuse_large(size, place)
        raw = take(member, size, place, f"'{name}'")
        refuse_more(member, place)
    array = np.frombuffer(raw, dtype=kind)
    return array.reshape(shape[::-1]).transpose() if fortran else array.reshape(shape)


def _header(
    member: IO[bytes], path: Path, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type; only plain numbers pass."""
    try:
        version = npy.read_magic(member)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with warnings.catch_warnings():
            # Headers of Python 2 are read after a warning of numpy, which concerns nobody here.
            warnings.simplefilter("ignore")
            shape, fortran, kind = read(member)
    except (ValueError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise InputError(
            f"'{name}' is no array ({error}).",
            place=str(path),
            remedy="Write it with numpy.savez.",
        ) from None
    if kind.kind not in "uifb":
        raise InputError(
            f"'{name}' holds values of type {kind}; expected integers or floating-point numbers.",
            place=str(path),
            remedy="Objects are not read, since they could run code.",
        )
    if min(shape, default=1) < 0 or len(shape) > _MOST_AXES:
        raise InputError(
            f"'{name}' announces the shape {list(shape)}.",
            place=str(path),
            remedy="Write it with numpy.savez.",
        )
    return shape, fortran, kind
