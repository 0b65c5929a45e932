"""`archsim inspect`: exact counts, against closed forms."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.cli.inputs import read_network
from archsim.cli.inspect_tables import bar, share_text, short_count
from archsim.cli.module_tree import tree_rows
from archsim.workload.modules import module_tree

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
    """Markup in a node's name is shown, not obeyed; control characters are at least not passed on."""
    node = helper.make_node("Relu", ["x"], ["y"], "[bold]")
    save(tmp_path / "net.onnx", [node], {}, [1, 4])
    found = archsim_here("inspect", "net.onnx")
    assert found.code == 0
    assert "[bold]" in found.out
    node = helper.make_node("Relu", ["x"], ["y"], "\x1b[31m")
    save(tmp_path / "net.onnx", [node], {}, [1, 4])
    found = archsim_here("inspect", "net.onnx")
    assert "\x1b" not in found.out + found.err


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ""), (7, "7"), (999, "999"), (1000, "1k"), (999_499, "999k"), (999_501, "1M")],
)
def test_counts_are_short(value: int, text: str) -> None:
    """Three digits and a prefix, never a fourth digit by rounding."""
    assert short_count(value) == text


EXPORTS = Path(__file__).parents[1] / "data" / "exports"


def test_the_header_says_what_file_it_is(archsim_here: Runner) -> None:
    """Exporter, opset, hash, inputs and outputs with their shapes, in text and as JSON."""
    path = EXPORTS / "residual.legacy.onnx"
    text = archsim_here("inspect", path).out
    document = archsim_here("inspect", path, "--json").json
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["onnx_sha256"] == digest
    assert document["origin"]["producer"] == "pytorch"
    assert document["origin"]["opsets"] == {"ai.onnx": 17}
    assert [entry["shape"] for entry in document["inputs"]] == [[1, 3, 16, 16]]
    for part in ("pytorch", "opset 17", digest[:12], "1x3x16x16", "1x10"):
        assert part in text


def test_the_share_that_goes_to_crossbars(archsim_here: Runner) -> None:
    """LeNet's matrices hold all parameters but biases, and all products."""
    document = archsim_here("inspect", "lenet", "--json").json
    biases = 6 + 16 + 120 + 84 + 10
    total = document["forward_macs"]["total"]
    assert document["in_arrays"] == {"parameters": 61_706 - biases, "macs": total}
    text = archsim_here("inspect", "lenet").out
    assert f"{61_706 - biases:,} of 61,706" in text
    assert "99.6 %" in text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0.0 %"),
        (1e-6, "<0.1 %"),
        (0.001, "0.1 %"),
        (0.29, "29.0 %"),
        (0.9999, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_only_all_is_a_hundred_per_cent(part: float, text: str) -> None:
    assert share_text(part) == text


@pytest.mark.parametrize("part", [0.0, 1e-9, 0.1, 0.5, 0.99, 1.0])
def test_a_bar_is_as_long_as_its_share(part: float) -> None:
    """To an eighth of a character, and never empty for something."""
    drawn = bar(part, 10)
    eighths = sum(8 if c == "█" else " ▏▎▍▌▋▊▉".index(c) for c in drawn)
    assert abs(eighths - 80 * part) <= 1
    assert (eighths > 0) == (part > 0)


def test_every_reason_is_in_the_table_of_places(archsim_here: Runner) -> None:
    """Each reason of the JSON has a line, and the lines' operators add up to all."""
    document = archsim_here("inspect", "gpt2", "--json").json
    text = archsim_here("inspect", "gpt2", "--no-table").out
    begin, end = text.index("operators and reason"), text.index("  work: scalar")
    lines = text[begin:end].splitlines()[2:]
    counts = [
        int(found.group(2)) for line in lines if (found := re.match(r" *(\d+) \D+(\d+) ", line))
    ]
    assert sum(counts) == len(document["ops"])
    joined = " ".join(" ".join(lines).split())
    for op in document["ops"]:
        reason = op["reason"].partition(", ")[0]
        assert reason.removeprefix(f"{op['where']}: ") in joined


def test_the_tree_has_subtotals_and_folds_repeated_blocks(archsim_here: Runner) -> None:
    """GPT-2 has twelve alike blocks: one is shown, eleven are one line."""
    found = archsim_here("inspect", "gpt2", "--tree")
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= 80
    lines = [line.split() for line in found.out.splitlines()]
    assert any(line[:5] == ["1", "…", "11", "11", "alike"] for line in lines)
    assert sum(line[:1] == ["c_attn"] for line in lines) == 1


def test_depth_hides_what_is_deeper(archsim_here: Runner) -> None:
    """A tree of depth 1 has the outermost modules and operators only."""
    shallow = archsim_here("inspect", "resnet18", "--depth", "1").out
    deep = archsim_here("inspect", "resnet18", "--depth", "3").out
    assert "layer1 " in shallow
    assert "downsample" not in shallow
    assert "downsample" in deep
    assert len(shallow.splitlines()) < len(deep.splitlines())


@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "lstm-ptb"])
def test_rows_of_the_tree_add_up(name: str) -> None:
    """At any depth, the outermost rows hold every operator and every MAC."""
    workload = read_network(name).workload
    root = module_tree(workload)
    for depth in (1, 2, None):
        rows = [row for row in tree_rows(root, workload, depth) if row.depth == 0]
        assert sum(row.ops for row in rows) == root.ops
        assert sum(row.macs for row in rows) == root.macs


def test_modules_are_in_the_json(archsim_here: Runner) -> None:
    modules = archsim_here("inspect", "resnet18", "--json").json["modules"]
    by_path = {entry["path"]: entry for entry in modules}
    assert by_path[""]["parameters"] == 11_689_512
    assert by_path["layer1"]["ops"] == 2 * 7
    # Two 3 x 3 convolutions of 64 channels and their norms, twice.
    assert by_path["layer1"]["parameters"] == 4 * (9 * 64 * 64 + 2 * 64)


@pytest.mark.parametrize("suffix", ["svg", "graphml", "dot"])
def test_graph_writes_a_file_beside_the_answer(
    archsim_here: Runner, tmp_path: Path, suffix: str
) -> None:
    """Standard output is as without it; the file is named on standard error."""
    plain = archsim_here("inspect", "lenet", "--json")
    found = archsim_here("inspect", "lenet", "--json", "--graph", f"net.{suffix}")
    assert (found.code, found.out) == (0, plain.out)
    assert f"net.{suffix}" in found.err
    assert (tmp_path / f"net.{suffix}").stat().st_size > 1000


def test_a_bad_graph_path_is_refused_before_the_network_is_read(archsim_here: Runner) -> None:
    found = archsim_here("inspect", "missing.onnx", "--graph", "net.png")
    assert (found.code, found.out) == (2, "")
    assert ".svg" in found.err


def test_diff_compares_two_exports(archsim_here: Runner) -> None:
    """The text states the verdict; the JSON holds every total of both."""
    models = [EXPORTS / f"residual.{exporter}.onnx" for exporter in ("legacy", "dynamo")]
    text = archsim_here("inspect", models[0], "--diff", models[1])
    assert (text.code, text.err) == (0, "")
    assert max(map(len, text.out.splitlines())) <= 80
    assert "the same but for names" in text.out
    document = archsim_here("inspect", models[0], "--diff", models[1], "--json").json
    assert document["verdict"] == "same_structure"
    for entry in document["totals"].values():
        assert entry["before"] == entry["after"] > 0 or entry["after"] == 0
        assert entry["change"] == 0


def test_diff_of_different_networks_exits_with_zero(archsim_here: Runner) -> None:
    """Differences are an answer, not a failure; the totals are those of either network alone."""
    found = archsim_here("inspect", "resnet18", "--diff", "resnet50", "--json")
    assert found.code == 0
    assert found.json["verdict"] == "different"
    for side, name in (("before", "resnet18"), ("after", "resnet50")):
        alone = archsim_here("inspect", name, "--json").json
        totals = found.json["totals"]
        assert totals["parameters"][side] == alone["parameters"]
        assert totals["convolution_macs"][side] == alone["forward_macs"]["convolution"]
        assert totals["training_macs"][side] == alone["training_macs"]["total"]
        assert totals["saved_activation_bytes"][side] == alone["saved_activation_bytes"]
    text = archsim_here("inspect", "resnet18", "--diff", "resnet50")
    assert text.code == 0
    assert "The networks differ." in text.out


def test_diff_binds_each_network_by_what_it_has(archsim_here: Runner, tmp_path: Path) -> None:
    """A dimension that only one of the files leaves open is bound there; one of neither is refused."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "fc")
    save(tmp_path / "open.onnx", [node], {"w": (4, 3)}, [1, "seq", 4])
    save(tmp_path / "fixed.onnx", [node], {"w": (4, 3)}, [1, 5, 4])
    files = ("inspect", "open.onnx", "--diff", "fixed.onnx", "--json")
    assert archsim_here(*files, "--dim", "seq=5").json["verdict"] == "identical"
    assert archsim_here(*files, "--dim", "seq=6").json["verdict"] == "different"
    refused = archsim_here(*files, "--dim", "sek=5")
    assert (refused.code, refused.out) == (2, "")
    assert "Did you mean 'seq'?" in refused.err


def test_diff_gives_a_count_to_the_network_that_has_the_node(
    archsim_here: Runner, tmp_path: Path
) -> None:
    """A search in one of them, and in neither under a name that is wrong."""
    search = [
        helper.make_node("NonZero", ["x"], ["found"], "search"),
        helper.make_node("Cast", ["found"], ["y"], "cast", to=TensorProto.FLOAT),
    ]
    save(tmp_path / "search.onnx", search, {}, [4, 6])
    save(tmp_path / "plain.onnx", [helper.make_node("Relu", ["x"], ["y"], "relu")], {}, [4, 6])
    for pair in (("search.onnx", "plain.onnx"), ("plain.onnx", "search.onnx")):
        files = ("inspect", pair[0], "--diff", pair[1], "--json")
        assert archsim_here(*files, "--trip-count", "search=3").code == 0
        refused = archsim_here(*files, "--trip-count", "serch=3")
        assert (refused.code, refused.out) == (2, "")
        assert "'serch'" in refused.err
    both = ("inspect", "search.onnx", "--diff", "search.onnx", "--json")
    assert archsim_here(*both, "--trip-count", "search=3").json["verdict"] == "identical"


@pytest.mark.parametrize("extra", [["--tree"], ["--table"], ["--graph", "net.svg"], ["--depth", 1]])
def test_diff_stands_alone(archsim_here: Runner, extra: list[object]) -> None:
    found = archsim_here("inspect", "lenet", "--diff", "mlp", *extra)
    assert (found.code, found.out) == (2, "")
    assert "--diff" in found.err


@pytest.mark.parametrize("option", [["--tree"], ["--table"], ["--diff", "net.onnx"]])
def test_hostile_names_are_shown_safely_everywhere(
    archsim_here: Runner, tmp_path: Path, option: list[str]
) -> None:
    """In tables, trees and comparisons: nothing moves the cursor, nothing is taken as markup."""
    name = "/\x1b[31m[bold]/\u202e/" + "m/" * 40 + "Relu"
    save(tmp_path / "net.onnx", [helper.make_node("Relu", ["x"], ["y"], name)], {}, [1, 4])
    found = archsim_here("inspect", "net.onnx", *option)
    # Such a name may also be refused; then the message is safe as well.
    assert found.code in (0, 2)
    for text in (found.out, found.err):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_network_without_operators_is_shown(archsim_here: Runner, tmp_path: Path) -> None:
    """An output that is an input: nothing to count, nothing to draw, no failure."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([], "g", [value], [value])
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    for option in ([], ["--tree"], ["--graph", "net.svg"], ["--diff", "net.onnx"]):
        assert archsim_here("inspect", "net.onnx", *option).code == 0


@pytest.mark.parametrize("columns", [40, 60, 120])
@pytest.mark.parametrize("option", [["--table"], ["--depth", "3"], ["--diff", "resnet18"]])
def test_any_terminal_is_wide_enough(
    archsim_here: Runner, monkeypatch: pytest.MonkeyPatch, columns: int, option: list[str]
) -> None:
    """Lines keep to the terminal's width, however narrow it is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    found = archsim_here("inspect", "lenet", *option)
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= columns
