"""A training: the same as a plain loop where nothing is analog, and resumable to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.checkpoint import Checkpoint
from archsim.cotraining.plan import Kind, Plan
from archsim.cotraining.session import carry_out
from archsim.cotraining.training import Training
from archsim.errors import InputError
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.trains import UpdateParameters
from tests.closeness import close
from tests.cotraining.plans import small_graph, small_plan


def finished(plan: Plan, kind: Kind, seed: int = 0) -> Training:
    """A training at its end."""
    training = Training(plan, kind, seed)
    training.run()
    return training


def plain_loop(plan: Plan, seed: int) -> list[np.ndarray]:
    """The weight matrices after training, by a loop over float64 arrays that shares nothing but
    the start and the order of the samples."""
    start = Training(plan, "float32", seed)
    weights = [h.weights()[0].astype(np.float64) for h in start.machine.holders.values()]
    biases = [start.parameters[n].astype(np.float64) for n in start.moments]
    recipe, data = plan.recipe, plan.data.train
    for epoch in range(recipe.epochs):
        order = start._order(epoch)
        for k in range(len(data) // recipe.batch):
            some = order[k * recipe.batch : (k + 1) * recipe.batch]
            x, wanted = data.batch(some).astype(np.float64), data.wanted(some)
            hidden = np.tanh(x @ weights[0] + biases[0])
            scores = hidden @ weights[1] + biases[1]
            share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            share[np.arange(len(some)), wanted] -= 1
            error = share / len(some)
            back = (error @ weights[1].T) * (1 - hidden**2)
            rate = recipe.learning_rate.at(epoch, recipe.epochs)
            weights[1] -= rate * hidden.T @ error
            biases[1] -= rate * error.sum(axis=0)
            weights[0] -= rate * x.T @ back
            biases[0] -= rate * back.sum(axis=0)
    return weights


def test_the_float32_twin_is_plain_gradient_descent() -> None:
    """Weights after two epochs are those of a loop written apart, to float32's accuracy."""
    plan = small_plan(learning_rate={"kind": "steps", "rates": [0.2, 0.05], "epochs_each": 1})
    training = finished(plan, "float32", 3)
    for found, expected in zip(training.machine.holders.values(), plain_loop(plan, 3), strict=True):
        assert np.abs(found.weights()[0] - expected).max() < 1e-5 * np.abs(expected).max()


def ideal() -> MatrixParameters:
    """Reads without any error, updates in many slots and without disturb."""
    read = ReadParameters()
    update = UpdateParameters(train_length=2000, merge="minibatch", length_management=False)
    return MatrixParameters(read, read, None, update)


def test_ideal_tiles_learn_as_float32_does() -> None:
    """Exact reads and symmetric devices of equal steps differ by the chance of pulses only."""
    settings = (("device", "devices/ideal"),)
    plan = small_plan(*settings, parameters=ideal(), epochs=4, train_samples=600)
    analog, exact = finished(plan, "analog"), finished(plan, "float32")
    last, twin = analog.curve[-1], exact.curve[-1]
    assert last.accuracy is not None
    assert twin.accuracy is not None
    assert abs(last.accuracy - twin.accuracy) < 0.05
    assert last.test_loss == close(twin.test_loss, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "settings", "recipe"),
    [
        ("float32", (), {"optimizer": {"kind": "adam"}}),
        ("analog", (), {"optimizer": {"kind": "momentum"}}),
        ("analog", (("algorithm", {"kind": "tiki_taka_v2"}),), {}),
        ("analog", (("algorithm", {"kind": "agad"}), ("array.rows", 32)), {}),
        ("analog", (("algorithm", {"kind": "mixed_precision"}),), {}),
    ],
)
def test_a_training_goes_on_to_the_same_bits(
    kind: Kind, settings: tuple[tuple[str, Any], ...], recipe: dict[str, Any]
) -> None:
    """Stopped inside an epoch and taken up by a new object, it ends in the same state."""
    plan = small_plan(*settings, checkpoint_s=1e-9, train_samples=60, **recipe)
    stored: list[Checkpoint] = []

    def keep(checkpoint: Checkpoint) -> None:
        copies = {name: array.copy() for name, array in checkpoint.arrays.items()}
        stored.append(replace(checkpoint, arrays=copies))

    whole = Training(plan, kind, 5)
    whole.run(save=keep)
    middle = stored[8]
    assert middle.document["minibatch"] > 0
    again = Training(plan, kind, 5)
    again.restore(middle)
    again.run()
    assert again.curve == whole.curve
    expected = whole.checkpoint()
    found = again.checkpoint()
    assert found.document == expected.document
    assert found.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert np.array_equal(found.arrays[name], array), name


def test_both_machines_start_alike_and_see_the_same_data() -> None:
    """Tiles hold the twin's first weights as far as devices reach, and take samples in its order."""
    plan = small_plan(("device", "devices/ideal"))
    analog, exact = (Training(plan, kind, 7) for kind in ("analog", "float32"))
    for one, other in zip(
        analog.machine.holders.values(), exact.machine.holders.values(), strict=True
    ):
        assert np.allclose(one.weights(), np.clip(other.weights(), -1, 1), atol=1e-6)
    assert np.array_equal(analog._order(1), exact._order(1))
    assert not np.array_equal(analog._order(0), analog._order(1))
    other_seed = Training(plan, "float32", 8)
    assert not np.array_equal(other_seed._order(0), exact._order(0))


def test_a_seed_gives_the_same_result_again() -> None:
    """Everything random comes from the seed."""
    plan = small_plan(train_samples=60, epochs=1)
    assert finished(plan, "analog", 2).curve == finished(plan, "analog", 2).curve
    assert finished(plan, "analog", 2).curve != finished(plan, "analog", 3).curve


def test_divergence_says_where_first() -> None:
    """The training, the step, the layer, and what is kept."""
    plan = small_plan(
        graph=small_graph((64, 24, 24, 10), "relu"),
        learning_rate={"kind": "constant", "rate": 999.0},
        epochs=5,
    )
    with pytest.raises(
        InputError, match=r"float32, seed 0, epoch \d+, step \d+: .*diverged"
    ) as found:
        carry_out(plan)
    assert "learning_rate" in found.value.remedy


def test_not_finite_weights_name_the_layer() -> None:
    """The first node whose output is not finite."""
    plan = small_plan()
    training = Training(plan, "float32", 0)
    state = training.machine.state()
    name = next(path for path in state if "fc2" in path)
    state[name] = np.full_like(state[name], np.inf)
    training.machine.restore(state)
    training._at.curve.append(  # skip the first test, so that a step finds it
        finished(small_plan(epochs=1, train_samples=20), "float32").curve[0]
    )
    with pytest.raises(InputError, match="fc2"):
        training.run()


def test_training_stops_at_its_targets() -> None:
    """Where that is asked for, the first test that meets the highest target is the last."""
    plan = small_plan(epochs=30, train_samples=1000, targets=[0.5, 0.8], stop_at_targets=True)
    curve = finished(plan, "float32").curve
    assert len(curve) < 31
    assert curve[-1].accuracy is not None
    assert curve[-1].accuracy >= 0.8
    assert all((p.accuracy or 0) < 0.8 for p in curve[:-1])


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"batch": 500}, "200 samples, and a minibatch 500"),
        ({"initial": "file", "loss": "mse"}, "asks for targets of shape"),
    ],
)
def test_what_cannot_be_trained_is_refused_before(recipe: dict[str, Any], words: str) -> None:
    """One sentence, from the plan."""
    with pytest.raises(InputError, match=words):
        small_plan(**recipe)


def test_labels_beyond_the_outputs_are_refused() -> None:
    """Ten classes need ten outputs."""
    with pytest.raises(InputError, match="label 9 has no output"):
        small_plan(graph=small_graph((64, 8, 7)))


def test_inputs_of_another_size_are_refused() -> None:
    """Shapes of both are named."""
    with pytest.raises(InputError, match=r"8 x 8 \(64 numbers\).*takes 60"):
        small_plan(graph=small_graph((60, 8, 10)))
