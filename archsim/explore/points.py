"""What a sweep finds: numbers of every point, and the points that have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.explore.space import AxisValue
from archsim.fields import FloatArray


@dataclass(frozen=True, slots=True)
class Failure:
    """A point that could not be priced, and why; `workload` is "" if none of them could be."""

    point: int
    reason: str
    workload: str = ""


@dataclass(frozen=True)
class Points:
    """All points of a sweep, P of them.

    `settings` holds the axes' values of each; `columns` the headline numbers over all workloads,
    each [P], and `by_workload` those of each workload; failed points are nan.  `kept` says which
    keep each limit, `feasible` which keep all of them, `pareto` which of these no other feasible
    point dominates.  `cycle` says which were timed by the cycle fidelity, `unrefined` which it refused.
    """

    settings: tuple[Mapping[str, AxisValue], ...]
    columns: Mapping[str, FloatArray]
    by_workload: Mapping[str, Mapping[str, FloatArray]]
    failures: tuple[Failure, ...]
    kept: Mapping[str, NDArray[np.bool_]]
    feasible: NDArray[np.bool_]
    pareto: NDArray[np.bool_]
    cycle: NDArray[np.bool_]
    unrefined: tuple[Failure, ...] = ()


class Interrupted(KeyboardInterrupt):
    """A sweep was interrupted: `points` as far as they got, `left` [P] those not done with."""

    def __init__(self, points: Points, left: NDArray[np.bool_]) -> None:
        self.points = points
        self.left = left
        super().__init__("the sweep was interrupted")
