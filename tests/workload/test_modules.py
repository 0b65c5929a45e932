"""The tree of modules: where paths come from, and that subtotals add up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import networkx as nx
import onnx
import pytest

from archsim.cli.inputs import read_network
from archsim.workload.graph import Op, OpKind, Parameter, ParameterRole, TensorInfo, Workload
from archsim.workload.modules import (
    DEEPEST,
    Leaf,
    Module,
    full_label,
    module_paths,
    module_tree,
)
from archsim.workload.onnx_reader import read_workload
from archsim.workload.onnx_reader.nodes import exported_module

EXPORTS = Path(__file__).parents[1] / "data" / "exports"


def line_of(ops: list[Op]) -> Workload:
    """A chain of operators; each parameter is read by those that name it."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for op in ops:
        graph.add_node(op.name, op=op)
    for a, b in pairwise(ops):
        graph.add_edge(a.name, b.name, tensors=a.outputs)
    names = [name for op in ops for name in op.parameters]
    parameters = {
        name: Parameter(name, 5, ParameterRole.WEIGHT, names.count(name)) for name in names
    }
    tensors = {name: TensorInfo(name, (1,)) for op in ops for name in (*op.inputs, *op.outputs)}
    return Workload("net", "", 1, graph, tensors, {}, parameters, ("t0",), (f"t{len(ops)}",))


def chain(*entries: tuple[str, str, tuple[str, ...]]) -> Workload:
    """Operators given by name, noted module and parameters."""
    return line_of(
        [
            Op(
                name,
                "Relu",
                OpKind.ELEMENTWISE,
                (f"t{i}",),
                (f"t{i + 1}",),
                parameters,
                module=module,
            )
            for i, (name, module, parameters) in enumerate(entries)
        ]
    )


def paths(workload: Workload) -> list[str]:
    """Dotted paths in order."""
    found = module_paths(workload, workload.ops)
    return [".".join(found[op.name]) for op in workload.ops]


def test_what_the_exporter_notes_comes_first() -> None:
    """A noted module outranks the node's own name."""
    assert paths(chain(("/other/Relu", "layer1.0.act", ()))) == ["layer1.0.act"]


def test_slashes_repeat_the_outer_module_and_are_freed_of_it() -> None:
    """PyTorch's older exporter writes `/layer1/layer1.0/conv1/Conv` for `layer1.0.conv1`."""
    workload = chain(
        ("/layer1/layer1.0/conv1/Conv", "", ()), ("/Flatten", "", ()), ("model/fc/BiasAdd", "", ())
    )
    assert paths(workload) == ["layer1.0.conv1", "", "model.fc"]


def test_dots_are_modules_where_most_names_have_them() -> None:
    assert paths(chain(("h.0.ln", "", ()), ("h.0.add", "", ()), ("head", "", ()))) == [
        "h.0",
        "h.0",
        "",
    ]


def test_parameters_tell_the_module_and_neighbours_what_lies_between() -> None:
    """Where nodes are numbered only; a parameter that several read tells nothing."""
    workload = chain(
        ("node_0", "", ("stem.weight",)),
        ("node_1", "", ("body.0.a.weight", "shared.bias")),
        ("node_2", "", ()),
        ("node_3", "", ("body.0.b.weight",)),
        ("node_4", "", ("shared.bias",)),
        ("node_5", "", ("onnx::Conv_7",)),
        ("node_6", "", ("body.1.weight",)),
        ("node_7", "", ()),
    )
    assert paths(workload) == [
        "stem",
        "body.0.a",
        "body.0",
        "body.0.b",
        "body",
        "body",
        "body.1",
        "",
    ]


@pytest.mark.parametrize(
    ("note", "module"),
    [
        ("['', 'layer1', 'layer1.0', 'conv2d']", "layer1.0"),
        ("['', 'conv2d']", ""),
        ("['conv2d']", ""),
        ("", ""),
        ("no list", ""),
        ("['a', 'b', " + "'x', " * 100_000 + "'conv2d']", "x"),
    ],
)
def test_notes_of_an_exporter_are_read_with_care(note: str, module: str) -> None:
    """The last path before the node's own name; a note of another form is none."""
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=note)
    assert exported_module(node) == module


def test_a_name_of_many_parts_is_cut() -> None:
    """No name makes a tree deeper than any network's."""
    (path,) = module_paths(w := chain(("/".join(["m"] * 1000), "", ())), w.ops).values()
    assert len(path) == DEEPEST


@pytest.mark.parametrize(
    ("name", "op_type", "path", "label"),
    [
        ("/fc/Gemm", "Gemm", ("fc",), "fc"),
        ("/layer1/Add_3", "Add", ("layer1",), "layer1"),
        ("/layer1/act/Sigmoid", "Mul", ("layer1", "act"), "layer1.act.Sigmoid"),
        ("node_relu_3", "Relu", ("layer1",), "layer1"),
        ("node_relu_3", "Relu", (), "node_relu_3"),
        ("h.0.c_fc.gelu", "Gelu", ("h", "0", "c_fc"), "h.0.c_fc.gelu"),
        ("/Flatten", "Flatten", (), "Flatten"),
        ("conv1", "Conv", ("conv1",), "conv1"),
    ],
)
def test_labels_say_nothing_twice(
    name: str, op_type: str, path: tuple[str, ...], label: str
) -> None:
    op = Op(name, op_type, OpKind.ELEMENTWISE, (), ())
    assert full_label(op, path) == label


def walk(module: Module) -> Iterator[Module]:
    """A module and all inside it."""
    yield module
    for child in module.children:
        if isinstance(child, Module):
            yield from walk(child)


def leaves(module: Module) -> list[Leaf]:
    """All operators inside a module."""
    return [child for part in walk(module) for child in part.children if isinstance(child, Leaf)]


@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "lstm-ptb"])
def test_subtotals_are_sums_over_what_is_inside(name: str) -> None:
    """Each module counts its operators and MACs, and its parameters once; the root has all."""
    workload = read_network(name).workload
    root = module_tree(workload)
    assert sorted(leaf.op.name for leaf in leaves(root)) == sorted(workload.graph)
    assert root.parameters == workload.parameter_count
    for module in walk(root):
        inside = [leaf.op for leaf in leaves(module)]
        held = {parameter for op in inside for parameter in op.parameters}
        assert module.ops == len(inside)
        assert module.macs == sum(workload.macs(op) for op in inside)
        assert module.parameters == sum(workload.parameters[p].elements for p in held)


def test_both_exporters_of_pytorch_give_the_same_modules() -> None:
    """One network, exported twice: notes on nodes, and node names, tell the same tree."""
    trees = [
        module_tree(read_workload(EXPORTS / f"residual.{exporter}.onnx"))
        for exporter in ("dynamo", "legacy")
    ]
    first, second = (
        # A batch normalisation folded into its convolution is noted as one or as the other.
        {m.path: (m.ops, m.macs, m.parameters) for m in walk(tree) if len(m.path) != 3}
        for tree in trees
    )
    assert first == second
    assert {("stem",), ("layers", "0"), ("layers", "1"), ("fc",)} <= first.keys()
