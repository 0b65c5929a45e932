"""ONNX files before they are decoded: payloads of weights cut out, and the rest counted.

A model's structure is small and its weights are large, and decoding makes both anew in memory.
These functions walk over the encoded bytes (Protocol Buffers: a sequence of fields, each with a
number, a wire type and a length) and copy what is worth decoding, so that neither gigabytes of
weights nor millions of empty messages are ever held as objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto

Buffer: TypeAlias = "memoryview[int]"

# Payloads up to this size stay: their values may be needed, and their lengths are checked.
_SMALL_BYTES = 1 << 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_DEEPEST = 100
_PAYLOAD = (
    *("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data"),
    "raw_data",
)


class WireError(ValueError):
    """The bytes are no encoded message."""


class TooManyFields(ValueError):
    """A message has more fields than were allowed for."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """The fields of a kind of message: those that are messages themselves, and payloads."""

    messages: Mapping[int, str]
    payload: frozenset[int]


def _layouts(root: Descriptor) -> dict[str, _Layout]:
    """The layouts of `root` and of all messages inside it, by name."""
    found: dict[str, _Layout] = {}
    waiting = [root]
    while waiting:
        kind = waiting.pop()
        if kind.full_name in found:
            continue
        inner = [field for field in kind.fields if field.message_type is not None]
        names = _PAYLOAD if kind is TensorProto.DESCRIPTOR else ()
        found[kind.full_name] = _Layout(
            {field.number: field.message_type.full_name for field in inner},
            frozenset(kind.fields_by_name[name].number for name in names),
        )
        waiting.extend(field.message_type for field in inner)
    return found


_LAYOUTS = _layouts(ModelProto.DESCRIPTOR)
_MODEL = ModelProto.DESCRIPTOR.full_name


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 7 * _LONGEST_VARINT:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise WireError("a number is cut short")


class _Walk:
    """A walk over the fields of encoded messages that goes no further than it is allowed to."""

    def __init__(self, data: Buffer, most: int) -> None:
        self.data = data
        self.left = most

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Each field of a message: its number if it holds bytes (else 0), its place, its end.

        The place is where the field begins and where its content begins.
        """
        data = self.data
        while at < end:
            self.left -= 1
            if self.left < 0:
                raise TooManyFields
            begin = at
            tag, at = _varint(data, at, end)
            wire = tag & 7
            content = at
            if wire == _BYTES:
                length, content = _varint(data, at, end)
                at = content + length
            elif wire == _VARINT:
                _, at = _varint(data, at, end)
            elif wire in (_FIXED32, _FIXED64):
                at += 4 if wire == _FIXED32 else 8
            else:
                raise WireError("an unknown kind of field")
            if at > end:
                raise WireError("a field is cut short")
            yield tag >> 3 if wire == _BYTES else 0, begin, content, at

    def kept(self, at: int, end: int, kind: str, depth: int = 0) -> list[bytes | Buffer]:
        """The parts that make a message of that kind without its large payloads."""
        if depth > _DEEPEST:
            raise WireError("messages are nested too deep")
        layout = _LAYOUTS[kind]
        parts: list[bytes | Buffer] = []
        copied = at
        for number, begin, content, after in self.fields(at, end):
            if after - content <= _SMALL_BYTES:
                continue
            if number in layout.payload:
                parts.append(self.data[copied:begin])
                copied = after
            elif number in layout.messages:
                inner = self.kept(content, after, layout.messages[number], depth + 1)
                header = _encoded(number << 3 | _BYTES) + _encoded(sum(map(len, inner)))
                parts += (self.data[copied:begin], header, *inner)
                copied = after
        parts.append(self.data[copied:end])
        return parts

    def count(self, at: int, end: int, kind: str, depth: int = 0) -> None:
        """Go through all fields of a message of that kind, and of those inside it."""
        if depth > _DEEPEST:
            raise WireError("messages are nested too deep")
        messages = _LAYOUTS[kind].messages
        for number, _, content, after in self.fields(at, end):
            if number in messages and content < after:
                self.count(content, after, messages[number], depth + 1)


def without_payloads(data: Buffer, most: int) -> bytes:
    """The encoded model in `data` without the elements of its large tensors.

    What is left decodes to the same model, less those elements.  Raises `WireError` for bytes that
    are no encoded message, and `TooManyFields` if the large messages have more than `most` fields.
    """
    return b"".join(_Walk(data, most).kept(0, len(data), _MODEL))


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def check_fields(data: Buffer, most: int) -> None:
    """Raise `TooManyFields` if the encoded model has more than `most` fields, all messages together.

    Raises `WireError` for bytes that are no encoded message.
    """
    _Walk(data, most).count(0, len(data), _MODEL)
