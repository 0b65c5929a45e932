"""When matrices learn: gathered minibatches, samples one by one, and how late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.checkpoint import Checkpoint
from archsim.cotraining.holders import F32, ExactMatrix
from archsim.cotraining.machine import Machine
from archsim.cotraining.outcome import notes
from archsim.cotraining.plan import Kind, Plan
from archsim.cotraining.training import Training
from archsim.cotraining.update_order import Delayed, Gathered, UpdateOrder, update_order
from tests.cotraining.plans import architecture, small_plan

IMMEDIATE = ("schedule.update", "immediate")


def exact(plan: Plan) -> Plan:
    """The plan with no matrix on tiles: exact devices under the order of the hardware."""
    return replace(plan, on_tiles=frozenset())


def trained(plan: Plan, kind: Kind = "analog", seed: int = 0) -> Training:
    """A training at its end."""
    training = Training(plan, kind, seed)
    training.run()
    return training


def matrices(training: Training) -> list[F32]:
    """All weight matrices and digital parameters."""
    held = [holder.weights() for holder in training.machine.holders.values()]
    return held + [training.parameters[name] for name in training.moments]


def assert_same(one: Sequence[F32], other: Sequence[F32], rtol: float) -> None:
    """Equal to `rtol` of each tensor's largest entry."""
    for a, b in zip(one, other, strict=True):
        assert np.abs(a - b).max() <= rtol * np.abs(b).max()


def test_gathered_minibatches_are_one_large_minibatch() -> None:
    """Four of 5 samples under one update are one of 20, digital parameters (Adam) included."""
    recipe: dict[str, Any] = {"optimizer": {"kind": "adam", "rate_factor": 0.1}, "epochs": 3}
    gathered = exact(small_plan(("schedule.accumulate", 4), batch=5, **recipe))
    large = exact(small_plan(batch=20, **recipe))
    found = matrices(trained(gathered))
    assert_same(found, matrices(trained(large)), rtol=2e-5)
    apart = matrices(trained(exact(small_plan(batch=5, **recipe))))
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(found, apart, strict=True))


def test_the_twin_does_not_gather() -> None:
    """Float32 updates after each minibatch, as the GPU is priced."""
    plan = small_plan(("schedule.accumulate", 4))
    assert plan.order("float32") == UpdateOrder()
    assert_same(matrices(trained(plan, "float32")), matrices(trained(small_plan(), "float32")), 0.0)


def test_no_staleness_is_one_sample_after_the_other() -> None:
    """Weights are those of minibatches of one sample at the rate of one of ten; biases are not."""
    rate = {"kind": "constant", "rate": 0.2}
    one = {"kind": "constant", "rate": 0.02}
    frozen = {"kind": "sgd", "rate_factor": 1e-9}
    late = exact(
        replace(small_plan(IMMEDIATE, learning_rate=rate, optimizer=frozen), staleness=0.0)
    )
    single = exact(small_plan(learning_rate=one, optimizer=frozen, batch=1))
    assert_same(matrices(trained(late)), matrices(trained(single)), rtol=2e-5)


def test_full_staleness_is_a_minibatch_to_the_bit() -> None:
    """Where all samples read before the first update, nothing is left of being immediate."""
    late = replace(small_plan(IMMEDIATE), staleness=9.0)
    for a, b in zip(matrices(trained(late)), matrices(trained(small_plan())), strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("staleness", [1, 3])
def test_gradients_are_those_of_weights_so_many_updates_old(staleness: int) -> None:
    """Against a loop over samples that keeps every version of the weights."""
    batch, rate = 6, 0.3
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(2 * batch, 1, 1, 5)).astype(np.float32)
    start = rng.normal(size=(1, 5, 3)).astype(np.float32)
    machine = Machine({"w": ExactMatrix(start)}, Delayed(staleness))
    machine.rate = rate
    weights = start.astype(np.float64)[0]
    for first in (0, batch):
        pending = []
        for x in inputs[first : first + batch]:
            # The error of a squared output depends on the weights that were read.
            error = machine.forward("w", x)
            machine.record("w", x, error, last=True)
            machine.end_of_pass()
            pending.append(np.outer(x[0, 0], x[0, 0] @ weights))
            if len(pending) > staleness:
                weights = weights - rate * pending.pop(0)
        machine.end_of_minibatch()
        weights = weights - rate * sum(pending)
    np.testing.assert_allclose(machine.holders["w"].weights()[0], weights, rtol=2e-4)


def test_half_gathered_minibatches_survive_a_checkpoint() -> None:
    """On tiles, stopped between the minibatches of one update: the same bits."""
    plan = small_plan(("schedule.accumulate", 3), train_samples=100)
    whole, stored = Training(plan, "analog", 0), list[Checkpoint]()
    step = whole._step

    def storing(indices: Any) -> None:
        step(indices)
        if whole._at.step == 7:
            taken = whole.checkpoint()
            copied = {name: array.copy() for name, array in taken.arrays.items()}
            stored.append(replace(taken, arrays=copied))

    whole._step = storing  # type: ignore[method-assign]
    whole.run()
    assert any(name.startswith("queue\nx") for name in stored[0].arrays)
    again = Training(plan, "analog", 0)
    again.restore(stored[0])
    again.run()
    assert again.curve == whole.curve
    for a, b in zip(matrices(again), matrices(whole), strict=True):
        assert (a == b).all()


def test_a_queue_gives_back_what_waited() -> None:
    """A restored queue gives the same updates as the one that was saved."""
    x, error = np.ones((1, 2, 3), np.float32), np.full((1, 2, 4), 2, np.float32)
    first = Gathered(2)
    assert not list(first.add("a/w", x, error))
    assert not list(first.end_of_minibatch())
    second = Gathered(2)
    second.restore(first.state())
    for queue in (first, second):
        assert not list(queue.add("a/w", 3 * x, error))
        (due,) = queue.end_of_minibatch()
        assert due.matrix == "a/w"
        assert due.share == 0.5
        np.testing.assert_array_equal(due.x, np.concatenate([x, 3 * x], axis=1))


def test_normalisation_by_the_minibatch_keeps_it_whole() -> None:
    """One sample has no such statistics; frozen ones need none."""
    policy = architecture(IMMEDIATE).schedule
    assert update_order(policy, 8, 2.0, has_statistics=False).staleness == 2
    assert update_order(policy, 8, 2.0, has_statistics=True).staleness is None
    frozen = architecture(IMMEDIATE, ("schedule.batchnorm", "frozen")).schedule
    assert update_order(frozen, 8, 2.0, has_statistics=True).staleness == 2


def test_notes_tell_the_order() -> None:
    """What was done, in the words of the schedule."""
    gathered = " ".join(notes(small_plan(("schedule.accumulate", 4))))
    assert "4 minibatches share an update" in gathered
    late = " ".join(notes(replace(small_plan(IMMEDIATE), staleness=3.0)))
    assert "each 3 samples late" in late
    whole = " ".join(notes(replace(small_plan(IMMEDIATE), staleness=9.0)))
    assert "whole minibatch of 10, since all its samples read before the first update" in whole
