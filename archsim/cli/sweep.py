"""`archsim sweep`: design-space exploration."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options

if TYPE_CHECKING:
    from archsim.explore.points import Points


@click.command(epilog="Example: archsim sweep study.yaml --out reports/study")
@click.argument("study", metavar="STUDY.yaml", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of points.csv. Default: reports/<name of the study>.",
)
@click.option("--resume", is_flag=True, help="Go on with what an interrupted sweep has stored.")
@click.option(
    "--jobs",
    type=options.WholeNumber(1),
    default=1,
    show_default=True,
    help="Processes that simulate points at once; the numbers do not depend on it.",
)
@options.json_option
@click.pass_context
def command(
    context: click.Context, *, study: Path, out: Path | None, resume: bool, jobs: int, as_json: bool
) -> None:
    """Price every point of the grid that STUDY.yaml describes, and mark the Pareto front.

    Writes points.csv: settings, headline numbers, by which fidelity, whether a point keeps all
    constraints, whether it is on the front, and why it failed if it did. With `fidelity: {pareto:
    cycle}` points on the front and near it are simulated task by task. Finished points are stored as
    they finish: --resume goes on after an interrupt. Start from `archsim init`.
    """
    from archsim.cli.console import note, write_json
    from archsim.cli.main import EXIT_INTERRUPTED
    from archsim.cli.sweep_job import SweepJob, SweepStopped, carry_out_sweep
    from archsim.cli.sweep_summary import print_points

    job = SweepJob(study, out, resume, jobs, _again(study, out, jobs, as_json=as_json))
    try:
        found = carry_out_sweep(job)
    except SweepStopped as stop:
        note(f"interrupted: {stop}")
        context.exit(EXIT_INTERRUPTED)
    if as_json:
        write_json(_as_json(found.points, found.seconds, options.relative(str(job.store))))
        return
    print_points(found.points, found.plan.objectives, found.seconds, str(job.store))


def _again(study: Path, out: Path | None, jobs: int, *, as_json: bool) -> str:
    """The command line that goes on with a sweep."""
    words = ["archsim", "sweep", options.relative(str(study))]
    if out is not None:
        words += ["--out", options.relative(str(out))]
    if jobs > 1:
        words += ["--jobs", str(jobs)]
    return shlex.join([*words, *(["--json"] if as_json else []), "--resume"])


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
