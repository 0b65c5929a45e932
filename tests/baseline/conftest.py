"""Small training graphs and a GPU with round numbers, built by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import pytest

from archsim.baseline.gpu_spec import GpuSpec, PeakRates, PowerModel, TrainingStack
from archsim.workload.graph import (
    DigitalWork,
    DynamicMatmul,
    Op,
    OpKind,
    Parameter,
    ParameterRole,
    Saved,
    SavedForm,
    TensorInfo,
    WeightMatrix,
    WeightUse,
    Workload,
)
from archsim.workload.training import TaskKind, TrainingGraph, TrainingMacs, TrainingTask

F, X, W, D = (
    TaskKind.FORWARD,
    TaskKind.INPUT_GRADIENT,
    TaskKind.WEIGHT_GRADIENT,
    TaskKind.DIGITAL_BACKWARD,
)


@dataclass
class GraphBuilder:
    """Operators and tasks in order; `build` makes the training graph of them."""

    samples: int = 1
    ops: list[Op] = field(default_factory=list)
    tasks: list[TrainingTask] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    matrices: dict[str, WeightMatrix] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    tensors: dict[str, TensorInfo] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def op(
        self, name: str, kind: OpKind, inputs: Sequence[str], shape: tuple[int, ...], **rest: object
    ) -> Op:
        """Add an operator with one output called `NAME.out` of `shape`."""
        output = f"{name}.out"
        self.tensors[output] = TensorInfo(output, shape)
        op = Op(name, kind.value, kind, tuple(inputs), (output,), **rest)  # type: ignore[arg-type]
        self.ops.append(op)
        return op

    def weight(self, name: str, k: int, n: int, vectors: int, blocks: int = 1) -> WeightUse:
        """Add a weight matrix and its parameter; the use of it by `vectors` vectors."""
        self.matrices[name] = WeightMatrix(name, k, n, blocks)
        self.parameters[name] = Parameter(name, k * n * blocks, ParameterRole.WEIGHT)
        return WeightUse(name, vectors)

    def task(self, op: Op, kind: TaskKind, after: Sequence[str], **rest: object) -> str:
        """Add a task of `op` that depends on the tasks `after`; its name is `OP.KIND`."""
        name = f"{op.name}.{kind.value}"
        self.tasks.append(
            TrainingTask(name, op.name, kind, op.kind, **rest)  # type: ignore[arg-type]
        )
        self.edges += [(source, name) for source in after]
        return name

    def build(self) -> TrainingGraph:
        forward: nx.DiGraph[str] = nx.DiGraph()
        for op in self.ops:
            forward.add_node(op.name, op=op)
        maker = {t: op.name for op in self.ops for t in op.outputs}
        for op in self.ops:
            forward.add_edges_from((maker[t], op.name) for t in op.inputs if t in maker)
        workload = Workload(
            "toy",
            "",
            self.samples,
            nx.freeze(forward),
            self.tensors,
            self.matrices,
            self.parameters,
            (),
            self.outputs,
        )
        graph: nx.DiGraph[str] = nx.DiGraph()
        for task in self.tasks:
            graph.add_node(task.name, task=task)
        graph.add_edges_from(self.edges)
        macs = dict.fromkeys(TaskKind, 0)
        for task in self.tasks:
            if task.weight is not None and task.kind is not D:
                matrix = self.matrices[task.weight.matrix]
                macs[task.kind] += task.weight.vectors * matrix.elements
            macs[task.kind] += sum(p.macs for p in task.dynamic)
        return TrainingGraph(
            workload,
            nx.freeze(graph),
            tuple(self.saved),
            TrainingMacs(macs[F], macs[X], macs[W], macs[D]),
            0,
            sum(p.elements for p in self.parameters.values()),
        )


@pytest.fixture(scope="session")
def builder() -> Callable[..., GraphBuilder]:
    return GraphBuilder


def linear_graph(m: int, k: int, n: int, *, blocks: int = 1) -> TrainingGraph:
    """One linear layer: m vectors per sample through [k, n], with its weight gradient."""
    b = GraphBuilder()
    use = b.weight("w", k, n, m, blocks)
    op = b.op("fc", OpKind.WEIGHT_MATMUL, ["x"], (m, n * blocks), weight=use)
    sizes = {"input_elements": m * k * blocks, "output_elements": m * n * blocks}
    first = b.task(op, F, [], weight=use, **sizes)
    b.task(op, W, [first], weight=use, input_elements=m * (k + n) * blocks)
    b.saved.append(Saved("x", m * k * blocks))
    return b.build()


@pytest.fixture(scope="session")
def linear() -> Callable[..., TrainingGraph]:
    return linear_graph


PIXELS, CHANNELS = 196, 64


def cnn_graph() -> TrainingGraph:
    """conv -> batch norm -> ReLU -> conv, forward and backward, `PIXELS` x `CHANNELS` each."""
    b = GraphBuilder()
    n = PIXELS * CHANNELS
    both = {"input_elements": n, "output_elements": n}
    use1 = b.weight("w1", 9 * CHANNELS, CHANNELS, PIXELS)
    use2 = b.weight("w2", 9 * CHANNELS, CHANNELS, PIXELS)
    shape = (CHANNELS, PIXELS)
    conv1 = b.op("conv1", OpKind.WEIGHT_MATMUL, ["x"], shape, weight=use1)
    norm = b.op("norm", OpKind.NORMALISATION, ["conv1.out"], shape, batch_barrier=True)
    relu = b.op("relu", OpKind.ELEMENTWISE, ["norm.out"], shape)
    conv2 = b.op("conv2", OpKind.WEIGHT_MATMUL, ["relu.out"], shape, weight=use2)
    b.outputs = ("conv2.out",)
    work = DigitalWork(add=n, mul=n, read=n, written=n)
    f1 = b.task(conv1, F, [], weight=use1, **both)
    f2 = b.task(norm, F, [f1], work=work, batch_barrier=True, **both)
    f3 = b.task(relu, F, [f2], work=DigitalWork(compare=n, read=n, written=n), **both)
    f4 = b.task(conv2, F, [f3], weight=use2, **both)
    x4 = b.task(conv2, X, [f4], weight=replace(use2, transposed=True), **both)
    b.task(conv2, W, [f4], weight=use2, input_elements=2 * n)
    d3 = b.task(relu, D, [x4], work=DigitalWork(mul=n, read=2 * n, written=n), **both)
    d2 = b.task(norm, D, [d3], work=work, batch_barrier=True, **both)
    b.task(conv1, W, [d2], weight=use1, input_elements=2 * n)
    b.saved += [
        Saved("x", n),
        Saved("conv1.out", n),
        Saved("relu.out", n),
        Saved("relu.out", n, SavedForm.MASK),
        Saved("norm.out", n, SavedForm.MASK),
    ]
    return b.build()


@pytest.fixture(scope="session")
def cnn() -> TrainingGraph:
    return cnn_graph()


HEADS, TOKENS, HEAD_SIZE = 4, 128, 32


def attention_graph() -> TrainingGraph:
    """softmax(scale * Q K^T) V, forward and backward."""
    b = GraphBuilder()
    n, s = HEADS * TOKENS * HEAD_SIZE, HEADS * TOKENS * TOKENS
    scores = DynamicMatmul(HEADS, TOKENS, HEAD_SIZE, TOKENS)
    values = DynamicMatmul(HEADS, TOKENS, TOKENS, HEAD_SIZE)
    square, flat = (HEADS, TOKENS, TOKENS), (HEADS, TOKENS, HEAD_SIZE)
    qk = b.op("qk", OpKind.DYNAMIC_MATMUL, ["q", "k"], square, dynamic=(scores,))
    scale = b.op("scale", OpKind.ELEMENTWISE, ["qk.out"], square)
    soft = b.op("soft", OpKind.SOFTMAX, ["scale.out"], square)
    pv = b.op("pv", OpKind.DYNAMIC_MATMUL, ["soft.out", "v"], flat, dynamic=(values,))
    b.outputs = ("pv.out",)
    both = {"input_elements": s, "output_elements": s}
    work = DigitalWork(mul=s, read=s, written=s)
    exp = DigitalWork(exp=s, add=s, read=s, written=s)
    f1 = b.task(qk, F, [], dynamic=(scores,), input_elements=2 * n, output_elements=s)
    f2 = b.task(scale, F, [f1], work=work, **both)
    f3 = b.task(soft, F, [f2], work=exp, **both)
    f4 = b.task(pv, F, [f3], dynamic=(values,), input_elements=s + n, output_elements=n)
    grads = (values, scores)
    d4 = b.task(pv, D, [f4], dynamic=grads, input_elements=n, output_elements=s + n)
    d3 = b.task(soft, D, [d4], work=work, **both)
    d2 = b.task(scale, D, [d3], work=work, **both)
    b.task(qk, D, [d2], dynamic=(values, values), input_elements=s, output_elements=2 * n)
    b.saved += [Saved("q", n), Saved("k", n), Saved("v", n), Saved("soft.out", s)]
    return b.build()


@pytest.fixture(scope="session")
def attention() -> TrainingGraph:
    return attention_graph()


def round_gpu() -> GpuSpec:
    """100 multiprocessors, 100 TFLOP/s on tensor cores, 1 TB/s, perfect efficiencies."""
    return GpuSpec(
        name="round",
        sms=100,
        memory_bit=80e9 * 8,
        memory_bandwidth_bit_per_s=1e12 * 8,
        l2_bit=0.0,
        peak=PeakRates(fp32_flop_per_s=10e12, amp_flop_per_s=100e12),
        power=PowerModel(
            idle_w=50.0, limit_w=500.0, active_share=0.1, compute_share=0.6, memory_share=0.4
        ),
        stack=TrainingStack(
            gemm_efficiency=1.0,
            tile_half_reuse=0.0,
            bandwidth_efficiency=1.0,
            grouped_compute_efficiency=0.5,
            grouped_bandwidth_efficiency=0.5,
            l2_bandwidth_ratio=4.0,
            l2_share=0.5,
            launch_s=0.0,
            ramp_s=0.0,
            special_function_ops=8.0,
            usable_memory=1.0,
            workspace_bit=0.0,
        ),
    )


@pytest.fixture(scope="session")
def gpu() -> GpuSpec:
    return round_gpu()
