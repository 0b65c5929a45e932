"""The machine between the network's numerics and its matrices: when they learn, and what time does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from archsim.cotraining.activity import measure, measured_settings, together
from archsim.cotraining.holders import ExactMatrix
from archsim.cotraining.machine import Machine
from archsim.cotraining.outcome import accuracy_section, notes
from archsim.cotraining.session import carry_out
from archsim.cotraining.tiles import TiledMatrix
from archsim.cotraining.training import Training
from archsim.errors import InputError
from archsim.workload.builders.writer import GraphWriter, kaiming
from archsim.workload.executable import executable
from tests.closeness import close
from tests.cotraining.plans import small_plan


def test_a_matrix_whose_last_use_never_comes_learns_at_the_end_of_the_minibatch() -> None:
    """From the uses it has, once, and nothing is left for the next minibatch."""
    weights = np.zeros((1, 2, 3), np.float32)
    machine = Machine({"w": ExactMatrix(weights)})
    machine.rate = 0.5
    x, d = np.ones((1, 4, 2), np.float32), np.ones((1, 4, 3), np.float32)
    machine.record("w", x, d, last=False)
    assert not machine.holders["w"].weights().any()
    machine.end_of_minibatch()
    np.testing.assert_allclose(machine.holders["w"].weights(), -0.5 * 4)
    machine.end_of_minibatch()
    machine.record("w", x, d, last=True)
    np.testing.assert_allclose(machine.holders["w"].weights(), -2 * 0.5 * 4)


def test_what_tiles_refuse_says_where() -> None:
    """The training, its step and the matrix, for vectors that no converter takes."""
    training = Training(small_plan(), "analog", 0)
    name = next(iter(training.machine.holders))
    with (
        pytest.raises(InputError, match=rf"analog, seed 0, epoch 1, step 1: matrix '{name}'"),
        training._located(),
    ):
        training.machine.forward(name, np.full((1, 2, 64), np.inf, np.float32))


def test_devices_drift_for_the_time_of_the_steps() -> None:
    """Capacitors that are not updated lose exp(-steps * time / constant), in steps far too short
    for float32 to show one of them."""
    device = ("device", "devices/capacitor")
    tau = float(small_plan(device).architecture.device.retention.time_constant_s)  # type: ignore[union-attr]
    step_s = 1e-6 * tau
    plan = small_plan(device, step_s=step_s)
    training = Training(plan, "analog", 0)
    holder = next(iter(training.machine.holders.values()))
    before = holder.weights()
    for _ in range(20000):
        holder.end_of_minibatch(step_s)
    np.testing.assert_allclose(holder.weights(), before * np.exp(-0.02), rtol=1e-3, atol=1e-6)


def test_drift_between_steps_is_part_of_training() -> None:
    """Steps as long as the retention keep a network from learning; the result says what it assumed."""
    device = ("device", "devices/capacitor")
    tau = float(small_plan(device).architecture.device.retention.time_constant_s)  # type: ignore[union-attr]
    ends = {}
    for step_s in (0.0, tau):
        plan = small_plan(device, ("read.voltage", "1 V"), step_s=step_s, train_samples=300)
        training = Training(plan, "analog", 0)
        training.run()
        holder = next(iter(training.machine.holders.values()))
        ends[step_s] = float(np.abs(holder.weights()).mean())
        assert any("drift" in note for note in notes(plan))
    assert ends[tau] < 0.6 * ends[0.0]


def test_checkpoints_of_other_step_times_are_foreign() -> None:
    """The time of a step decides the outcome, so it is part of the key."""
    assert small_plan(step_s=1e-3).key != small_plan(step_s=2e-3).key


def test_bounds_wander_in_training() -> None:
    """Where the spread says that bounds change from cycle to cycle, they do."""
    spread = {
        "step_devices": 0.0,
        "bounds_devices": 0.0,
        "asymmetry_devices": 0.0,
        "step_cycles": 0.0,
        "write_noise": 0.0,
        "bounds_cycles": 0.3,
    }
    plan = small_plan(tiles={"unknown_spread": spread}, train_samples=400, epochs=5)
    training = Training(plan, "analog", 0)
    holder = next(iter(training.machine.holders.values()))
    assert isinstance(holder, TiledMatrix)
    (block,) = holder.blocks
    before = block.state()
    training.run()
    after = block.state()
    upper = next(name for name in before if name.endswith("upper") and "wander" not in name)
    assert not np.array_equal(before[upper], after[upper])


def read_twice() -> onnx.ModelProto:
    """A linear layer whose weight is also squared and added up (as a penalty would)."""
    g = GraphWriter("twice")
    x = g.input("x", ["batch", 64])
    weight = g.parameter("fc.weight", (64, 10), kaiming(64))
    y = g.node("MatMul", [x, weight], "fc")
    penalty = g.node("ReduceSumSquare", [weight], "penalty", keepdims=0)
    g.output("logits", g.node("Sub", [y, penalty], "sub"), ["batch", 10])
    return g.model()


def test_weights_that_are_read_element_by_element_are_refused() -> None:
    """Before training, with the node and the matrix."""
    with pytest.raises(InputError, match=r"penalty.*fc\.weight.*element by element"):
        small_plan(graph=executable(read_twice()))


def test_targets_without_classes_are_refused() -> None:
    """A share of right answers is no goal of a loss that has none."""
    with pytest.raises(InputError, match="shares of right answers"):
        small_plan(loss="mse", targets=[0.5])


def test_pulses_of_transfers_are_measured() -> None:
    """What the algorithm wrote replaces what its file assumes: pulses counted on the devices of C."""
    settings = {"kind": "tiki_taka_v2", "transfer_every": 1, "granularity": 10.0}
    plan = small_plan(("algorithm", settings), ("read.voltage", "1 V"))
    training = Training(plan, "analog", 0)
    training.run()
    samples = training.curve[-1].samples
    every = together(measure(training.machine, samples, training.curve[-1].step))
    assert every is not None
    taken = devices = 0.0
    for holder in training.machine.holders.values():
        (block,) = holder.statistics()  # type: ignore[attr-defined]
        slow = block.devices["slow"]
        taken += slow.pulses_mean * slow.devices
        devices += slow.devices
    assert taken > 0
    assert every.written_pulses_per_sample == close(taken / devices / samples, rel=1e-4)
    found = measured_settings(every, plan.architecture.algorithm)
    assert found["algorithm.written_pulses_per_sample"] == every.written_pulses_per_sample
    assert "algorithm.written_pulses_per_sample" not in measured_settings(
        every, small_plan().architecture.algorithm
    )


def test_the_best_of_a_curve_of_losses_is_the_lowest(tmp_path: Path) -> None:
    """Without classes a score is a loss, and a gap above zero still means that tiles are worse."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 64)).astype(np.float32)
    y = np.tanh(x @ rng.normal(size=(64, 10)))
    path = tmp_path / "real.npz"
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    plan = small_plan(data=str(path), loss="mse", epochs=3)
    section = accuracy_section(plan, carry_out(plan), None, None, None)
    for kind in ("analog", "float32"):
        (curve,) = section[kind]["curves"]
        assert section[kind]["best"] == min(point["test_loss"] for point in curve)
    assert section["gap"] == close(section["analog"]["final"] - section["float32"]["final"])


def test_a_session_of_fewer_seeds_takes_what_it_asks_for(tmp_path: Path) -> None:
    """Of a stored session of more seeds the first ones count."""
    carry_out(small_plan(seeds=2, epochs=1, train_samples=20), tmp_path)
    few = small_plan(seeds=1, epochs=1, train_samples=20)
    runs = carry_out(few, tmp_path, resume=True)
    assert [run.seed for run in runs] == [0, 0]
