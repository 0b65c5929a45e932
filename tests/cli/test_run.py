"""`archsim run`: the summary, the report folder and the JSON agree."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.workload.spec import WORKLOAD_MODEL

Runner = Callable[..., Any]
ARGUMENTS = ("run", "lenet", "--arch", "protonic_256", "--gpu", "h100")


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """The built-in LeNet as a file, its batch symbolic."""
    spec = load("lenet", WORKLOAD_MODEL, data_folder("workloads")).value
    path = tmp_path / "my_net.onnx"
    onnx.save(spec.build(), path)
    return path


def test_the_summary_is_one_screen(archsim_here: Runner) -> None:
    """About forty lines of at most 80 columns: answer first, report path last, no control codes."""
    found = archsim_here(*ARGUMENTS)
    assert (found.code, found.err) == (0, "")
    lines = found.out.splitlines()
    assert lines[0].startswith("lenet, batch 256: ")
    assert lines[-1] == "Report: reports/lenet-protonic_256/report.html"
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 60
    assert "\x1b" not in found.out
    assert "…" not in re.sub(r"Warning.*", "", found.out, flags=re.DOTALL)


def test_the_report_folder_is_complete(archsim_here: Runner, tmp_path: Path) -> None:
    """The folder holds the files of the contract, and nothing else is left anywhere."""
    archsim_here(*ARGUMENTS, "--out", "here")
    assert {p.name for p in tmp_path.iterdir()} == {"here"}
    names = {p.name for p in (tmp_path / "here").iterdir()}
    assert {"result.json", "layers.csv", "energy.csv", "architecture.yaml", "report.html"} <= names


def test_json_is_the_stored_result(archsim_here: Runner, tmp_path: Path) -> None:
    """`--json` prints what the folder stores, and the path goes to standard error."""
    found = archsim_here(*ARGUMENTS, "--json", "--out", "here")
    assert found.code == 0
    assert found.json == json.loads((tmp_path / "here" / "result.json").read_text("utf-8"))
    assert found.err == "Report: here/report.html\n"


def test_energy_rows_add_up_to_the_step(archsim_here: Runner, tmp_path: Path) -> None:
    """energy.csv sums to the energy of the step, in total and by component and phase."""
    result = archsim_here(*ARGUMENTS, "--json", "--out", "here").json["accelerator"]
    with (tmp_path / "here" / "energy.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    total = math.fsum(float(row["energy_j"]) for row in rows)
    assert total == pytest.approx(result["step_energy_j"], rel=1e-9)
    for column in ("component", "phase"):
        for name, value in result[f"energy_by_{column}_j"].items():
            part = math.fsum(float(r["energy_j"]) for r in rows if r[column] == name)
            assert part == pytest.approx(value, rel=1e-9, abs=1e-30)


def test_without_a_gpu_nothing_is_compared(archsim_here: Runner) -> None:
    """No baseline, no ratios, and the summary says so."""
    arguments = ("run", "lenet", "--arch", "protonic_256")
    result = archsim_here(*arguments, "--json").json
    assert result["baseline"] is None
    assert result["ratios"] is None
    assert "No GPU" in archsim_here(*arguments).out


def test_a_gpu_that_is_too_small_is_said_to_be(archsim_here: Runner, tmp_path: Path) -> None:
    """Headline, table and ratio: per sample against the batch that the GPU can hold."""
    (tmp_path / "small.yaml").write_text("extends: h100\nmemory: 2.5 GB\n", encoding="utf-8")
    arguments = ("run", "lenet", "--arch", "protonic_256", "--gpu", "small.yaml")
    found = archsim_here(*arguments, "--batch", "65536")
    assert found.code == 0, found.err
    text = " ".join(found.out.split())
    assert "cannot hold this batch. Per sample, against its best batch of" in text
    row = next(line for line in found.out.splitlines() if "does not fit" in line)
    assert row.count("–") == 4
    result = archsim_here(*arguments, "--batch", "65536", "--json").json
    assert result["baseline"]["fits"] is False
    best, chip = result["baseline"]["best_batch"], result["accelerator"]
    ratio = best["step_energy_j"] / best["batch"] / chip["energy_per_sample_j"]
    assert result["ratios"]["energy_ratio"]["value"] == pytest.approx(ratio)


def test_unknown_references_are_warned_about(archsim_here: Runner, tmp_path: Path) -> None:
    """A citation that leads nowhere is a warning with the nearest key, in result and summary."""
    (tmp_path / "chip.yaml").write_text(
        "extends: protonic_256\nadc: {bits: 8}\nsources: {adc.bits: onen22.puls_width}\n",
        encoding="utf-8",
    )
    arguments = ("run", "mlp", "--arch", "chip.yaml")
    (warning,) = [
        w
        for w in archsim_here(*arguments, "--json").json["warnings"]
        if w["code"] == "unknown_reference"
    ]
    assert "chip.yaml" in warning["message"]
    assert "'onen22.puls_width' for adc.bits" in warning["message"]
    assert "Did you mean 'onen22.pulse_width'?" in warning["message"]
    assert "[unknown_reference]" in archsim_here(*arguments).out
    shipped = archsim_here("run", "mlp", "--arch", "protonic_256", "--json").json["warnings"]
    assert all(w["code"] != "unknown_reference" for w in shipped)


def test_the_output_may_be_where_the_user_is(archsim_here: Runner, tmp_path: Path) -> None:
    """`--out .` beside the user's own files writes the report and touches none of them."""
    (tmp_path / "chip.yaml").write_text("extends: protonic_256\n", encoding="utf-8")
    for _ in range(2):
        found = archsim_here("run", "mlp", "--arch", "chip.yaml", "--out", ".")
        assert found.code == 0, found.err
    assert (tmp_path / "chip.yaml").read_text("utf-8") == "extends: protonic_256\n"
    assert (tmp_path / "report.html").is_file()


def test_the_command_of_a_result_gives_the_result_again(
    archsim_here: Runner, onnx_file: Path
) -> None:
    """Its `command`, run again, gives the same numbers, and names no path from the root."""
    first = archsim_here(
        *("run", onnx_file, "--arch", "protonic_256", "--gpu", "h100", "--batch", "8"),
        *("--set", "adc.bits=7", "--set", "read.time_step=1 ns", "--optimizer", "adam"),
        *("--shape", "x=1x1x28x28", "--out", onnx_file.parent / "a folder", "--json"),
    )
    assert first.code == 0, first.err
    expected = first.json
    words = shlex.split(expected["command"])
    assert words[0] == "archsim"
    assert not any(Path(word).is_absolute() for word in words)
    again = archsim_here(*words[1:], "--json").json
    assert again.pop("created") >= expected.pop("created")
    assert again == expected


def test_a_file_and_its_built_in_name_price_alike(archsim_here: Runner, onnx_file: Path) -> None:
    """The same network gives the same step, however it is named."""
    arguments = ("--arch", "protonic_256", "--json")
    named = archsim_here("run", "lenet", *arguments).json
    stored = archsim_here("run", onnx_file, *arguments).json
    assert stored["workload"]["name"] == "my_net"
    for key in ("step_latency_s", "step_energy_j", "area_m2"):
        assert stored["accelerator"][key] == named["accelerator"][key]
    for key in ("parameters", "forward_macs", "training_macs"):
        assert stored["workload"][key] == named["workload"][key]


def test_a_setting_changes_what_it_names(archsim_here: Runner, tmp_path: Path) -> None:
    """`--set` acts like the same change in the file, and is marked as assumed."""
    text = (data_folder("arch_configs") / "protonic_256.yaml").read_text(encoding="utf-8")
    (tmp_path / "chip.yaml").write_text(text.replace("  bits: 9", "  bits: 7"), encoding="utf-8")
    edited = archsim_here("run", "lenet", "--arch", "chip.yaml", "--json", "--out", "a").json
    changed = archsim_here(
        *("run", "lenet", "--arch", "protonic_256", "--set", "adc.bits=7", "--json")
    ).json
    assert changed["accelerator"]["area_m2"] == edited["accelerator"]["area_m2"]
    assert changed["accelerator"]["step_energy_j"] == edited["accelerator"]["step_energy_j"]
    (entry,) = [a for a in changed["assumptions"] if a["path"] == "adc.bits"]
    assert (entry["value"], entry["source"]) == ("7", "assumed")


def test_the_batch_of_a_shape_is_the_minibatch(archsim_here: Runner, onnx_file: Path) -> None:
    """A shape that fixes eight samples makes a step of eight, as `--batch 8` does.

    What an evaluation does once (reading biases) is spread over its samples, so a graph that is
    bound at eight does a little less of it.
    """
    arguments = ("run", onnx_file, "--arch", "protonic_256", "--json")
    shaped = archsim_here(*arguments, "--shape", "x=8x1x28x28").json
    asked = archsim_here(*arguments, "--batch", "8").json
    assert shaped["workload"]["batch"] == asked["workload"]["batch"] == 8
    assert shaped["workload"]["forward_macs"] == asked["workload"]["forward_macs"]
    for key in ("step_latency_s", "step_energy_j"):
        assert shaped["accelerator"][key] == pytest.approx(asked["accelerator"][key], rel=1e-3)
    refused = archsim_here(*arguments[:-1], "--shape", "x=8x1x28x28", "--batch", "12")
    assert refused.code == 2
    assert "no multiple of 8" in refused.err


def test_a_report_is_replaced_and_foreign_files_are_kept(
    archsim_here: Runner, tmp_path: Path
) -> None:
    """A second run renews the report; what else lies in the folder stays."""
    archsim_here(*ARGUMENTS, "--out", "here", "--batch", "2")
    (tmp_path / "here" / "notes.txt").write_text("mine", encoding="utf-8")
    assert archsim_here(*ARGUMENTS, "--out", "here", "--batch", "4").code == 0
    stored = json.loads((tmp_path / "here" / "result.json").read_text("utf-8"))
    assert stored["workload"]["batch"] == 4
    assert (tmp_path / "here" / "notes.txt").read_text("utf-8") == "mine"


def test_a_report_of_resnet50_takes_seconds(archsim_process: Runner) -> None:
    """The example of the help text, in a process of its own, gives a result that is whole."""
    found = archsim_process("run", "resnet50", "--arch", "protonic_256", "--gpu", "h100", "--json")
    assert found.code == 0, found.err
    result = found.json
    assert result["workload"]["parameters"] == 25_557_032
    assert result["workload"]["forward_macs"] == 4_089_184_256
    ratio = result["baseline"]["step_latency_s"] / result["accelerator"]["step_latency_s"]
    assert result["ratios"]["speedup"]["value"] == pytest.approx(ratio)
