"""One file that a training can go on from: arrays and a JSON document, replaced as a whole."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.output import replace_file

CHECKPOINT_FILE = "checkpoint.npz"
_DOCUMENT = "document"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a training: `document` is plain JSON, `arrays` by name.

    `key` is a digest of everything that decides the outcome; a training goes on only from a
    checkpoint with its own key.
    """

    key: str
    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of `folder`; a crash leaves the old one or the new one.

    Raises `InputError` if the folder cannot be written.
    """
    text = json.dumps(
        {"format": _FORMAT, "key": checkpoint.key, "content": checkpoint.document}, sort_keys=True
    )
    # Names of arrays may hold anything, so the file numbers them.
    names = list(checkpoint.arrays)
    stored = {f"a{k}": checkpoint.arrays[name] for k, name in enumerate(names)}
    stored["names"] = _bytes(json.dumps(names))
    stored[_DOCUMENT] = _bytes(text)
    # Packed in memory: an archive that an interrupt leaves half-written in a file complains.
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **stored)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / CHECKPOINT_FILE, packed.getvalue())
    except OSError as error:
        raise InputError(
            f"the checkpoint cannot be written ({error.strerror or error}).",
            place=str(folder),
            remedy="Give a writable folder with --out; the last checkpoint is unchanged.",
        ) from None


def read_checkpoint(folder: Path, key: str) -> Checkpoint | None:
    """The checkpoint of `folder`, or None if there is none.

    Raises `InputError` if it is damaged, or of a training with another key.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            document = json.loads(stored[_DOCUMENT].tobytes())
            names = json.loads(stored["names"].tobytes())
            arrays = {name: stored[f"a{k}"] for k, name in enumerate(names)}
        found, content, version = document["key"], document["content"], document["format"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"the checkpoint is damaged ({error}).",
            place=str(path),
            remedy="Remove it to start anew.",
        ) from None
    if found != key or version != _FORMAT:
        raise InputError(
            "the checkpoint is of a training with another network, architecture, recipe or data.",
            place=str(path),
            remedy="Give what it was started with, another folder with --out, or remove it.",
        )
    return Checkpoint(found, content, arrays)


def discard_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of `folder`, if there is one."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)
