"""Nodes of other domains as the nodes of the default domain that they extend.

A fused or quantised operator has the shapes, and the products, of a standard operator with some of
its inputs.  `recast` writes that standard node; its shape function and its handler then serve both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from onnx import NodeProto, TensorProto, defs, helper

from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope, ShapeRule
from archsim.workload.onnx_reader.shapes import infer, type_proto

# The opset whose standard operators others are recast to.
STANDARD_OPSET = 17
_OPSETS = (helper.make_opsetid("", STANDARD_OPSET),)


@cache
def _attribute_names(op_type: str) -> frozenset[str]:
    return frozenset(defs.get_schema(op_type, STANDARD_OPSET, "").attributes)


def recast(
    node: Node,
    op_type: str,
    inputs: Sequence[int | str],
    *,
    outputs: int = 1,
    attributes: Mapping[str, Any] | None = None,
) -> Node:
    """The standard `op_type` of some of the node's inputs (by index, or other tensors by name).

    It keeps the name, the first `outputs` outputs, and the attributes that the standard operator
    knows; `attributes` override them.
    """
    names = [entry if isinstance(entry, str) else node.input(entry) for entry in inputs]
    while names and not names[-1]:
        names.pop()
    results = node.outputs[:outputs]
    proto = NodeProto(op_type=op_type, name=node.name, input=names, output=results)
    given = dict(attributes or {})
    known = _attribute_names(op_type)
    proto.attribute.extend(
        attribute
        for name, attribute in node.attributes.items()
        if name in known and name not in given
    )
    proto.attribute.extend(helper.make_attribute(name, value) for name, value in given.items())
    return replace(
        node,
        op_type=op_type,
        domain="",
        version=STANDARD_OPSET,
        inputs=tuple(names),
        outputs=tuple(results),
        proto=proto,
        attributes={attribute.name: attribute for attribute in proto.attribute},
    )


def shaped_as(
    op_type: str,
    inputs: Sequence[int] = (0,),
    *,
    like: int | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> ShapeRule:
    """The shape rule of the standard `op_type` on some inputs, whatever types their elements have.

    The elements of the result are of the type of input `like`, by default the first of `inputs`.
    """

    def shapes(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
        standard = recast(node, op_type, inputs, attributes=attributes)
        types = {name: type_proto(TensorProto.FLOAT, scope.shape(name)) for name in standard.reads}
        (found,) = infer(standard, scope, types, _OPSETS, None)
        assert found is not None
        index = inputs[0] if like is None else like
        return [(scope.element_type(node.input(index)), found[1])]

    return shapes


def shaped_like(index: int, *, like: int | None = None) -> ShapeRule:
    """The shape of an input, with its element type or that of input `like`."""

    def shapes(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
        kind = scope.element_type(node.input(index if like is None else like))
        return [(kind, scope.shape(node.input(index)))]

    return shapes
