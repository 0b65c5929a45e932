"""Types and shapes of a node's outputs, by the shape functions of the onnx package.

Nodes are inferred one at a time, in order, with the values of small constants at hand: one pass
binds everything that depends on shapes, at a cost linear in the nodes, and no payload is copied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import onnx
from onnx import defs, helper, numpy_helper, shape_inference
from onnx.checker import ValidationError

from archsim.errors import InputError
from archsim.workload.graph import TensorInfo
from archsim.workload.onnx_reader.binding import LARGEST_TENSOR_ELEMENTS
from archsim.workload.onnx_reader.constants import FLOATING, Constant
from archsim.workload.onnx_reader.fitting import check_attributes, check_fit
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope, ShapeRule
from archsim.workload.onnx_reader.tensors import LARGEST_RANK, WHOLE_BYTES, Array

TypeAndShape = tuple[int, tuple[int, ...]]
# What shape inference depends on: the operator, its attributes, the types of its inputs, values.
_Question = tuple[object, ...]
# What it found for each output: nothing, or an element type with the sizes, None where unknown.
_Found = tuple[int, tuple[int | None, ...] | None] | None
Memory = dict[_Question, tuple[_Found, ...]]

# Floating-point operands on which an output's shape depends.
_SHAPED_BY_FLOATS = frozenset({"Resize", "Upsample", "Range", "OneHot"})


def tensor_info(
    name: str, element_type: int, shape: tuple[int, ...], *, nonnegative: bool = False
) -> TensorInfo:
    """An activation of the workload, from an ONNX element type (one byte if it is smaller)."""
    return TensorInfo(
        name, shape, WHOLE_BYTES.get(element_type, 1), element_type in FLOATING, nonnegative
    )


# A network has few different types, and making one costs as much as looking up ten.
@lru_cache(maxsize=4096)
def type_proto(element_type: int, shape: tuple[int, ...]) -> onnx.TypeProto:
    """The ONNX type of a tensor; not to be changed, since equal ones are shared."""
    return helper.make_tensor_type_proto(element_type, shape)


def infer(
    node: Node,
    scope: Scope,
    types: Mapping[str, onnx.TypeProto],
    opsets: Sequence[onnx.OperatorSetIdProto],
    rule: ShapeRule | None,
    memory: Memory | None = None,
) -> list[TypeAndShape | None]:
    """Element type and shape of each output of `node`, None for outputs that are absent.

    `memory` keeps what was found, so that nodes which are alike are inferred once; it may be shared
    by calls with the same `opsets`.
    Raises `InputError` that names the tensor and the dimension for what stays unknown.
    """
    if rule is not None:
        found: list[TypeAndShape | None] = list(rule(node, scope))
    else:
        check_attributes(node)
        found = _infer_with_onnx(node, scope, types, opsets, {} if memory is None else memory)
        check_fit(node, scope, [None if entry is None else entry[1] for entry in found])
    for name, entry in zip(node.outputs, found, strict=False):
        if entry is not None and len(entry[1]) > LARGEST_RANK:
            raise InputError(
                f"the tensor '{name}' would have {len(entry[1]):,} dimensions, more than any "
                "network's.",
                place=node.place,
            )
        if entry is not None and math.prod(entry[1]) > LARGEST_TENSOR_ELEMENTS:
            raise InputError(
                f"the tensor '{name}' would have the shape {entry[1]}, more elements than any "
                "machine holds.",
                place=node.place,
            )
    return found


def _infer_with_onnx(
    node: Node,
    scope: Scope,
    types: Mapping[str, onnx.TypeProto],
    opsets: Sequence[onnx.OperatorSetIdProto],
    memory: Memory,
) -> list[TypeAndShape | None]:
    data = {
        name: constant.value
        for name in node.inputs
        if (constant := scope.constants.get(name)) is not None
        and constant.value is not None
        and _shapes_depend_on(node, constant)
    }
    question = _question(node, types, data)
    answer = memory.get(question)
    if answer is None:
        answer = _ask_onnx(node, scope, types, opsets, data)
        memory[question] = answer
    return [
        _checked(node, name, found) if wanted(scope, index, name) else _if_known(found)
        for index, (name, found) in enumerate(zip(node.outputs, answer, strict=True))
    ]


def _question(
    node: Node, types: Mapping[str, onnx.TypeProto], data: Mapping[str, Array]
) -> _Question:
    """All that the inferred types depend on, without the names of tensors."""
    attributes = [attribute.SerializeToString() for attribute in node.proto.attribute]
    inputs = [types[name].SerializeToString() if name else b"" for name in node.inputs]
    # The same tensor twice may be more than two alike: products that need equal operands.
    places = {name: place for place, name in enumerate(node.inputs)}
    names = [places[name] for name in node.inputs]
    values = [(places[name], value.tobytes()) for name, value in data.items()]
    return (
        *(node.op_type, node.version, node.domain),
        *(tuple(attributes), tuple(inputs), tuple(names), tuple(values)),
        tuple(map(bool, node.outputs)),
    )


def _ask_onnx(
    node: Node,
    scope: Scope,
    types: Mapping[str, onnx.TypeProto],
    opsets: Sequence[onnx.OperatorSetIdProto],
    values: Mapping[str, Array],
) -> tuple[_Found, ...]:
    given = {name: types[name] for name in node.inputs if name}
    data = {name: numpy_helper.from_array(value) for name, value in values.items()}
    try:
        schema = defs.get_schema(node.op_type, node.version, node.domain)
        inferred = shape_inference.infer_node_outputs(
            schema, node.proto, given, data, opset_imports=list(opsets)
        )
    except (
        shape_inference.InferenceError,
        ValidationError,
        onnx.onnx_cpp2py_export.defs.SchemaError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        text = str(error).split("\n", maxsplit=1)[0].strip()
        shown = ", ".join(f"'{n}' {scope.shape(n)}" for n in node.inputs if n)
        raise InputError(
            f"its inputs do not fit it ({shown}): {text}",
            place=node.place,
            remedy="Check the file, and the sizes given with --batch, --dim and --shape.",
        ) from None
    return tuple(_found(inferred.get(name)) for name in node.outputs)


def _found(answer: onnx.TypeProto | None) -> _Found:
    if answer is None or not answer.HasField("tensor_type"):
        return None
    tensor = answer.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    sizes = (d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return tensor.elem_type, tuple(sizes)


def _if_known(found: _Found) -> TypeAndShape | None:
    """The type of an output that nothing reads, where it is there for the asking."""
    if found is None or found[1] is None:
        return None
    known = tuple(size for size in found[1] if size is not None and size >= 0)
    return (found[0], known) if len(known) == len(found[1]) else None


def wanted(scope: Scope, index: int, name: str) -> bool:
    """Whether an output is there and matters: the first does, others if something reads them."""
    return bool(name) and (index == 0 or name in scope.consumers or name in scope.results)


def _shapes_depend_on(node: Node, constant: Constant) -> bool:
    return not constant.floating or node.op_type in _SHAPED_BY_FLOATS


def _checked(node: Node, name: str, found: _Found) -> TypeAndShape:
    if found is None:
        raise InputError(f"the type of the tensor '{name}' cannot be determined.", place=node.place)
    element_type, sizes = found
    if sizes is None:
        raise InputError(
            f"the number of dimensions of the tensor '{name}' cannot be determined.",
            place=node.place,
            remedy="It depends on the data; export the network with constant shapes.",
        )
    shape = []
    for axis, size in enumerate(sizes):
        if size is None:
            raise InputError(
                f"dimension {axis} of the tensor '{name}' cannot be determined.",
                place=node.place,
                remedy="It depends on the data; export the network with constant shapes.",
            )
        if size < 0:
            raise InputError(
                f"dimension {axis} of the tensor '{name}' would be {size}.",
                place=node.place,
                remedy="Check the sizes given with --batch, --dim and --shape.",
            )
        shape.append(size)
    return element_type, tuple(shape)
