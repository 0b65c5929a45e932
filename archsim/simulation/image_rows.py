"""Which rows of an image each task needs from those before it.

A task that makes an image can hand on its first rows before it has made the last ones.  What it needs
for its row r is row `(scale * r + offset) // divisor` of what it takes, and all before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.fields import FloatArray
from archsim.workload.graph import Op, OpKind, RowWindow, Workload
from archsim.workload.training import TaskKind, TrainingTask

# Samples, channels, rows, columns.
_IMAGE_AXES = 4
_ROWS = 2
# Operators that make each element of an image of those at the same place.
_POINTWISE = (OpKind.ELEMENTWISE,)
_POINTWISE_TYPES = ("BatchNormalization",)
# Row r needs row (scale * r + offset) // divisor; a divisor of 0: all rows.
Reach = tuple[int, int, int]
_SAME: Reach = (1, 0, 1)
_ALL: Reach = (0, 0, 0)
_BACKWARD = (TaskKind.INPUT_GRADIENT, TaskKind.DIGITAL_BACKWARD, TaskKind.GRADIENT_SUM)


@dataclass(frozen=True, slots=True)
class ImageRows:
    """Rows that each task makes, [T] (0: all at once), and the reach of each edge, [E, 3]."""

    rows: FloatArray
    reach: FloatArray


def image_rows(
    workload: Workload, tasks: Sequence[TrainingTask], edges: Sequence[tuple[int, int]], extra: int
) -> ImageRows:
    """Rows and reaches of a step's tasks; `extra` more tasks make none."""
    made = [_made(workload, task) for task in tasks]
    reach = [_reach(workload, (tasks[a], made[a]), (tasks[b], made[b])) for a, b in edges]
    return ImageRows(
        np.array([*made, *[0] * extra], dtype=np.float64),
        np.array(reach, dtype=np.float64).reshape(-1, 3),
    )


def _height(workload: Workload, names: Sequence[str]) -> int:
    """Rows of the first tensor if it is an image, else 0."""
    shape = workload.tensors[names[0]].shape if names else ()
    return shape[_ROWS] if len(shape) >= _IMAGE_AXES else 0


def _made(workload: Workload, task: TrainingTask) -> int:
    """Rows that a task makes one after the other; 0 if it needs all of its input first."""
    if task.op not in workload.graph or task.per_step:
        return 0
    op = workload.op(task.op)
    if task.kind is TaskKind.GRADIENT_SUM:
        return _height(workload, op.outputs)
    if op.window is None and not _pointwise(workload, op):
        return 0
    if task.kind is TaskKind.FORWARD:
        return _height(workload, op.outputs)
    return _height(workload, op.inputs) if task.kind in _BACKWARD else 0


def _pointwise(workload: Workload, op: Op) -> bool:
    kind = op.kind in _POINTWISE or op.op_type in _POINTWISE_TYPES
    height = _height(workload, op.outputs)
    return kind and height > 0 and _height(workload, op.inputs) == height


def _reach(
    workload: Workload, source: tuple[TrainingTask, int], target: tuple[TrainingTask, int]
) -> Reach:
    (before, there), (task, here) = source, target
    if not there or not here:
        return _ALL
    op = workload.op(task.op)
    if op.window is None or task.kind is TaskKind.GRADIENT_SUM:
        return _SAME if there == here else _ALL
    if task.kind is TaskKind.FORWARD:
        return _of_window(op.window) if there == _height(workload, op.inputs) else _ALL
    if before.kind is TaskKind.FORWARD or there != _height(workload, op.outputs):
        return _ALL
    # Row r of the gradient takes errors of all windows that begin at r or before.
    return (1, op.window.before, op.window.stride)


def _of_window(window: RowWindow) -> Reach:
    return (window.stride, window.extent - 1 - window.before, 1)
