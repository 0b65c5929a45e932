"""`archsim compare` and `archsim sweep`."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim.resources import data_folder
from tests.closeness import close

Runner = Callable[..., Any]
STUDY = """
base: protonic_256
workloads: [lenet]
gpu: h100
batch: 32
space:
  adc.bits: [6, 8]
  array.rows: {integer: [64, 128], step: 64}
  read.time_step: {log: [0.5 ns, 1 ns], points: 2}
objectives: {step_latency_s: min, step_energy_j: min, area_m2: min}
"""


@pytest.fixture
def chip(tmp_path: Path) -> str:
    """A second architecture: the example with a coarser converter."""
    text = (data_folder("arch_configs") / "protonic_256.yaml").read_text(encoding="utf-8")
    text = text.replace("name: protonic_256", "name: coarse").replace("  bits: 9", "  bits: 7")
    (tmp_path / "coarse.yaml").write_text(text, encoding="utf-8")
    return "coarse.yaml"


def test_differences_are_attributed_completely(archsim_here: Runner, chip: str) -> None:
    """In every breakdown the items' changes add up to the change of the total."""
    found = archsim_here("compare", "lenet", "--arch", "protonic_256", "--arch", chip, "--json")
    assert found.code == 0, found.err
    first, second = found.json["results"]
    assert found.json["differences"]
    quantities = {d["quantity"] for d in found.json["differences"]}
    assert len(quantities) == 3
    for difference in found.json["differences"]:
        for index in range(2):
            parts = math.fsum(item["changes"][index] for item in difference["items"])
            scale = max(map(abs, difference["totals"]))
            assert parts == pytest.approx(difference["changes"][index], abs=1e-9 * scale)
    change = second["accelerator"]["area_m2"] - first["accelerator"]["area_m2"]
    (area,) = [d for d in found.json["differences"] if d["quantity"] == "Area"]
    # A coarser converter is smaller, and so is the register behind it.
    changed = {i["item"]: i["changes"][1] for i in area["items"] if abs(i["changes"][1]) > 1e-12}
    assert set(changed) == {"adc", "output_registers"}
    assert sum(changed.values()) == pytest.approx(change)


def test_results_of_a_comparison_are_those_of_runs(archsim_here: Runner, chip: str) -> None:
    """Side by side or alone, an architecture costs the same."""
    compared = archsim_here(
        "compare", "lenet", "--arch", "protonic_256", "--arch", chip, "--json"
    ).json["results"]
    alone = archsim_here("run", "lenet", "--arch", chip, "--json").json
    assert compared[1]["accelerator"] == alone["accelerator"]


def test_a_comparison_prints_and_stores(archsim_here: Runner, tmp_path: Path, chip: str) -> None:
    """The screen names both architectures and the page; the page exists."""
    found = archsim_here(
        *("compare", "lenet", "--arch", "protonic_256", "--arch", chip, "--gpu", "h100")
    )
    assert (found.code, found.err) == (0, "")
    assert "coarse against protonic_256" in found.out
    assert max(map(len, found.out.splitlines())) <= 80
    page = found.out.splitlines()[-1].removeprefix("Report: ")
    assert (tmp_path / page).stat().st_size > 1000


def test_a_comparison_explains_itself(archsim_here: Runner, tmp_path: Path) -> None:
    """Drivers, time by unit, and changes that add up to that of the total, all on the screen."""
    found = archsim_here("compare", "lenet", "--arch", "protonic_128", "--arch", "protonic_512")
    text = found.out.replace("\N{NO-BREAK SPACE}", " ")
    for said in ("what sets the cost", "Copies of a matrix", "Time per step by unit"):
        assert said in text
    block = text[text.index("Area by component") :].split("\n\n")[0].splitlines()[2:]
    cells = [line.rsplit("  ", 1)[-1].strip() for line in block]
    shares = [0.0 if c in ("=", "< 0.1 %") else float(c.replace("−", "-")[:-2]) for c in cells]
    assert len(shares) > 5
    assert sum(shares[:-1]) == pytest.approx(shares[-1], abs=2.0)
    stored = json.loads((tmp_path / "reports/lenet-comparison/comparison.json").read_text("utf-8"))
    assert [r["architecture"]["name"] for r in stored["results"]] == [
        "protonic_128",
        "protonic_512",
    ]


def test_long_names_become_letters(archsim_here: Runner, tmp_path: Path) -> None:
    """Names that would not fit into the heads of columns are explained once."""
    for name in ("a_chip_with_a_very_long_name", "another_chip_with_a_long_name"):
        (tmp_path / f"{name}.yaml").write_text("extends: protonic_256\n", encoding="utf-8")
    found = archsim_here(
        *("compare", "mlp", "--arch", "./a_chip_with_a_very_long_name.yaml"),
        *("--arch", "./another_chip_with_a_long_name.yaml"),
    )
    assert found.code == 0, found.err
    assert "A: a_chip_with_a_very_long_name" in found.out
    assert "B against A" in found.out
    assert max(map(len, found.out.splitlines())) <= 80


def test_one_architecture_is_no_comparison(archsim_here: Runner) -> None:
    """Less than two architectures is wrong use."""
    found = archsim_here("compare", "lenet", "--arch", "protonic_256")
    assert (found.code, found.out) == (2, "")
    assert "--arch twice" in found.err


def sweep(archsim_here: Runner, tmp_path: Path, text: str) -> Any:
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    return archsim_here("sweep", "study.yaml", "--json")


def test_a_sweep_prices_what_run_prices(archsim_here: Runner, tmp_path: Path) -> None:
    """Every point of a vectorised sweep costs what a run with the same settings costs."""
    found = sweep(archsim_here, tmp_path, STUDY)
    assert found.code == 0, found.err
    assert (found.json["points"], found.json["failed"]) == (8, 0)
    with (tmp_path / found.json["store"]).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 8
    for row in rows[::3]:
        settings = [
            word
            for path in ("adc.bits", "array.rows", "read.time_step")
            for word in ("--set", f"{path}={row[path]}")
        ]
        alone = archsim_here(
            *("run", "lenet", "--arch", "protonic_256", "--gpu", "h100", "--batch", "32"),
            *settings,
            "--json",
        ).json
        for key in (
            *("step_latency_s", "step_energy_j", "area_m2", "samples_per_s"),
            *("energy_per_sample_j", "average_power_w", "array_utilisation"),
        ):
            assert float(row[key]) == close(alone["accelerator"][key], rel=1e-9), key
        assert float(row["arrays_used"]) == alone["architecture"]["arrays_used"]
        for key in ("speedup", "energy_ratio"):
            assert float(row[key]) == pytest.approx(alone["ratios"][key]["value"], rel=1e-9)


def test_a_study_may_simulate_its_front(archsim_here: Runner, tmp_path: Path) -> None:
    """`fidelity: {pareto: cycle}`: the front's numbers are those of `run --fidelity cycle`."""
    found = sweep(archsim_here, tmp_path, f"{STUDY}fidelity: {{all: analytic, pareto: cycle}}\n")
    assert found.code == 0, found.err
    assert 0 < found.json["cycle_points"] <= 8
    assert found.json["kept_estimates"] == []
    best = found.json["pareto"][0]
    assert {row["fidelity"] for row in found.json["pareto"]} == {"cycle"}
    settings = [
        word
        for path in ("adc.bits", "array.rows", "read.time_step")
        for word in ("--set", f"{path}={best[path]}")
    ]
    alone = archsim_here(
        *("run", "lenet", "--arch", "protonic_256", "--batch", "32", "--fidelity", "cycle"),
        *settings,
        "--json",
    ).json
    assert best["step_latency_s"] == close(alone["accelerator"]["step_latency_s"], rel=1e-9)
    assert "of the points by the cycle fidelity" in archsim_here("sweep", "study.yaml").out


def test_the_front_is_not_dominated(archsim_here: Runner, tmp_path: Path) -> None:
    """No priced point is better than a point of the front in every objective."""
    found = sweep(archsim_here, tmp_path, STUDY).json
    names = ("step_latency_s", "step_energy_j", "area_m2")
    with (tmp_path / found["store"]).open(encoding="utf-8", newline="") as stream:
        points = [tuple(float(row[name]) for name in names) for row in csv.DictReader(stream)]
    front = [tuple(point[name] for name in names) for point in found["pareto"]]
    assert front
    for mine in front:
        for other in points:
            better = all(a <= b for a, b in zip(other, mine, strict=True))
            assert not better or other == mine


def test_constraints_bound_the_front(archsim_here: Runner, tmp_path: Path) -> None:
    """Points that break a constraint are priced but are not on the front."""
    free = sweep(archsim_here, tmp_path, STUDY).json
    areas = sorted(point["area_m2"] for point in free["pareto"])
    bound = (areas[0] + areas[-1]) / 2
    held = sweep(archsim_here, tmp_path, f"{STUDY}constraints: ['area_m2 <= {bound} m^2']\n").json
    assert 0 < held["feasible"] < free["feasible"]
    assert all(point["area_m2"] <= bound for point in held["pareto"])


def test_points_that_fail_are_counted_and_say_why(archsim_here: Runner, tmp_path: Path) -> None:
    """A point on which the network does not fit, or that the schema refuses, fails alone."""
    text = STUDY.replace("workloads: [lenet]", "workloads: [resnet50]").replace(
        "  adc.bits: [6, 8]", "  mesh.side: [1, 16]\n  adc.bits: [6, 99]"
    )
    found = sweep(archsim_here, tmp_path, text).json
    assert (found["points"], found["failed"]) == (16, 12)
    reasons = " ".join(failure["reason"] for failure in found["failures"])
    assert "arrays" in reasons
    assert "adc.bits" in reasons
    misfit = next(f for f in found["failures"] if "arrays" in f["reason"])
    assert misfit["workload"] == "resnet50"
    assert misfit["settings"]["mesh.side"] == 1
    shown = archsim_here("sweep", "study.yaml").out
    assert f"point {misfit['point']} (mesh.side = 1, adc.bits = 6" in " ".join(shown.split())
    assert "resnet50: the network needs" in " ".join(shown.split())


def test_several_workloads_are_merged_by_weight(archsim_here: Runner, tmp_path: Path) -> None:
    """Step times merge by weighted mean; each workload keeps its own column."""
    text = STUDY.replace(
        "workloads: [lenet]", "workloads: [lenet, {workload: mlp, batch: 8, weight: 3}]"
    )
    found = sweep(archsim_here, tmp_path, text).json
    for point in found["pareto"]:
        lenet, mlp = point["lenet.step_latency_s"], point["mlp.step_latency_s"]
        assert point["step_latency_s"] == pytest.approx((lenet + 3 * mlp) / 4)
        ratio = (point["lenet.speedup"] * point["mlp.speedup"] ** 3) ** 0.25
        assert point["speedup"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("adc.bits: [6, 8]", "adc.bitz: [6, 8]", "adc.bits"),
        ("adc.bits: [6, 8]", "adc.bits: [-6, -8]", "adc.bits"),
        ("adc.bits: [6, 8]", "adc.bits: []", "the list of choices is empty"),
        ("batch: 32", "batsh: 32", "batch"),
        ("step_energy_j: min", "step_energy: min", "step_energy_j"),
        ("base: protonic_256", "base: protonic_25", "protonic_256"),
        ("workloads: [lenet]", "workloads: [lenett]", "lenet"),
        ("gpu: h100", "gpu: h10", "h100"),
        ("batch: 32", "sampler: {kind: sobol}", "not available in this version"),
    ],
)
def test_bad_studies_are_refused(
    archsim_here: Runner, tmp_path: Path, old: str, new: str, says: str
) -> None:
    """Exit code 2, a message with the nearest choice, an empty output and no file."""
    assert old in STUDY
    found = sweep(archsim_here, tmp_path, STUDY.replace(old, new))
    assert (found.code, found.out) == (2, "")
    assert "error: " in found.err
    assert says in found.err
    assert "Traceback" not in found.err
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


def test_a_wrong_axis_is_placed_at_its_line(archsim_here: Runner, tmp_path: Path) -> None:
    """The message begins with file, line and column of the axis in the study."""
    text = STUDY.replace("adc.bits: [6, 8]", "adc.bits: [-6, -8]")
    found = sweep(archsim_here, tmp_path, text)
    line = text.splitlines().index("  adc.bits: [-6, -8]") + 1
    assert found.err.splitlines()[-1].startswith(
        f"error: study.yaml:{line}:3: space.adc.bits: found '-6', expected a whole number"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  adc.bits: [6, 8]", "  adc.bits: {log: [8, 6], points: 3}"),
        ("objectives: {step_latency_s: min,", "objectives: {\n  speed: min,"),
        ("batch: 32", "constraints:\n  - speedup > 1\n  - area_m2 <= 700"),
    ],
)
def test_what_a_study_says_is_placed_at_its_line(
    archsim_here: Runner, tmp_path: Path, old: str, new: str
) -> None:
    """Axes, objectives and constraints are refused at their own lines, not at that of the list."""
    text = STUDY.replace(old, new)
    assert text != STUDY
    wrong = new.splitlines()[-1]
    line = text.splitlines().index(next(x for x in text.splitlines() if x.startswith(wrong))) + 1
    found = sweep(archsim_here, tmp_path, text)
    assert found.code == 2
    assert found.err.startswith(f"error: study.yaml:{line}:")


def test_when_no_point_is_feasible_the_constraints_say_so(
    archsim_here: Runner, tmp_path: Path
) -> None:
    """Each constraint comes with the number of points that keep it."""
    text = f"{STUDY}constraints: ['area_m2 <= 1 mm^2', 'read_noise < 10']\n"
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    found = archsim_here("sweep", "study.yaml")
    assert "No point keeps every constraint." in found.out
    assert "area_m2 <= 1 mm^2: kept by 0 of 8 points" in found.out
    assert "read_noise < 10: kept by 8 of 8 points" in found.out


def test_warnings_are_columns(archsim_here: Runner, tmp_path: Path) -> None:
    """The table has each warning as 0 or 1, and a constraint on it bounds the front."""
    space = "  read.voltage: [0.1 V, 0.4 V]\n"
    text = STUDY.replace("  adc.bits: [6, 8]\n", space)
    text += "constraints: [warnings.read_noise == 0]\n"
    found = sweep(archsim_here, tmp_path, text).json
    with (tmp_path / found["store"]).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["warnings.read_noise"] for row in rows} == {"0", "1"}
    for row in rows:
        assert row["feasible"] == str(row["warnings.read_noise"] == "0")
    assert all(type(point["warnings.read_noise"]) is int for point in found["pareto"])
    assert all(point["read_noise"] <= 0.06 for point in found["pareto"])


def test_the_example_study_has_a_front(archsim_here: Runner) -> None:
    """The study that `init` writes shows a choice: several points, none with a physical warning."""
    archsim_here("init", "project")
    found = archsim_here("sweep", "project/study.yaml", "--json").json
    assert len(found["pareto"]) >= 4
    for point in found["pareto"]:
        assert point["warnings.read_noise"] == point["warnings.ir_drop"] == 0


def test_the_example_study_runs_where_it_was_put(archsim_here: Runner, tmp_path: Path) -> None:
    """What `init` writes can be run and swept at once; paths are relative to the study."""
    archsim_here("init", "project")
    found = archsim_here("sweep", "project/study.yaml", "--out", "out")
    assert found.code == 0, found.err
    assert found.out.splitlines()[-1] == "Points: out/points.csv"
    assert max(map(len, found.out.splitlines())) <= 80
    run = archsim_here("run", "project/network.yaml", "--arch", "project/chip.yaml", "--json")
    assert run.code == 0, run.err
    assert run.json["architecture"]["name"] == "my_chip"


def test_a_sweep_into_a_file_is_refused(archsim_here: Runner, tmp_path: Path) -> None:
    """An output that cannot be written is found before anything is priced."""
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    found = archsim_here("sweep", "study.yaml", "--out", "taken")
    assert (found.code, found.out) == (2, "")
    assert "taken" in found.err
    assert (tmp_path / "taken").read_text("utf-8") == "mine"
