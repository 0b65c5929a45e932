"""What a case of the corpus is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from onnx import ModelProto

Content: TypeAlias = ModelProto | bytes


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile file: its name, how to make it, and what the refusal must say.

    `make` gives a model or the bytes of a file.  `says` are texts of the message: the node or tensor
    at fault, and the reason.
    """

    name: str
    make: Callable[[], Content]
    says: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write the file into `folder`."""
        path = folder / f"{self.name}.onnx"
        content = self.make()
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path


@dataclass(frozen=True, slots=True)
class PathCase:
    """A hostile path: `make` makes something at the path that is no ordinary small file."""

    name: str
    make: Callable[[Path], None]
    says: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Make it in `folder`."""
        path = folder / f"{self.name}.onnx"
        self.make(path)
        return path
