"""Schedules, optimizers, intervals, activities and targets against second methods."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from archsim.cotraining.activity import measured_settings, together
from archsim.cotraining.checkpoint import CHECKPOINT_FILE, read_checkpoint
from archsim.cotraining.gap import mean_of
from archsim.cotraining.optimizer import DigitalOptimizer
from archsim.cotraining.outcome import StepCost, accuracy_section, measured
from archsim.cotraining.recipe import Recipe
from archsim.cotraining.schedule import LearningRate
from archsim.cotraining.session import carry_out
from archsim.cotraining.training import Training
from archsim.errors import InputError
from tests.closeness import close
from tests.cotraining.plans import small_plan


def schedule(**values: Any) -> Any:
    """A learning rate of a recipe."""
    return TypeAdapter(LearningRate).validate_python(values)


def test_rates_follow_their_schedule() -> None:
    """Steps hold for their epochs and the last to the end; a cosine ends where it shall."""
    steps = schedule(kind="steps", rates=[0.3, 0.2], epochs_each=2)
    assert [steps.at(e, 6) for e in range(6)] == [0.3, 0.3, 0.2, 0.2, 0.2, 0.2]
    cosine = schedule(kind="cosine", rate=0.4, end_share=0.25)
    assert [cosine.at(e, 5) for e in (0, 2, 4)] == close([0.4, 0.25, 0.1])
    assert schedule(kind="constant", rate=0.7).at(3, 5) == 0.7


def test_adam_and_momentum_are_their_published_recursions() -> None:
    """Against scalar loops in double precision, over twenty steps."""
    gradients = np.random.default_rng(0).normal(size=20)
    adam = TypeAdapter(DigitalOptimizer).validate_python({"kind": "adam", "rate_factor": 0.5})
    momentum = TypeAdapter(DigitalOptimizer).validate_python({"kind": "momentum"})
    w, moments = np.ones(1, np.float32), adam.start(np.ones(1, np.float32))
    u, velocity = np.ones(1, np.float32), momentum.start(np.ones(1, np.float32))
    expected, m, v, plain, speed = 1.0, 0.0, 0.0, 1.0, 0.0
    for t, g in enumerate(gradients, start=1):
        adam.step(w, np.array([g], np.float32), moments, 0.1, t)
        momentum.step(u, np.array([g], np.float32), velocity, 0.1, t)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected -= 0.05 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        speed = 0.9 * speed + g
        plain -= 0.1 * speed
    assert float(w[0]) == close(expected, rel=1e-4)
    assert float(u[0]) == close(plain, rel=1e-5)


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    """Mean and interval of differences as scipy's paired test has them; one seed has none."""
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.98, 0.01, 5), rng.normal(0.96, 0.01, 5)
    found = mean_of(list(one - other))
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == (close(expected.low), close(expected.high))
    assert mean_of([0.5]).low is None


def test_no_interval_of_an_accuracy_promises_more_than_all_answers_right() -> None:
    """Two seeds far apart: Student's interval of the mean leaves 0 to 1, what is reported does not."""
    plan = small_plan(epochs=1, seeds=2)
    runs = carry_out(plan)
    far = [
        replace(run, curve=tuple(replace(p, accuracy=0.1 + 0.8 * run.seed) for p in run.curve))
        for run in runs
    ]
    assert mean_of([0.1, 0.9]).low == pytest.approx(0.5 - 12.706 * 0.4, rel=1e-3)
    section = accuracy_section(plan, far, None, None, None)
    assert section["analog"]["final_ci"] == [0.0, 1.0]


def test_measured_activities_are_those_of_the_data() -> None:
    """E|x| of scaled inputs lies between those of forward vectors and of errors, pulses are counted."""
    plan = small_plan(epochs=1)
    training = Training(plan, "analog", 0)
    training.run()
    (run,) = [r for r in carry_out(plan) if r.kind == "analog"]
    first = run.activity[0]
    assert first.devices == 64 * 24
    holder = training.machine.holders[first.matrix]
    statistics = holder.statistics()[0]  # type: ignore[attr-defined]
    taken = statistics.totals.learnt.update
    assert first.pulses_per_step == close((taken.pulses_up + taken.pulses_down) / 64 / 24 / 20)
    assert first.pulses_per_step == close(10 * first.pulses_per_sample)
    x = plan.data.train.batch(slice(None)).reshape(200, -1)
    scaled = x / np.abs(x).max(axis=1, keepdims=True)
    forward = statistics.totals.forward
    assert forward.mean_abs_input == close(float(scaled.mean()), rel=0.05)
    assert forward.mean_square_input == close(float((scaled**2).mean()), rel=0.05)


def test_activity_of_all_matrices_keeps_the_energy_of_all_devices() -> None:
    """The mean E|x| times all devices and reads is the sum over matrices."""
    plan = small_plan(epochs=1, train_samples=50)
    runs = carry_out(plan)
    rows = next(r for r in runs if r.kind == "analog").activity
    every = together(rows)
    assert every is not None
    total = sum(r.devices * r.reads * r.mean_abs_input for r in rows)
    assert every.mean_abs_input * sum(r.devices * r.reads for r in rows) == close(total)
    paths = measured_settings(every, plan.architecture.algorithm)
    assert set(paths) == {
        "read.mean_abs_input",
        "read.mean_square_input",
        "read.repeats",
        "update.pulses_per_sample",
    }
    assert measured(runs) == every


def test_costs_to_a_target_are_steps_times_a_step() -> None:
    """The first test at which every seed is there; a target that one seed misses costs nothing."""
    plan = small_plan(
        ("device", "devices/ideal"),
        ("update.select", "third"),
        ("read.voltage", "1 V"),
        seeds=2,
        train_samples=1000,
        epochs=3,
        targets=[0.5, 1.0],
    )
    runs = carry_out(plan)
    section = accuracy_section(plan, runs, None, StepCost(2.0, 3.0), StepCost(5.0, 7.0))
    reached, missed = section["targets"]
    first = [
        next(p.step for p in run.curve if (p.accuracy or 0) >= 0.5)
        for run in runs
        if run.kind == "analog"
    ]
    assert reached["analog"]["steps_per_seed"] == first
    assert reached["analog"]["seconds"] == close(2.0 * float(np.mean(first)))
    assert reached["analog"]["energy_j"] == close(3.0 * float(np.mean(first)))
    assert reached["gpu"]["seconds"] == close(5.0 * reached["float32"]["steps"])
    assert missed["analog"]["seconds"] is None
    assert section["target"] == 1.0
    assert section["seconds_to_target"] is None
    per_seed = zip(section["float32"]["per_seed"], section["analog"]["per_seed"], strict=True)
    assert section["gap"] == close(float(np.mean([e - a for e, a in per_seed])))


@pytest.mark.parametrize(
    ("kind", "idle"), [("sgd", False), ("tiki_taka_v2", False), ("agad", True)]
)
def test_matrices_that_transfers_never_wrote_are_named(kind: str, idle: bool) -> None:
    """AGAD writes nothing in its first chopper period, here longer than the training."""
    plan = small_plan(("algorithm", {"kind": kind}), epochs=1)
    found = accuracy_section(plan, carry_out(plan), None, None, None)["notes"]
    assert any("never wrote" in note and "fc1.weight" in note for note in found) == idle, found


def test_a_session_resumes_between_and_inside_runs(tmp_path: Path) -> None:
    """From every checkpoint that was written, the same results follow."""
    plan = small_plan(seeds=2, epochs=1, train_samples=40, checkpoint_s=1e-9)
    expected = carry_out(plan)
    copies: list[bytes] = []

    def note(share: float, words: str) -> None:
        path = tmp_path / "a" / CHECKPOINT_FILE
        if path.exists() and len(copies) < 40:
            copies.append(path.read_bytes())

    assert carry_out(plan, tmp_path / "a", progress=note) == expected
    assert len(copies) > 10
    for index, text in enumerate(copies[::4]):
        folder = tmp_path / f"b{index}"
        folder.mkdir()
        (folder / CHECKPOINT_FILE).write_bytes(text)
        assert carry_out(plan, folder, resume=True) == expected


def test_checkpoints_in_the_way_damaged_or_foreign_are_refused(tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is gone on with that does not fit."""
    plan = small_plan(epochs=1, train_samples=20)
    carry_out(plan, tmp_path)
    with pytest.raises(InputError, match="unfinished training"):
        carry_out(plan, tmp_path)
    other = small_plan(epochs=2, train_samples=20)
    with pytest.raises(InputError, match="another network, architecture, recipe or data"):
        carry_out(other, tmp_path, resume=True)
    path = tmp_path / CHECKPOINT_FILE
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            read_checkpoint(tmp_path, plan.key)
    path.unlink()
    assert read_checkpoint(tmp_path, plan.key) is None


def test_more_seeds_go_on_from_fewer(tmp_path: Path) -> None:
    """The number of seeds does not change a seed's result, so a session may be extended."""
    two = carry_out(small_plan(epochs=1, train_samples=20, seeds=2))
    carry_out(small_plan(epochs=1, train_samples=20), tmp_path)
    more = carry_out(small_plan(epochs=1, train_samples=20, seeds=2), tmp_path, resume=True)
    assert more == two


def test_defaults_of_a_recipe_are_valid() -> None:
    """An empty recipe trains digits."""
    assert Recipe().data == "digits"
