"""The binary version of CIFAR-10: records of one label and 3 x 32 x 32 bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.data.bounded import opened, refuse_large, take
from archsim.cotraining.data.dataset import DataSet, Samples
from archsim.errors import InputError

_IMAGE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_TRAIN = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
_TEST = "test_batch.bin"


def read_cifar(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images uint8 [n, 3, 32, 32] and labels uint8 [n] of one file.

    InputError if the file does not consist of whole records.
    """
    size = path.stat().st_size
    refuse_large(size, path)
    if size == 0 or size % _RECORD:
        raise InputError(
            f"the file has {size:,} bytes, which is no multiple of {_RECORD:,}, the size of one "
            "image with its label.",
            place=str(path),
            remedy="It is cut off, or not of the binary version of CIFAR-10.",
        )
    with opened(path) as stream:
        raw = take(stream, size, path, "images")
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, *_IMAGE), records[:, 0]


def is_cifar_folder(folder: Path) -> bool:
    """Whether the folder holds a file under a name of CIFAR-10."""
    return any((folder / name).is_file() for name in (*_TRAIN, _TEST))


def read_cifar_folder(folder: Path) -> DataSet:
    """The five training files and the test file of a folder; those missing are named."""
    missing = [name for name in (*_TRAIN, _TEST) if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"these files of CIFAR-10 are missing: {', '.join(missing)}.",
            place=str(folder),
            remedy="Expected data_batch_1.bin to data_batch_5.bin and test_batch.bin.",
        )
    images, labels = zip(*(read_cifar(folder / name) for name in _TRAIN), strict=True)
    return DataSet(
        folder.resolve().name,
        Samples(np.concatenate(images), np.concatenate(labels), str(folder / "data_batch_*.bin")),
        Samples(*read_cifar(folder / _TEST), str(folder / _TEST)),
        f"CIFAR-10 files of '{folder.name}'",
    )
