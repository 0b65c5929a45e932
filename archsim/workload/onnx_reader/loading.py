"""From a path to a checked model, without opening any file but that one.

The bytes are parsed from memory, so tensors kept in external files stay unread: their sizes come
from the graph, and a file can name no other file that archsim would open.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.defs import onnx_opset_version

from archsim.errors import InputError, nearest

# A protobuf message cannot exceed this; larger networks keep their weights in external files.
_LARGEST_FILE_BYTES = 2**31 - 1


def load_model(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model in the file at `path` and the SHA-256 of the file, as hexadecimal digits.

    The name's extension does not matter.  Raises `InputError` for a path that is no readable ONNX
    file.
    """
    content = _read(path)
    try:
        model = onnx.ModelProto.FromString(content)
    except (DecodeError, ValueError):
        raise InputError(
            "this is not an ONNX file, or it is cut short: it cannot be decoded as a model.",
            place=str(path),
            remedy="Export the network again with torch.onnx.export or a similar tool.",
        ) from None
    check_model(model, place=str(path))
    return model, hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(
                "this is a folder, and an ONNX file is needed.",
                place=str(path),
                remedy=_models_in(path),
            )
        if not path.exists():
            raise InputError("there is no such file.", place=str(path), remedy=_similar(path))
        size = path.stat().st_size
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
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"the file cannot be read: {reason}.", place=str(path)) from None


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


def check_model(model: onnx.ModelProto, *, place: str) -> None:
    """Refuse a message that has no graph, is of an unknown version, or has damaged names."""
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InputError(
            "the file holds no network: the model has no graph, or its graph has no operators.",
            place=place,
            remedy="Export the network again.",
        )
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        raise InputError(
            f"the file has ONNX IR version {model.ir_version}; versions 1 to {onnx.IR_VERSION} "
            "are known.",
            place=place,
            remedy="Convert it with onnx.version_converter, or update the onnx package.",
        )
    newest = onnx_opset_version()
    version = opset_versions(model).get("", 1)
    if not 1 <= version <= newest:
        raise InputError(
            f"the file asks for opset {version}; opsets 1 to {newest} are known.",
            place=place,
            remedy="Export the network for a known opset, or update the onnx package.",
        )
    _check_names(model, place)


def _check_names(model: onnx.ModelProto, place: str) -> None:
    """Refuse names that are no UTF-8 text: protobuf hands these over as bytes."""
    graph = model.graph
    names: list[object] = [entry.name for entry in (*graph.initializer, *graph.output)]
    names += [sparse.values.name for sparse in graph.sparse_initializer]
    for value in graph.input:
        names.append(value.name)
        names += [dim.dim_param for dim in value.type.tensor_type.shape.dim]
    names += [entry.domain for entry in model.opset_import]
    names += [part for f in model.functions for part in (f.name, f.domain)]
    bodies = [node for function in model.functions for node in function.node]
    for node in (*model.graph.node, *bodies):
        names += (node.name, node.op_type, node.domain, *node.input, *node.output)
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if not isinstance(name, str):
            raise InputError(
                f"the file is damaged: it has the name {name!r}, which is no text.",
                place=place,
                remedy="Copy or export the network again.",
            )


def opset_versions(model: onnx.ModelProto) -> dict[str, int]:
    """Domain -> opset version; the standard domain is the empty text under both its names."""
    return {
        "" if entry.domain == "ai.onnx" else entry.domain: entry.version
        for entry in model.opset_import
    }
