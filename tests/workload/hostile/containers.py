"""Paths that are no files, files that are no models, and models that only look small."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
from onnx import ModelProto, helper

from tests.workload.hostile import encoding as wire
from tests.workload.hostile.case import Case, PathCase
from tests.workload.hostile.making import linear, model, node

_NOT_ONNX = ("not an ONNX file",)
_FILLED = 2**20


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("model.onnx", linear().SerializeToString())
    return packed.getvalue()


def _hole(path: Path, head: bytes, size: int) -> None:
    """A file of `size` bytes that begins with `head` and takes no room on the disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def _open_block(field: int, length: int) -> bytes:
    return wire.varint(field << 3 | 2) + wire.varint(length)


def _numbers_bomb(path: Path) -> None:
    """One attribute with two hundred million zeros, each a byte in the file."""
    length = 200 * _FILLED
    head = b""
    # From the inside out: each message is as long as its own head and all that it holds.
    for field in (wire.ATTRIBUTE_INTS, wire.NODE_ATTRIBUTE, wire.NODE, wire.GRAPH):
        head = _open_block(field, length + len(head)) + head
    head = wire.number(wire.IR_VERSION, 10) + head
    _hole(path, head, len(head) + length)


def _nested(depth: int) -> bytes:
    """Nodes with graphs with nodes with graphs."""
    content = b""
    for _ in range(depth):
        attribute = wire.block(wire.ATTRIBUTE_GRAPH, content) + wire.number(wire.ATTRIBUTE_TYPE, 5)
        content = wire.block(wire.NODE, wire.block(wire.NODE_ATTRIBUTE, attribute))
    return wire.model(content)


def _attribute_bomb() -> bytes:
    many = wire.block(wire.NODE_ATTRIBUTE, b"") * (10 * _FILLED)
    return wire.model(wire.block(wire.NODE, many) + wire.block(wire.OUTPUT, b""))


def _versioned(*, ir: int = 10, opsets: tuple[int, ...] = (20,)) -> ModelProto:
    made = linear()
    made.ir_version = ir
    del made.opset_import[:]
    made.opset_import.extend(helper.make_opsetid("", version) for version in opsets)
    return made


def _renamed(**names: bytes) -> bytes:
    """A network with a name replaced after encoding, since no library writes damaged text."""
    made = model([node("Relu", ["x"], ["y"])])
    content: bytes = made.SerializeToString()
    for old, new in names.items():
        assert content.count(old.encode()) >= 1
        content = content.replace(old.encode(), new)
    return content


CASES: tuple[Case | PathCase, ...] = (
    Case("empty", lambda: b"", ("the file is empty",)),
    Case("yaml", lambda: b"device: {kind: protonic}\nrows: 256\n", _NOT_ONNX),
    Case("text_proto", lambda: str(linear()).encode(), _NOT_ONNX),
    Case("random_bytes", lambda: np.random.default_rng(1).bytes(5000), _NOT_ONNX),
    Case("random_megabytes", lambda: np.random.default_rng(2).bytes(8 * _FILLED), _NOT_ONNX),
    Case("cut_short", lambda: linear().SerializeToString()[:-10], _NOT_ONNX),
    Case("gzip", lambda: gzip.compress(linear().SerializeToString()), ("gzip archive", "Unpack")),
    Case("zip", _zipped, ("zip archive", "Unpack")),
    PathCase("folder", lambda path: path.mkdir(), ("this is a folder",)),
    PathCase("pipe", os.mkfifo, ("no regular file",)),
    PathCase("device", lambda path: path.symlink_to("/dev/zero"), ("no regular file",)),
    PathCase("dangling_link", lambda path: path.symlink_to("nowhere"), ("a link",)),
    PathCase(
        "endless_link",
        lambda path: path.symlink_to(path.name),
        ("a link to a file that does not exist",),
    ),
    PathCase(
        "three_gigabytes",
        lambda path: _hole(path, b"\x08\x0a", 3 * 2**30),
        ("more than the 2 GiB",),
    ),
    PathCase("numbers_bomb", _numbers_bomb, ("besides its weights",)),
    Case(
        "length_beyond_the_file",
        lambda: wire.number(wire.IR_VERSION, 10) + _open_block(wire.GRAPH, 2**60),
        _NOT_ONNX,
    ),
    Case("endless_number", lambda: b"\x08" + b"\xff" * 100, _NOT_ONNX),
    Case("deep_messages", lambda: _nested(5000), _NOT_ONNX),
    Case(
        "empty_nodes",
        lambda: wire.model(
            wire.block(wire.NODE, b"") * (3 * _FILLED) + wire.block(wire.OUTPUT, b"")
        ),
        ("nodes", "more than any network has"),
    ),
    Case("empty_attributes", _attribute_bomb, ("parts", "more than any network has")),
    Case(
        "empty_tensors",
        lambda: wire.model(
            wire.block(wire.INITIALIZER, b"") * (3 * _FILLED) + wire.block(wire.OUTPUT, b"")
        ),
        ("stored tensors", "more than any network has"),
    ),
    Case(
        "empty_inputs",
        lambda: wire.model(wire.block(wire.INPUT, b"") * _FILLED + wire.block(wire.OUTPUT, b"")),
        ("graph inputs", "more than any network has"),
    ),
    Case("no_graph", lambda: ModelProto(ir_version=8), ("no network",)),
    Case("ir_version_zero", lambda: _versioned(ir=0), ("IR version 0",)),
    Case("ir_version_negative", lambda: _versioned(ir=-1), ("IR version -1",)),
    Case("ir_version_unknown", lambda: _versioned(ir=4000), ("IR version 4000",)),
    Case("opset_unknown", lambda: _versioned(opsets=(999,)), ("opset 999",)),
    Case("opset_zero", lambda: _versioned(opsets=(0,)), ("opset 0",)),
    Case("opset_missing", lambda: _versioned(opsets=()), ("opset",)),
    Case("opset_twice", lambda: _versioned(opsets=(9, 20)), ("several opsets", "9 and 20")),
    Case("node_name_no_text", lambda: _renamed(bad=b"b\xff\xfe"), ("no text", "node 0")),
    Case("operator_no_text", lambda: _renamed(Relu=b"\xc3\x28lu"), ("no text", "node 0")),
    Case("node_name_newline", lambda: _renamed(bad=b"b\nd"), ("b\\nd", "cannot be shown")),
    Case("node_name_escape", lambda: _renamed(bad=b"\x1b[2"), ("\\x1b", "cannot be shown")),
    Case(
        "tensor_name_turned",
        lambda: model([node("Relu", ["x"], ["\u202egnp"])], outputs=["\u202egnp"]),
        ("\\u202e", "cannot be shown"),
    ),
    Case(
        "name_of_a_megabyte",
        lambda: model([node("Relu", ["x"], ["y" * _FILLED])], outputs=["y" * _FILLED]),
        ("1,048,576 characters",),
    ),
    Case(
        "operator_of_a_megabyte",
        lambda: model([node("R" * _FILLED, ["x"], ["y"])]),
        ("1,048,576 characters",),
    ),
    Case(
        "dimension_name_control",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": ["a\x07b"]}),
        ("\\x07", "cannot be shown"),
    ),
)
