"""Merging of headline numbers, points of different structure, and the table of points."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.explore import sweep as sweep_module
from archsim.explore.headline import Goal, Merge
from archsim.explore.limits import parse_limit
from archsim.explore.space import Axis
from archsim.explore.sweep import SweepWorkload, merge, sweep
from archsim.explore.table import check_table, point_rows, write_points
from archsim.resources import data_folder
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import training_graph
from tests.closeness import close

OBJECTIVES = {"step_latency_s": Goal.MIN, "step_energy_j": Goal.MIN}


@pytest.fixture(scope="module")
def base() -> Loaded[Architecture]:
    """The example chip."""
    return load("protonic_256", Architecture, data_folder("arch_configs"))


@pytest.fixture(scope="module")
def mlp() -> SweepWorkload:
    """The smallest built-in network, without a GPU to compare with."""
    model = load("mlp", WORKLOAD_MODEL, data_folder("workloads")).value.build()
    graph = training_graph(workload_from_model(model, name="mlp"))
    return SweepWorkload("mlp", lower(graph), batch=16, weight=1.0, gpu=None)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(1e-3, 1e3)), min_size=1, max_size=5))
def test_merging_follows_the_named_means(entries: list[tuple[float, float]]) -> None:
    """Arithmetic, harmonic and geometric means and the largest, written as plain sums."""
    weights = [w for w, _ in entries]
    values = [v for _, v in entries]
    total = sum(weights)
    column = np.array(values)[:, None]
    shares = (np.array(weights) / total)[:, None]
    expected = {
        Merge.MEAN: sum(w * v for w, v in entries) / total,
        Merge.RATE: total / sum(w / v for w, v in entries),
        Merge.RATIO: float(np.prod([v ** (w / total) for w, v in entries])),
        Merge.LARGEST: max(values),
        Merge.SMALLEST: min(values),
    }
    for rule, number in expected.items():
        assert merge(rule, column, shares)[0] == pytest.approx(number, rel=1e-9)


def test_points_of_different_structure_are_priced_alike(
    base: Loaded[Architecture], mlp: SweepWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grouping and passes of any size give each point what it costs on its own."""
    monkeypatch.setattr(sweep_module, "PASS_SIZE", 2)
    axes = [
        Axis("schedule.mode", ("pipelined", "sequential")),
        Axis("adc.bits", (6, 8, 9)),
        Axis("mapping.replication", ("none", "auto")),
    ]
    points = sweep(base, axes, [mlp], (), OBJECTIVES)
    assert not points.failures
    for index, settings in enumerate(points.settings):
        alone = estimate(mlp.program, [override(base, settings).value], [mlp.batch])
        for name in ("step_latency_s", "step_energy_j", "area_m2"):
            assert points.columns[name][index] == close(getattr(alone, name)[0], rel=1e-12)


def test_without_a_gpu_there_are_no_ratios(base: Loaded[Architecture], mlp: SweepWorkload) -> None:
    """Numbers that need a GPU are left out rather than made up."""
    columns = sweep(base, [Axis("adc.bits", (6,))], [mlp], (), OBJECTIVES).columns
    assert {"speedup", "energy_ratio"}.isdisjoint(columns)
    assert np.isfinite(columns["step_latency_s"]).all()


def test_limits_mark_points_infeasible(base: Loaded[Architecture], mlp: SweepWorkload) -> None:
    """A limit between two areas lets the smaller pass, and only it is on the front."""
    axes = [Axis("adc.bits", (5, 10))]
    areas = sweep(base, axes, [mlp], (), OBJECTIVES).columns["area_m2"]
    limit = parse_limit(f"area_m2 <= {float(areas.mean())!r} m^2")
    points = sweep(base, axes, [mlp], [limit], OBJECTIVES)
    assert points.feasible.tolist() == [True, False]
    assert points.pareto.tolist() == [True, False]


def test_an_axis_without_a_valid_value_is_an_error(
    base: Loaded[Architecture], mlp: SweepWorkload
) -> None:
    """A misspelt path is refused at once, with the nearest; a single bad value is a failure."""
    with pytest.raises(InputError, match=r"space\.adc\.bitz.*adc\.bits"):
        sweep(base, [Axis("adc.bitz", (6, 7))], [mlp], (), OBJECTIVES)
    points = sweep(base, [Axis("adc.bits", (6, 99))], [mlp], (), OBJECTIVES)
    assert [failure.point for failure in points.failures] == [1]
    assert np.isnan(points.columns["step_latency_s"]).tolist() == [False, True]
    assert points.feasible.tolist() == [True, False]


def test_the_table_holds_every_point(
    base: Loaded[Architecture], mlp: SweepWorkload, tmp_path: Path
) -> None:
    """The CSV reads back as the rows: settings, numbers with all digits, flags, reasons."""
    other = dataclasses.replace(mlp, name="twin", weight=2.0)
    points = sweep(base, [Axis("adc.bits", (6, 99))], [mlp, other], (), OBJECTIVES)
    path = tmp_path / "deep" / "points.csv"
    write_points(points, path)
    with path.open(encoding="utf-8", newline="") as stream:
        stored = list(csv.DictReader(stream))
    for row, written in zip(point_rows(points), stored, strict=True):
        assert list(row) == list(written)
        for name, value in row.items():
            assert written[name] == ("" if value is None else str(value))
    assert "twin.step_latency_s" in stored[0]
    assert stored[1]["failure"]
    assert [p.name for p in path.parent.iterdir()] == ["points.csv"]


def test_an_unwritable_table_is_found_first(tmp_path: Path) -> None:
    """A path below a file, a folder, an input, or a file of another kind is refused."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "points.csv").mkdir()
    (tmp_path / "mine.csv").write_text("x,y\n", encoding="utf-8")
    (tmp_path / "table.csv").write_text("point,a,feasible,pareto,failure\n", encoding="utf-8")
    for path, why in (
        (tmp_path / "file" / "points.csv", "'file' is a file"),
        (tmp_path / "points.csv", "it is a folder"),
        (tmp_path / "mine.csv", "no table of points"),
    ):
        with pytest.raises(InputError, match=why):
            check_table(path)
    check_table(tmp_path / "new" / "points.csv")
    check_table(tmp_path / "table.csv")
    with pytest.raises(InputError, match="an input of this command"):
        check_table(tmp_path / "table.csv", [tmp_path / "table.csv"])


@pytest.mark.slow
def test_ten_thousand_points(base: Loaded[Architecture], mlp: SweepWorkload) -> None:
    """A large grid is priced in bounded memory and time: more than 200 points in a second."""
    import time

    axes = [
        Axis("adc.bits", tuple(range(5, 10))),
        Axis("array.rows", (64, 128, 256, 512)),
        Axis("read.time_step", tuple(f"{0.2 + 0.01 * i:.2f} ns" for i in range(50))),
        Axis("update.train_length", tuple(range(5, 15))),
    ]
    start = time.process_time()
    points = sweep(base, axes, [mlp], (), OBJECTIVES)
    assert len(points.settings) == 10_000
    assert 10_000 / (time.process_time() - start) > 200


def test_a_point_that_pricing_refuses_is_a_failure_of_its_own(
    base: Loaded[Architecture], mlp: SweepWorkload
) -> None:
    """Power caps and tile buffers that are too small concern the points that have them."""
    axes = [
        Axis("chip.update_power_limit", ("1 uW", "10 W")),
        Axis("tile.buffer.capacity", ("64 B", "64 KiB")),
    ]
    points = sweep(base, axes, [mlp], (), OBJECTIVES)
    assert points.feasible.tolist() == [False, False, False, True]
    assert [failure.point for failure in points.failures] == [0, 1, 2]
    assert "more than the limit" in points.failures[0].reason
    assert "tile.buffer.capacity" in points.failures[2].reason
    alone = override(base, {"chip.update_power_limit": "10 W"}).value
    assert points.columns["step_latency_s"][3] == close(
        float(estimate(mlp.program, [alone], [16]).step_latency_s[0])
    )
