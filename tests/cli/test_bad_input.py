"""What bad input gets: exit code 2, one readable message, and nothing half-written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from archsim.resources import data_folder

Runner = Callable[..., Any]
Case = tuple[Callable[[Path], list[str]], list[str]]
CHIP = ["--arch", "protonic_256"]
STUDY = "base: protonic_256\nworkloads: [lenet]\nspace: {adc.bits: [6, 7]}\n"
VARIANT = "extends: protonic_256\narray: {rows: 512}\nadc: {bits: 6}\n"
GPU = "extends: h100\nsms: 100\nmemory: 40 GB\n"


def network(nodes: list[onnx.NodeProto], shape: list[int | str], opset: int = 20) -> bytes:
    """A model from `x` of `shape` to `y`, as bytes."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], [1.0] * 16)
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("my.domain", 1)]
    model: bytes = helper.make_model(graph, opset_imports=opsets).SerializeToString()
    return model


def good() -> bytes:
    """A network of one matrix."""
    return network([helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], [1, 4])


def onnx_case(content: bytes, *says: str) -> Case:
    """`archsim run` on a file with this content."""

    def arrange(folder: Path) -> list[str]:
        (folder / "net.onnx").write_bytes(content)
        return ["run", "net.onnx", *CHIP, "--out", "report"]

    return arrange, ["net.onnx", *says]


def chip_case(old: str, new: str, *says: str) -> Case:
    """`archsim run` on the example chip with a text replaced; `old` must occur in it."""

    def arrange(folder: Path) -> list[str]:
        text = (data_folder("arch_configs") / "protonic_256.yaml").read_text(encoding="utf-8")
        assert old in text
        (folder / "chip.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
        return ["run", "lenet", "--arch", "chip.yaml", "--out", "report"]

    return arrange, list(says)


def words_case(*words: str, says: tuple[str, ...]) -> Case:
    """A command line that needs no file."""
    return lambda folder: list(words), list(says)


def below_a_file(folder: Path) -> list[str]:
    (folder / "taken").write_text("", encoding="utf-8")
    return ["run", "lenet", *CHIP, "--out", "taken/report"]


def onto_a_file(folder: Path) -> list[str]:
    (folder / "taken").write_text("mine", encoding="utf-8")
    return ["run", "lenet", *CHIP, "--out", "taken"]


def onto_foreign_files(folder: Path) -> list[str]:
    (folder / "mine").mkdir()
    (folder / "mine" / "result.json").write_text('{"accuracy": 0.9}', encoding="utf-8")
    return ["run", "lenet", *CHIP, "--out", "mine"]


def onto_a_foreign_table(folder: Path) -> list[str]:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "mine").mkdir()
    (folder / "mine" / "points.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    return ["sweep", "study.yaml", "--out", "mine"]


def onto_the_architecture(folder: Path) -> list[str]:
    text = (data_folder("arch_configs") / "protonic_256.yaml").read_text(encoding="utf-8")
    (folder / "architecture.yaml").write_text(text, encoding="utf-8")
    return ["run", "lenet", "--arch", "architecture.yaml", "--out", "."]


def onto_what_is_extended(folder: Path) -> list[str]:
    (folder / "chip.yaml").write_text("extends: ./architecture.yaml\n", encoding="utf-8")
    return [*onto_the_architecture(folder)[:2], "--arch", "chip.yaml", "--out", "."]


def written(name: str, content: str | bytes, *words: str) -> Callable[[Path], list[str]]:
    """A command line, after a file was written."""

    def arrange(folder: Path) -> list[str]:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        return list(words)

    return arrange


def a_directory(folder: Path) -> list[str]:
    (folder / "net.onnx").mkdir()
    return ["run", "net.onnx", *CHIP, "--out", "report"]


def near_miss(folder: Path) -> list[str]:
    (folder / "network.onnx").write_bytes(good())
    return ["run", "netwrk.onnx", *CHIP, "--out", "report"]


def without_graph() -> bytes:
    model = onnx.ModelProto(ir_version=9)
    model.opset_import.append(helper.make_opsetid("", 20))
    content: bytes = model.SerializeToString()
    return content


def passing_through() -> bytes:
    """A network whose output is its input."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    model: bytes = helper.make_model(helper.make_graph([], "g", [x], [x])).SerializeToString()
    return model


RELU = helper.make_node("Relu", ["x"], ["y"], "act")
CYCLE = [
    helper.make_node("Add", ["x", "b"], ["a"], "first"),
    helper.make_node("Relu", ["a"], ["b"], "second"),
    helper.make_node("Relu", ["b"], ["y"], "third"),
]
STRANGE = [
    helper.make_node("Frobnicate", ["x"], ["a"], "odd1", domain="my.domain"),
    helper.make_node("Frobnicate", ["a"], ["b"], "odd2", domain="my.domain"),
    helper.make_node("Quux", ["b"], ["y"], "odd3", domain="my.domain"),
]

CASES: dict[str, Case] = {
    "missing file": (near_miss, ["netwrk.onnx", "network.onnx"]),
    "directory": (a_directory, ["net.onnx", "older"]),
    "empty file": onnx_case(b"", "empty"),
    "text file": onnx_case(b"hello, I am no network\n" * 40),
    "truncated": onnx_case(good()[:-30]),
    "no graph": onnx_case(without_graph(), "graph"),
    "cycle": onnx_case(network(CYCLE, [1, 4]), "cycle"),
    "unbound dimension": onnx_case(network([RELU], ["batch", "seq"]), "seq", "--dim seq="),
    "unsupported operators": onnx_case(
        network(STRANGE, [1, 4]), "Frobnicate", "Quux", "odd1", "odd2", "odd3", "my.domain"
    ),
    "yaml syntax": chip_case("array:\n  rows: 256", "array: [\n  rows: 256", "chip.yaml:"),
    "unknown key": chip_case(
        "  rows: 256", "  rows: 256\n  colz: 256", ":3: array.colz", "array.cols'?"
    ),
    "misspelt key": chip_case("  rows: 256", "  rosw: 256", "array.rosw", "rows"),
    "wrong unit": chip_case("cell_pitch: 0.2 um", "cell_pitch: 0.2 us", "array.cell_pitch", "'us'"),
    "negative size": chip_case("  rows: 256", "  rows: -256", "array.rows", "-256"),
    "zero arrays": chip_case("  arrays: 16", "  arrays: 0", "tile.arrays", "found '0'"),
    "does not fit": words_case(
        *("run", "resnet50", *CHIP, "--set", "mesh.side=2", "--out", "report"),
        says=("needs", "64", "mesh.side", "tile.arrays", "array.rows"),
    ),
    "unknown GPU": words_case(
        *("run", "lenet", *CHIP, "--gpu", "h10", "--out", "report"), says=("h10", "'h100'")
    ),
    "unknown architecture": words_case(
        *("run", "lenet", "--arch", "protonic_25", "--out", "report"),
        says=("protonic_25", "'protonic_256'"),
    ),
    "unknown network": words_case(
        *("run", "resnet5", *CHIP, "--out", "report"), says=("resnet5", "Did you mean 'resnet")
    ),
    "unknown path to set": words_case(
        *("run", "lenet", *CHIP, "--set", "adc.bitz=7", "--out", "report"),
        says=("adc.bitz", "adc.bits"),
    ),
    "impossible value to set": words_case(
        *("run", "lenet", *CHIP, "--set", "adc.bits=-7", "--out", "report"), says=("adc.bits", "-7")
    ),
    "unknown dimension": words_case(
        *("run", "bert-base", *CHIP, "--dim", "sqe=8", "--out", "report"), says=("sqe", "seq")
    ),
    "no dimension of this size": words_case(
        *("run", "bert-base", *CHIP, "--dim", "seq=0", "--out", "report"), says=("seq", "0")
    ),
    "output below a file": (below_a_file, ["taken/report", "is a file"]),
    "output onto a file": (onto_a_file, ["taken", "is a file"]),
    "output onto foreign files": (onto_foreign_files, ["mine", "'result.json'", "--out"]),
    "table onto a foreign table": (onto_a_foreign_table, ["mine/points.csv", "no table of points"]),
    "output onto the architecture": (onto_the_architecture, ["'architecture.yaml'", "--out"]),
    "output onto what it extends": (onto_what_is_extended, ["'architecture.yaml'", "--out"]),
    "built-in network as a file": words_case(
        *("run", "ResNet50.onnx", *CHIP, "--out", "report"),
        says=("ResNet50.onnx", "no such file", "built-in network 'resnet50'"),
    ),
    "two architectures": words_case(
        *("run", "lenet", *CHIP, *CHIP, "--out", "report"), says=("given 2 times", "compare")
    ),
    "batch in scientific notation": words_case(
        *("run", "lenet", *CHIP, "--batch", "1e3"), says=("'1e3'", "Write 1000.")
    ),
    "dimension in scientific notation": words_case(
        *("run", "bert-base", *CHIP, "--dim", "seq=1e2"), says=("'seq=1e2'", "Write 100.")
    ),
    "study as an architecture": (
        written("study.yaml", STUDY, "run", "lenet", "--arch", "study.yaml"),
        ["study.yaml: this is a study, expected an architecture.", "archsim sweep"],
    ),
    "architecture as a study": (
        written("chip.yaml", VARIANT, "sweep", "chip.yaml"),
        ["chip.yaml: this is an architecture, expected a study.", "--arch"],
    ),
    "architecture as a network": (
        written("chip.yaml", VARIANT, "run", "chip.yaml", *CHIP),
        ["chip.yaml: this is an architecture, expected a workload."],
    ),
    "GPU as an architecture": (
        written("gpu.yaml", GPU, "run", "lenet", "--arch", "gpu.yaml"),
        ["gpu.yaml: this is a GPU, expected an architecture.", "--gpu"],
    ),
    "network as an architecture": (
        written("net.onnx", good(), "run", "lenet", "--arch", "net.onnx"),
        ["net.onnx: this is a network (ONNX), expected an architecture.", "MODEL"],
    ),
    "name of a GPU as an architecture": words_case(
        *("run", "lenet", "--arch", "h100"), says=("'h100' is a GPU, expected an architecture",)
    ),
    "bibliography as an architecture": words_case(
        *("run", "lenet", "--arch", "references"), says=("the bibliography",)
    ),
    "no operators": (
        written("net.onnx", passing_through(), "run", "net.onnx", *CHIP, "--out", "report"),
        ["net", "nothing to train"],
    ),
    "no weights": (
        written("net.onnx", network([RELU], [1, 4]), "run", "net.onnx", *CHIP, "--out", "report"),
        ["net", "no weights", "nothing to train"],
    ),
}


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below `folder`."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def assert_refused(found: Any, says: list[str]) -> None:
    assert found.code == 2, found.err
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert "Traceback" not in found.err
    # No address of an object, no class name of an exception.
    assert not re.search(r"0x[0-9a-f]{6,}|[A-Za-z]+Error\b", found.err)
    for words in says:
        assert words in found.err


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_words(
    archsim_here: Runner, tmp_path: Path, name: str, json: bool
) -> None:
    """Exit code 2, an empty output, a message with the facts, and no file that was not there."""
    arrange, says = CASES[name]
    words = arrange(tmp_path)
    before = contents(tmp_path)
    assert_refused(archsim_here(*words, *(["--json"] if json else [])), says)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["text file", "unknown key", "does not fit"])
def test_a_real_process_behaves_alike(archsim_process: Runner, tmp_path: Path, name: str) -> None:
    """The installed command gives the same code and message as the tests above see."""
    arrange, says = CASES[name]
    assert_refused(archsim_process(*arrange(tmp_path)), says)


def test_a_folder_without_permission(
    archsim_here: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is write-protected is refused before any work.

    The protection is simulated, since a superuser may write anywhere.
    """
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    found = archsim_here("run", "lenet", *CHIP, "--out", "locked/report")
    assert_refused(found, ["locked", "permission"])
    assert list((tmp_path / "locked").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["missing file", "directory", "empty file", "text file", "truncated", "no graph", "cycle"],
)
def test_inspect_refuses_the_same_files(archsim_here: Runner, tmp_path: Path, name: str) -> None:
    """`inspect` has the same manners as `run`."""
    arrange, says = CASES[name]
    assert_refused(archsim_here("inspect", arrange(tmp_path)[1], "--json"), says)


def test_inspect_lists_unsupported_operators_as_json(archsim_here: Runner, tmp_path: Path) -> None:
    """The one exception: `inspect --json` gives its document with `unsupported`, and exits 2."""
    CASES["unsupported operators"][0](tmp_path)
    found = archsim_here("inspect", "net.onnx", "--json")
    assert found.code == 2
    assert {(o["op_type"], o["count"]) for o in found.json["unsupported"]} == {
        ("Frobnicate", 2),
        ("Quux", 1),
    }
    assert found.json["parameters"] is None
    assert "Frobnicate" in found.err


def test_a_good_file_is_not_refused(archsim_here: Runner, tmp_path: Path) -> None:
    """The file that the cases above damage is fine as it is."""
    (tmp_path / "net.onnx").write_bytes(good())
    assert archsim_here("run", "net.onnx", *CHIP, "--out", "report").code == 0
