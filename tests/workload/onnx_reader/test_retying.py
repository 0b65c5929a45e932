"""Ties that an exporter lost can be given, and ties that it invented undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from archsim.errors import InputError
from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.ties import NO_TIES, Ties
from archsim.workload.training import training_graph

TABLE, WIDTH = 20, 8


def language_model(network: Any, ties: Ties) -> Workload:
    """An embedding and a head whose matrix is the table transposed, written a second time."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("MatMul", ["e", "head"], ["scores"]),
    ]
    weights = {"table": (TABLE, WIDTH), "head": (WIDTH, TABLE)}
    model = network(nodes, {"ids": [3]}, ["scores"], weights, integers=["ids"])
    return workload_from_model(model, name="lm", ties=ties)


def norms(network: Any, ties: Ties) -> Workload:
    """Two normalisations with merged scales, one of them behind an Identity."""
    nodes = [
        helper.make_node("Identity", ["first.scale"], ["second.scale"]),
        helper.make_node("LayerNormalization", ["x", "first.scale"], ["a"]),
        helper.make_node("LayerNormalization", ["a", "second.scale"], ["y"]),
    ]
    model = network(nodes, {"x": [3, WIDTH]}, ["y"], {"first.scale": (WIDTH,)})
    return workload_from_model(model, name="norms", ties=ties)


def test_a_lost_tie_can_be_given(network: Any) -> None:
    """The head becomes a use of the table: one parameter, one matrix, and one gradient."""
    apart = language_model(network, NO_TIES)
    tied = language_model(network, Ties(tie=(("table", "head"),)))
    assert (apart.parameter_count, tied.parameter_count) == (2 * TABLE * WIDTH, TABLE * WIDTH)
    assert tied.parameter_count_untied == apart.parameter_count
    assert set(tied.matrices) == {"table"}
    assert training_graph(tied).trained == ("table",)
    assert training_graph(tied).macs.forward == training_graph(apart).macs.forward


def test_an_invented_tie_can_be_undone(network: Any) -> None:
    """Each reader gets a parameter of its own; the second is named after what it goes into."""
    merged, apart = norms(network, NO_TIES), norms(network, Ties(untie=("*.scale",)))
    assert (merged.parameter_count, apart.parameter_count) == (WIDTH, 2 * WIDTH)
    assert apart.parameter_count == merged.parameter_count_untied
    assert len(apart.parameters) == 2


@pytest.mark.parametrize(
    ("ties", "says"),
    [
        (Ties(tie=(("table", "haed"),)), "Did you mean 'head'"),
        (Ties(tie=(("tabel", "head"),)), "Did you mean 'table'"),
        (Ties(untie=("x*",)), "stores no such tensor"),
    ],
)
def test_names_that_the_file_does_not_store_are_refused(
    network: Any, ties: Ties, says: str
) -> None:
    """The message names the nearest stored tensor."""
    with pytest.raises(InputError, match=says):
        language_model(network, ties)


def test_tensors_of_other_sizes_cannot_be_tied(network: Any) -> None:
    """Only equal or transposed shapes can be one tensor."""
    nodes = [
        helper.make_node("MatMul", ["x", "one"], ["h"]),
        helper.make_node("MatMul", ["h", "two"], ["y"]),
    ]
    model = network(nodes, {"x": [3, 4]}, ["y"], {"one": (4, 6), "two": (6, 5)})
    with pytest.raises(InputError, match="cannot be the same tensor"):
        workload_from_model(model, name="net", ties=Ties(tie=(("one", "two"),)))


@pytest.mark.parametrize(
    ("second", "noted"), [("equal", True), ("other", False), ("ones", False), ("elsewhere", False)]
)
def test_equal_tensors_are_named_and_not_tied(network: Any, second: str, noted: bool) -> None:
    """Ones say nothing, and what is not in the file is not looked for."""
    random = np.random.default_rng(2)
    values = random.normal(size=(WIDTH, WIDTH)).astype(np.float32)
    ones = np.ones((WIDTH, WIDTH), np.float32)
    pairs: dict[str, Any] = {
        "equal": (values, values.copy()),
        "other": (values, values + 1),
        "ones": (ones, ones.copy()),
        "elsewhere": ((WIDTH, WIDTH), (WIDTH, WIDTH)),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "first.weight"], ["a"]),
        helper.make_node("MatMul", ["a", "second.weight"], ["y"]),
    ]
    weights = dict(zip(("first.weight", "second.weight"), pairs[second], strict=True))
    model = network(nodes, {"x": [3, WIDTH]}, ["y"], weights)
    workload = workload_from_model(model, name="test")
    assert len(workload.matrices) == 2
    found = [note.message for note in workload.notes if note.code == "equal_tensors"]
    assert bool(found) is noted
    if noted:
        assert "'first.weight' = 'second.weight'" in found[0]
    tied = Ties(tie=(("first.weight", "second.weight"),))
    assert workload_from_model(model, name="test", ties=tied).notes == ()
