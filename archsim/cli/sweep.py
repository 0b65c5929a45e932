"""`archsim sweep`: design-space exploration."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options

if TYPE_CHECKING:
    from archsim.explore.study import Study
    from archsim.explore.sweep import Points, SweepWorkload

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

    Writes points.csv: settings, headline numbers, whether a point keeps all constraints, whether it
    is on the front, and why it failed if it did. Start from `archsim init`.
    """
    from archsim.cli.console import note, write_json
    from archsim.cli.inputs import load_architecture, load_study
    from archsim.cli.pricing import file_name
    from archsim.cli.sweep_summary import print_points
    from archsim.explore.space import grid_size
    from archsim.explore.sweep import sweep
    from archsim.explore.table import check_writable, write_points

    plan = load_study(study)
    store = (out or Path("reports") / file_name(study.stem)) / POINTS_FILE
    check_writable(store)
    base = load_architecture(beside(study, plan.base))
    workloads = _workloads(study, plan)
    size = grid_size(plan.axes)
    note(f"pricing {size:,} point(s) on {len(workloads)} workload(s)")
    begun = time.perf_counter()
    points = sweep(base, plan.axes, workloads, plan.limits, plan.objectives)
    seconds = time.perf_counter() - begun
    write_points(points, store)
    if as_json:
        write_json(_as_json(points, seconds, options.relative(str(store))))
        return
    print_points(points, plan.objectives, seconds, str(store))


def beside(study: Path, name: str) -> str:
    """A path in a study is relative to the study's folder; a bare name is one that ships."""
    if Path(name).name == name and not Path(name).suffix:
        return name
    candidate = study.parent / name
    return str(candidate) if candidate.exists() else name


def _workloads(study: Path, plan: Study) -> list[SweepWorkload]:
    from archsim.baseline.estimate import estimate as estimate_gpu
    from archsim.cli.inputs import load_gpu, refuse_same_names
    from archsim.cli.pricing import Job
    from archsim.explore.sweep import SweepWorkload
    from archsim.simulation.program import lower
    from archsim.workload.training import training_graph

    gpu = load_gpu(beside(study, plan.gpu)).value if plan.gpu is not None else None
    found = []
    for entry in plan.entries:
        job = Job(model=beside(study, entry.workload), batch=entry.batch)
        network = job.read()
        graph = training_graph(network.workload, network.options)
        batch = job.minibatch(network.workload.samples)
        found.append(
            SweepWorkload(
                name=network.workload.name,
                program=lower(graph),
                batch=batch,
                weight=float(entry.weight),
                gpu=None if gpu is None else estimate_gpu(graph, gpu, batch),
            )
        )
    refuse_same_names([workload.name for workload in found], "the workload")
    return found


def _as_json(points: Points, seconds: float, store: str) -> dict[str, Any]:
    from archsim.explore.table import point_rows

    return {
        "points": len(points.settings),
        "failed": len(points.failures),
        "feasible": int(points.feasible.sum()),
        "seconds": seconds,
        "points_per_second": len(points.settings) / max(seconds, 1e-9),
        "pareto": [row for row in point_rows(points) if row["pareto"]],
        "failures": [{"point": f.point, "reason": f.reason} for f in points.failures],
        "store": store,
    }
