"""Large networks: exact counts without their weights, and costs that grow linearly with nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from archsim.simulation.program import lower
from archsim.workload.onnx_reader import read_workload, workload_from_model
from archsim.workload.training import training_graph
from benchmarks.large_networks import LLAMA_1B, LLAMA_70B, Llama, chain, external, llama

_TOKENS = 64


@pytest.mark.parametrize("sizes", [LLAMA_1B, LLAMA_70B], ids=["1.1B", "70B"])
def test_language_model_is_read_exactly_and_quickly(tmp_path: Path, sizes: Llama) -> None:
    """Parameters and products are those of the closed form; nothing depends on absent weights."""
    path = tmp_path / "llama.onnx"
    onnx.save(llama(sizes), path)
    start = time.process_time()
    workload = read_workload(path, dims={"batch": 1, "seq": _TOKENS})
    assert time.process_time() - start < 10.0
    by_weights, dynamic = sizes.macs(_TOKENS)
    assert workload.parameter_count == sizes.parameters
    assert sum(workload.macs(op) for op in workload.ops if op.weight is not None) == by_weights
    assert sum(workload.macs(op) for op in workload.ops if op.dynamic) == dynamic
    assert training_graph(workload).macs.weight_gradient == by_weights


def network(
    nodes: Sequence[NodeProto], inputs: Sequence[str], outputs: Sequence[str], *weights: str
) -> onnx.ModelProto:
    """A network of tensors [4, 16] and square matrices."""
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 16]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [external(name, 16, 16) for name in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def star(count: int) -> onnx.ModelProto:
    """One tensor with `count` readers, whose results are summed at once."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"])]
    nodes += [helper.make_node("Tanh", ["h"], [f"t{i}"]) for i in range(count)]
    nodes.append(helper.make_node("Sum", [f"t{i}" for i in range(count)], ["y"]))
    return network(nodes, ["x"], ["y"], "w")


def heads(count: int) -> onnx.ModelProto:
    """`count` inputs and outputs with a matrix between each pair."""
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"y{i}"]) for i in range(count)]
    names = [f"w{i}" for i in range(count)]
    ends = [[f"{letter}{i}" for i in range(count)] for letter in "xy"]
    return network(nodes, ends[0], ends[1], *names)


def unrolled(count: int) -> onnx.ModelProto:
    """A recurrence of `count` steps: one matrix in sequence, one in parallel."""
    nodes = [helper.make_node("MatMul", ["x", "v"], ["z"])]
    for i in range(count):
        nodes.append(helper.make_node("MatMul", ["z", "u"], [f"a{i}"]))
        nodes.append(helper.make_node("MatMul", ["h" if i == 0 else f"h{i}", "w"], [f"b{i}"]))
        nodes.append(helper.make_node("Add", [f"a{i}", f"b{i}"], [f"s{i}"]))
        nodes.append(helper.make_node("Tanh", [f"s{i}"], [f"h{i + 1}"]))
    return network(nodes, ["x", "h"], [f"h{count}"], "u", "v", "w")


def residual(count: int) -> onnx.ModelProto:
    """Blocks with a connection around each, all with one name."""
    nodes = []
    for i in range(count):
        nodes.append(helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"a{i}"], name="n"))
        nodes.append(helper.make_node("Relu", [f"a{i}"], [f"b{i}"], name="n"))
        nodes.append(helper.make_node("Add", [f"h{i}", f"b{i}"], [f"h{i + 1}"], name="n"))
    return network(nodes, ["h0"], [f"h{count}"], *(f"w{i}" for i in range(count)))


def seconds(model: onnx.ModelProto) -> float:
    """Processor time of reading, differentiating and lowering; the better of two runs."""
    times = []
    for _ in range(2):
        start = time.process_time()
        lower(training_graph(workload_from_model(model, name="network")))
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    ("make", "count"), [(chain, 500), (star, 500), (heads, 400), (unrolled, 120), (residual, 160)]
)
def test_cost_grows_linearly_with_nodes(make: Callable[[int], onnx.ModelProto], count: int) -> None:
    """Five times the nodes take five times the time, up to what caches do; not twenty-five times."""
    small, large = seconds(make(count)), seconds(make(5 * count))
    assert large < 12 * small


def test_updates_of_a_matrix_with_many_parallel_uses_still_wait_for_all_reads() -> None:
    """All pairs of 200 reads and 200 updates would be 40,000 edges; the order holds with few."""
    nodes = [helper.make_node("MatMul", ["x", "v"], ["h"])]
    nodes += [helper.make_node("MatMul", ["h", "w"], [f"t{i}"]) for i in range(200)]
    nodes.append(helper.make_node("Sum", [f"t{i}" for i in range(200)], ["y"]))
    model = network(nodes, ["x"], ["y"], "v", "w")
    training = training_graph(workload_from_model(model, name="network"))
    by_kind: dict[str, list[str]] = {}
    for task in training.tasks:
        if task.weight is not None and task.weight.matrix == "w":
            by_kind.setdefault(task.kind, []).append(task.name)
    reads, updates = by_kind["input_gradient"], by_kind["weight_gradient"]
    assert len(reads) == len(updates) == 200
    waits = {update: set(_before(training.graph.predecessors, update)) for update in updates[:3]}
    assert all(set(reads) <= found for found in waits.values())
    assert training.graph.number_of_edges() < 5000


def _before(predecessors: Callable[[str], object], name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for before in predecessors(waiting.pop()):  # type: ignore[attr-defined]
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found
