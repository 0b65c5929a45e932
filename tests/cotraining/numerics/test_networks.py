"""Whole networks: their outputs, their gradients, and how they treat their matrices."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from archsim.cotraining.numerics.backend import FloatBackend
from archsim.cotraining.numerics.errors import NonFiniteError
from archsim.cotraining.numerics.network import Network, merge_gradients
from archsim.errors import InputError
from archsim.workload.builders.mlp import mlp
from archsim.workload.executable import executable
from archsim.workload.executable_start import fresh_parameters, initial_parameters
from archsim.workload.executable_types import ExecutableGraph
from tests.cotraining.numerics.network_cases import (
    NETWORKS,
    RESNET,
    Array,
    NetworkCase,
)

ALL = (*NETWORKS, RESNET)


def start(graph: ExecutableGraph, seed: int = 0) -> dict[str, Array]:
    """Random float64 parameters of which none is zero, so that every gradient matters."""
    rng = np.random.default_rng(seed)
    fresh = fresh_parameters(graph, rng)
    shaken = {n: v.astype(np.float64) + 0.1 * rng.normal(size=v.shape) for n, v in fresh.items()}
    return {n: np.abs(v) if n in graph.statistics else v for n, v in shaken.items()}


def filled(model: onnx.ModelProto, values: Mapping[str, Array]) -> onnx.ModelProto:
    """The model with these values in place of its parameters, stored or stood in for."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [node for node in model.graph.node if node.output[0] not in values]
    stored = [t for t in model.graph.initializer if t.name not in values]
    del copy.graph.node[:]
    del copy.graph.initializer[:]
    copy.graph.node.extend(kept)
    copy.graph.initializer.extend(stored)
    copy.graph.initializer.extend(
        onnx.numpy_helper.from_array(v.astype(np.float32), n) for n, v in values.items()
    )
    return copy


def all_gradients(
    network: Network,
    parameters: Mapping[str, Array],
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array],
) -> dict[str, Array]:
    """Gradients of the outputs' sum with `weights`, of digital parameters and matrices."""
    backend = FloatBackend(network.graph, parameters)
    _, tape = network.forward(parameters, inputs, backend)
    return merge_gradients(network.backward(tape, weights), backend.gradients())


@pytest.mark.parametrize("case", [case for case in ALL if case.compared], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_outputs_are_those_of_the_reference(case: NetworkCase, batch: int) -> None:
    """A network gives what the ONNX package's reference gives, for any batch size."""
    model = case.build()
    graph = executable(model, dims=case.dims)
    parameters = start(graph)
    inputs = case.inputs(batch)
    found, tape = Network(graph, dtype=np.float64).forward(
        parameters, inputs, FloatBackend(graph, parameters), training=False
    )
    assert not tape.entries
    single = {n: v.astype(np.float32) if v.dtype.kind == "f" else v for n, v in inputs.items()}
    expected = ReferenceEvaluator(filled(model, parameters)).run(None, single)
    for ours, theirs in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("case", ALL, ids=str)
def test_gradients_are_directional_differences(case: NetworkCase) -> None:
    """The change of the outputs along random directions of each parameter is its gradient's."""
    graph = executable(case.build(), dims=case.dims)
    network = Network(graph, dtype=np.float64)
    parameters, inputs = start(graph), case.inputs(case.batch)
    rng = np.random.default_rng(7)
    outputs, _ = network.forward(parameters, inputs, FloatBackend(graph, parameters))
    weights = {name: rng.normal(size=value.shape) for name, value in outputs.items()}
    gradients = all_gradients(network, parameters, inputs, weights)
    assert set(gradients) == set(graph.parameters)

    def loss(moved: Mapping[str, Array]) -> float:
        found, _ = network.forward(moved, inputs, FloatBackend(graph, moved))
        return float(sum((found[name] * weights[name]).sum() for name in found))

    # One direction over all parameters, and one over each of a few: a wrong sign cannot cancel.
    names = list(graph.parameters)
    groups = [names, *([name] for name in names[:: len(names) // 4 + 1])]
    for group in groups:
        direction = {name: rng.normal(size=graph.parameters[name].shape) for name in group}
        sides = [
            loss({**parameters, **{n: parameters[n] + s * d for n, d in direction.items()}})
            for s in (case.step, -case.step)
        ]
        expected = sum(float((gradients[n] * d).sum()) for n, d in direction.items())
        scale = np.sqrt(sum(float((gradients[n] ** 2).sum()) for n in direction))
        assert (sides[0] - sides[1]) / (2 * case.step) == pytest.approx(
            expected, rel=1e-5, abs=1e-5 * scale
        )


def digital(graph: ExecutableGraph) -> ExecutableGraph:
    """The same network with every weight an array of its own, and no backend."""
    nodes = tuple(replace(node, uses=()) for node in graph.nodes)
    return replace(graph, nodes=nodes, matrices={})


HELD_DIRECTLY = [c for c in NETWORKS if c.name not in ("products", "gpt2")]


@pytest.mark.parametrize("case", HELD_DIRECTLY, ids=str)
def test_held_matrices_and_arrays_give_the_same(case: NetworkCase) -> None:
    """A matrix in the backend and the same weight as an array give equal outputs and gradients."""
    graph = executable(case.build(), dims=case.dims)
    assert graph.matrices
    parameters, inputs = start(graph), case.inputs(2)
    results = []
    for variant in (graph, digital(graph)):
        network = Network(variant, dtype=np.float64)
        backend = FloatBackend(variant, parameters)
        outputs, _ = network.forward(parameters, inputs, backend)
        weights = {n: np.cos(np.arange(v.size)).reshape(v.shape) for n, v in outputs.items()}
        results.append((outputs, all_gradients(network, parameters, inputs, weights)))
    (outputs, gradients), (others, other_gradients) = results
    for name in outputs:
        np.testing.assert_allclose(outputs[name], others[name], atol=1e-12)
    assert set(gradients) == set(other_gradients)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], other_gradients[name], atol=1e-10)


class Recorder(FloatBackend):
    """A float backend that remembers what it was asked, in order."""

    def __init__(self, graph: ExecutableGraph, parameters: Mapping[str, Array]) -> None:
        super().__init__(graph, parameters)
        self.asked: list[tuple[str, str, tuple[int, ...], bool]] = []

    def forward(self, matrix: str, x: Array) -> Array:
        self.asked.append(("forward", matrix, x.shape, False))
        return super().forward(matrix, x)

    def backward(self, matrix: str, d: Array) -> Array:
        self.asked.append(("backward", matrix, d.shape, False))
        return super().backward(matrix, d)

    def record(self, matrix: str, x: Array, d: Array, *, last: bool) -> None:
        self.asked.append(("record", matrix, x.shape, last))
        assert x.shape[:2] == d.shape[:2]
        super().record(matrix, x, d, last=last)


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_nothing_follows_the_last_record_of_a_matrix(case: NetworkCase) -> None:
    """A matrix is recorded `last` exactly once in a pass, after all its reads; so it may change."""
    graph = executable(case.build(), dims=case.dims)
    parameters, inputs = start(graph), case.inputs(2)
    recorder = Recorder(graph, parameters)
    outputs, tape = Network(graph, dtype=np.float64).forward(parameters, inputs, recorder)
    network = Network(graph, dtype=np.float64)
    network.backward(tape, {n: np.ones(v.shape) for n, v in outputs.items()})
    for name, matrix in graph.matrices.items():
        own = [entry for entry in recorder.asked if entry[1] == name]
        assert [entry[3] for entry in own].count(True) == 1
        assert own[-1][0] == "record"
        assert own[-1][3]
        for kind, _, shape, _ in own:
            width = matrix.outputs if kind == "backward" else matrix.inputs
            assert (shape[0], shape[2]) == (matrix.blocks, width)


def test_the_first_matrix_is_not_read_back() -> None:
    """Without anything trained before it, a matrix needs no transposed read."""
    case = next(c for c in NETWORKS if c.name == "lenet")
    graph = executable(case.build())
    parameters = start(graph)
    recorder = Recorder(graph, parameters)
    network = Network(graph, dtype=np.float64)
    outputs, tape = network.forward(parameters, case.inputs(2), recorder)
    network.backward(tape, {n: np.ones(v.shape) for n, v in outputs.items()})
    read_back = {name for kind, name, _, _ in recorder.asked if kind == "backward"}
    assert read_back == set(graph.matrices) - {"conv1.weight"}


def test_a_tied_table_is_one_matrix_read_three_ways() -> None:
    """Head and embedding of GPT-2 are one matrix: read forward, backward, and by one-hot vectors."""
    case = next(c for c in NETWORKS if c.name == "gpt2")
    graph = executable(case.build(), dims=case.dims)
    parameters = start(graph)
    recorder = Recorder(graph, parameters)
    network = Network(graph, dtype=np.float64)
    outputs, tape = network.forward(parameters, case.inputs(2), recorder)
    digital_gradients = network.backward(tape, {n: np.ones(v.shape) for n, v in outputs.items()})
    own = [entry for entry in recorder.asked if entry[1] == "wte.weight"]
    # [1, 10 tokens, 8 or 20]: rows by one-hot vectors, the head, and their errors.
    assert own == [
        ("backward", "wte.weight", (1, 10, 20), False),
        ("forward", "wte.weight", (1, 10, 8), False),
        ("backward", "wte.weight", (1, 10, 20), False),
        ("record", "wte.weight", (1, 10, 8), False),
        ("record", "wte.weight", (1, 10, 8), True),
    ]
    assert "wte.weight" not in digital_gradients


def test_frozen_parameters_get_no_gradient() -> None:
    """A frozen matrix passes errors on and is not recorded; a frozen prefix is not gone back to."""
    case = next(c for c in NETWORKS if c.name == "lenet")
    graph = executable(case.build(), frozen=("conv*", "fc2.*"))
    parameters = start(graph)
    recorder = Recorder(graph, parameters)
    network = Network(graph, dtype=np.float64)
    outputs, tape = network.forward(parameters, case.inputs(2), recorder)
    found = network.backward(tape, {n: np.ones(v.shape) for n, v in outputs.items()})
    recorded = {name for kind, name, _, _ in recorder.asked if kind == "record"}
    read_back = {name for kind, name, _, _ in recorder.asked if kind == "backward"}
    assert recorded == {"fc1.weight", "fc3.weight"}
    assert read_back == {"fc2.weight", "fc3.weight"}
    assert set(found) == {"fc1.bias", "fc3.bias"}


def test_the_tape_is_released_as_backward_goes() -> None:
    """What a node kept is freed once its gradient is made: memory falls while backward runs."""
    graph = executable(mlp("mlp", widths=(4, 4, 4, 4), activation="tanh"))
    parameters = start(graph)
    network = Network(graph, dtype=np.float64)
    alive: list[int] = []

    class Watcher(FloatBackend):
        def record(self, matrix: str, x: Array, d: Array, *, last: bool) -> None:
            alive.append(sum(ref() is not None for ref in kept))

    backend = Watcher(graph, parameters)
    _, tape = network.forward(parameters, {"x": np.ones((2, 4))}, backend)
    kept = [weakref.ref(entry.pullback) for entry in tape.entries]
    network.backward(tape, {"logits": np.ones((2, 4))})
    gc.collect()
    # Gemm, Tanh, Gemm, Tanh, Gemm: each record finds those before it and its own.
    assert alive == [5, 3, 1]
    assert not tape.entries


def test_a_tape_serves_once() -> None:
    """A second backward pass over a tape is a mistake in the program."""
    case = NETWORKS[0]
    graph = executable(case.build())
    parameters = start(graph)
    network = Network(graph, dtype=np.float64)
    _, tape = network.forward(parameters, case.inputs(2), FloatBackend(graph, parameters))
    network.backward(tape, {"logits": np.ones((2, 4))})
    with pytest.raises(ValueError, match="served"):
        network.backward(tape, {"logits": np.ones((2, 4))})


def test_single_precision_follows_double() -> None:
    """In float32 outputs and gradients are float32, and those of float64 to seven digits."""
    case = next(c for c in NETWORKS if c.name == "lenet")
    graph = executable(case.build())
    parameters, inputs = start(graph), case.inputs(4)
    found = []
    for dtype in (np.float32, np.float64):
        own = {n: v.astype(dtype) for n, v in parameters.items()}
        network = Network(graph, dtype=dtype)
        gradients = all_gradients(network, own, inputs, {"logits": np.ones((4, 10))})
        assert {g.dtype for g in gradients.values()} == {np.dtype(dtype)}
        found.append(gradients)
    for name, gradient in found[1].items():
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(found[0][name], gradient, atol=2e-6 * scale)


@pytest.mark.parametrize(
    ("change", "node", "direction"),
    [({"fc2.bias": np.inf}, None, None), ({"fc2.weight": 1e300}, "fc3", "forward")],
)
def test_the_first_node_that_diverges_is_named(
    change: dict[str, float], node: str | None, direction: Any
) -> None:
    """Finite numbers that become infinite are blamed on the node; infinite ones that enter are not."""
    graph = executable(mlp("mlp", widths=(8, 6, 4, 4), activation="relu"))
    parameters = start(graph)
    for name, value in change.items():
        parameters[name] = np.full_like(parameters[name], value)
    if node:
        parameters["fc3.weight"] = np.full_like(parameters["fc3.weight"], 1e300)
    network = Network(graph, dtype=np.float64)
    inputs = {"x": np.ones((2, 8))}
    backend = FloatBackend(graph, parameters)
    if node is None:
        outputs, _ = network.forward(parameters, inputs, backend)
        assert not np.isfinite(outputs["logits"]).all()
        return
    with pytest.raises(NonFiniteError) as caught:
        network.forward(parameters, inputs, backend)
    assert (caught.value.node, caught.value.direction) == (node, direction)
    assert caught.value.matrix == "fc3.weight"


def test_a_diverging_gradient_is_named() -> None:
    """A gradient that overflows on its way back names the node that made it."""
    graph = executable(mlp("mlp", widths=(8, 6, 4), activation="relu"))
    parameters = start(graph)
    network = Network(graph, dtype=np.float64)
    _, tape = network.forward(parameters, {"x": np.ones((2, 8))}, FloatBackend(graph, parameters))
    with pytest.raises(NonFiniteError) as caught:
        network.backward(tape, {"logits": np.full((2, 4), 1.7e308)})
    assert caught.value.direction == "backward"


def test_masked_scores_are_no_divergence() -> None:
    """Infinite scores of a causal mask enter and leave the softmax without complaint."""
    case = next(c for c in NETWORKS if c.name == "gpt2")
    graph = executable(case.build(), dims=case.dims)
    assert any(not np.isfinite(value).all() for value in graph.constants.values())
    parameters = start(graph)
    outputs, _ = Network(graph, dtype=np.float64).forward(
        parameters, case.inputs(1), FloatBackend(graph, parameters)
    )
    assert np.isfinite(outputs["logits"]).all()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "no array is given for the input 'x'"),
        ({"y": np.ones((2, 8))}, "no array is given for the input 'x'"),
        ({"x": np.ones((2, 7))}, r"has the shape \(2, 7\), and the network takes batchx8"),
        ({"x": np.ones(8)}, r"has the shape \(8,\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, Array], message: str) -> None:
    """One sentence says what was given and what the network takes."""
    graph = executable(NETWORKS[0].build())
    parameters = start(graph)
    with pytest.raises(InputError, match=message):
        Network(graph).forward(parameters, inputs, FloatBackend(graph, parameters))


def test_indices_outside_a_table_are_refused() -> None:
    """A token beyond the vocabulary is named with the table's size."""
    case = next(c for c in NETWORKS if c.name == "lstm")
    graph = executable(case.build(), dims=case.dims)
    parameters = start(graph)
    with pytest.raises(InputError, match="elements 0 to 20 of an axis of 20"):
        Network(graph).forward(
            parameters,
            {"input_ids": np.asarray([[0, 1, 2, 3, 20]])},
            FloatBackend(graph, parameters),
        )


def test_stored_numbers_are_the_start() -> None:
    """With the file's own parameters a network computes what the file does."""
    case = next(c for c in NETWORKS if c.name == "lenet")
    model = case.build()
    graph = executable(model)
    parameters = initial_parameters(graph)
    inputs = {n: v.astype(np.float32) for n, v in case.inputs(2).items()}
    found, _ = Network(graph).forward(
        parameters, inputs, FloatBackend(graph, parameters), training=False
    )
    (expected,) = ReferenceEvaluator(model).run(None, inputs)
    np.testing.assert_allclose(found["logits"], expected, atol=1e-4)
