"""Types and shapes of a node's outputs, by the shape functions of the onnx package.

Nodes are inferred one at a time, in order, with the values of small constants at hand: one pass
binds everything that depends on shapes, at a cost linear in the nodes, and no payload is copied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, defs, helper, numpy_helper, shape_inference
from onnx.checker import ValidationError

from archsim.errors import InputError
from archsim.workload.graph import TensorInfo
from archsim.workload.onnx_reader.binding import LARGEST_TENSOR_ELEMENTS
from archsim.workload.onnx_reader.constants import FLOATING, Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope, ShapeRule

TypeAndShape = tuple[int, tuple[int, ...]]

_BYTES: Mapping[int, int] = {
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64), 8),
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 4),
    **dict.fromkeys(
        (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT16, TensorProto.UINT16), 2
    ),
    TensorProto.COMPLEX64: 8,
    TensorProto.COMPLEX128: 16,
}
# Floating-point operands on which an output's shape depends.
_SHAPED_BY_FLOATS = frozenset({"Resize", "Upsample", "Range"})


def tensor_info(
    name: str, element_type: int, shape: tuple[int, ...], *, nonnegative: bool = False
) -> TensorInfo:
    """An activation of the workload, from an ONNX element type (one byte if it is smaller)."""
    return TensorInfo(
        name, shape, _BYTES.get(element_type, 1), element_type in FLOATING, nonnegative
    )


def type_proto(element_type: int, shape: Sequence[int]) -> onnx.TypeProto:
    """The ONNX type of a tensor."""
    return helper.make_tensor_type_proto(element_type, shape)


def infer(
    node: Node,
    scope: Scope,
    types: Mapping[str, onnx.TypeProto],
    opsets: Sequence[onnx.OperatorSetIdProto],
    rule: ShapeRule | None,
) -> list[TypeAndShape | None]:
    """Element type and shape of each output of `node`, None for outputs that are absent.

    Raises `InputError` that names the tensor and the dimension for what stays unknown.
    """
    if rule is not None:
        found: list[TypeAndShape | None] = list(rule(node, scope))
    else:
        found = _infer_with_onnx(node, scope, types, opsets)
    for name, entry in zip(node.outputs, found, strict=False):
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
) -> list[TypeAndShape | None]:
    given = {name: types[name] for name in node.inputs if name}
    data = {
        name: numpy_helper.from_array(constant.value)
        for name in node.inputs
        if (constant := scope.constants.get(name)) is not None
        and constant.value is not None
        and _shapes_depend_on(node, constant)
    }
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
    return [
        _checked(node, name, inferred.get(name))
        if wanted(scope, index, name)
        else _if_known(inferred.get(name))
        for index, name in enumerate(node.outputs)
    ]


def _if_known(found: onnx.TypeProto | None) -> TypeAndShape | None:
    """The type of an output that nothing reads, where it is there for the asking."""
    if found is None or not found.tensor_type.HasField("shape"):
        return None
    dims = found.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims):
        return None
    return found.tensor_type.elem_type, tuple(dim.dim_value for dim in dims)


def wanted(scope: Scope, index: int, name: str) -> bool:
    """Whether an output is there and matters: the first does, others if something reads them."""
    return bool(name) and (index == 0 or name in scope.consumers or name in scope.results)


def _shapes_depend_on(node: Node, constant: Constant) -> bool:
    return not constant.floating or node.op_type in _SHAPED_BY_FLOATS


def _checked(node: Node, name: str, found: onnx.TypeProto | None) -> TypeAndShape:
    if found is None or not found.HasField("tensor_type"):
        raise InputError(f"the type of the tensor '{name}' cannot be determined.", place=node.place)
    tensor = found.tensor_type
    if not tensor.HasField("shape"):
        raise InputError(
            f"the number of dimensions of the tensor '{name}' cannot be determined.",
            place=node.place,
            remedy="It depends on the data; export the network with constant shapes.",
        )
    shape = []
    for axis, dim in enumerate(tensor.shape.dim):
        if not dim.HasField("dim_value"):
            raise InputError(
                f"dimension {axis} of the tensor '{name}' cannot be determined.",
                place=node.place,
                remedy="It depends on the data; export the network with constant shapes.",
            )
        if dim.dim_value < 0:
            raise InputError(
                f"dimension {axis} of the tensor '{name}' would be {dim.dim_value}.",
                place=node.place,
                remedy="Check the sizes given with --batch, --dim and --shape.",
            )
        shape.append(dim.dim_value)
    return tensor.elem_type, tuple(shape)
