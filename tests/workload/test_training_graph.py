"""The training graph is the reverse-mode differentiation of the forward graph, no more, no less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
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
from archsim.workload.training import (
    TaskKind,
    TrainingGraph,
    TrainingOptions,
    TrainingTask,
    accelerator_saved_bytes,
    training_graph,
)

SIDE = 3  # every tensor is SIDE x SIDE, so that any operator may follow any other
SIZE = SIDE * SIDE
BACKWARD_WORK = DigitalWork(add=1, mul=2)
BACKWARD = {
    TaskKind.INPUT_GRADIENT,
    TaskKind.WEIGHT_GRADIENT,
    TaskKind.DIGITAL_BACKWARD,
    TaskKind.GRADIENT_SUM,
    TaskKind.OPTIMIZER,
}


@dataclass
class Net:
    """A forward graph in the making; every method adds an operator and returns its output."""

    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, TensorInfo] = field(default_factory=dict)
    matrices: dict[str, WeightMatrix] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)

    def tensor(self, name: str, **how: object) -> str:
        self.tensors[name] = replace(TensorInfo(name, (SIDE, SIDE)), **how)  # type: ignore[arg-type]
        return name

    def input(self, name: str, **how: object) -> str:
        self.inputs.append(name)
        return self.tensor(name, **how)

    def op(self, kind: OpKind, inputs: Sequence[str], **more: object) -> str:
        tensor = more.pop("tensor", {})
        name = str(more.pop("name", f"op{len(self.ops)}"))
        out = self.tensor(f"{name}.out", **tensor)  # type: ignore[arg-type]
        more.setdefault("op_type", kind.title())
        self.ops.append(Op(name=name, kind=kind, inputs=tuple(inputs), outputs=(out,), **more))  # type: ignore[arg-type]
        return out

    def parameter(self, name: str, role: ParameterRole) -> str:
        known = self.parameters.get(name, Parameter(name, SIZE, role, uses=0))
        self.parameters[name] = replace(known, uses=known.uses + 1)
        return name

    def linear(self, x: str, matrix: str, *, bias: bool = False, **more: object) -> str:
        names = [self.parameter(f"{matrix}.weight", ParameterRole.WEIGHT)]
        if bias:
            names.append(self.parameter(f"{matrix}.bias", ParameterRole.BIAS))
        self.matrices[matrix] = WeightMatrix(matrix, SIDE, SIDE)
        more.setdefault("weight", WeightUse(matrix, SIDE))
        more.setdefault("saved", (Saved(x, SIZE),))
        return self.op(
            OpKind.WEIGHT_MATMUL,
            [x],
            parameters=tuple(names),
            backward=DigitalWork(add=SIZE - SIDE) if bias else DigitalWork(),
            **more,
        )

    def elementwise(self, *inputs: str, **more: object) -> str:
        more.setdefault("backward", BACKWARD_WORK)
        return self.op(OpKind.ELEMENTWISE, inputs, **more)

    def norm(self, x: str, name: str, **more: object) -> str:
        scale = self.parameter(f"{name}.scale", ParameterRole.NORM)
        more.setdefault("saved", (Saved(x, SIZE),))
        return self.op(
            OpKind.NORMALISATION,
            [x],
            name=name,
            parameters=(scale,),
            backward=BACKWARD_WORK,
            **more,
        )

    def product(self, a: str, b: str) -> str:
        saved = tuple(Saved(t, SIZE) for t in dict.fromkeys((a, b)))
        dynamic = (DynamicMatmul(1, SIDE, SIDE, SIDE),)
        inputs = tuple(dict.fromkeys((a, b)))
        return self.op(OpKind.DYNAMIC_MATMUL, inputs, dynamic=dynamic, saved=saved)

    def workload(self, *outputs: str) -> Workload:
        graph: nx.DiGraph[str] = nx.DiGraph()
        producer = {t: op.name for op in self.ops for t in op.outputs}
        for op in self.ops:
            graph.add_node(op.name, op=op)
        for op in self.ops:
            for t in op.inputs:
                if t in producer:
                    graph.add_edge(producer[t], op.name, tensors=(t,))
        return Workload(
            "net", "", 1, nx.freeze(graph), self.tensors, self.matrices, self.parameters,
            tuple(self.inputs), tuple(outputs),
        )  # fmt: skip


def of_kind(graph: TrainingGraph, kind: TaskKind) -> dict[str, TrainingTask]:
    return {task.op: task for task in graph.tasks if task.kind is kind}


def perceptron() -> Workload:
    net = Net()
    x = net.input("x")
    for layer in ("fc1", "fc2", "fc3"):
        x = net.linear(x, layer, bias=True, name=layer)
        x = net.elementwise(x, name=f"{layer}.act", tensor={"nonnegative": True})
    return net.workload(x)


# --- which tasks exist -------------------------------------------------------------------------


def test_a_perceptron_needs_all_input_gradients_but_the_first() -> None:
    """The first matrix has nothing to learn upstream; all others pass the error on."""
    graph = training_graph(perceptron())
    assert set(of_kind(graph, TaskKind.INPUT_GRADIENT)) == {"fc2", "fc3"}
    assert set(of_kind(graph, TaskKind.WEIGHT_GRADIENT)) == {"fc1", "fc2", "fc3"}
    forward, weight = graph.macs.forward, graph.macs.weight_gradient
    assert forward == weight == 3 * SIDE * SIZE
    assert graph.macs.input_gradient == forward - SIDE * SIZE
    assert graph.macs.total == 8 * SIDE * SIZE


def test_a_norm_or_an_embedding_before_the_first_matrix_needs_its_input_gradient() -> None:
    """A parameter upstream is reached only through the first matrix's transpose."""
    net = Net()
    normed = net.norm(net.input("x"), "norm")
    graph = training_graph(net.workload(net.linear(normed, "fc", name="fc")))
    assert set(of_kind(graph, TaskKind.INPUT_GRADIENT)) == {"fc"}

    net = Net()
    ids = net.input("ids", floating=False)
    table = net.parameter("table", ParameterRole.EMBEDDING)
    words = net.op(
        OpKind.EMBEDDING, [ids], parameters=(table,), backward=BACKWARD_WORK, name="words"
    )
    graph = training_graph(net.workload(net.linear(words, "fc", name="fc")))
    assert set(of_kind(graph, TaskKind.INPUT_GRADIENT)) == {"fc"}
    scatter = of_kind(graph, TaskKind.DIGITAL_BACKWARD)["words"]
    assert scatter.work == BACKWARD_WORK
    assert scatter.output_elements == 0
    assert graph.digital_parameters == SIZE


def test_a_requested_input_gradient_reaches_the_input() -> None:
    """Asking for the gradient of x adds the first input gradient and changes nothing else."""
    plain = training_graph(perceptron())
    asked = training_graph(perceptron(), TrainingOptions(input_gradients=("x",)))
    assert set(asked.graph) - set(plain.graph) == {"fc1:input_gradient"}
    assert asked.macs.input_gradient == asked.macs.forward


def test_frozen_parameters_pass_gradients_on_but_are_not_updated() -> None:
    """A frozen matrix in the middle keeps its input gradient; a frozen prefix has no backward."""
    middle = training_graph(perceptron(), TrainingOptions(frozen=("fc2.*",)))
    assert set(of_kind(middle, TaskKind.WEIGHT_GRADIENT)) == {"fc1", "fc3"}
    assert set(of_kind(middle, TaskKind.INPUT_GRADIENT)) == {"fc2", "fc3"}
    assert middle.analog_parameters == 2 * SIZE
    assert middle.digital_parameters == 2 * SIZE
    assert [s.tensor for s in middle.saved] == ["x", "fc2.act.out"]
    prefix = training_graph(perceptron(), TrainingOptions(frozen=("fc1.*", "fc2.*")))
    backward = {task.op for task in prefix.tasks if task.kind in BACKWARD}
    assert backward == {"fc3", "fc3.act", "optimizer"}
    assert [s.tensor for s in prefix.saved] == ["fc2.act.out"]


def test_a_frozen_bias_needs_no_sum_but_its_weight_stays() -> None:
    """Freezing only biases removes exactly the digital backward of the matrices."""
    graph = training_graph(perceptron(), TrainingOptions(frozen=("*.bias",)))
    assert set(of_kind(graph, TaskKind.DIGITAL_BACKWARD)) == {"fc1.act", "fc2.act", "fc3.act"}
    assert not of_kind(graph, TaskKind.OPTIMIZER)
    assert graph.macs.weight_gradient == graph.macs.forward


def test_wrong_options_are_refused_with_the_nearest_name() -> None:
    """A pattern or an input that the network does not have is an error that names the nearest."""
    with pytest.raises(InputError, match=r"Did you mean 'fc1\.weight'"):
        training_graph(perceptron(), TrainingOptions(frozen=("fc1.wieght",)))
    with pytest.raises(InputError, match="no such input"):
        training_graph(perceptron(), TrainingOptions(input_gradients=("xs",)))
    net = Net()
    out = net.linear(net.input("x"), "fc")
    net.input("ids", floating=False)
    with pytest.raises(InputError, match="integers"):
        training_graph(net.workload(out), TrainingOptions(input_gradients=("ids",)))


def test_dynamic_products_need_a_gradient_only_for_operands_that_have_one() -> None:
    """Each operand that gets a gradient costs one more product, and saves the other operand."""
    net = Net()
    x, q = net.input("x"), net.input("q")
    k = net.linear(x, "k")
    mixed = training_graph(net.workload(net.product(q, k)))
    assert mixed.macs.dynamic_backward == SIDE * SIZE
    assert {s.tensor for s in mixed.saved} == {"x", "q"}
    net = Net()
    x = net.input("x")
    both = training_graph(net.workload(net.product(net.linear(x, "q"), net.linear(x, "k"))))
    assert both.macs.dynamic_backward == 2 * SIDE * SIZE
    net = Net()
    x = net.linear(net.input("x"), "q")
    square = training_graph(net.workload(net.product(x, x)))
    assert square.macs.dynamic_backward == 2 * SIDE * SIZE


def test_shapes_of_backward_products() -> None:
    """For C[m,n] = A[m,k] B[k,n]: dA is [m,n] x [n,k] and dB is [k,m] x [m,n]."""
    net = Net()
    x = net.input("x")
    a, b = net.linear(x, "a"), net.linear(x, "b")
    c = net.op(OpKind.DYNAMIC_MATMUL, [a, b], dynamic=(DynamicMatmul(7, 2, 3, 5),), name="c")
    task = of_kind(training_graph(net.workload(c)), TaskKind.DIGITAL_BACKWARD)["c"]
    assert task.dynamic == (DynamicMatmul(7, 2, 5, 3), DynamicMatmul(7, 3, 2, 5))


def test_an_activation_added_to_a_product_does_not_make_it_pass_the_error_back() -> None:
    """In y = x W + r with x fixed, r gets its gradient without a transposed product."""
    net = Net()
    x = net.input("x")
    r = net.norm(x, "norm")
    y = net.linear(x, "fc", name="fc")
    net.ops[-1] = replace(net.ops[-1], inputs=(x, r))
    graph = training_graph(net.workload(y))
    assert not of_kind(graph, TaskKind.INPUT_GRADIENT)
    assert nx.has_path(graph.graph, "fc:digital_backward", "norm:digital_backward")


# --- sums, barriers, order ---------------------------------------------------------------------


def test_a_tensor_used_k_times_takes_k_minus_one_additions() -> None:
    """A residual block's input gets two gradients: one addition per element."""
    net = Net()
    x = net.linear(net.input("x"), "stem", name="stem")
    y = net.elementwise(net.linear(x, "branch"), x, net.linear(x, "other"))
    graph = training_graph(net.workload(y))
    sums = of_kind(graph, TaskKind.GRADIENT_SUM)
    assert sums["stem"].work == DigitalWork(add=2 * SIZE, read=3 * SIZE, written=SIZE)
    assert set(sums) == {"stem"}
    successors = set(graph.graph.successors(sums["stem"].name))
    assert successors == {"stem:weight_gradient"}


def test_batch_statistics_are_a_barrier_both_ways() -> None:
    """The forward and the backward task of such a normalisation need the whole minibatch."""
    net = Net()
    x = net.linear(net.input("x"), "fc")
    y = net.norm(x, "bn", batch_barrier=True)
    graph = training_graph(net.workload(y))
    barriers = {task.name for task in graph.tasks if task.batch_barrier}
    assert barriers == {"bn:forward", "bn:digital_backward", "optimizer"}


def test_every_update_of_a_tied_matrix_waits_for_every_transposed_read() -> None:
    """One matrix used three times: each of three updates comes after each of two reads."""
    net = Net()
    x = net.input("x")
    for name in ("first", "second", "third"):
        x = net.linear(x, "shared", name=name)
    graph = training_graph(net.workload(x))
    reads = of_kind(graph, TaskKind.INPUT_GRADIENT)
    updates = of_kind(graph, TaskKind.WEIGHT_GRADIENT)
    assert set(reads) == {"second", "third"}
    assert len(updates) == 3
    for update in updates.values():
        assert {r.name for r in reads.values()} <= nx.ancestors(graph.graph, update.name)


def test_an_unrolled_recurrence_has_one_ordering_edge_per_update() -> None:
    """In a chain of T tied uses, waiting for the last read is waiting for all: no T^2 edges."""
    net = Net()
    x = net.input("x")
    for _ in range(40):
        x = net.linear(x, "shared")
    graph = training_graph(net.workload(x))
    updates = of_kind(graph, TaskKind.WEIGHT_GRADIENT).values()
    read = "op1:input_gradient"
    assert all(graph.graph.has_edge(read, update.name) for update in updates)
    # its forward, its error and that read; of the first two uses these are not all different
    assert max(graph.graph.in_degree(update.name) for update in updates) == 3


def test_a_recurrent_product_whose_matrix_is_frozen_still_carries_the_error_back() -> None:
    """A bias of the gates is all that is trained: the error goes back through time to reach it."""
    graph = training_graph(*recurrent_layer(frozen=("w.weight", "r.weight")))
    back = of_kind(graph, TaskKind.INPUT_GRADIENT)
    assert set(back) == {"R"}
    assert back["R"].weight == WeightUse("r", 4 * SIDE, 4, transposed=True)
    assert not of_kind(graph, TaskKind.WEIGHT_GRADIENT)


def test_an_initial_state_with_a_gradient_takes_the_last_step_back() -> None:
    """If the initial state is learned from, the error is carried over all five steps."""
    graph = training_graph(*recurrent_layer(state=True))
    back = of_kind(graph, TaskKind.INPUT_GRADIENT)["R"]
    assert back.weight == WeightUse("r", 5 * SIDE, 5, transposed=True)
    assert graph.graph.has_edge(back.name, "state:digital_backward")


def recurrent_layer(
    *, frozen: tuple[str, ...] = (), state: bool = False
) -> tuple[Workload, TrainingOptions]:
    """A layer of five steps: products of inputs (W) and states (R), then gates with a bias."""
    net = Net()
    x = net.input("x")
    start = [net.norm(x, "state")] if state else []
    by_input = net.linear(x, "w", name="W")
    hidden = (Saved("hidden", 5 * SIZE),)
    by_state = net.linear(by_input, "r", name="R", weight=WeightUse("r", 5 * SIDE, 5), saved=hidden)
    net.ops[-1] = replace(net.ops[-1], inputs=(by_input, *start))
    bias = net.parameter("bias", ParameterRole.BIAS)
    y = net.elementwise(by_input, by_state, parameters=(bias,), name="gates")
    return net.workload(y), TrainingOptions(frozen=frozen)


def test_forward_tasks_wait_for_their_producers_and_backward_tasks_for_their_forward() -> None:
    """The forward part of the training graph is the forward graph."""
    net = Net()
    x = net.linear(net.input("x"), "a", name="a")
    y = net.elementwise(x, net.norm(x, "n"), name="sum")
    graph = training_graph(net.workload(y)).graph
    names = [name for name in graph if name.endswith(":forward")]
    assert set(graph.subgraph(names).edges) == {
        ("a:forward", "n:forward"),
        ("a:forward", "sum:forward"),
        ("n:forward", "sum:forward"),
    }
    for name in ("sum:digital_backward", "n:digital_backward", "a:weight_gradient"):
        assert graph.has_edge(f"{name.split(':')[0]}:forward", name)


def test_reads_are_transposed_and_updates_are_not() -> None:
    """An input gradient flips `transposed`, so that of a transposed tie reads straight."""
    net = Net()
    x = net.linear(net.input("x"), "a", name="a")
    y = net.linear(x, "a", name="tied", weight=WeightUse("a", SIDE, transposed=True))
    graph = training_graph(net.workload(y), TrainingOptions(input_gradients=("x",)))
    back = {op: task.weight for op, task in of_kind(graph, TaskKind.INPUT_GRADIENT).items()}
    assert back == {"a": WeightUse("a", SIDE, transposed=True), "tied": WeightUse("a", SIDE)}
    update = of_kind(graph, TaskKind.WEIGHT_GRADIENT)["tied"].weight
    assert update == WeightUse("a", SIDE, transposed=True)


def test_signs_of_inputs_come_from_the_forward_tensors() -> None:
    """Behind a ReLU the vectors of a matrix have one sign; errors always have two."""
    graph = training_graph(perceptron())
    updates = of_kind(graph, TaskKind.WEIGHT_GRADIENT)
    signed = {op: task.input_signed for op, task in updates.items()}
    assert signed == {"fc1": True, "fc2": False, "fc3": False}
    assert all(task.error_signed for task in updates.values())


# --- loss and optimizer ------------------------------------------------------------------------


def test_a_final_softmax_is_differentiated_together_with_the_cross_entropy() -> None:
    """The softmax then has no backward of its own, and the reader is told."""
    net = Net()
    scores = net.linear(net.input("x"), "fc", name="fc")
    out = net.op(OpKind.SOFTMAX, [scores], op_type="Softmax", name="softmax")
    workload = net.workload(out)
    fused = training_graph(workload)
    assert "softmax:digital_backward" not in fused.graph
    assert fused.graph.has_edge("loss", "fc:weight_gradient")
    assert [note.code for note in fused.notes] == ["fused_loss"]
    squared = training_graph(workload, TrainingOptions(loss="mse"))
    assert squared.graph.has_edge("softmax:digital_backward", "fc:weight_gradient")


def test_a_loss_inside_the_file_is_the_loss() -> None:
    """Then no other loss is added, and other outputs get no gradient."""
    net = Net()
    scores = net.linear(net.input("x"), "fc")
    aside = net.linear(scores, "aside", name="aside")
    loss = net.op(OpKind.LOSS, [scores], backward=BACKWARD_WORK, name="own")
    graph = training_graph(net.workload(aside, loss))
    assert graph.task("loss").work.operations == 0
    assert graph.graph.has_edge("loss", "own:digital_backward")
    assert "aside:weight_gradient" not in graph.graph


def test_a_loss_on_an_inner_tensor_adds_to_its_gradient() -> None:
    """An output that is also used inside gets the loss's gradient and its consumer's."""
    net = Net()
    x = net.linear(net.input("x"), "fc1", name="fc1")
    y = net.linear(x, "fc2", name="fc2")
    graph = training_graph(net.workload(x, y))
    assert set(graph.graph.predecessors(f"{x}:gradient_sum")) == {"loss", "fc2:input_gradient"}


def test_loss_none_costs_nothing_but_still_starts_the_backward() -> None:
    """With `none` the output gradient comes from outside."""
    graph = training_graph(perceptron(), TrainingOptions(loss="none"))
    assert graph.task("loss").work == DigitalWork()
    assert len(graph.graph) == len(training_graph(perceptron()).graph)


def test_the_optimizer_waits_for_every_digital_parameter_gradient() -> None:
    """It runs once per minibatch, over the biases and norms that get a gradient."""
    net = Net()
    x = net.norm(net.input("x"), "norm")
    y = net.linear(x, "fc", bias=True, name="fc")
    graph = training_graph(net.workload(y), TrainingOptions(optimizer="momentum"))
    waits = set(graph.graph.predecessors("optimizer"))
    assert waits == {"norm:digital_backward", "fc:digital_backward"}
    assert graph.digital_parameters == 2 * SIZE
    assert graph.task("optimizer").work.operations == 4 * 2 * SIZE


# --- saved activations -------------------------------------------------------------------------


def test_saved_tensors_are_counted_once_and_masks_of_saved_values_are_free() -> None:
    """A ReLU's mask costs one bit per element, unless its output is kept anyway."""
    net = Net()
    x = net.linear(net.input("x"), "fc1", name="fc1")
    y = net.elementwise(x, saved=(Saved("relu.out", SIZE, SavedForm.MASK),), name="relu")
    alone = net.elementwise(y, saved=(Saved(y, SIZE, SavedForm.INDEX),))
    graph = training_graph(net.workload(alone))
    assert accelerator_saved_bytes(graph) == 4 * SIZE + 2 + SIZE  # x, 9 bits in 2 bytes, indices
    both = net.elementwise(net.linear(y, "fc2"), net.linear(y, "fc3"))
    graph = training_graph(net.workload(both))
    assert accelerator_saved_bytes(graph) == 4 * SIZE + 4 * SIZE


def test_a_view_is_saved_as_the_tensor_it_shows() -> None:
    """A tensor and its free reshape are one thing in memory; a copied transpose is another."""
    net = Net()
    x = net.linear(net.input("x", bytes_per_element=2), "fc1")
    flat = net.op(OpKind.MOVEMENT, [x])
    copied = net.op(OpKind.MOVEMENT, [x], forward=DigitalWork(read=SIZE, written=SIZE))
    total = net.elementwise(*(net.linear(t, f"w{i}") for i, t in enumerate((x, flat, copied))))
    graph = training_graph(net.workload(total))
    assert [s.tensor for s in graph.saved] == ["x", x, copied]
    assert accelerator_saved_bytes(graph) == (2 + 4 + 4) * SIZE


# --- properties of random graphs ---------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    workload: Workload
    options: TrainingOptions


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A random graph of up to 12 operators with ties, cut gradients, frozen parts, dead ends."""
    net = Net()
    for index in range(draw(st.integers(1, 2))):
        net.input(f"x{index}")
    for index in range(draw(st.integers(1, 12))):
        floating = [name for name, info in net.tensors.items() if info.floating]
        pick = st.sampled_from(floating)
        match draw(st.sampled_from(("linear", "linear", "norm", "add", "product", "cut"))):
            case "linear":
                matrix = f"w{draw(st.integers(0, 4))}"
                net.linear(draw(pick), matrix, bias=draw(st.booleans()))
            case "norm":
                net.norm(draw(pick), f"n{index}")
            case "add":
                net.elementwise(*draw(st.lists(pick, min_size=1, max_size=3, unique=True)))
            case "product":
                net.product(draw(pick), draw(pick))
            case _:
                whole = net.elementwise(draw(pick), tensor={"floating": False})
                net.elementwise(whole)
    made = [op.outputs[0] for op in net.ops if net.tensors[op.outputs[0]].floating]
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    names = sorted(net.parameters)
    frozen = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    asked = draw(st.lists(st.sampled_from(net.inputs), unique=True))
    options = TrainingOptions(frozen=tuple(frozen), input_gradients=tuple(asked))
    return Case(net.workload(*outputs), options)


def naive_gradients(case: Case) -> set[str]:
    """Tensors with a trained thing upstream and an output downstream, by searching for paths."""
    workload = case.workload
    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(workload.tensors)
    trained = set(case.options.input_gradients)
    for op in workload.ops:
        for out in op.outputs:
            if not workload.tensors[out].floating:
                continue
            for name in op.parameters:
                flow.add_edge(f"parameter {name}", out)
                if name not in case.options.frozen:
                    trained.add(f"parameter {name}")
            flow.add_edges_from((t, out) for t in op.inputs if workload.tensors[t].floating)
    return {
        tensor
        for tensor in workload.tensors
        if any(nx.has_path(flow, source, tensor) for source in trained if source in flow)
        and any(nx.has_path(flow, tensor, out) for out in workload.outputs)
    }


@given(cases())
def test_gradients_reach_exactly_the_tensors_found_by_path_search(case: Case) -> None:
    """An operator has backward tasks iff its output gets a gradient, and each task iff needed."""
    graph = training_graph(case.workload, case.options)
    active = naive_gradients(case)
    for op in case.workload.ops:
        kinds = {task.kind for task in graph.tasks if task.op == op.name} & BACKWARD
        kinds -= {TaskKind.GRADIENT_SUM}
        assert bool(kinds) == (op.outputs[0] in active)
        if op.weight is not None and kinds:
            weight = f"{op.weight.matrix}.weight"
            assert (TaskKind.INPUT_GRADIENT in kinds) == (op.inputs[0] in active)
            assert (TaskKind.WEIGHT_GRADIENT in kinds) == (weight not in case.options.frozen)


@given(cases())
def test_the_training_graph_is_acyclic_and_waits_for_what_it_uses(case: Case) -> None:
    """Backward after forward and after all errors; sums of all contributions; updates last."""
    graph = training_graph(case.workload, case.options)
    assert nx.is_directed_acyclic_graph(graph.graph)
    active = naive_gradients(case)
    before = {name: nx.ancestors(graph.graph, name) for name in graph.graph}
    for task in graph.tasks:
        if task.kind in BACKWARD - {TaskKind.OPTIMIZER, TaskKind.GRADIENT_SUM}:
            assert {f"{task.op}:forward", "loss"} <= before[task.name]
    for tensor in active:
        users = [op for op in case.workload.ops if tensor in op.inputs and op.outputs[0] in active]
        terms = len(users) + (tensor in case.workload.outputs)
        assert (f"{tensor}:gradient_sum" in graph.graph) == (terms > 1)
        if terms > 1:
            summed = graph.task(f"{tensor}:gradient_sum")
            assert summed.work.add == (terms - 1) * SIZE
            assert graph.graph.in_degree(summed.name) == terms
    reads = [t for t in graph.tasks if t.kind is TaskKind.INPUT_GRADIENT]
    for update in of_kind(graph, TaskKind.WEIGHT_GRADIENT).values():
        assert update.weight is not None
        tied = {r.name for r in reads if r.weight and r.weight.matrix == update.weight.matrix}
        assert tied <= before[update.name]
        assert not list(graph.graph.successors(update.name))


@given(cases())
def test_macs_are_the_forward_macs_of_the_products_that_run(case: Case) -> None:
    """Every product backward has as many MACs as its forward; nothing is frozen: dW = forward."""
    graph = training_graph(case.workload, case.options)
    active = naive_gradients(case)
    macs = case.workload.macs
    weighted = [op for op in case.workload.ops if op.weight is not None]
    assert graph.macs.forward == sum(macs(op) for op in case.workload.ops)
    assert graph.macs.input_gradient == sum(
        macs(op) for op in weighted if op.inputs[0] in active and op.outputs[0] in active
    )
    trained = training_graph(case.workload, replace(case.options, frozen=()))
    reached = naive_gradients(replace(case, options=replace(case.options, frozen=())))
    assert trained.macs.weight_gradient == sum(
        macs(op) for op in weighted if op.outputs[0] in reached
    )


@given(cases())
def test_with_everything_frozen_nothing_runs_backward(case: Case) -> None:
    """No backward task, nothing saved, nothing updated; the forward stays as it was."""
    frozen = tuple(case.workload.parameters)
    graph = training_graph(case.workload, TrainingOptions(frozen=frozen))
    assert not any(task.kind in BACKWARD for task in graph.tasks)
    assert graph.saved == ()
    assert graph.analog_parameters == graph.digital_parameters == 0
    assert len(graph.graph) == len(case.workload.graph) + 1
