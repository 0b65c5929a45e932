"""IDX files, the format of MNIST and its kin: a big-endian header of types and sizes, then numbers."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.data.bounded import opened, refuse_large, refuse_more, take
from archsim.cotraining.data.dataset import DataSet, Samples
from archsim.errors import InputError

# The third byte of the header.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 4
_PARTS = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> NDArray[Any]:
    """The array of one IDX file, plain or `.gz`, in native byte order.

    InputError if it is no IDX file, is cut off, goes on behind its data, or announces too much.
    """
    with opened(path) as stream:
        zeros, code, axes = struct.unpack(">HBB", take(stream, 4, path, "the header"))
        if zeros != 0 or code not in _TYPES or not 1 <= axes <= _MOST_AXES:
            raise InputError(
                f"the first bytes are {zeros:04x} {code:02x} {axes:02x}, which no IDX file begins "
                "with.",
                place=str(path),
                remedy="Expected 0000 08 03 for images or 0000 08 01 for labels.",
            )
        shape = struct.unpack(f">{axes}I", take(stream, 4 * axes, path, "the header"))
        kind = np.dtype(_TYPES[code])
        size = math.prod(shape) * kind.itemsize
        refuse_large(size, path)
        raw = take(stream, size, path, f"an array of {' x '.join(map(str, shape))}")
        refuse_more(stream, path)
    array = np.frombuffer(raw, dtype=kind).reshape(shape)
    return array.astype(kind.newbyteorder("="), copy=False)


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder holds images under the names of MNIST."""
    return _find(folder, "train", "images") is not None


def read_idx_folder(folder: Path) -> DataSet:
    """Training and test set of a folder with the four files of MNIST, plain or `.gz`."""
    parts = {part: _part(folder, prefix) for part, prefix in _PARTS.items()}
    return DataSet(
        folder.resolve().name, parts["train"], parts["test"], f"IDX files of '{folder.name}'"
    )


def _part(folder: Path, prefix: str) -> Samples:
    images, labels = (_require(folder, prefix, what) for what in ("images", "labels"))
    return Samples(read_idx(images), read_idx(labels), f"{images}")


def _require(folder: Path, prefix: str, what: str) -> Path:
    found = _find(folder, prefix, what)
    if found is None:
        raise InputError(
            f"there are no {what} under the name '{_names(prefix, what)[0]}', plain or .gz.",
            place=str(folder),
            remedy="Expected the four files of MNIST: train-images, train-labels, t10k-images and "
            "t10k-labels.",
        )
    return found


def _find(folder: Path, prefix: str, what: str) -> Path | None:
    for name in _names(prefix, what):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _names(prefix: str, what: str) -> tuple[str, ...]:
    axes = {"images": 3, "labels": 1}[what]
    return (f"{prefix}-{what}-idx{axes}-ubyte", f"{prefix}-{what}.idx{axes}-ubyte")
