"""From the options of `archsim sweep` to its points: check, price, simulate, store as it goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsim.cli.console import note
from archsim.cli.inputs import (
    input_files,
    load_architecture,
    load_gpu,
    load_study,
    refuse_same_names,
)
from archsim.cli.pricing import Job, file_name, price_gpu
from archsim.cli.progress import progress_bar
from archsim.cli.refusals import refuse_nothing_to_train
from archsim.config.nodes import Block
from archsim.errors import InputError
from archsim.explore.identity import sweep_identity
from archsim.explore.journal import JOURNAL_FILE, Journal, new_journal, resumed_journal
from archsim.explore.points import Interrupted, Points
from archsim.explore.refining import Asked, only_done, refine
from archsim.explore.space import grid_size
from archsim.explore.sweep import Counted, SweepWorkload, sweep
from archsim.explore.table import check_table, is_table, write_points
from archsim.simulation.program import lower
from archsim.workload.training import training_graph

if TYPE_CHECKING:
    from archsim.baseline.estimate import GpuEstimate
    from archsim.config.loading import Loaded
    from archsim.explore.study import Study
    from archsim.result.evaluate import Baseline

POINTS_FILE = "points.csv"


@dataclass(frozen=True, slots=True)
class SweepJob:
    """What the user asks for: a study, the folder of its points, and how it is worked off.

    `again` is the command line that goes on with it.
    """

    study: Path
    out: Path | None
    resume: bool
    jobs: int
    again: str

    @property
    def store(self) -> Path:
        """The table of points."""
        return (self.out or Path("reports") / file_name(self.study.stem)) / POINTS_FILE


@dataclass(frozen=True, slots=True)
class Swept:
    """The points of a finished sweep, as its study wants them judged, and how long it took."""

    plan: Study
    points: Points
    seconds: float


class SweepStopped(KeyboardInterrupt):
    """A sweep was interrupted, and what is done is stored."""


def carry_out_sweep(job: SweepJob) -> Swept:
    """Price all points and write the table.

    Raises `InputError` before anything is priced for all that can be known by then, and
    `SweepStopped` where it is interrupted.
    """
    loaded = load_study(job.study)
    plan = loaded.value
    base = load_architecture(beside(job.study, plan.base))
    check_table(job.store, input_files(loaded, base))
    asked = Asked(base, _workloads(job.study, plan), plan.limits, plan.objectives)
    journal = _journal(job, plan, asked)
    note(f"pricing {grid_size(plan.axes):,} point(s) on {len(asked.workloads)} workload(s)")
    begun = time.perf_counter()
    try:
        points = _points(job, loaded, asked, journal)
        write_points(points, job.store)
    except Interrupted as stop:
        points, done = only_done(stop, asked, plan.fidelity)
        if np.isfinite(points.columns["step_latency_s"]).any():
            write_points(points, job.store)
        raise _stopped(job, f"{done:,} of {len(points.settings):,} points are done") from None
    except KeyboardInterrupt:
        raise _stopped(job, "what was priced so far is kept") from None
    # Only now is everything stored that the journal stood for.
    journal.discard()
    return Swept(plan, points, time.perf_counter() - begun)


def _points(job: SweepJob, loaded: Loaded[Study], asked: Asked, journal: Journal) -> Points:
    plan, places = loaded.value, axis_places(loaded)
    with _counting("pricing points") as counted:
        points = sweep(
            *(asked.base, plan.axes, asked.workloads, asked.limits, asked.objectives, places),
            journal=journal,
            counted=counted,
        )
    if not plan.fidelity.simulates:
        return points
    note("simulating points by the cycle fidelity")
    with _counting("simulating points") as counted:
        return refine(points, asked, plan.fidelity, counted, journal=journal, jobs=job.jobs)


def _stopped(job: SweepJob, what: str) -> SweepStopped:
    return SweepStopped(f"{what}, in {job.store.parent}; to go on: {job.again}")


def _journal(job: SweepJob, plan: Study, asked: Asked) -> Journal:
    """What an interrupted sweep has stored, or an empty journal; says which."""
    path = job.store.with_name(JOURNAL_FILE)
    identity = sweep_identity(plan, asked.base, asked.workloads)
    if not job.resume:
        return new_journal(path, identity)
    if is_table(job.store) and not path.exists():
        raise InputError(
            "there is nothing to go on with: the sweep stored there has ended.",
            place=str(job.store),
            remedy="Leave --resume out to price it anew, or give another folder with --out.",
        )
    journal = resumed_journal(path, identity)
    priced, simulated = journal.priced, journal.simulated
    if priced:
        note(
            f"Going on from what is stored in {job.store.parent}: "
            f"{priced:,} point(s) priced, {simulated:,} simulated."
        )
    else:
        note(f"Nothing is stored in {job.store.parent} to go on with: the sweep starts anew.")
    return journal


@contextmanager
def _counting(what: str) -> Iterator[Counted | None]:
    """A progress bar over points; None where nobody watches."""
    with progress_bar(what) as bar:
        if bar is None:
            yield None
            return
        tell = bar
        yield lambda done, known: tell(done / known)


def axis_places(study: Loaded[Study]) -> dict[str, str]:
    """Where the study's file writes each axis: path -> file, line and column."""
    space = study.block.entries["space"].node
    assert isinstance(space, Block)
    return {path: str(entry.position) for path, entry in space.entries.items()}


def beside(study: Path, name: str) -> str:
    """A path in a study is relative to the study's folder; a bare name is one that ships."""
    if Path(name).name == name and not Path(name).suffix:
        return name
    candidate = study.parent / name
    return str(candidate) if candidate.exists() else name


def _workloads(study: Path, plan: Study) -> list[SweepWorkload]:
    gpu = load_gpu(beside(study, plan.gpu)).value if plan.gpu is not None else None
    found = []
    for entry in plan.entries:
        job = Job(model=beside(study, entry.workload), batch=entry.batch)
        network = job.read()
        graph = training_graph(network.workload, network.options)
        refuse_nothing_to_train(graph)
        batch, optimizer = job.minibatch(network), network.options.optimizer
        found.append(
            SweepWorkload(
                name=network.workload.name,
                program=lower(graph),
                batch=batch,
                weight=float(entry.weight),
                gpu=None if gpu is None else rival(price_gpu(graph, gpu, batch, optimizer)),
            )
        )
    refuse_same_names([workload.name for workload in found], "the workload")
    return found


def rival(baseline: Baseline) -> GpuEstimate:
    """The GPU at the batch asked for, or at its best one if it cannot hold that."""
    return baseline.asked if baseline.asked.fits else baseline.best
