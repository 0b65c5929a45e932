"""A sweep that is interrupted anywhere and goes on ends with what an uninterrupted one finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.explore import sweep as sweep_module
from archsim.explore.headline import Goal
from archsim.explore.journal import JOURNAL_FILE, Journal, resumed_journal
from archsim.explore.points import Interrupted, Points
from archsim.explore.refining import Asked, only_done, refine
from archsim.explore.space import Axis
from archsim.explore.study import StudyFidelity
from archsim.explore.sweep import SweepWorkload, sweep
from archsim.explore.table import write_points
from archsim.resources import data_folder
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.networks import Layer, chain

BASE: Loaded[Architecture] = load("protonic_256", Architecture, data_folder("arch_configs"))
GRAPH = training_graph(chain([Layer(32, 32, 9), Layer(32, 10)]), TrainingOptions(loss="mse"))
WORKLOADS = [
    SweepWorkload(name, lower(GRAPH), batch=batch, weight=1.0, gpu=None)
    for name, batch in (("one", 4), ("two", 6))
]
ASKED = Asked(BASE, WORKLOADS, (), {"step_latency_s": Goal.MIN, "area_m2": Goal.MIN})
AXES = [Axis("adc.bits", (6, 7, 99)), Axis("array.rows", (64, 128))]
SIZE = 6


class Stop:
    """Interrupts when it hears for the n-th time that something is done."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, _done: int, _known: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def explored(fidelity: StudyFidelity, journal: Journal, stop: Stop, jobs: int = 1) -> Points:
    points = sweep(
        BASE, AXES, WORKLOADS, (), ASKED.objectives, journal=journal, counted=stop
    )  # fmt: skip
    return refine(points, ASKED, fidelity, stop, journal=journal, jobs=jobs)


def stored(points: Points, folder: Path) -> bytes:
    write_points(points, folder / "points.csv")
    return (folder / "points.csv").read_bytes()


@pytest.mark.parametrize(
    ("fidelity", "jobs", "stops"),
    [
        (StudyFidelity(), 1, range(1, 5)),
        (StudyFidelity(all="cycle"), 1, range(1, 9)),
        (StudyFidelity(pareto="cycle"), 1, range(1, 6)),
        (StudyFidelity(all="cycle"), 2, [6]),
    ],
)
def test_it_goes_on_to_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fidelity: StudyFidelity,
    jobs: int,
    stops: Sequence[int],
) -> None:
    """Interrupted after each entry in turn; by then what is done has the numbers of the end."""
    monkeypatch.setattr(sweep_module, "PASS_SIZE", 3)
    whole = explored(fidelity, Journal(), Stop(0))
    expected = stored(whole, tmp_path)
    path, identity = tmp_path / JOURNAL_FILE, {"this": "sweep"}
    for after in stops:
        journal = resumed_journal(path, identity)
        before = path.read_bytes().count(b"\n") if path.exists() else 0
        with pytest.raises(Interrupted) as stop:
            # What the journal holds is heard of again, and more.
            explored(fidelity, journal, Stop(after), jobs)
        assert path.read_bytes().count(b"\n") > before
        check_part(*only_done(stop.value, ASKED, fidelity), whole)
    points = explored(fidelity, resumed_journal(path, identity), Stop(0))
    assert stored(points, tmp_path) == expected


def check_part(part: Points, done: int, whole: Points) -> None:
    """What is done has numbers, the rest has none and a reason that counts."""
    has = np.isfinite(part.columns["step_latency_s"])
    assert has.sum() == done - 2  # two points have 99 bits
    same = has & (part.cycle == whole.cycle)
    for name, values in part.columns.items():
        assert np.array_equal(values[same], whole.columns[name][same])
    assert not (part.cycle & ~whole.cycle).any()
    assert not part.pareto[~has].any()
    reasons = [f.reason for f in part.failures if f.reason.startswith("not done")]
    assert len(reasons) == SIZE - done
    assert all(f"{done} of {SIZE} points" in reason for reason in reasons)


def test_what_is_stored_is_not_priced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = resumed_journal(tmp_path / JOURNAL_FILE, {})
    fidelity = StudyFidelity(all="cycle")
    found = stored(explored(fidelity, journal, Stop(0)), tmp_path)

    def refused(*_arguments: object) -> None:
        raise AssertionError("priced again")

    monkeypatch.setattr("archsim.explore.sweep.estimate", refused)
    monkeypatch.setattr("archsim.explore.refining.timed_by_cycle", refused)
    again = explored(fidelity, resumed_journal(tmp_path / JOURNAL_FILE, {}), Stop(0))
    assert stored(again, tmp_path) == found
