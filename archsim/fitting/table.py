"""A text file of columns: lines into cells, with the line numbers that messages name."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from archsim.errors import InputError

LARGEST_FILE_BYTES = 20_000_000
_DELIMITERS = ("\t", ";", ",")
_COMMENT = re.compile(r"\s*#(?!\s*[,;\t])")  # `#` alone may head the column of pulse numbers

_Split: TypeAlias = Callable[[str], list[str]]


class Row(NamedTuple):
    """The cells of a line."""

    line: int
    cells: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """The lines of a text file that are neither empty nor comments; at least one.

    Columns are separated by tabs, semicolons, commas or blanks.  Raises `InputError`.
    """
    name = str(path)
    lines = [
        (number, line)
        for number, line in enumerate(_text(path).splitlines(), 1)
        if line.strip() and not _COMMENT.match(line)
    ]
    if not lines:
        raise InputError("the file is empty; expected columns of numbers.", place=name)
    split = _splitter(lines[-1][1])
    try:
        return [Row(number, tuple(split(line))) for number, line in lines]
    except csv.Error as error:
        raise InputError(f"the columns cannot be told apart ({error}).", place=name) from None


def _text(path: Path) -> str:
    name = str(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise InputError(
                f"the file has {size / 1e6:.0f} MB, more than {LARGEST_FILE_BYTES / 1e6:.0f} MB.",
                place=name,
                remedy="Keep every tenth or hundredth point.",
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("this is no text file; expected columns of numbers.", place=name) from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror}).", place=name) from None


def _splitter(sample: str) -> _Split:
    delimiter = next((mark for mark in _DELIMITERS if mark in sample), None)
    if delimiter is None:
        return str.split

    def split(line: str) -> list[str]:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]

    return split
