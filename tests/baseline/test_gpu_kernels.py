"""What runs as one kernel, and what a kernel moves: each count checked against one by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archsim.baseline.estimate import BoundBy, estimate
from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.gpu_table import GpuTable, gpu_table
from archsim.baseline.kernels import plan_kernels
from archsim.baseline.numerics import Optimizer, Precision
from archsim.baseline.roofline import step_cost
from archsim.workload.graph import DigitalWork, OpKind, Parameter, ParameterRole
from archsim.workload.training import TaskKind, TrainingGraph
from tests.closeness import close

N = 196 * 64  # elements of each tensor of the small convolutional network
SCORES, OPERAND = 4 * 128 * 128, 4 * 128 * 32  # of the small attention


def row(table: GpuTable, task: str) -> int:
    return table.names.index(task)


def test_relu_runs_inside_the_normalisation_before_it(cnn: TrainingGraph) -> None:
    """Batch norm reads its input twice and writes only what ReLU makes of it."""
    plan = plan_kernels(cnn, fusion=True, attention=False)
    kernel = next(k for k in plan.kernels if k.root.name == "norm.forward")
    assert [task.op for task in kernel.tasks] == ["norm", "relu"]
    assert (kernel.read_elements, kernel.written_elements) == (2 * N, N)


def test_without_fusion_every_task_is_a_kernel_that_moves_its_own_tensors(
    cnn: TrainingGraph,
) -> None:
    plan = plan_kernels(cnn, fusion=False, attention=False)
    moved = {k.root.name: (k.read_elements, k.written_elements) for k in plan.kernels}
    assert moved == {
        "conv1.forward": (N, N),
        "norm.forward": (2 * N, N),
        "relu.forward": (N, N),
        "conv2.forward": (N, N),
        "conv2.input_gradient": (N, N),
        "conv2.weight_gradient": (2 * N, 0),
        "relu.digital_backward": (2 * N, N),
        "norm.digital_backward": (4 * N, N),
        "conv1.weight_gradient": (2 * N, 0),
    }


def test_a_tensor_that_the_backward_pass_needs_is_still_written(
    builder: Callable[..., Any],
) -> None:
    """linear -> GELU: the linear output is kept for GELU's backward, so fusing saves one read."""
    written = {}
    for kept in (True, False):
        graph = _linear_gelu(builder(), kept=kept)
        (kernel,) = plan_kernels(graph, fusion=True, attention=False).kernels
        assert kernel.read_elements == 10 * 30
        written[kept] = kernel.written_elements
    assert written == {True: 2 * 10 * 20, False: 10 * 20}


def _linear_gelu(b: Any, *, kept: bool) -> TrainingGraph:
    from archsim.workload.graph import Saved

    use = b.weight("w", 30, 20, 10)
    fc = b.op("fc", OpKind.WEIGHT_MATMUL, ["x"], (10, 20), weight=use)
    gelu = b.op("gelu", OpKind.ELEMENTWISE, ["fc.out"], (10, 20))
    b.outputs = ("gelu.out",)
    first = b.task(fc, TaskKind.FORWARD, [], weight=use, input_elements=300, output_elements=200)
    b.task(
        gelu,
        TaskKind.FORWARD,
        [first],
        work=DigitalWork(special=200, read=200, written=200),
        input_elements=200,
        output_elements=200,
    )
    if kept:
        b.saved.append(Saved("fc.out", 200))
    return b.build()


def test_a_result_with_two_readers_is_fused_with_neither(
    builder: Callable[..., Any],
) -> None:
    b = builder()
    use = b.weight("w", 30, 20, 10)
    fc = b.op("fc", OpKind.WEIGHT_MATMUL, ["x"], (10, 20), weight=use)
    first = b.task(fc, TaskKind.FORWARD, [], weight=use, input_elements=300, output_elements=200)
    for name in ("left", "right"):
        op = b.op(name, OpKind.ELEMENTWISE, ["fc.out"], (10, 20))
        work = DigitalWork(compare=200, read=200, written=200)
        b.task(op, TaskKind.FORWARD, [first], work=work, input_elements=200, output_elements=200)
    assert len(plan_kernels(b.build(), fusion=True, attention=False).kernels) == 3


def test_fusion_looks_through_a_reshape_that_moves_nothing(
    builder: Callable[..., Any],
) -> None:
    b = builder()
    use = b.weight("w", 30, 20, 10)
    fc = b.op("fc", OpKind.WEIGHT_MATMUL, ["x"], (10, 20), weight=use)
    flat = b.op("flat", OpKind.MOVEMENT, ["fc.out"], (200,))
    relu = b.op("relu", OpKind.ELEMENTWISE, ["flat.out"], (200,))
    first = b.task(fc, TaskKind.FORWARD, [], weight=use, input_elements=300, output_elements=200)
    second = b.task(flat, TaskKind.FORWARD, [first], input_elements=200, output_elements=200)
    work = DigitalWork(compare=200, read=200, written=200)
    b.task(relu, TaskKind.FORWARD, [second], work=work, input_elements=200, output_elements=200)
    plan = plan_kernels(b.build(), fusion=True, attention=False)
    assert [[t.op for t in k.tasks] for k in plan.kernels] == [["fc", "relu"]]
    assert [t.op for t in plan.free] == ["flat"]


def test_fused_attention_moves_only_its_operands_and_its_result(
    attention: TrainingGraph,
) -> None:
    """Forward: Q, K, V in, O out.  Backward: these, O and dO in, dQ, dK, dV out; scores again."""
    plan = plan_kernels(attention, fusion=True, attention=True)
    moved = [(k.read_elements, k.written_elements) for k in plan.kernels]
    assert moved == [(3 * OPERAND, OPERAND), (5 * OPERAND, 3 * OPERAND)]
    assert sum(p.macs for p in plan.kernels[1].recomputed) == SCORES * 32
    assert "soft.out" in plan.not_saved


def test_fused_attention_keeps_no_scores_and_is_faster(
    gpu: GpuSpec, attention: TrainingGraph
) -> None:
    unfused = gpu.model_copy(
        update={"stack": gpu.stack.model_copy(update={"attention": "unfused"})}
    )
    plain, fused = estimate(attention, unfused, 8), estimate(attention, gpu, 8)
    saved_scores = 8 * SCORES * 2
    assert plain.memory_bytes - fused.memory_bytes == pytest.approx(saved_scores)
    assert fused.step_latency_s < plain.step_latency_s


def test_unfused_attention_moves_the_scores_through_every_task(attention: TrainingGraph) -> None:
    plan = plan_kernels(attention, fusion=False, attention=False)
    moved = {k.root.op: (k.read_elements, k.written_elements) for k in plan.kernels[:4]}
    assert moved == {
        "qk": (2 * OPERAND, SCORES),
        "scale": (SCORES, SCORES),
        "soft": (SCORES, SCORES),
        "pv": (SCORES + OPERAND, OPERAND),
    }


@pytest.mark.parametrize("fusion", [True, False])
def test_arithmetic_does_not_depend_on_what_is_fused(cnn: TrainingGraph, fusion: bool) -> None:
    """Every digital operation and every product is counted once."""
    table = gpu_table(cnn, fusion=fusion, attention="fused")
    assert table.vector_operations.sum() == 2 * (2 * N) + 2 * N
    products = table.gemm.count * table.gemm.m * table.gemm.n * table.gemm.k
    assert products.sum() == cnn.macs.total


def test_a_fused_step_is_never_slower(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    eager = gpu.model_copy(update={"stack": gpu.stack.model_copy(update={"fusion": False})})
    for batch in (1, 64, 1024):
        assert estimate(cnn, gpu, batch).step_latency_s < estimate(cnn, eager, batch).step_latency_s


def test_a_memory_bound_step_takes_its_traffic_over_the_bandwidth(
    gpu: GpuSpec, linear: Callable[..., TrainingGraph]
) -> None:
    """One vector through a 4096 x 4096 layer, SGD, fp32: weights once per pass, 12 B to update."""
    graph = linear(1, 4096, 4096)
    fast = gpu.model_copy(update={"peak": gpu.peak.model_copy(update={"fp32_flop_per_s": 1e18})})
    found = estimate(graph, fast, 1, "fp32")
    weights, vector = 4096 * 4096, 4096
    forward, gradient = 4 * (weights + 2 * vector), 4 * (weights + 2 * vector)
    assert found.step_latency_s == pytest.approx((forward + gradient + 12 * weights) / 1e12)
    assert set(found.task_bound_by) == {BoundBy.MEMORY}


def test_what_the_cache_holds_is_read_at_its_speed(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    """An L2 that holds all: reads take a quarter; an L2 of size zero: all from memory."""
    table = gpu_table(cnn, fusion=False, attention="unfused")
    holds_all = gpu.model_copy(update={"l2_bit": 1e15})
    at = row(table, "relu.forward")
    without = step_cost(table, gpu, 16.0, Precision.AMP, Optimizer.SGD).memory_s[at]
    within = step_cost(table, holds_all, 16.0, Precision.AMP, Optimizer.SGD).memory_s[at]
    assert without == close(2 * 16 * N * 2 / 1e12)
    assert within == close((0.25 + 1) * 16 * N * 2 / 1e12)


def test_an_embedding_reads_its_rows_and_clears_its_gradient(
    builder: Callable[..., Any],
) -> None:
    b = builder()
    rows, width, tokens = 1000, 16, 40
    size = tokens * width
    b.parameters["table"] = Parameter("table", rows * width, ParameterRole.EMBEDDING)
    op = b.op("embed", OpKind.EMBEDDING, ["ids"], (tokens, width), parameters=("table",))
    work = DigitalWork(read=tokens, written=size, read_parameters=size)
    back = DigitalWork(add=size, read=2 * size, written=size)
    first = b.task(op, TaskKind.FORWARD, [], work=work, output_elements=size)
    b.task(op, TaskKind.DIGITAL_BACKWARD, [first], work=back, input_elements=size)
    table = gpu_table(b.build(), fusion=True, attention="fused")
    np.testing.assert_array_equal(table.read_elements, [tokens + size, 2 * size, 0])
    np.testing.assert_array_equal(table.weight_elements, [0, rows * width, 0])


def test_counts_are_per_sample_whatever_batch_the_graph_was_bound_at(
    gpu: GpuSpec,
    builder: Callable[..., Any],
) -> None:
    """A graph bound at 4 samples and one bound at 1 price a batch of 12 alike."""
    times = []
    for samples in (1, 4):
        b = builder(samples=samples)
        use = b.weight("w", 300, 200, 50 * samples)
        op = b.op("fc", OpKind.WEIGHT_MATMUL, ["x"], (50 * samples, 200), weight=use)
        b.task(
            op,
            TaskKind.FORWARD,
            [],
            weight=use,
            input_elements=50 * 300 * samples,
            output_elements=50 * 200 * samples,
        )
        times.append(estimate(b.build(), gpu, 12).step_latency_s)
    assert times[0] == pytest.approx(times[1])
