"""Studies that mix fidelities: what is on the front was simulated, and nothing else had to be."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.explore.headline import Goal
from archsim.explore.limits import parse_limit
from archsim.explore.points import Points
from archsim.explore.refining import Asked, refine
from archsim.explore.space import Axis
from archsim.explore.study import StudyFidelity
from archsim.explore.sweep import SweepWorkload, sweep
from archsim.resources import data_folder
from archsim.result.evaluate import evaluate
from archsim.simulation.cycle import settling
from archsim.simulation.program import lower
from archsim.workload.training import TrainingGraph, training_graph
from tests.closeness import close

BASE: Loaded[Architecture] = load("protonic_256", Architecture, data_folder("arch_configs"))
OBJECTIVES = {"step_latency_s": Goal.MIN, "area_m2": Goal.MIN}
# Slow links, which the analytic estimate takes lightly, among others.
AXES = [
    Axis("array.rows", (64, 128)),
    Axis("mesh.link", ("1 GB/s", "64 GB/s")),
    Axis("activation_buffer.capacity", ("64 KiB", "32 MiB")),
]
CYCLE = StudyFidelity(pareto="cycle")


def graph_of(name: str) -> TrainingGraph:
    network = Job(model=name).read()
    return training_graph(network.workload, network.options)


LENET = graph_of("lenet")
WORKLOAD = SweepWorkload("lenet", lower(LENET), batch=12, weight=1.0, gpu=None)


def asked(limits: tuple[str, ...] = ()) -> Asked:
    return Asked(BASE, [WORKLOAD], tuple(map(parse_limit, limits)), OBJECTIVES)


def analytic(want: Asked) -> Points:
    return sweep(want.base, AXES, want.workloads, want.limits, want.objectives)


@cache
def everything() -> Points:
    """All points simulated."""
    return refine(analytic(asked()), asked(), StudyFidelity(all="cycle"))


def test_every_point_on_the_front_costs_what_a_cycle_run_says() -> None:
    """And every point that is not simulated costs what it did."""
    before = analytic(asked())
    after = refine(before, asked(), CYCLE)
    assert after.pareto.any()
    assert (after.cycle | ~after.pareto).all()
    assert 0 < after.cycle.sum() < len(after.settings)
    # Simulating changes what the front costs.
    late = after.columns["step_latency_s"] / before.columns["step_latency_s"]
    assert np.abs(late[after.pareto] - 1.0).max() > 0.001
    for point, settings in enumerate(after.settings):
        if not after.cycle[point]:
            for name, values in after.columns.items():
                assert values[point] == before.columns[name][point]
            continue
        tree = override(BASE, settings)
        result = evaluate(LENET, WORKLOAD.program, tree, 12, fidelity="cycle").result
        for name in ("step_latency_s", "step_energy_j", "area_m2", "array_utilisation"):
            assert after.columns[name][point] == close(result["accelerator"][name], rel=1e-9)


def test_the_front_is_that_of_simulating_everything() -> None:
    """Where no point is faster than its estimate by more than the share `near`."""
    every = everything()
    some = refine(analytic(asked()), asked(), CYCLE)
    assert every.cycle.all()
    estimate_s = analytic(asked()).columns["step_latency_s"]
    faster = every.columns["step_latency_s"] < (1.0 - CYCLE.near) * estimate_s
    assert not faster.any()
    assert some.pareto.tolist() == every.pareto.tolist()


def test_limits_are_judged_by_the_simulated_numbers() -> None:
    """A bound that an estimate keeps and its simulation breaks takes the point off the front."""
    # With slow links only; the smallest chip of all is on the front whatever its step takes.
    slow = [Axis("mesh.link", ("1 GB/s",)) if a.path == "mesh.link" else a for a in AXES]

    def priced(want: Asked) -> Points:
        return sweep(want.base, slow, want.workloads, want.limits, want.objectives)

    tiny = {"array.rows": 64, "mesh.link": "1 GB/s", "activation_buffer.capacity": "64 KiB"}
    before = priced(asked())
    point = before.settings.index(tiny)
    simulated = refine(before, asked(), StudyFidelity(all="cycle")).columns["step_latency_s"]
    between = 0.5 * (before.columns["step_latency_s"] + simulated)[point]
    limited = asked((f"step_latency_s <= {float(between)!r} s",))
    estimated = priced(limited)
    assert estimated.feasible[point]
    found = refine(estimated, limited, CYCLE)
    assert found.cycle[point]
    assert not found.feasible[point]


def test_a_point_that_the_cycle_fidelity_refuses_keeps_its_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once per point, with the reason; the sweep ends."""
    monkeypatch.setattr(settling, "MOST_TASKS", 10)
    before = analytic(asked())
    after = refine(before, asked(), CYCLE)
    assert not after.cycle.any()
    assert before.pareto.tolist() == after.pareto.tolist()
    refused = [failure.point for failure in after.unrefined]
    assert len(set(refused)) == len(refused)
    assert set(np.flatnonzero(after.pareto).tolist()) <= set(refused)
    assert "keeps at most 10" in after.unrefined[0].reason


def test_progress_counts_points() -> None:
    """One after the other, never more than are known."""
    heard: list[tuple[int, int]] = []
    after = refine(analytic(asked()), asked(), CYCLE, lambda *count: heard.append(count))
    assert [done for done, _ in heard] == list(range(1, int(after.cycle.sum()) + 1))
    assert all(done <= known for done, known in heard)
