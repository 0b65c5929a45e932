"""Setting the reference devices again and again, because they relax: time and energy of it.

With `programming.calibration_interval` a calibration starts once in every interval, and nothing else is
done meanwhile.  So a share c = calibration / interval of all time is lost: work of `t` seconds takes
t / (1 - c), in which t / (1 - c) / interval calibrations take place.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.simulation.program import Program
from archsim.simulation.programming import calibration
from archsim.units import format_quantity

# The component of its energy, and what its time is spent on.
RECALIBRATION = "recalibration"


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a step bears of it: seconds, [C], and energy by matrix, [C, M]; both 0 without it."""

    seconds: FloatArray
    energy_j: FloatArray

    def added_to(
        self, energy_j: MappingType[str, FloatArray], program: Program
    ) -> dict[str, FloatArray]:
        """Energy by component [C, T] with this one, in what happens to each matrix once per step."""
        if not self.energy_j.any():
            return dict(energy_j)
        column = np.zeros((self.energy_j.shape[0], program.size))
        column[:, program.size - self.energy_j.shape[1] :] = self.energy_j
        return {**energy_j, RECALIBRATION: column}


def recalibration(
    architecture: Architecture, mapping: Mapping, work_s: FloatArray
) -> Recalibration:
    """What a step with `work_s` [C] of other work bears.

    Raises `InputError` if a calibration takes as long as the interval, so that no time is left.
    """
    written = architecture.programming.calibration_interval_s
    if written is None:
        return Recalibration(np.zeros_like(work_s), np.zeros_like(mapping.copies))
    seconds, energy_j = calibration(architecture, mapping)
    interval = np.broadcast_to(np.asarray(written, dtype=np.float64).reshape(-1), seconds.shape)
    share = seconds / interval
    if (share >= 1.0).any():
        worst = int(share.argmax())
        raise InputError(
            f"calibrating the references takes {format_quantity(float(seconds[worst]), 's')}, and is due "
            f"every {format_quantity(float(interval[worst]), 's')}, which leaves no time for training",
            place="programming.calibration_interval",
            remedy=f"Set an interval well above {format_quantity(float(seconds[worst]), 's')}, or fewer "
            "programming.calibration_pulses.",
        )
    taken_s = work_s * share / (1.0 - share)
    times = (work_s + taken_s) / interval
    return Recalibration(np.asarray(taken_s), np.asarray(energy_j * times[:, None]))
