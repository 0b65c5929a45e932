"""`archsim accuracy`: documents, exit codes, and a kill that loses nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archsim.cotraining.checkpoint import CHECKPOINT_FILE
from tests.cli.conftest import Runner

# Arrays that learn: reads with little noise, selection that disturbs little.
GOOD = ("--set", "read.voltage=1 V", "--set", "update.select=third")
# What a run that is stopped is asked for, beside its folder.
SHORT = ("--json", "--gpu", "none", "--seeds", "1", "--epochs", "6")
RECIPE = """
data: digits
train_samples: 300
test_samples: 100
epochs: 3
batch: 10
learning_rate: {kind: constant, rate: 0.1}
initial: uniform
seeds: 2
targets: [0.2]
checkpoint: 10 ms
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A short recipe."""
    path = tmp_path / "short.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def asked(recipe: Path, *more: str) -> tuple[str, ...]:
    """The words of a short training."""
    return (
        "accuracy",
        "mlp-digits",
        "--arch",
        "protonic_256",
        "--recipe",
        str(recipe),
        *GOOD,
        *more,
    )


def stable(document: dict[str, Any]) -> dict[str, Any]:
    """A document without what differs from call to call."""
    return {k: v for k, v in document.items() if k not in ("created", "command")}


def test_documents_of_a_training(archsim_here: Runner, recipe: Path, tmp_path: Path) -> None:
    """Keys of the contract, files of the folder, consistent with each other."""
    found = archsim_here(*asked(recipe, "--target", "0.2", "--out", "o", "--json"))
    assert found.code == 0
    document = found.json
    for machine in ("analog", "float32"):
        assert {"final", "per_seed", "curve"} <= document[machine].keys()
        assert len(document[machine]["per_seed"]) == 2
    assert document["gap"] == pytest.approx(
        document["float32"]["final"] - document["analog"]["final"]
    )
    assert document["gap_ci"][0] <= document["gap"] <= document["gap_ci"][1]
    assert document["pulses_per_device_per_step"] > 0
    steps = document["steps_to_target"]
    assert document["seconds_to_target"] == pytest.approx(steps * document["step"]["latency_s"])
    assert document["energy_to_target_j"] == pytest.approx(steps * document["step"]["energy_j"])
    folder = tmp_path / "o"
    assert json.loads((folder / "accuracy.json").read_text(encoding="utf-8")) == document
    with (folder / "curves.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 2 * 2 * 4
    assert (folder / "accuracy.svg").read_text(encoding="utf-8").startswith("<svg")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["accuracy"]["analog"]["final"] == document["analog"]["final"]
    listed = {row["path"]: row for row in result["assumptions"]}
    measured = listed["update.pulses_per_sample"]
    run = (
        "in training mlp-digits by archsim accuracy: recipe short, 3 epochs of digits, seeds 0 to 1"
    )
    assert {
        path: row["note"] for path, row in listed.items() if row["source"] == "measured"
    } == dict.fromkeys(
        (
            "read.mean_abs_input",
            "read.mean_square_input",
            "read.repeats",
            "update.pulses_per_sample",
        ),
        run,
    )
    again = archsim_here("run", "mlp-digits", "--arch", "o/architecture.yaml", "--json").json
    kept = {row["path"] for row in again["assumptions"] if row["source"] == "measured"}
    assert "update.pulses_per_sample" in kept
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "4 were measured in training" in page
    assert page.count('<svg class="xy"') == 4
    activity = document["activity"]
    assert float(measured["value"]) == pytest.approx(activity["pulses_per_sample"], rel=1e-3)
    assert not (folder / CHECKPOINT_FILE).exists()


def test_a_missed_target_exits_with_one(archsim_here: Runner, recipe: Path) -> None:
    """And says so; the summary fits 80 columns."""
    words = ("--target", "0.999", "--epochs", "1", "--seeds", "1", "--out", "o", "--gpu", "none")
    found = archsim_here(*asked(recipe, *words))
    assert found.code == 1
    assert "not reached" in found.out
    assert "one seed gives no interval" in found.out
    lines = [line for line in found.out.splitlines() if not line.startswith("Report:")]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "digit"), "Did you mean 'digits'"),
        (("--recipe", "digit"), "digits"),
        (("--target", "1.5"), "--target"),
        (("--epochs", "0"), "--epochs"),
        (("--gpu", "h10"), "h100"),
    ],
)
def test_bad_options_are_refused(
    archsim_here: Runner, recipe: Path, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2 and one sentence, before anything is trained."""
    found = archsim_here(*asked(recipe), *words)
    assert found.code == 2
    assert said in found.err
    assert found.out == ""


def test_a_target_without_classes_is_refused(archsim_here: Runner, recipe: Path) -> None:
    """Shares of right answers are no matter of a squared error."""
    text = recipe.read_text(encoding="utf-8").replace("targets: [0.2]", "loss: mse")
    recipe.write_text(text, encoding="utf-8")
    found = archsim_here(*asked(recipe), "--target", "0.5")
    assert found.code == 2
    assert "share of right answers" in found.err


def test_data_that_do_not_fit_are_refused(archsim_here: Runner, recipe: Path) -> None:
    """Digits are no input of a network for MNIST."""
    found = archsim_here("accuracy", "mlp", "--arch", "protonic_256", "--data", "digits")
    assert found.code == 2
    assert "64 numbers" in found.err
    assert "784 numbers" in found.err


def test_operators_without_numerics_are_all_named(archsim_here: Runner, tmp_path: Path) -> None:
    """Before training starts."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, (64, 10), np.zeros(640, np.float32))
    nodes = [
        helper.make_node("Det", ["square"], ["d"]),
        helper.make_node("Reshape", ["x", "shape"], ["square"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Mul", ["y", "column"], ["z"]),
        helper.make_node("Unsqueeze", ["d", "axes"], ["column"]),
    ]
    ordered = [nodes[1], nodes[0], nodes[4], nodes[2], nodes[3]]
    graph = helper.make_graph(
        ordered,
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 10])],
        [
            weight,
            helper.make_tensor("shape", TensorProto.INT64, (3,), [-1, 8, 8]),
            helper.make_tensor("axes", TensorProto.INT64, (1,), [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "odd.onnx")
    found = archsim_here("accuracy", "odd.onnx", "--arch", "protonic_256")
    assert found.code == 2
    assert "Det" in found.err


def started(recipe: Path, folder: str, cwd: Path) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    words = asked(recipe, "--out", folder, *SHORT)
    return subprocess.Popen(
        [sys.executable, "-m", "archsim", *words],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def after_checkpoint(process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until a checkpoint is there and some more steps are done."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_stopped_training_goes_on_to_the_same_result(
    archsim_here: Runner, recipe: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Killed or interrupted, it ends to the bit where it would have ended."""
    whole = archsim_here(*asked(recipe, "--out", "whole", *SHORT))
    assert whole.code == 0
    process = started(recipe, "cut", tmp_path)
    after_checkpoint(process, tmp_path / "cut" / CHECKPOINT_FILE)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail("the training ended before it could be stopped")
    assert process.returncode == code
    assert b"Traceback" not in errors
    words = asked(recipe, "--out", "cut", *SHORT)
    refused = archsim_here(*words)
    assert refused.code == 2
    assert "--resume" in refused.err
    again = archsim_here(*words, "--resume")
    assert again.code == 0
    assert "Going on from what is stored in cut: " in again.err
    assert stable(again.json) == stable(whole.json)


def test_resuming_says_what_it_does(archsim_here: Runner, recipe: Path) -> None:
    """From the beginning where nothing is stored; a training that has ended is not replaced."""
    words = asked(recipe, "--out", "o", "--gpu", "none", "--seeds", "1", "--epochs", "1")
    first = archsim_here(*words, "--resume")
    assert first.code == 0
    assert "Nothing is stored in o to go on with: training starts from the beginning." in first.err
    before = Path("o/accuracy.json").read_bytes()
    second = archsim_here(*words, "--resume")
    assert second.code == 2
    assert "the training stored there has ended" in second.err
    assert Path("o/accuracy.json").read_bytes() == before


def test_the_schedule_that_is_priced_is_the_one_that_trains(
    archsim_here: Runner, recipe: Path
) -> None:
    """Gathered minibatches, late samples and averaged copies, each in the notes; bits differ."""
    stated = '{replication: stated, copies: [{matrix: "fc1.*", number: 2}]}'
    chip = recipe.with_name("chip.yaml")
    chip.write_text(f"extends: protonic_256\nmapping: {stated}\n", encoding="utf-8")
    copies = recipe.with_name("copies.yaml")
    text = recipe.read_text(encoding="utf-8").replace("300", "60").replace("10 ms", "60 s")
    recipe.write_text(text, encoding="utf-8")
    copies.write_text(f"{text}tiles: {{copies: mapped}}\n", encoding="utf-8")
    base = ("--gpu", "none", "--seeds", "1", "--epochs", "1", "--json")
    plain = archsim_here(*asked(recipe, *base, "--out", "plain")).json
    cases = {
        "accumulate": (recipe, ("--set", "schedule.accumulate=4"), "4 minibatches share an update"),
        "immediate": (recipe, ("--set", "schedule.update=immediate"), "samples late"),
        "copies": (copies, (), "averaged: 2 of fc1.weight"),
    }
    for name, (given, more, said) in cases.items():
        words = asked(given, *base, *more, "--out", name)
        if name == "copies":
            words = tuple(str(chip) if word == "protonic_256" else word for word in words)
        found = archsim_here(*words)
        assert found.code == 0, found.err
        assert any(said in note for note in found.json["notes"]), found.json["notes"]
        assert found.json["analog"]["curve"] != plain["analog"]["curve"]
        assert found.json["float32"]["curve"] == plain["float32"]["curve"]
