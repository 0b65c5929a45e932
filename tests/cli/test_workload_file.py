"""A user's workload file: it finds its network, says how it is trained, and errors name its lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from archsim.cli.inputs import read_network
from archsim.cli.pricing import DEFAULT_BATCH, Job
from archsim.errors import InputError

NODES = (
    ("block.0/fc", "MatMul", ["x", "one"], "h"),
    ("block.0/act", "Relu", ["h"], "r"),
    ("block.1/fc", "MatMul", ["r", "two"], "scores"),
    ("block.1/side", "MatMul", ["r", "three"], "extra"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `nets/net.onnx`."""
    monkeypatch.chdir(tmp_path)
    sizes = {"x": 8, "scores": 4, "extra": 4}
    x, scores, extra = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", "seq", size])
        for name, size in sizes.items()
    )
    nodes = [helper.make_node(kind, given, [made], name) for name, kind, given, made in NODES]
    weights = [
        numpy_helper.from_array(np.full(shape, value, np.float32), name)
        for value, (name, shape) in enumerate(
            {"one": (8, 8), "two": (8, 4), "three": (8, 4)}.items()
        )
    ]
    graph = helper.make_graph(nodes, "net", [x], [scores, extra], weights)
    (tmp_path / "nets").mkdir()
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(
        helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "nets" / "net.onnx"
    )
    return tmp_path


def write(folder: Path, text: str) -> str:
    path = folder / "work.yaml"
    path.write_text(text, encoding="utf-8")
    return path.name


FULL = """description: mine
model: nets/net.onnx
dims: {seq: 5}
batch: 32
training:
  loss: mse
  loss_outputs: [scores]
  frozen: [one]
  input_gradients: [x]
  recompute: ["block.?"]
  optimizer: adam
"""


def test_everything_that_onnx_does_not_carry_is_read(folder: Path) -> None:
    """Dimensions bind the network, the rest becomes options; the path is relative to the file."""
    network = read_network(write(folder, FULL))
    assert network.workload.name == "work"
    assert dict(network.workload.bindings)["seq"] == 5
    assert (network.options.loss, network.options.loss_outputs) == ("mse", ("scores",))
    assert (network.options.frozen, network.options.input_gradients) == (("one",), ("x",))
    assert (network.options.recompute, network.options.optimizer) == (("block.?",), "adam")


def test_the_command_line_comes_before_the_file(folder: Path) -> None:
    """Batch, optimizer and dimensions of the file are defaults."""
    name = write(folder, FULL)
    silent, loud = Job(name), Job(name, batch=8, optimizer="sgd", dims={"seq": 7})
    assert silent.minibatch(silent.read()) == 32
    assert silent.read().options.optimizer == "adam"
    assert loud.minibatch(loud.read()) == 8
    assert loud.read().options.optimizer == "sgd"
    assert dict(loud.read().workload.bindings)["seq"] == 7


def test_what_ships_says_only_what_is_usual() -> None:
    """A built-in network is priced with plain SGD and the default batch unless asked otherwise."""
    job = Job("bert-base")
    assert job.read().options.optimizer == "sgd"
    assert job.minibatch(job.read()) == DEFAULT_BATCH


WRONG = {
    "3:8": ("description: x\nname: n\nmodel: nets/nte.onnx", "Did you mean 'nets/net.onnx'"),
    "1:1": ("description: x\nmodel: nets/net.onnx\nnetwork: {kind: lenet}", "both 'network'"),
    "2:8": ("model: nets/net.onnx\ndims: {sqe: 4}", "Did you mean 'seq'"),
    "3:10": ("model: nets/net.onnx\ndims: {seq: 4}\nshapes: {y: [1, 4, 8]}", "no input 'y'"),
    "3:21": (
        "model: nets/net.onnx\ndims: {seq: 4}\ntraining: {frozen: [onee]}",
        "Did you mean 'one'",
    ),
    "4:18": (
        "model: nets/net.onnx\ndims: {seq: 4}\ntraining:\n  loss_outputs: [scoers]",
        "Did you mean 'scores'",
    ),
    "5:7": (
        'model: nets/net.onnx\ndims: {seq: 4}\ntraining:\n  recompute:\n    - "blok*"',
        "matches no operator",
    ),
    "4:21": (
        "model: nets/net.onnx\ndims: {seq: 4}\ntraining:\n  input_gradients: [z]",
        "no such input",
    ),
    "4:15": (
        "model: nets/net.onnx\ndims: {seq: 4}\nties:\n  tie: [[two, thre]]",
        "Did you mean 'three'",
    ),
}


@pytest.mark.parametrize(("where", "text", "says"), [(k, *v) for k, v in WRONG.items()])
def test_what_the_network_does_not_have_is_refused_by_line(
    folder: Path, where: str, text: str, says: str
) -> None:
    """Every name in the file that means nothing is reported with file, line and column."""
    with pytest.raises(InputError) as caught:
        read_network(write(folder, text))
    assert says in str(caught.value)
    line, column = where.split(":")
    assert f"work.yaml:{line}:{column}" in str(caught.value)


def test_a_file_without_a_network_is_refused(folder: Path) -> None:
    """One of both is needed, and the message shows how to write it."""
    with pytest.raises(InputError, match="neither 'network' nor 'model'"):
        read_network(write(folder, "description: x"))


def test_ties_change_the_count(folder: Path) -> None:
    """Tied heads are one parameter."""
    text = "model: nets/net.onnx\ndims: {seq: 4}\n"
    apart = read_network(write(folder, text)).workload.parameter_count
    tied = read_network(write(folder, text + "ties: {tie: [[two, three]]}")).workload
    assert apart - tied.parameter_count == 8 * 4


def test_inspect_takes_the_file(folder: Path, archsim_here: Any) -> None:
    """`archsim inspect work.yaml --json` counts with the file's training section."""
    counts = archsim_here("inspect", write(folder, FULL), "--json").json
    assert counts["training_macs"]["recompute"] == 5 * 8 * 8
    assert counts["training_macs"]["weight_gradient"] == 5 * 8 * 4
