"""Activation checkpointing: what is kept shrinks, what runs again is counted, nothing else changes."""

from __future__ import annotations

import networkx as nx
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from archsim.errors import InputError
from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.recompute import Recompute
from archsim.workload.training import (
    TaskKind,
    TrainingGraph,
    TrainingOptions,
    accelerator_saved_bytes,
    saved_activation_bytes,
    training_graph,
)

LAYERS, ROWS, WIDTH = 4, 3, 16


def tower() -> Workload:
    """Layers of product, sigmoid and residual addition, with names as exporters give them."""
    nodes = []
    for i in range(LAYERS):
        for name, op_type, inputs, output in (
            ("fc", "MatMul", [f"h{i}", f"w{i}"], f"p{i}"),
            ("act", "Sigmoid", [f"p{i}"], f"s{i}"),
            ("sum", "Add", [f"s{i}", f"h{i}"], f"h{i + 1}"),
        ):
            nodes.append(helper.make_node(op_type, inputs, [output], f"net/layers.{i}/{name}"))
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [ROWS, WIDTH])
        for name in ("h0", f"h{LAYERS}")
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    weights = [np.ones((WIDTH, WIDTH), np.float32) * (i + 1) for i in range(LAYERS)]
    model.graph.initializer.extend(
        numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)
    )
    return workload_from_model(model, name="tower")


def step(recompute: Recompute = "none") -> TrainingGraph:
    return training_graph(tower(), TrainingOptions(loss="none", recompute=recompute))


TENSOR_BYTES = 4 * ROWS * WIDTH
PRODUCT_MACS = ROWS * WIDTH * WIDTH


def test_without_recomputation_inputs_and_activations_are_kept() -> None:
    """Each layer keeps the input of its product and the output of its sigmoid."""
    assert accelerator_saved_bytes(step()) == 2 * LAYERS * TENSOR_BYTES


def test_a_region_per_layer_keeps_the_layers_inputs() -> None:
    """With every layer run again, only what enters each is kept, and each product runs twice."""
    graph = step(("*layers.?",))
    assert accelerator_saved_bytes(graph) == LAYERS * TENSOR_BYTES
    assert graph.macs.recompute == LAYERS * PRODUCT_MACS


def test_a_single_region_keeps_the_networks_input() -> None:
    """With all of it in one region, the input is kept; what nothing needs does not run again."""
    graph = step("all")
    assert accelerator_saved_bytes(graph) == saved_activation_bytes(graph) == TENSOR_BYTES
    again = {task.op for task in graph.tasks if task.recomputes}
    assert again == {op.name for op in tower().ops} - {f"net/layers.{LAYERS - 1}/sum"}


def test_an_activation_is_run_again_from_its_kept_input() -> None:
    """A region of one sigmoid trades its output for its input: no byte is saved, no product runs."""
    graph = step(("*/act",))
    assert accelerator_saved_bytes(graph) == 2 * LAYERS * TENSOR_BYTES
    assert graph.macs.recompute == 0
    assert sum(task.recomputes for task in graph.tasks) == LAYERS


@pytest.mark.parametrize("recompute", ["none", "all", ("*layers.?",), ("*layers.[02]*", "*act")])
def test_products_of_forward_and_backward_stay_the_same(recompute: Recompute) -> None:
    """Recomputation adds work and changes none; what runs again is at most one forward pass."""
    plain, graph = step().macs, step(recompute).macs
    assert graph.total - graph.recompute == plain.total
    assert (graph.forward, graph.weight_gradient) == (plain.forward, plain.weight_gradient)
    assert graph.recompute <= plain.forward


@pytest.mark.parametrize("recompute", ["all", ("*layers.?",), ("*fc",), ("*act", "*sum")])
def test_what_runs_again_does_so_between_the_errors_and_its_own_backward(
    recompute: Recompute,
) -> None:
    """The graph has no cycle; a rerun follows its first run and precedes the backward of its op."""
    graph = step(recompute)
    assert nx.is_directed_acyclic_graph(graph.graph)
    for task in graph.tasks:
        if not task.recomputes:
            continue
        assert nx.has_path(graph.graph, f"{task.op}:{TaskKind.FORWARD}", task.name)
        behind = nx.descendants(graph.graph, task.name)
        assert any(graph.task(name).kind is not TaskKind.FORWARD for name in behind)


def test_the_last_region_waits_for_the_loss() -> None:
    """Nothing runs again before an error is there."""
    graph = step("all")
    again = [task.name for task in graph.tasks if task.recomputes]
    assert all(nx.has_path(graph.graph, "loss", name) for name in again)


def test_a_pattern_without_operators_is_refused() -> None:
    """The message names the pattern and shows names that exist."""
    with pytest.raises(InputError, match=r"'\*block\*' matches no operator of 'tower'"):
        step(("*block*",))
