"""Finding and reading configuration files, with bounds on what a hostile one can cost."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from archsim.errors import InputError, did_you_mean, nearest
from archsim.resources import data_folder

SUFFIXES = (".yaml", ".yml")
# The bibliography lies beside the architectures and is none itself.
BIBLIOGRAPHY = "references"
LARGEST_FILE_BYTES = 1 << 20


def shown(path: Path) -> str:
    """`path` as messages and results name it: relative, and `arch_configs/...` if shipped."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links
    shipped = data_folder("arch_configs")
    if absolute.is_relative_to(shipped):
        return (Path(shipped.name) / absolute.relative_to(shipped)).as_posix()
    try:
        return Path(os.path.relpath(absolute)).as_posix()
    except ValueError:  # another drive
        return absolute.name


def is_bare_name(name: str) -> bool:
    """Whether `name` is a configuration's name rather than a path."""
    return not name.endswith(SUFFIXES) and Path(name).name == name


def locate(name: str, folders: Sequence[Path], *, place: str = "") -> Path:
    """The file that `name` means in the first of `folders` that has it, `.yaml` understood.

    Raises `InputError` with the nearest existing name.
    """
    if not name.strip() or "\0" in name:
        raise InputError("an empty name, expected a file or a name", place=place)
    directory = None
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.yaml"):
            mode = _mode(candidate)
            if stat.S_ISDIR(mode):
                directory = candidate
            elif mode:
                return candidate
    if directory is not None:
        raise InputError(
            f"'{name}' is a folder, expected a YAML file",
            place=place,
            remedy=did_you_mean("", (f"{name}/{n}" for n in names_in(directory))),
        )
    raise InputError(f"there is no '{name}'", place=place, remedy=_remedy(name, folders))


def _remedy(name: str, folders: Iterable[Path]) -> str:
    """What to write instead of a name that no folder has."""
    parent = Path(name).parent
    prefix = "" if parent == Path() else f"{parent.as_posix()}/"
    choices = {
        f"{prefix}{found}{'.yaml' if name.endswith(SUFFIXES) else ''}"
        for folder in folders
        for found in names_in(folder / parent)
    }
    if is_bare_name(name) and stat.S_ISREG(_mode(Path(f"{name}.yaml"))):
        return f"Did you mean './{name}.yaml'?"
    lowered = {choice.lower(): choice for choice in choices}
    close = nearest(name.lower(), lowered)
    return f"Did you mean '{lowered[close]}'?" if close else did_you_mean("", choices)


def names_in(folder: Path) -> list[str]:
    """Names of the YAML files in `folder`, sorted, without the bibliography; empty if none."""
    try:
        names = {p.stem for p in folder.iterdir() if p.suffix in SUFFIXES}
    except OSError:
        return []
    return sorted(names - {BIBLIOGRAPHY})


def _mode(path: Path) -> int:
    """Type and permission bits of a file, 0 if there is none."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def read_text(path: Path) -> str:
    """The text of a UTF-8 file of at most 1 MiB, without byte order mark."""
    place = shown(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError("is a folder, expected a YAML file", place=place)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file, expected a YAML file", place=place)
        if status.st_size > LARGEST_FILE_BYTES:
            raise InputError(
                f"the file has {status.st_size} bytes, expected at most {LARGEST_FILE_BYTES}",
                place=place,
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"the file cannot be read ({reason})", place=place) from None
    return _decode(data, place)


def _decode(data: bytes, place: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"the file is not UTF-8 (byte 0x{data[error.start]:02x})",
            place=f"{place}:{line}",
            remedy="Save it with the encoding UTF-8.",
        ) from None
    if not text.strip():
        raise InputError("the file is empty, expected a YAML mapping", place=place)
    return text
