"""What training asked of the arrays, measured: the numbers that the cost model otherwise assumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from archsim.algorithm import Algorithm
from archsim.cotraining.machine import Machine
from archsim.tile_kernel.matrix_statistics import MatrixStatistics


@dataclass(frozen=True, slots=True)
class MatrixActivity:
    """One matrix over one training, all its arrays and both directions of reading together.

    `parts` are its blocks times its copies, which share the vectors.  `reads` counts vectors read, repeats included.  `pulses_per_sample` is the mean number of
    coincidences, up and down, on a device that takes gradients.  `written_pulses_per_step` are the
    pulses of transfers or refreshes on a device that they write, `written_pulses_per_sample` the same
    by samples.  Shares are of conversions
    (`clipped_outputs`), of inputs (`clipped_inputs`), and of devices (`saturated`, the worst role).
    `pulses_most` is what the most-pulsed device took, `wear` that over the endurance.
    `slots_per_vector` is the mean length of a pulse train.
    """

    matrix: str
    devices: int
    parts: int
    reads: float
    mean_abs_input: float
    mean_square_input: float
    repeats: float
    clipped_outputs: float
    clipped_inputs: float
    pulses_per_sample: float
    pulses_per_step: float
    written_pulses_per_step: float
    written_pulses_per_sample: float
    slots_per_vector: float
    saturated: float
    pulses_most: float
    wear: float


@dataclass(frozen=True, slots=True)
class Activity:
    """All matrices together: what replaces the assumed numbers of the architecture.

    Means over reads are weighted by the devices that conduct, so that the energy of all devices
    together is exact; repeats by vectors and arrays; pulses by devices.
    """

    mean_abs_input: float
    mean_square_input: float
    repeats: float
    pulses_per_sample: float
    pulses_per_device_per_step: float
    written_pulses_per_sample: float
    saturated: float
    clipped_outputs: float
    pulses_most: float
    wear: float


def measure(machine: Machine, samples: int, steps: int) -> tuple[MatrixActivity, ...]:
    """The activity of every matrix on tiles, after `samples` in `steps` minibatches."""
    return tuple(
        _matrix_activity(name, statistics, samples, steps)
        for name, holder in machine.holders.items()
        if (statistics := holder.statistics())
    )


def _matrix_activity(
    name: str, blocks: Sequence[MatrixStatistics], samples: int, steps: int
) -> MatrixActivity:
    reads = [read for b in blocks for read in (b.totals.forward, b.totals.transposed)]
    both = sum(reads[1:], start=reads[0])
    roles = [role for block in blocks for role in block.devices.values()]
    devices = sum(next(iter(block.devices.values())).devices for block in blocks)
    learnt = sum((b.totals.learnt for b in blocks[1:]), start=blocks[0].totals.learnt)
    pulses = learnt.update.pulses_up + learnt.update.pulses_down
    vectors = sum(block.totals.update_vectors for block in blocks)
    return MatrixActivity(
        matrix=name,
        devices=devices,
        parts=len(blocks),
        reads=both.vectors * both.repeats,
        mean_abs_input=both.mean_abs_input,
        mean_square_input=both.mean_square_input,
        repeats=both.repeats,
        clipped_outputs=both.clipped_share,
        clipped_inputs=both.clipped_input_share,
        pulses_per_sample=pulses / devices / max(samples, 1),
        pulses_per_step=pulses / devices / max(steps, 1),
        written_pulses_per_step=learnt.written_pulses / devices / max(steps, 1),
        written_pulses_per_sample=learnt.written_pulses / devices / max(samples, 1),
        slots_per_vector=learnt.update.slots / max(vectors, 1),
        saturated=max(role.saturated_share for role in roles),
        pulses_most=max(role.pulses_most for role in roles),
        wear=max(role.wear for role in roles),
    )


def averaged(runs: Sequence[Sequence[MatrixActivity]]) -> tuple[MatrixActivity, ...]:
    """The mean activity of each matrix over runs; the most-pulsed device and wear are the largest."""
    found = []
    for of_matrix in zip(*runs, strict=True):
        values: dict[str, Any] = {
            name: getattr(of_matrix[0], name) for name in ("matrix", "devices", "parts")
        }
        for field in fields(MatrixActivity):
            if field.name not in values:
                column = [getattr(one, field.name) for one in of_matrix]
                join = max if field.name in ("pulses_most", "wear") else np.mean
                values[field.name] = float(join(column))
        found.append(MatrixActivity(**values))
    return tuple(found)


def together(matrices: Iterable[MatrixActivity]) -> Activity | None:
    """All matrices as one; None if none is on tiles."""
    rows = tuple(matrices)
    if not rows:
        return None

    def mean(name: str, weights: Sequence[float]) -> float:
        values = [getattr(row, name) for row in rows]
        total = sum(weights)
        return float(np.dot(values, weights) / total) if total > 0 else float(np.mean(values))

    devices = [float(row.devices) for row in rows]
    conducting = [row.devices * row.reads / row.parts for row in rows]
    vectors = [row.reads / row.repeats for row in rows]
    return Activity(
        mean_abs_input=mean("mean_abs_input", conducting),
        mean_square_input=mean("mean_square_input", conducting),
        repeats=mean("repeats", vectors),
        pulses_per_sample=mean("pulses_per_sample", devices),
        pulses_per_device_per_step=mean("pulses_per_step", devices),
        written_pulses_per_sample=mean("written_pulses_per_sample", devices),
        saturated=mean("saturated", devices),
        clipped_outputs=mean("clipped_outputs", [row.reads for row in rows]),
        pulses_most=max(row.pulses_most for row in rows),
        wear=max(row.wear for row in rows),
    )


# Measured numbers by the path of what they replace in an architecture.
_PATHS: Mapping[str, str] = {
    "read.mean_abs_input": "mean_abs_input",
    "read.mean_square_input": "mean_square_input",
    "read.repeats": "repeats",
    "update.pulses_per_sample": "pulses_per_sample",
}
# And those that only algorithms hold that write an array line by line, by their field.
_WRITTEN = "written_pulses_per_sample"


def measured_settings(activity: Activity, algorithm: Algorithm) -> dict[str, float]:
    """The measured numbers by their dotted paths in an architecture with this update algorithm.

    Numbers that no architecture may hold are left out: zero pulses, where nothing was updated.
    """
    values = asdict(activity)
    found = {path: float(values[name]) for path, name in _PATHS.items()}
    if hasattr(algorithm, _WRITTEN):
        found[f"algorithm.{_WRITTEN}"] = float(values[_WRITTEN])
    return {path: value for path, value in found.items() if value > 0}
