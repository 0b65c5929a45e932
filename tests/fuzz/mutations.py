"""Mutations of ONNX models: what a careless or hostile writer of files might do to them.

Each takes a model and a random generator, and changes the model in place; where there is nothing to
change, it does nothing.  Which mutations a case gets depends on its seed only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

Random: TypeAlias = np.random.Generator
Mutation: TypeAlias = Callable[[ModelProto, Random], None]

INTEGERS = (
    *(0, 1, -1, 2, -2, 3, 4, 5, 7, 16, 64, 255, 1023, 1025, 65_537),
    *(2**31 - 1, 2**31, -(2**31), 2**32 + 1, 2**47, 2**48 + 1, 2**62, 2**63 - 1, -(2**63)),
)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    b"",
    b"SAME_UPPER",
    b"NOTSET",
    b"ij,jk->ik",
    b"ii->i",
    b"...i,...j->...",
    b"\xff\xfe",
    b"a" * 999,
)
NAMES = ("", "x", "absent", "w", "line\nbreak", "\u202eright", "a" * 3000)
DOMAINS = ("", "ai.onnx", "com.microsoft", "ai.onnx.ml", "local", "ai.onnx.training")
_OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})


def _pick(random: Random, choices: Sequence[object]) -> object:
    return choices[int(random.integers(len(choices)))]


def _integer(random: Random) -> int:
    return int(INTEGERS[int(random.integers(len(INTEGERS)))])


def _name(random: Random) -> str:
    return NAMES[int(random.integers(len(NAMES)))]


def _element_type(random: Random) -> int:
    return int(random.integers(0, 30))


def _graphs(model: ModelProto) -> list[GraphProto]:
    """The graph and the graphs inside its nodes, two levels deep."""
    found = [model.graph]
    for graph in found[:]:
        for node in graph.node:
            found.extend(a.g for a in node.attribute if a.HasField("g"))
    return found


def _graph(model: ModelProto, random: Random) -> GraphProto:
    graphs = _graphs(model)
    if len(graphs) > 1 and random.random() < 0.5:
        return graphs[int(random.integers(len(graphs)))]
    return model.graph


def _node(model: ModelProto, random: Random) -> NodeProto | None:
    nodes = _graph(model, random).node
    return nodes[int(random.integers(len(nodes)))] if nodes else None


def _attribute(model: ModelProto, random: Random) -> AttributeProto | None:
    node = _node(model, random)
    if node is None or not node.attribute:
        return None
    return node.attribute[int(random.integers(len(node.attribute)))]


def _tensors(model: ModelProto) -> list[TensorProto]:
    found: list[TensorProto] = []
    for graph in _graphs(model):
        found.extend(graph.initializer)
        found.extend(a.t for node in graph.node for a in node.attribute if a.HasField("t"))
    return found


def _tensor(model: ModelProto, random: Random) -> TensorProto | None:
    tensors = _tensors(model)
    return tensors[int(random.integers(len(tensors)))] if tensors else None


def _tensor_names(graph: GraphProto) -> list[str]:
    names = [value.name for value in graph.input] + [tensor.name for tensor in graph.initializer]
    return names + [output for node in graph.node for output in node.output]


def delete_node(model: ModelProto, random: Random) -> None:
    nodes = _graph(model, random).node
    if nodes:
        del nodes[int(random.integers(len(nodes)))]


def duplicate_node(model: ModelProto, random: Random) -> None:
    graph = _graph(model, random)
    if graph.node:
        copy = graph.node.add()
        copy.CopyFrom(
            graph.node[int(random.integers(len(graph.node) - 1))]
            if len(graph.node) > 1
            else graph.node[0]
        )
        if random.random() < 0.7:
            for index in range(len(copy.output)):
                copy.output[index] += "_copy"


def swap_nodes(model: ModelProto, random: Random) -> None:
    nodes = model.graph.node
    if len(nodes) > 1:
        i, j = (int(k) for k in random.integers(len(nodes), size=2))
        first = NodeProto()
        first.CopyFrom(nodes[i])
        nodes[i].CopyFrom(nodes[j])
        nodes[j].CopyFrom(first)


def change_operator(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is not None:
        node.op_type = str(_pick(random, _OPERATORS))


def change_domain(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is not None:
        node.domain = str(_pick(random, DOMAINS))


def rewire_input(model: ModelProto, random: Random) -> None:
    graph = _graph(model, random)
    if not graph.node:
        return
    node = graph.node[int(random.integers(len(graph.node)))]
    names = _tensor_names(graph)
    name = str(_pick(random, names)) if names and random.random() < 0.7 else _name(random)
    if node.input and random.random() < 0.8:
        node.input[int(random.integers(len(node.input)))] = name
    else:
        node.input.append(name)


def drop_input(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is not None and node.input:
        del node.input[int(random.integers(len(node.input)))]


def swap_inputs(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is not None and len(node.input) > 1:
        i, j = (int(k) for k in random.integers(len(node.input), size=2))
        node.input[i], node.input[j] = node.input[j], node.input[i]


def change_outputs(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is None:
        return
    if node.output and random.random() < 0.5:
        node.output[int(random.integers(len(node.output)))] = _name(random)
    elif node.output and random.random() < 0.3:
        del node.output[int(random.integers(len(node.output)))]
    else:
        node.output.append(f"extra_{int(random.integers(1000))}")


def change_attribute_value(model: ModelProto, random: Random) -> None:
    attribute = _attribute(model, random)
    if attribute is None:
        return
    if attribute.ints:
        attribute.ints[int(random.integers(len(attribute.ints)))] = _integer(random)
    elif attribute.floats:
        attribute.floats[int(random.integers(len(attribute.floats)))] = float(
            np.float32(_pick(random, REALS))
        )
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = float(np.float32(_pick(random, REALS)))
    elif attribute.type == AttributeProto.STRING:
        attribute.s = bytes(_pick(random, TEXTS))
    else:
        attribute.i = _integer(random)


def change_attribute_length(model: ModelProto, random: Random) -> None:
    attribute = _attribute(model, random)
    if attribute is None or attribute.type != AttributeProto.INTS:
        return
    if attribute.ints and random.random() < 0.5:
        del attribute.ints[int(random.integers(len(attribute.ints)))]
    else:
        attribute.ints.extend([_integer(random)] * int(random.integers(1, 5)))


def change_attribute_kind(model: ModelProto, random: Random) -> None:
    attribute = _attribute(model, random)
    if attribute is None:
        return
    choices: tuple[Callable[[], None], ...] = (
        lambda: setattr(attribute, "type", int(random.integers(0, 15))),
        lambda: setattr(attribute, "name", _name(random)),
        lambda: setattr(attribute, "ref_attr_name", "other"),
        lambda: attribute.ClearField("t"),
        lambda: attribute.ClearField("g"),
    )
    choices[int(random.integers(len(choices)))]()


def drop_attribute(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node is not None and node.attribute:
        del node.attribute[int(random.integers(len(node.attribute)))]


def add_attribute(model: ModelProto, random: Random) -> None:
    """An attribute that the operator's schema knows, with any value of the right or wrong kind."""
    node = _node(model, random)
    if node is None:
        return
    try:
        known = sorted(onnx.defs.get_schema(node.op_type, domain=node.domain).attributes)
    except (onnx.defs.SchemaError, UnicodeEncodeError):
        known = []
    name = str(_pick(random, known)) if known else "axis"
    values = (_integer(random), [_integer(random)] * 2, 0.5, "SAME_LOWER")
    node.attribute.append(helper.make_attribute(name, values[int(random.integers(len(values)))]))


def change_tensor_shape(model: ModelProto, random: Random) -> None:
    tensor = _tensor(model, random)
    if tensor is None:
        return
    if tensor.dims and random.random() < 0.7:
        tensor.dims[int(random.integers(len(tensor.dims)))] = _integer(random)
    elif tensor.dims and random.random() < 0.5:
        del tensor.dims[int(random.integers(len(tensor.dims)))]
    else:
        tensor.dims.append(_integer(random))


def change_tensor_data(model: ModelProto, random: Random) -> None:
    """Another element in place of one of a small integer tensor: what shapes are made of."""
    tensors = [t for t in _tensors(model) if t.data_type in (TensorProto.INT64, TensorProto.INT32)]
    tensor = tensors[int(random.integers(len(tensors)))] if tensors else None
    if tensor is None:
        return
    if tensor.int64_data:
        tensor.int64_data[int(random.integers(len(tensor.int64_data)))] = _integer(random)
    elif tensor.data_type == TensorProto.INT64 and len(tensor.raw_data) >= 8:
        at = 8 * int(random.integers(len(tensor.raw_data) // 8))
        value = _integer(random).to_bytes(8, "little", signed=True)
        tensor.raw_data = tensor.raw_data[:at] + value + tensor.raw_data[at + 8 :]


def change_tensor_storage(model: ModelProto, random: Random) -> None:
    tensor = _tensor(model, random)
    if tensor is None:
        return
    choices: tuple[Callable[[], object], ...] = (
        lambda: setattr(tensor, "data_type", _element_type(random)),
        lambda: setattr(tensor, "name", _name(random)),
        lambda: tensor.ClearField("raw_data"),
        lambda: setattr(tensor, "raw_data", tensor.raw_data[: len(tensor.raw_data) // 2]),
        lambda: setattr(tensor, "data_location", TensorProto.EXTERNAL),
        lambda: tensor.external_data.add(key="location", value="/etc/passwd"),
        lambda: tensor.float_data.extend([1.0] * 3),
    )
    choices[int(random.integers(len(choices)))]()


def input_becomes_constant(model: ModelProto, random: Random) -> None:
    """A graph input gets a stored value: a weight, or something that shapes depend on."""
    graph = model.graph
    if not graph.input:
        return
    value = graph.input[int(random.integers(len(graph.input)))]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    count = int(np.prod(shape)) if all(0 <= size < 5000 for size in shape) else 10**9
    kind = value.type.tensor_type.elem_type
    tensor = graph.initializer.add(name=value.name, data_type=kind, dims=shape)
    if count <= 64 and kind == TensorProto.INT64:
        tensor.int64_data.extend(
            _integer(random) if random.random() < 0.2 else int(random.integers(-1, 4))
            for _ in range(count)
        )
    elif count <= 64 and kind == TensorProto.FLOAT:
        tensor.float_data.extend(random.normal(size=count).astype(np.float32).tolist())
    else:
        tensor.data_location = TensorProto.EXTERNAL


def constant_becomes_input(model: ModelProto, random: Random) -> None:
    graph = model.graph
    if graph.initializer:
        index = int(random.integers(len(graph.initializer)))
        tensor = graph.initializer[index]
        if isinstance(tensor.name, str):
            shape = list(tensor.dims)
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, shape))
        del graph.initializer[index]


def change_input(model: ModelProto, random: Random) -> None:
    values = model.graph.input
    if not values:
        return
    value = values[int(random.integers(len(values)))]
    dims = value.type.tensor_type.shape.dim
    if dims and random.random() < 0.6:
        dim = dims[int(random.integers(len(dims)))]
        if random.random() < 0.7:
            dim.dim_value = _integer(random)
        else:
            dim.dim_param = str(
                _pick(random, ("n", "n*n", "2*n", "n-9", "1//n", "9" * 60, "(" * 99))
            )
    elif random.random() < 0.3:
        value.type.tensor_type.elem_type = _element_type(random)
    elif random.random() < 0.3:
        value.type.ClearField("tensor_type")
    elif random.random() < 0.5:
        dims.add(dim_value=_integer(random))
    elif dims:
        del dims[int(random.integers(len(dims)))]


def change_outputs_of_graph(model: ModelProto, random: Random) -> None:
    graph = _graph(model, random)
    names = _tensor_names(graph)
    name = str(_pick(random, names)) if names and random.random() < 0.8 else _name(random)
    if graph.output and random.random() < 0.3:
        del graph.output[int(random.integers(len(graph.output)))]
    else:
        graph.output.append(helper.make_empty_tensor_value_info(name))


def change_versions(model: ModelProto, random: Random) -> None:
    if random.random() < 0.2:
        model.ir_version = _integer(random)
    elif model.opset_import and random.random() < 0.8:
        entry = model.opset_import[int(random.integers(len(model.opset_import)))]
        entry.version = int(random.integers(1, 28)) if random.random() < 0.8 else _integer(random)
    elif model.opset_import:
        del model.opset_import[int(random.integers(len(model.opset_import)))]


def wrap_in_function(model: ModelProto, random: Random) -> None:
    """A node becomes the call of a local function that holds it, or that calls itself."""
    node = _node(model, random)
    if node is None or not node.output:
        return
    body = NodeProto()
    body.CopyFrom(node)
    name = "F" if random.random() < 0.7 else body.op_type
    if random.random() < 0.1:
        body.domain, body.op_type = "local", name
    function = model.functions.add(name=name, domain="local")
    function.input.extend(dict.fromkeys(name for name in body.input if name))
    function.output.extend(dict.fromkeys(body.output))
    function.node.append(body)
    function.opset_import.extend(model.opset_import)
    node.op_type, node.domain = name, "local"
    del node.input[:], node.output[:], node.attribute[:]
    node.input.extend(function.input)
    node.output.extend(function.output)
    model.opset_import.add(domain="local", version=1)


def wrap_in_branch(model: ModelProto, random: Random) -> None:
    """A node becomes the body of an If, both of whose branches hold it."""
    node = _node(model, random)
    if node is None or not node.output:
        return
    body = NodeProto()
    body.CopyFrom(node)
    del node.input[:], node.attribute[:]
    node.op_type, node.domain = "If", ""
    condition = f"condition_{int(random.integers(10**6))}"
    node.input.append(condition)
    if random.random() < 0.5:
        model.graph.initializer.add(
            name=condition, data_type=TensorProto.BOOL, int32_data=[int(random.integers(2))]
        )
    else:
        model.graph.input.append(helper.make_tensor_value_info(condition, TensorProto.BOOL, []))
    for name in ("then_branch", "else_branch"):
        attribute = node.attribute.add(name=name, type=AttributeProto.GRAPH)
        attribute.g.name = name
        inner = attribute.g.node.add()
        inner.CopyFrom(body)
        for index in range(len(inner.output)):
            inner.output[index] += f"_{name}"
            attribute.g.output.append(helper.make_empty_tensor_value_info(inner.output[index]))


def wrap_in_loop(model: ModelProto, random: Random) -> None:
    """A node becomes the body of a Loop with a stored trip count; its result is stacked."""
    node = _node(model, random)
    if node is None or not node.output:
        return
    body = NodeProto()
    body.CopyFrom(node)
    count = f"count_{int(random.integers(10**6))}"
    trips = int(random.integers(0, 6)) if random.random() < 0.6 else _integer(random)
    model.graph.initializer.add(name=count, data_type=TensorProto.INT64, int64_data=[trips])
    del node.input[:], node.attribute[:]
    node.op_type, node.domain = "Loop", ""
    node.input.extend([count, ""])
    attribute = node.attribute.add(name="body", type=AttributeProto.GRAPH)
    graph = attribute.g
    graph.name = "body"
    graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, []))
    graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    graph.node.append(helper.make_node("Identity", ["c"], ["c_out"]))
    graph.node.append(body)
    graph.output.append(helper.make_tensor_value_info("c_out", TensorProto.BOOL, []))
    inner = graph.node[1]
    for index in range(len(inner.output)):
        inner.output[index] += "_inside"
        graph.output.append(helper.make_empty_tensor_value_info(inner.output[index]))


STRUCTURAL: tuple[Mutation, ...] = (
    delete_node,
    duplicate_node,
    swap_nodes,
    change_operator,
    change_domain,
    rewire_input,
    rewire_input,
    drop_input,
    swap_inputs,
    change_outputs,
    change_attribute_value,
    change_attribute_value,
    change_attribute_length,
    change_attribute_kind,
    drop_attribute,
    add_attribute,
    add_attribute,
    change_tensor_shape,
    change_tensor_data,
    change_tensor_data,
    change_tensor_storage,
    input_becomes_constant,
    input_becomes_constant,
    constant_becomes_input,
    change_input,
    change_input,
    change_outputs_of_graph,
    change_versions,
    wrap_in_function,
    wrap_in_branch,
    wrap_in_loop,
)


def graft(model: ModelProto, donor: ModelProto, random: Random) -> None:
    """Put a node of another model among the nodes, reading tensors that are there."""
    if not donor.graph.node:
        return
    names = _tensor_names(model.graph) or ["x"]
    copy = model.graph.node.add()
    copy.CopyFrom(donor.graph.node[int(random.integers(len(donor.graph.node)))])
    for index in range(len(copy.input)):
        copy.input[index] = str(_pick(random, names))
    for index in range(len(copy.output)):
        copy.output[index] = f"graft_{int(random.integers(10**6))}"
        model.graph.output.append(helper.make_empty_tensor_value_info(copy.output[index]))


def damage_bytes(content: bytes, random: Random) -> bytes:
    """Flip, insert, delete or repeat bytes, or cut the file short."""
    damaged = bytearray(content)
    for _ in range(int(random.integers(1, 8))):
        if not damaged:
            break
        at, length = int(random.integers(len(damaged))), int(random.integers(1, 9))
        kind = random.random()
        if kind < 0.5:
            damaged[at] = int(random.integers(256))
        elif kind < 0.65:
            damaged[at:at] = random.bytes(length)
        elif kind < 0.8:
            del damaged[at : at + length]
        elif kind < 0.95:
            damaged[at:at] = damaged[at : at + length * 4]
        else:
            del damaged[at:]
    return bytes(damaged)


def mutated(content: bytes, donor: bytes, random: Random) -> bytes:
    """The bytes of a case: up to five changes of structure, of bytes, or of both."""
    if random.random() < 0.15:
        return damage_bytes(content, random)
    model = ModelProto.FromString(content)
    for _ in range(int(random.integers(1, 6))):
        if random.random() < 0.08:
            graft(model, ModelProto.FromString(donor), random)
        else:
            STRUCTURAL[int(random.integers(len(STRUCTURAL)))](model, random)
    changed: bytes = model.SerializeToString()
    return damage_bytes(changed, random) if random.random() < 0.05 else changed
