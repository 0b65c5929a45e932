"""Graphs that are no chains: errors flow through joins and splits, recurrences go step by step."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.hardware.crossbar import Direction, Placement
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.closeness import close
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC

TREE = changed(PROTONIC, schedule__batchnorm="running", mapping__replication="none")
Spec = tuple[list[tuple[str, list[int]]], list[onnx.NodeProto], dict[str, list[int]], list[str]]
NODE = helper.make_node


def program_from(spec: Spec) -> Program:
    inputs, nodes, weights, outputs = spec
    random = np.random.default_rng(1)
    stored = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return lower(
        training_graph(workload_from_model(model, name="graph"), TrainingOptions(loss="mse"))
    )


def gemm(source: str, weight: str, target: str) -> onnx.NodeProto:
    return NODE("Gemm", [source, weight], [target], name=target)


RESIDUAL: Spec = (
    [("x", [1, 40])],
    [
        gemm("x", "w1", "a"),
        gemm("a", "w2", "b"),
        NODE("Add", ["a", "b"], ["c"], name="c"),
        gemm("c", "w3", "y"),
    ],
    {"w1": [40, 30], "w2": [30, 30], "w3": [30, 5]},
    ["y"],
)
CONCAT: Spec = (
    [("x", [1, 40])],
    [
        gemm("x", "w1", "a"),
        gemm("a", "w2", "b"),
        NODE("Concat", ["a", "b"], ["c"], name="c", axis=1),
        gemm("c", "w3", "y"),
    ],
    {"w1": [40, 30], "w2": [30, 20], "w3": [50, 5]},
    ["y"],
)
TWO_OUTPUTS: Spec = (
    [("x", [1, 40])],
    [
        gemm("x", "w1", "a"),
        NODE("Split", ["a"], ["b", "c"], name="b", axis=1),
        gemm("b", "w2", "y"),
        gemm("c", "w3", "z"),
    ],
    {"w1": [40, 30], "w2": [15, 20], "w3": [15, 5]},
    ["y", "z"],
)
TIED: Spec = (
    [("x", [1, 40])],
    [gemm("x", "w1", "a"), NODE("Relu", ["a"], ["b"], name="b"), gemm("b", "w1", "y")],
    {"w1": [40, 40]},
    ["y"],
)


def runs(program: Program, update: str, mode: str = "pipelined") -> tuple[Estimate, CycleRun]:
    tree = changed(TREE, schedule__update=update, schedule__mode=mode)
    found = estimate(program, [tree], [5])
    return found, simulate_step(found, tree)


def times(run: CycleRun, program: Program) -> tuple[list[Indices], list[Indices]]:
    """Start and finish of every sample of every task of the program."""
    place = {int(t): i for i, t in enumerate(run.lowered.program_task) if t >= 0}
    offsets = run.lowered.template.offsets
    own = [slice(offsets[place[t]], offsets[place[t] + 1]) for t in range(program.size)]
    return [run.schedule.start[s] for s in own], [run.schedule.finish[s] for s in own]


@pytest.mark.parametrize("update", ["immediate", "deferred"])
@pytest.mark.parametrize("mode", ["pipelined", "sequential"])
@pytest.mark.parametrize("spec", [RESIDUAL, CONCAT, TWO_OUTPUTS, TIED])
def test_every_sample_of_a_task_waits_for_all_that_it_needs(
    spec: Spec, update: str, mode: str
) -> None:
    """Both branches of a join, both outputs, and all transposed reads of an updated matrix."""
    program = program_from(spec)
    _, run = runs(program, update, mode)
    start, finish = times(run, program)
    for source, target in zip(program.edge_from, program.edge_to, strict=True):
        if program.per_step[source] or program.per_step[target]:
            assert start[target].min() >= finish[source].max()
        else:
            assert (start[target] >= finish[source]).all()
    reads = program.select(TaskKind.INPUT_GRADIENT)
    for task in program.select(TaskKind.WEIGHT_GRADIENT):
        for read in reads[program.matrix[reads] == program.matrix[task]]:
            assert (start[task] >= finish[read]).all()


@pytest.mark.parametrize(
    ("spec", "joined", "into"),
    [(RESIDUAL, "a", {"b", "y"}), (CONCAT, "a", {"b", "y"}), (TWO_OUTPUTS, "a", {"y", "z"})],
)
def test_the_update_before_a_split_waits_for_the_errors_of_every_branch(
    spec: Spec, joined: str, into: set[str]
) -> None:
    """Also where one branch is much later than the other."""
    program = program_from(spec)
    _, run = runs(program, "immediate")
    start, finish = times(run, program)
    kinds = zip(program.ops, program.kind, strict=True)
    named = {(op, kind): t for t, (op, kind) in enumerate(kinds)}
    update = named[joined, TaskKind.WEIGHT_GRADIENT]
    for op in into:
        assert (start[update] >= finish[named[op, TaskKind.INPUT_GRADIENT]]).all()


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_a_recurrence_takes_its_steps_one_after_the_other(steps: int) -> None:
    """The recurrent product of a sample takes a read's whole latency for every time step."""
    turn = NODE("Transpose", ["x"], ["t"], name="turn", perm=[1, 0, 2])
    nodes = [turn, NODE("LSTM", ["t", "w", "r"], ["y", ""], name="cell", hidden_size=20)]
    weights = {"w": [1, 80, 12], "r": [1, 80, 20]}
    program = program_from(([("x", [1, steps, 12])], nodes, weights, ["y"]))
    found, run = runs(program, "immediate")
    start, finish = times(run, program)
    once = np.float64(1.0)
    full = Placement(once * 20, once * 80, once, once, once, once)
    one_s = float(np.asarray(TREE.crossbar.read_cost(full, Direction.FORWARD).latency_s))
    recurrent, given = (program.names.index(f"cell/{part}:forward") for part in "RW")
    assert program.vectors[recurrent] == program.vectors[given] == steps
    assert found.costs.main_s[0, recurrent] == close(steps * one_s)
    took = (finish[recurrent] - start[recurrent]) * run.tick_s
    assert took.min() >= steps * one_s * (1 - 1e-9)
    # The product with the inputs knows them all, and reads one vector per interval.
    assert steps == 1 or found.costs.main_s[0, given] < found.costs.main_s[0, recurrent]
