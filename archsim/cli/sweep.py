"""`archsim sweep`: design-space exploration."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options
from archsim.config.nodes import Block

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.baseline.estimate import GpuEstimate
    from archsim.config.loading import Loaded
    from archsim.explore.study import Study
    from archsim.explore.sweep import Points, SweepWorkload
    from archsim.result.evaluate import Baseline

POINTS_FILE = "points.csv"


@click.command(epilog="Example: archsim sweep study.yaml --out reports/study")
@click.argument("study", metavar="STUDY.yaml", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of points.csv. Default: reports/<name of the study>.",
)
@options.json_option
def command(*, study: Path, out: Path | None, as_json: bool) -> None:
    """Price every point of the grid that STUDY.yaml describes, and mark the Pareto front.

    Writes points.csv: settings, headline numbers, by which fidelity, whether a point keeps all
    constraints, whether it is on the front, and why it failed if it did. With `fidelity: {pareto:
    cycle}` points on the front and near it are simulated task by task. Start from `archsim init`.
    """
    from archsim.cli.console import note, write_json
    from archsim.cli.inputs import input_files, load_architecture, load_study
    from archsim.cli.pricing import file_name
    from archsim.cli.sweep_summary import print_points
    from archsim.explore.space import grid_size
    from archsim.explore.sweep import sweep
    from archsim.explore.table import check_table, write_points

    loaded = load_study(study)
    plan = loaded.value
    store = (out or Path("reports") / file_name(study.stem)) / POINTS_FILE
    base = load_architecture(beside(study, plan.base))
    check_table(store, input_files(loaded, base))
    workloads = _workloads(study, plan)
    size = grid_size(plan.axes)
    note(f"pricing {size:,} point(s) on {len(workloads)} workload(s)")
    begun = time.perf_counter()
    points = sweep(base, plan.axes, workloads, plan.limits, plan.objectives, axis_places(loaded))
    if plan.fidelity.simulates:
        points = _refined(points, base, plan, workloads)
    seconds = time.perf_counter() - begun
    write_points(points, store)
    if as_json:
        write_json(_as_json(points, seconds, options.relative(str(store))))
        return
    print_points(points, plan.objectives, seconds, str(store))


def _refined(
    points: Points, base: Loaded[Architecture], plan: Study, workloads: list[SweepWorkload]
) -> Points:
    """The points with those that the study asks for simulated, under a progress bar."""
    from archsim.cli.console import note
    from archsim.cli.progress import progress_bar
    from archsim.explore.refining import Asked, refine

    note("simulating points by the cycle fidelity")
    with progress_bar("simulating points") as bar:

        def counted(done: int, known: int) -> None:
            if bar is not None:
                bar(done / known)

        asked = Asked(base, workloads, plan.limits, plan.objectives)
        return refine(points, asked, plan.fidelity, counted)


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
    from archsim.cli.inputs import load_gpu, refuse_same_names
    from archsim.cli.pricing import Job, price_gpu
    from archsim.cli.refusals import refuse_nothing_to_train
    from archsim.explore.sweep import SweepWorkload
    from archsim.simulation.program import lower
    from archsim.workload.training import training_graph

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


def _as_json(points: Points, seconds: float, store: str) -> dict[str, Any]:
    from archsim.explore.table import point_rows

    return {
        "points": len(points.settings),
        "failed": len(points.failures),
        "feasible": int(points.feasible.sum()),
        "seconds": seconds,
        "points_per_second": len(points.settings) / max(seconds, 1e-9),
        "cycle_points": int(points.cycle.sum()),
        "pareto": [row for row in point_rows(points) if row["pareto"]],
        "failures": [
            {
                "point": f.point,
                "settings": dict(points.settings[f.point]),
                "workload": f.workload or None,
                "reason": f.reason,
            }
            for f in points.failures
        ],
        "kept_estimates": [
            {"point": f.point, "workload": f.workload, "reason": f.reason} for f in points.unrefined
        ],
        "store": store,
    }
