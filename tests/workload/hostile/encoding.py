"""Encoded Protocol Buffers messages, written by hand: what no ONNX library would write."""

from __future__ import annotations

# Field numbers of the ONNX messages.
IR_VERSION, GRAPH, OPSET_IMPORT = 1, 7, 8
NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP_TYPE, NODE_ATTRIBUTE = 1, 2, 3, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_GRAPH, ATTRIBUTE_INTS, ATTRIBUTE_TYPE = 1, 6, 8, 20


def varint(value: int) -> bytes:
    """A number, seven bits to a byte."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    """A field that is a text or a message."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def model(graph: bytes) -> bytes:
    """A model that holds an encoded graph."""
    return number(IR_VERSION, 10) + block(GRAPH, graph) + block(OPSET_IMPORT, number(2, 20))
