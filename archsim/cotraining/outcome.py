"""The outcome of a session: curves, the gap, activities, and what each target takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from archsim.algorithm.operations import Pulsed
from archsim.cotraining.activity import Activity, MatrixActivity, averaged, together
from archsim.cotraining.gap import LEVEL, Mean, mean_of
from archsim.cotraining.plan import Kind, Plan
from archsim.cotraining.session import Run
from archsim.cotraining.training import Point
from archsim.units import format_quantity


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one training step takes on a machine."""

    latency_s: float
    energy_j: float


def runs_of(runs: Sequence[Run], kind: Kind) -> tuple[Run, ...]:
    """The trainings of one kind, seed by seed."""
    return tuple(run for run in runs if run.kind == kind)


def measured(runs: Sequence[Run]) -> Activity | None:
    """The activity of all matrices on tiles, mean over seeds; None if there are none."""
    return together(averaged([run.activity for run in runs_of(runs, "analog")]))


def accuracy_section(
    plan: Plan,
    runs: Sequence[Run],
    target: float | None,
    accelerator: StepCost | None,
    gpu: StepCost | None,
) -> dict[str, Any]:
    """`accuracy` of a result, as plain JSON.

    Accuracies are shares of the test set; without classes `final` is the test loss.  `gap` is
    float32 less analog, paired by seed, with its interval over seeds.  The costs of a step are
    those of the measured activities; `target` is the one that the headline speaks of, else the
    highest of the recipe's.
    """
    analog, exact = (runs_of(runs, kind) for kind in ("analog", "float32"))
    gaps = [
        _sign(plan) * (_score(e.last) - _score(a.last)) for a, e in zip(analog, exact, strict=True)
    ]
    gap = mean_of(gaps)
    activities = averaged([run.activity for run in analog])
    all_matrices = together(activities)
    targets = sorted({*plan.recipe.targets, *([] if target is None else [target])})
    rows = [_target(level, analog, exact, accelerator, gpu) for level in targets]
    headline = target if target is not None else max(targets, default=None)
    chosen = next((row for row in rows if row["target"] == headline), None)
    return {
        "kind": "measured",
        "metric": "accuracy" if _has_classes(plan) else "loss",
        "seeds": [run.seed for run in analog],
        "analog": _machine(analog),
        "float32": _machine(exact),
        "gap": gap.mean,
        "gap_ci": None if gap.low is None else [gap.low, gap.high],
        "gap_level": LEVEL,
        "pulses_per_device_per_step": (
            None if all_matrices is None else all_matrices.pulses_per_device_per_step
        ),
        "target": headline,
        "steps_to_target": None if chosen is None else chosen["analog"]["steps"],
        "seconds_to_target": None if chosen is None else chosen["analog"]["seconds"],
        "energy_to_target_j": None if chosen is None else chosen["analog"]["energy_j"],
        "targets": rows,
        "activity": None if all_matrices is None else asdict(all_matrices),
        "matrices": [asdict(matrix) for matrix in activities],
        "exact_matrices": sorted(set(plan.graph.matrices) - plan.on_tiles),
        "data": _data(plan),
        "recipe": plan.recipe.model_dump(mode="json", by_alias=True),
        "notes": [*unwritten(plan, activities), *notes(plan)],
    }


def unwritten(plan: Plan, activities: Sequence[MatrixActivity]) -> list[str]:
    """Names matrices that transfers should have written and did not: they have learnt nothing."""
    algorithm = plan.architecture.algorithm
    arrays = algorithm.operations(1.0, 1.0).arrays
    if not any(array.pulsed is Pulsed.WRITTEN for array in arrays):
        return []
    idle = [one.matrix for one in activities if one.written_pulses_per_step == 0]
    if not idle:
        return []
    words = f"algorithm '{algorithm.kind}' never wrote these matrices, which have learnt nothing"
    return [f"{words}: {', '.join(idle)}; train longer, or let it transfer faster"]


def notes(plan: Plan) -> list[str]:
    """What this training did otherwise than the priced hardware would, in sentences."""
    tree, recipe = plan.architecture, plan.recipe
    found = []
    unknown = [
        name
        for name in type(recipe.tiles.unknown_spread).model_fields
        if name != "bounds_cycles"
        and (tree.device.spread is None or getattr(tree.device.spread, name) is None)
    ]
    if unknown:
        values = ", ".join(f"{n} {getattr(recipe.tiles.unknown_spread, n):g}" for n in unknown)
        found.append(f"the spread of {tree.device.name} is not published; assumed: {values}")
    found += [*_order_notes(plan), *_copies_notes(plan)]
    exact = sorted(set(plan.graph.matrices) - plan.on_tiles)
    if exact:
        found.append(
            f"computed exactly, since the mapping puts them on digital units: {', '.join(exact)}"
        )
    found.append(_drift_note(plan))
    return found


def _order_notes(plan: Plan) -> list[str]:
    """When updates come, where that is not after each minibatch as in float32."""
    order, batch = plan.order("analog"), plan.recipe.batch
    found = []
    if order.staleness is not None:
        found.append(
            f"samples update the arrays one by one, each {order.staleness} samples late, the most "
            "that the simulation finds for any matrix; digital parameters, and float32, take the "
            "minibatch"
        )
    elif not order.arrays_wait and batch > 1:
        read = plan.staleness is not None and plan.staleness >= batch - 1
        why = (
            "all its samples read before the first update"
            if read
            else (
                "normalisations gather statistics of it"
                if plan.graph.statistics
                else "no staleness is given"
            )
        )
        found.append(
            "the schedule updates after each sample; trained here with the gradient of the whole "
            f"minibatch of {batch}, since {why}"
        )
    if order.minibatches > 1:
        what = "an update" if order.arrays_wait else "a step of the digital optimizer"
        found.append(
            f"{order.minibatches} minibatches share {what}; float32 takes one after each minibatch"
        )
    return found


def _copies_notes(plan: Plan) -> list[str]:
    """What became of copies that are averaged."""
    policy = plan.architecture.mapping
    if plan.copies is None:
        several = policy.sync != "broadcast" and policy.replication != "none"
        return [_ONE_ARRAY] if several else []
    copied = {name: n for name, n in plan.copies.items() if name in plan.on_tiles}
    if not copied:
        return []
    words = ", ".join(f"{n} of {name}" for name, n in copied.items())
    if plan.copies_trained():
        return [f"copies learn from shares of the vectors, and are averaged: {words}"]
    return [f"{_ONE_ARRAY} ({words}); tiles.copies: mapped trains them"]


_ONE_ARRAY = "copies of arrays are trained here as one array that takes every update"


def _drift_note(plan: Plan) -> str:
    name = plan.architecture.device.name
    if plan.architecture.device.retention is None:
        return f"no retention is given for {name}; its devices do not drift here"
    if plan.step_s == 0:
        return f"devices of {name} do not drift here, since no time of a step is given"
    return (
        f"devices drift for {format_quantity(plan.step_s, 's')} after each minibatch, the step at the "
        "assumed activities; each update of a matrix starts its drift anew"
    )


def _has_classes(plan: Plan) -> bool:
    return plan.recipe.loss == "cross_entropy"


def _sign(plan: Plan) -> float:
    """A gap is positive where the tiles are worse: less accuracy, more loss."""
    return 1.0 if _has_classes(plan) else -1.0


def _score(point: Point) -> float:
    return point.test_loss if point.accuracy is None else point.accuracy


def _best(run: Run) -> float:
    """The highest accuracy of a curve, or its lowest loss."""
    scores = [_score(point) for point in run.curve]
    return min(scores) if run.last.accuracy is None else max(scores)


def _interval(score: Mean, *, accuracy: bool) -> list[float] | None:
    """Its two ends; few seeds that scatter widely must not promise more than all answers right."""
    if score.low is None or score.high is None:
        return None
    return [max(score.low, 0.0), min(score.high, 1.0)] if accuracy else [score.low, score.high]


def _machine(runs: Sequence[Run]) -> dict[str, Any]:
    """Final score and the curve, mean over seeds, and each seed's."""
    final = mean_of([_score(run.last) for run in runs])
    length = min(len(run.curve) for run in runs)
    curve = []
    for k in range(length):
        points = [run.curve[k] for run in runs]
        scores = mean_of([_score(point) for point in points])
        losses = [p.train_loss for p in points if p.train_loss is not None]
        curve.append(
            {
                "epoch": points[0].epoch,
                "step": points[0].step,
                "samples": points[0].samples,
                "score": scores.mean,
                "deviation": scores.deviation,
                "test_loss": float(np.mean([p.test_loss for p in points])),
                "train_loss": float(np.mean(losses)) if losses else None,
            }
        )
    return {
        "final": final.mean,
        "final_ci": _interval(final, accuracy=runs[0].last.accuracy is not None),
        "deviation": final.deviation,
        "best": float(np.mean([_best(run) for run in runs])),
        "per_seed": [_score(run.last) for run in runs],
        "curve": curve,
        "curves": [[asdict(point) for point in run.curve] for run in runs],
    }


def _target(
    target: float,
    analog: Sequence[Run],
    exact: Sequence[Run],
    accelerator: StepCost | None,
    gpu: StepCost | None,
) -> dict[str, Any]:
    return {
        "target": target,
        "analog": _reached(target, analog, accelerator),
        "float32": _reached(target, exact, None),
        "gpu": None if gpu is None else _reached(target, exact, gpu),
    }


def _reached(target: float, runs: Sequence[Run], step: StepCost | None) -> dict[str, Any]:
    """Steps until the target was first met at a test (at the end of an epoch), mean over seeds.

    None if a seed did not meet it: a mean over the lucky ones would flatter.
    """
    first = [
        next((p.step for p in run.curve if p.accuracy is not None and p.accuracy >= target), None)
        for run in runs
    ]
    met = [count for count in first if count is not None]
    steps = float(np.mean(met)) if len(met) == len(runs) else None
    return {
        "seeds_reached": len(met),
        "steps": steps,
        "steps_per_seed": first,
        "seconds": None if steps is None or step is None else steps * step.latency_s,
        "energy_j": None if steps is None or step is None else steps * step.energy_j,
    }


def _data(plan: Plan) -> dict[str, Any]:
    data = plan.data
    return {
        "name": data.name,
        "source": data.source,
        "scaling": data.scaling,
        "train_samples": len(data.train),
        "test_samples": len(data.test),
        "sample_shape": list(data.train.shape),
    }
