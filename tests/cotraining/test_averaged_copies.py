"""Copies that are averaged learn as one array does, as far as devices and reads are exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.activity import measure, together
from archsim.cotraining.averaged_copies import AveragedCopies
from archsim.cotraining.checkpoint import Checkpoint
from archsim.cotraining.holders import F32, ExactMatrix
from archsim.cotraining.outcome import notes
from archsim.cotraining.plan import Plan
from archsim.cotraining.tiles import tiled_matrix
from archsim.cotraining.training import Training
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.trains import UpdateParameters
from tests.closeness import close
from tests.cotraining.plans import small_plan


class ExactCopy(ExactMatrix):
    """A copy whose read-out and whose writes are exact."""

    def read_out(self) -> list[dict[str, F32]]:
        """The weights."""
        return [{"weights": self.weights()}]

    def move(self, changes: Sequence[Mapping[str, F32]]) -> None:
        """Add the change."""
        self._weights += changes[0]["weights"]


def steps(holder: Any, minibatches: int, seed: int = 1) -> list[F32]:
    """The outputs of a holder that learns from errors of its own outputs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(minibatches):
        x = rng.normal(size=(2, 7, 5)).astype(np.float32)
        y = holder.forward(x)
        error = holder.backward(y)[..., :3] - y
        holder.update(x, error.astype(np.float32), 0.02)
        holder.end_of_minibatch(0.0)
        found.append(y)
    return found


@pytest.mark.parametrize("number", [2, 3, 16])
def test_exact_copies_averaged_each_time_are_one_array(number: int) -> None:
    """In every output, whether vectors are fewer or more than copies."""
    weights = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    one = steps(ExactMatrix(weights), 6)
    several = steps(AveragedCopies([ExactCopy(weights) for _ in range(number)], 1), 6)
    for a, b in zip(one, several, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_single_vectors_go_to_the_copies_in_turn() -> None:
    """As samples do that learn one by one: after so many as there are copies, each has learnt."""
    weights = np.random.default_rng(0).normal(size=(1, 5, 3)).astype(np.float32)
    holder = AveragedCopies([ExactCopy(weights) for _ in range(3)], 1)
    x, error = np.ones((1, 1, 5), np.float32), np.ones((1, 1, 3), np.float32)
    for learnt in range(4):
        changed = [not np.array_equal(copy.weights(), weights) for copy in holder.copies]
        assert changed == [k < learnt for k in range(3)]
        # What reads next is what learns next.
        read = holder.forward(x)
        assert np.allclose(read, holder.copies[learnt % 3].forward(x))
        holder.update(x, error, 0.1)


def test_copies_part_between_averagings_and_meet_at_each() -> None:
    """They are equal after every third minibatch and at no other."""
    weights = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    holder = AveragedCopies([ExactCopy(weights) for _ in range(2)], 3)
    for minibatch in range(1, 7):
        steps(holder, 1, seed=minibatch)
        first, second = (copy.weights() for copy in holder.copies)
        assert np.allclose(first, second, atol=1e-6) == (minibatch % 3 == 0)


def fine() -> MatrixParameters:
    """Exact reads, many slots, no disturb."""
    read = ReadParameters()
    return MatrixParameters(read, read, None, UpdateParameters(2000, length_management=False))


def copied_plan(number: int, *settings: tuple[str, Any], **recipe: Any) -> Plan:
    """The small plan with so many copies of its first matrix, trained apart."""
    plan = small_plan(*settings, tiles={"copies": "mapped"}, **recipe)
    return replace(plan, copies={next(iter(plan.graph.matrices)): number})


def test_analog_copies_of_ideal_devices_learn_as_one() -> None:
    """The mean of the copies moves as one array does, to the chance of single pulses."""
    plan = small_plan(("device", "devices/ideal"))
    weights = np.random.default_rng(0).normal(0, 0.2, size=(1, 8, 6)).astype(np.float32)

    def made(seed: int) -> Any:
        rng = np.random.Generator(np.random.SFC64(seed))
        return tiled_matrix(plan.architecture, plan.recipe.tiles, weights, rng, fine())

    one, several = made(0), AveragedCopies([made(seed) for seed in (1, 2, 3)], 1)
    rng = np.random.default_rng(5)
    for _ in range(20):
        # Errors of one sign per column move weights far in comparison with the chance of pulses.
        x = np.abs(rng.normal(size=(1, 12, 8))).astype(np.float32)
        error = np.abs(rng.normal(size=(1, 12, 6))) * [1, -1, 2, -2, 3, -3]
        for holder in (one, several):
            holder.update(x, error.astype(np.float32), 0.001)
            holder.end_of_minibatch(0.0)
    moved = one.weights() - weights
    step = one.blocks[0]._arrays()["weights"].step
    assert np.abs(moved).mean() > 20 * step
    assert np.abs(several.weights() - one.weights()).mean() < 0.05 * np.abs(moved).mean()
    apart = [copy.weights() for copy in several.copies]
    assert np.abs(apart[0] - apart[1]).mean() < 2 * step


def test_a_training_with_copies_goes_on_to_the_same_bits() -> None:
    """Copies and their clock belong to the state."""
    plan = copied_plan(3, ("mapping.sync_interval", 2), train_samples=60)
    whole, stored = Training(plan, "analog", 0), list[Checkpoint]()

    def keep(checkpoint: Checkpoint) -> None:
        copies = {name: array.copy() for name, array in checkpoint.arrays.items()}
        stored.append(replace(checkpoint, arrays=copies))

    whole.run(save=keep)
    again = Training(plan, "analog", 0)
    again.restore(stored[0])
    again.run()
    assert again.curve == whole.curve


def test_activity_counts_every_device_and_shares_the_vectors() -> None:
    """Three copies hold three times the devices, and each read goes through a third of them."""
    gentle = {"epochs": 1, "learning_rate": {"kind": "constant", "rate": 0.005}}
    quiet = (("device", "devices/ideal"), ("read.voltage", "3 V"))
    plan = copied_plan(3, *quiet, **gentle)
    single = small_plan(*quiet, **gentle)
    activities = []
    for each in (plan, single):
        training = Training(each, "analog", 0)
        training.run()
        samples = training.curve[-1].samples
        activities.append(measure(training.machine, samples, training.curve[-1].step))
    copied, one = activities[0][0], activities[1][0]
    assert copied.devices == 3 * one.devices
    assert (copied.parts, one.parts) == (3, 1)
    assert copied.reads == close(one.reads, rel=0.1)
    # A copy's share is a third of the samples, at three times the rate.
    assert copied.pulses_per_sample == close(one.pulses_per_sample, rel=0.1)
    both = [together(activity) for activity in activities]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].mean_abs_input == close(both[1].mean_abs_input, rel=0.1)


def test_copies_are_one_array_unless_the_recipe_trains_them() -> None:
    """And the notes say which."""
    name = next(iter(small_plan().graph.matrices))
    asked = copied_plan(4)
    default = replace(small_plan(), copies={name: 4})
    assert dict(asked.copies_trained()) == {name: 4}
    assert not default.copies_trained()
    assert any(f"averaged: 4 of {name}" in note for note in notes(asked))
    assert any("trained here as one array" in note for note in notes(default))
    assert not any("copies" in note for note in notes(replace(small_plan(), copies={})))
