"""Two networks compared: what is the same, what is not, and that the order does not matter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli.inputs import read_network
from archsim.workload.difference import Difference, Verdict, difference, traits
from archsim.workload.graph import Op, Workload
from archsim.workload.onnx_reader import read_workload

EXPORTS = Path(__file__).parents[1] / "data" / "exports"


@cache
def network(name: str, batch: int = 1) -> Workload:
    """A built-in network; values are frozen, so tests may share it."""
    return read_network(name, batch=batch).workload


def renamed(workload: Workload) -> Workload:
    """The same network with every operator called otherwise."""
    names = {name: f"node_{i}" for i, name in enumerate(workload.graph)}
    graph = nx.relabel_nodes(workload.graph, names)
    for name in graph:
        graph.nodes[name]["op"] = replace(graph.nodes[name]["op"], name=name)
    return replace(workload, graph=nx.freeze(graph))


def without(workload: Workload, name: str) -> Workload:
    """The network less one operator that has one input and one output tensor, bridged."""
    graph = nx.DiGraph(workload.graph)
    op = workload.op(name)
    (before,) = graph.predecessors(name)
    for after in list(graph.successors(name)):
        graph.add_edge(before, after, tensors=op.inputs)
    graph.remove_node(name)
    return replace(workload, graph=nx.freeze(graph))


def with_op(workload: Workload, op: Op) -> Workload:
    """The network with an operator of the same name replaced."""
    graph = nx.DiGraph(workload.graph)
    graph.nodes[op.name]["op"] = op
    return replace(workload, graph=nx.freeze(graph))


@pytest.mark.parametrize("name", ["lenet", "resnet18", "lstm-ptb", "gpt2"])
def test_a_network_is_itself(name: str) -> None:
    workload = network(name)
    found = difference(workload, workload)
    assert found.verdict is Verdict.IDENTICAL
    assert len(found.pairs) == len(workload.graph)
    assert all(pair.by_name for pair in found.pairs)


@pytest.mark.parametrize("name", ["lenet", "resnet18", "lstm-ptb", "gpt2"])
def test_names_alone_do_not_make_another_network(name: str) -> None:
    """With all names lost every operator still finds its counterpart, connected alike."""
    workload = network(name)
    found = difference(workload, renamed(workload))
    assert found.verdict is Verdict.SAME_STRUCTURE
    order = [pair.after.name for pair in found.pairs]
    names = {old: f"node_{i}" for i, old in enumerate(workload.graph)}
    assert order == [names[op.name] for op in workload.ops]


def test_one_operator_more_is_found() -> None:
    """And the rest is still the same network, as far as products go."""
    workload = network("lenet")
    found = difference(workload, without(workload, "act2"))
    assert [op.name for op in found.removed] == ["act2"]
    assert (found.added, found.changed, found.rewired) == ((), (), 1)
    assert found.verdict is Verdict.SAME_PRODUCTS


def test_a_change_is_shown_with_both_values() -> None:
    """An operator of the same name and kind whose type differs is changed, not replaced."""
    workload = network("lenet")
    other = with_op(workload, replace(workload.op("act1"), op_type="Sigmoid"))
    (pair,) = difference(workload, other).changed
    assert pair.by_name
    assert pair.differences == {"type": ("Relu", "Sigmoid")}


def test_other_sizes_are_other_products() -> None:
    """Two depths of a family share a beginning, and differ in matrices and MACs."""
    small, large = (network(name) for name in ("resnet18", "resnet50"))
    found = difference(small, large)
    assert found.verdict is Verdict.DIFFERENT
    assert not found.same_matrices
    assert not found.same_macs
    stem = next(pair for pair in found.pairs if pair.before.name == "conv1")
    assert not stem.differences


def test_a_batch_changes_macs_but_not_matrices() -> None:
    one = network("lenet")
    two = network("lenet", 2)
    found = difference(one, two)
    assert not found.same_macs
    assert {name for pair in found.changed for name in pair.differences} >= {"macs", "outputs"}


def test_a_tie_is_seen() -> None:
    """One matrix in place of two alike: the same products, but not the same network."""
    workload = network("lenet")
    first, second = workload.op("fc1").weight, workload.op("fc2").weight
    assert first is not None
    assert second is not None
    alike = replace(workload.matrices[first.matrix], name=second.matrix)
    twins = replace(workload, matrices={**workload.matrices, second.matrix: alike})
    tied = with_op(twins, replace(twins.op("fc2"), weight=replace(second, matrix=first.matrix)))
    found = difference(twins, tied)
    assert found.same_uses
    assert not found.same_matrices
    assert found.verdict is Verdict.SAME_PRODUCTS


def test_two_exporters_of_one_network() -> None:
    """Both of PyTorch's exporters: no name in common, and the same structure."""
    one, two = (read_workload(EXPORTS / f"residual.{e}.onnx") for e in ("legacy", "dynamo"))
    assert not set(one.graph) & set(two.graph)
    assert difference(one, two).verdict is Verdict.SAME_STRUCTURE


def test_numbered_names_that_mean_something_else_are_not_trusted() -> None:
    """A file that begins with one node more shifts all numbers; structure finds the partners."""
    workload = renamed(network("resnet18"))
    names = list(workload.graph)
    shifted = nx.relabel_nodes(workload.graph, {n: f"node_{i + 1}" for i, n in enumerate(names)})
    for name in shifted:
        shifted.nodes[name]["op"] = replace(shifted.nodes[name]["op"], name=name)
    other = replace(workload, graph=nx.freeze(shifted))
    assert difference(workload, other).verdict is Verdict.SAME_STRUCTURE


def summary(found: Difference) -> tuple[object, ...]:
    """What must not depend on which network comes first."""
    return (
        found.verdict,
        len(found.pairs),
        len(found.changed),
        found.rewired,
        found.same_uses,
        found.same_matrices,
        found.same_macs,
    )


SMALL = ["lenet", "mlp", "lstm-ptb", "vgg8"]


@given(st.sampled_from(SMALL), st.sampled_from(SMALL), st.integers(1, 2), st.booleans())
def test_the_comparison_is_symmetric(one: str, two: str, batch: int, rename: bool) -> None:
    """Swapping the networks swaps added and removed, and every operator is in one place."""
    before = network(one)
    after = network(two, batch)
    after = renamed(after) if rename else after
    forth, back = difference(before, after), difference(after, before)
    assert summary(forth) == summary(back)
    assert [op.name for op in forth.removed] == [op.name for op in back.added]
    left = [pair.before.name for pair in forth.pairs] + [op.name for op in forth.removed]
    right = [pair.after.name for pair in forth.pairs] + [op.name for op in forth.added]
    assert sorted(left) == sorted(before.graph)
    assert sorted(right) == sorted(after.graph)
    for pair in forth.pairs:
        same = traits(pair.before, before) == traits(pair.after, after)
        assert same == (not pair.differences)
