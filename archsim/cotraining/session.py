"""All trainings of a plan, seed by seed, on the tiles and in float32, with checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archsim.cotraining.activity import MatrixActivity, measure
from archsim.cotraining.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from archsim.cotraining.plan import KINDS, Kind, Plan
from archsim.cotraining.training import Point, Training
from archsim.errors import InputError

# Hears the share of all trainings that is done, in 0..1, and which one is under way.
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One finished training: its curve, and what was measured of the tiles (none in float32)."""

    kind: Kind
    seed: int
    curve: tuple[Point, ...]
    activity: tuple[MatrixActivity, ...]

    @property
    def last(self) -> Point:
        """The end of the curve."""
        return self.curve[-1]


def carry_out(
    plan: Plan,
    folder: Path | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Run, ...]:
    """Train in float32 and on the tiles for every seed; results come in that order.

    With a `folder` the state is stored there now and then, and `resume` goes on from what is
    stored, to the same result to the bit; `tell` then hears in a sentence from where, or that
    nothing was stored.  The file stays until the caller discards it.  Raises `InputError` where a
    training diverges, or where a checkpoint is in the way.
    """
    done, under_way = _start(plan, folder, resume=resume)
    if resume and folder is not None and tell is not None:
        tell(_where_from(folder, len(done), len(KINDS) * plan.recipe.seeds, under_way))
    wanted = [
        (kind, plan.recipe.first_seed + k) for k in range(plan.recipe.seeds) for kind in KINDS
    ]
    for index, (kind, seed) in enumerate(wanted):
        if index < len(done):
            continue
        training = Training(plan, kind, seed)
        if under_way is not None:
            training.restore(under_way)
            under_way = None
        training.run(_part_of(progress, index, len(wanted)), _saver(plan, folder, tuple(done)))
        done.append(_finished(training))
        if folder is not None:
            write_checkpoint(folder, _stored(plan, done, None))
    return tuple(done[: len(wanted)])


def _start(plan: Plan, folder: Path | None, *, resume: bool) -> tuple[list[Run], Checkpoint | None]:
    """Runs that are finished, and the state of the one that is not."""
    if folder is None:
        return [], None
    if not resume:
        if (folder / CHECKPOINT_FILE).exists():
            raise InputError(
                "an unfinished training is stored there.",
                place=str(folder / CHECKPOINT_FILE),
                remedy="Go on with --resume, give another folder with --out, or remove the file.",
            )
        return [], None
    stored = read_checkpoint(folder, plan.key)
    if stored is None:
        return [], None
    done = [_run(entry) for entry in stored.document["done"]]
    running = stored.document["running"]
    return done, None if running is None else Checkpoint(stored.key, running, stored.arrays)


def _where_from(folder: Path, done: int, wanted: int, under_way: Checkpoint | None) -> str:
    """Where a resumed session starts, as a sentence."""
    if under_way is None and not done:
        return f"Nothing is stored in {folder} to go on with: training starts from the beginning."
    finished = f"{min(done, wanted)} of {wanted} trainings finished"
    if under_way is None:
        return f"Going on from what is stored in {folder}: {finished}."
    at = under_way.document
    where = f"{at['kind']}, seed {at['seed']}, {at['epoch']} epochs and {at['minibatch']} steps"
    return f"Going on from what is stored in {folder}: {finished}, then {where}."


def _saver(
    plan: Plan, folder: Path | None, done: tuple[Run, ...]
) -> Callable[[Checkpoint], None] | None:
    if folder is None:
        return None
    target = folder
    return lambda running: write_checkpoint(target, _stored(plan, done, running))


def _stored(
    plan: Plan, done: list[Run] | tuple[Run, ...], running: Checkpoint | None
) -> Checkpoint:
    document = {
        "done": [asdict(run) for run in done],
        "running": None if running is None else running.document,
    }
    return Checkpoint(plan.key, document, {} if running is None else running.arrays)


def _run(entry: Mapping[str, Any]) -> Run:
    """The inverse of `asdict`."""
    return Run(
        kind=entry["kind"],
        seed=entry["seed"],
        curve=tuple(Point(**point) for point in entry["curve"]),
        activity=tuple(MatrixActivity(**matrix) for matrix in entry["activity"]),
    )


def _finished(training: Training) -> Run:
    curve = training.curve
    last = curve[-1]
    return Run(
        training.kind,
        training.seed,
        curve,
        measure(training.machine, samples=last.samples, steps=last.step),
    )


def _part_of(progress: Progress | None, index: int, count: int) -> Progress | None:
    if progress is None:
        return None
    hear = progress
    return lambda share, words: hear((index + share) / count, words)
