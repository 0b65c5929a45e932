"""Data sets: the embedded digits, IDX and CIFAR-10 folders, and `.npz` files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from archsim.cotraining.data.cifar import is_cifar_folder, read_cifar_folder
from archsim.cotraining.data.dataset import (
    DataSet,
    Normalisation,
    Samples,
    as_whole_numbers,
    check_classes,
    checked,
    normalised,
    shaped,
)
from archsim.cotraining.data.digits import digits
from archsim.cotraining.data.idx import is_idx_folder, read_idx_folder
from archsim.cotraining.data.npz import read_npz
from archsim.errors import InputError, did_you_mean

# Data sets that need no file, by name.
EMBEDDED: Mapping[str, Callable[[], DataSet]] = {"digits": digits}

# How a folder's files show what they are, and how they are read.
_FOLDERS: tuple[tuple[Callable[[Path], bool], Callable[[Path], DataSet]], ...] = (
    (is_idx_folder, read_idx_folder),
    (is_cifar_folder, read_cifar_folder),
)

__all__ = [
    "EMBEDDED",
    "DataSet",
    "Normalisation",
    "Samples",
    "as_whole_numbers",
    "check_classes",
    "checked",
    "normalised",
    "read_data",
    "shaped",
]


def read_data(name_or_path: str) -> DataSet:
    """The data set that `name_or_path` means, checked (see `checked`).

    An embedded name, a folder with the files of MNIST (IDX) or of CIFAR-10 (binary), or a `.npz`
    file.  InputError for anything else.
    """
    if name_or_path in EMBEDDED:
        return checked(EMBEDDED[name_or_path]())
    path = Path(name_or_path)
    if path.is_dir():
        for holds, read in _FOLDERS:
            if holds(path):
                return checked(read(path))
        raise InputError(
            "the folder holds neither the files of MNIST (train-images-idx3-ubyte, plain or .gz) "
            "nor those of CIFAR-10 (data_batch_1.bin).",
            place=name_or_path,
            remedy="Give such a folder, a .npz file, or 'digits'.",
        )
    if not path.exists():
        raise InputError(
            "there is no such data set, folder or file.",
            place=name_or_path,
            remedy=did_you_mean(name_or_path, EMBEDDED),
        )
    if path.suffix != ".npz":
        raise InputError(
            f"a file that ends in '{path.suffix}' is no data set.",
            place=name_or_path,
            remedy="Expected a .npz file, or the folder that holds IDX or CIFAR-10 files.",
        )
    return checked(read_npz(path))
