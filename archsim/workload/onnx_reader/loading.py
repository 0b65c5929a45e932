"""From a path to a model, without opening any file but that one.

The bytes are parsed from memory, so tensors kept in external files stay unread: their sizes come
from the graph, and a file can name no other file that archsim would open.  The elements of large
tensors inside the file are left out before it is decoded.
"""

from __future__ import annotations

import hashlib
import mmap
import stat
from pathlib import Path
from typing import TypeAlias

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from archsim.errors import InputError, nearest
from archsim.workload.graph import Origin
from archsim.workload.onnx_reader.wire import (
    TooManyFields,
    WireError,
    check_fields,
    without_payloads,
)

# What others may pass around without importing onnx themselves.
Model: TypeAlias = onnx.ModelProto

# A protobuf message cannot exceed this; larger networks keep their weights in external files.
_LARGEST_FILE_BYTES = 2**31 - 1
# An empty message of two bytes becomes an object of up to 200, so files up to this size are decoded
# as they are, and of larger ones what is left of them without weights is counted first.
_DECODED_UNSEEN_BYTES = 6 * 2**20
_MOST_FIELDS = 4_000_000
# A list of numbers may take eight times its encoded size.
_LARGEST_STRUCTURE_BYTES = 96 * 2**20
# Weights and what training keeps beside them (gradients, two arrays each) must fit in memory.
_LARGEST_TRAINED_BYTES = 2**29
_ARCHIVES = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def load_model(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model in the file at `path` and the SHA-256 of the file, as hexadecimal digits.

    The name's extension does not matter.  Raises `InputError` for a path that is no readable ONNX
    file.
    """
    content, digest = _read(path)
    try:
        model = onnx.ModelProto.FromString(content)
    except (DecodeError, ValueError):
        raise _undecodable(path, content) from None
    return model, digest


def load_with_elements(path: Path) -> onnx.ModelProto:
    """The model in the file at `path` with the elements of all tensors inside it.

    `load_model` must have accepted the file: only weights are read beyond what it has decoded.
    Raises `InputError` for a file with more weights than can be trained here.
    """
    size = _size(path)
    if size > _LARGEST_TRAINED_BYTES:
        raise InputError(
            f"the file has {size:,} bytes, and networks of up to {_LARGEST_TRAINED_BYTES:,} bytes "
            "are trained in this process.",
            place=str(path),
            remedy="Price it with 'archsim run', and train a smaller network of its kind.",
        )
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except (DecodeError, ValueError):
        raise _undecodable(path, b"") from None
    return model


def _undecodable(path: Path, content: bytes) -> InputError:
    packed = next((kind for magic, kind in _ARCHIVES.items() if content.startswith(magic)), None)
    if packed is not None:
        return InputError(
            f"this is a {packed} archive, and an ONNX file is needed.",
            place=str(path),
            remedy="Unpack it first.",
        )
    return InputError(
        "this is not an ONNX file, or it is cut short: it cannot be decoded as a model.",
        place=str(path),
        remedy="Export the network again with torch.onnx.export or a similar tool.",
    )


def _read(path: Path) -> tuple[bytes, str]:
    """What of the file is worth decoding, and the SHA-256 of all of it."""
    size = _size(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            if size <= _DECODED_UNSEEN_BYTES:
                return file.read(_DECODED_UNSEEN_BYTES), digest
            # Mapped, since reading two gigabytes of weights into memory would be their loading.
            with memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as view:
                return _structure(path, view), digest
    except OSError as error:
        raise _unreadable(path, error) from None


def _structure(path: Path, view: memoryview) -> bytes:
    try:
        content = without_payloads(view, _MOST_FIELDS)
        if len(content) > _LARGEST_STRUCTURE_BYTES:
            raise InputError(
                f"the file has {len(content):,} bytes besides its weights, more than any network "
                "needs.",
                place=str(path),
                remedy="Export the network again, with its weights as initializers.",
            )
        if len(content) > _DECODED_UNSEEN_BYTES:
            check_fields(memoryview(content), _MOST_FIELDS)
    except WireError:
        raise _undecodable(path, bytes(view[:8])) from None
    except TooManyFields:
        raise InputError(
            f"the file describes a network in more than {_MOST_FIELDS:,} parts besides its "
            "weights, more than any network has.",
            place=str(path),
            remedy="Export the network again, without unrolling its loops.",
        ) from None
    return content


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"the file cannot be read: {reason}.", place=str(path))


def _size(path: Path) -> int:
    """The size of the file at `path` in bytes, once it is known to be one and of a sensible size."""
    try:
        if path.is_dir():
            raise InputError(
                "this is a folder, and an ONNX file is needed.",
                place=str(path),
                remedy=_models_in(path),
            )
        if path.is_symlink() and not path.exists():
            raise InputError(
                "this is a link to a file that does not exist.",
                place=str(path),
                remedy="Give the path of the file itself.",
            )
        if not path.exists():
            raise InputError("there is no such file.", place=str(path), remedy=_similar(path))
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Reading a pipe or a device may never end.
            raise InputError(
                "this is no regular file (a pipe, a socket or a device).",
                place=str(path),
                remedy="Save the network as a file first.",
            )
        size = status.st_size
        if size == 0:
            raise InputError(
                "the file is empty.", place=str(path), remedy="Export the network again."
            )
        if size > _LARGEST_FILE_BYTES:
            raise InputError(
                f"the file has {size:,} bytes, more than the 2 GiB that an ONNX model can have.",
                place=str(path),
                remedy="Export the network with its weights as external data.",
            )
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return size


def _similar(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"The folder '{folder}' does not exist."
    names = [entry.name for entry in folder.iterdir()]
    close = nearest(path.name, names)
    return f"Did you mean '{folder / close}'?" if close else _models_in(folder)


def _models_in(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.glob("*.onnx"))
    if not names:
        return f"The folder '{folder}' holds no .onnx file."
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return f"The folder '{folder}' holds {shown}"


def opset_versions(model: onnx.ModelProto) -> dict[str, int]:
    """Domain -> opset version; the standard domain is the empty text under both its names."""
    return {
        "" if entry.domain == "ai.onnx" else entry.domain: entry.version
        for entry in model.opset_import
    }


def origin_of(model: onnx.ModelProto) -> Origin:
    """Who wrote the model, as it says itself; a damaged name counts as none."""
    names: tuple[object, object] = (model.producer_name, model.producer_version)
    producer, version = (name if isinstance(name, str) else "" for name in names)
    return Origin(producer, version, model.ir_version, opset_versions(model))
