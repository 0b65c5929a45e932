"""The forward graph as a file: GraphML and DOT for other programs, SVG for the eye.

The format follows from the file's extension.  A file is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from archsim.errors import InputError, did_you_mean
from archsim.output import replace_file
from archsim.workload.drawing.svg import draw_svg
from archsim.workload.graph import Workload
from archsim.workload.graph_formats import dot, graphml


def write_graph(workload: Workload, path: Path) -> None:
    """Write the forward graph of `workload` to `path`, whole or not at all.

    The extension chooses the format: `.graphml`, `.dot` (or `.gv`) or `.svg`.  An existing file is
    replaced.  Raises `InputError` for another extension, for something at `path` that is no file,
    and for a path that cannot be written.
    """
    render = _renderer(path)
    _check_target(path)
    _replace(path, render(workload))


def check_graph_path(path: Path) -> None:
    """Refuse a path that `write_graph` could not write, before any work; touches nothing."""
    _renderer(path)
    _check_target(path)


_RENDERERS: Mapping[str, Callable[[Workload], bytes]] = MappingProxyType(
    {".graphml": graphml, ".dot": dot, ".gv": dot, ".svg": draw_svg}
)


def _renderer(path: Path) -> Callable[[Workload], bytes]:
    suffix = path.suffix.lower()
    found = _RENDERERS.get(suffix)
    if found is None:
        what = f"'{suffix}' is no format for a graph" if suffix else "the name has no extension"
        raise InputError(
            f"{what}; .graphml, .dot and .svg are.",
            place=str(path),
            remedy=_hint(suffix),
        )
    return found


def _hint(suffix: str) -> str:
    hint = did_you_mean(suffix, _RENDERERS) if suffix else ""
    return hint if hint.startswith("Did") else "Give the file one of these extensions."


def _check_target(path: Path) -> None:
    """Refuse what is no plain file, and a folder that is not there or may not be written."""
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            kind = "a folder" if target.is_dir() else "no plain file"
            raise InputError(
                f"this is {kind}, and a graph is written to a file.",
                place=str(path),
                remedy="Give another name.",
            )
        folder = target.parent
        if not folder.is_dir():
            raise InputError(
                f"there is no folder '{path.parent}' to write in.",
                place=str(path),
                remedy="Make it first, or give another name.",
            )
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"no permission to write in the folder '{path.parent}'.",
            place=str(path),
            remedy="Give a name in a folder that can be written.",
        )


def _replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` by a rename, so that a reader never sees half of it."""
    try:
        replace_file(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"the graph cannot be written: {reason}.", place=str(path))
