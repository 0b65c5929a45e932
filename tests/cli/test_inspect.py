"""`archsim inspect`: exact counts, against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.cli.inspect_tables import short_count

Runner = Callable[..., Any]
KEYS = {
    "parameters",
    "parameters_untied",
    "forward_macs",
    "training_macs",
    "weight_matrices",
    "weight_uses",
    "ops",
    "unsupported",
    "notes",
}


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, tuple[int, ...]],
    shape: list[int | str],
) -> None:
    """A network from `x` to `y` with seeded weights."""
    rng = np.random.default_rng(1)
    tensors = [
        numpy_helper.from_array(rng.standard_normal(size).astype(np.float32), name)
        for name, size in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)


def test_grouped_convolution_counts_its_blocks(archsim_here: Runner, tmp_path: Path) -> None:
    """Two groups are two matrices; MACs are positions x kernel x channels, in each group."""
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", group=2)
    save(tmp_path / "net.onnx", [node], {"w": (6, 2, 3, 3), "b": (6,)}, ["n", 4, 8, 8])
    found = archsim_here("inspect", "net.onnx", "--json").json
    assert set(found) >= KEYS
    assert (found["weight_matrices"], found["weight_uses"]) == (2, 2)
    macs = 6 * 6 * (3 * 3 * 2) * 6
    assert found["forward_macs"] == {
        "convolution": macs,
        "linear": 0,
        "dynamic": 0,
        "total": macs,
    }
    # The first layer needs no input gradient.
    assert found["training_macs"] == {
        "forward": macs,
        "input_gradient": 0,
        "weight_gradient": macs,
        "dynamic_backward": 0,
        "total": 2 * macs,
    }
    assert found["parameters"] == found["parameters_untied"] == 6 * 2 * 3 * 3 + 6
    (op,) = found["ops"]
    assert (op["type"], op["kind"], op["where"]) == ("Conv", "weight_matmul", "arrays")
    assert op["macs"] == macs
    assert op["reason"]


def test_bidirectional_lstm_counts_steps(archsim_here: Runner, tmp_path: Path) -> None:
    """W and R in both directions are four matrices, used in seven steps each: R in sequence."""
    node = helper.make_node(
        "LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=5, direction="bidirectional"
    )
    save(tmp_path / "net.onnx", [node], {"w": (2, 20, 3), "r": (2, 20, 5)}, [7, 1, 3])
    found = archsim_here("inspect", "net.onnx", "--json").json
    assert found["weight_matrices"] == 4
    macs = 7 * 2 * (20 * 3 + 20 * 5)
    assert found["forward_macs"]["linear"] == found["forward_macs"]["total"] == macs
    assert found["weight_uses"] == 28


def test_tied_weights_count_once(archsim_here: Runner, tmp_path: Path) -> None:
    """One initializer used twice is one matrix with two uses."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("MatMul", ["a", "w"], ["y"], "second"),
    ]
    save(tmp_path / "net.onnx", nodes, {"w": (4, 4)}, ["n", 4])
    found = archsim_here("inspect", "net.onnx", "--json").json
    assert (found["parameters"], found["parameters_untied"]) == (16, 32)
    assert (found["weight_matrices"], found["weight_uses"]) == (1, 2)


def test_the_whole_bound_graph_is_counted(archsim_here: Runner, tmp_path: Path) -> None:
    """MACs grow with `--batch` and `--dim`; parameters do not."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "fc")
    save(tmp_path / "net.onnx", [node], {"w": (4, 3)}, ["n", "seq", 4])
    arguments = ("inspect", "net.onnx", "--json", "--dim", "seq=5")
    one = archsim_here(*arguments).json
    six = archsim_here(*arguments, "--batch", "6").json
    shaped = archsim_here("inspect", "net.onnx", "--json", "--shape", "x=6x5x4").json
    assert one["forward_macs"]["total"] == 5 * 4 * 3
    assert six["forward_macs"]["total"] == shaped["forward_macs"]["total"] == 6 * 5 * 4 * 3
    assert one["parameters"] == six["parameters"] == 12


@pytest.mark.parametrize("name", ["lenet", "lstm-ptb"])
def test_the_text_fits_the_screen_and_agrees_with_the_json(archsim_here: Runner, name: str) -> None:
    """Every operator has a line, no line exceeds 80 columns, totals are those of the JSON."""
    text = archsim_here("inspect", name)
    counts = archsim_here("inspect", name, "--json").json
    assert (text.code, text.err) == (0, "")
    assert max(map(len, text.out.splitlines())) <= 80
    for op in counts["ops"]:
        if len(op["name"]) <= 20:
            assert op["name"] in text.out
    for total in (
        counts["parameters"],
        counts["forward_macs"]["total"],
        counts["training_macs"]["total"],
    ):
        assert f"{total:,}" in text.out


def test_hostile_names_reach_no_terminal(archsim_here: Runner, tmp_path: Path) -> None:
    """Control characters and markup in a node's name are shown, not obeyed."""
    node = helper.make_node("Relu", ["x"], ["y"], "\x1b[31m[bold]")
    save(tmp_path / "net.onnx", [node], {}, [1, 4])
    found = archsim_here("inspect", "net.onnx")
    assert found.code == 0
    assert "\x1b" not in found.out
    assert "[bold]" in found.out


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ""), (7, "7"), (999, "999"), (1000, "1k"), (999_499, "999k"), (999_501, "1M")],
)
def test_counts_are_short(value: int, text: str) -> None:
    """Three digits and a prefix, never a fourth digit by rounding."""
    assert short_count(value) == text
