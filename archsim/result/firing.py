"""How often lines fire in the updates of each matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray
from archsim.hardware.placement import PulseStatistics
from archsim.mapping import effective_pulses
from archsim.simulation.estimate import Estimate


def densest_firing(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """Chance that a line of each trained matrix on arrays fires in a slot, else 0, [C, M]."""
    fires = pulse_statistics(estimate, architecture).probability_x
    return np.where(updated_in_parallel(estimate, architecture), fires, 0.0)


def pulse_statistics(estimate: Estimate, architecture: Architecture) -> PulseStatistics:
    """Firing of the lines of each matrix in its updates, [C, M]."""
    table, mapping = estimate.program.matrices, estimate.mapping
    return effective_pulses(architecture, table.updates, table.input_signs, mapping.copies)


def updated_in_parallel(estimate: Estimate, architecture: Architecture) -> NDArray[np.bool_]:
    """Which matrices take parallel updates in arrays, [C, M]."""
    parallel = np.asarray(structure(architecture).per_vector.parallel_updates) > 0
    trained = estimate.mapping.on_array & (estimate.program.matrices.updates > 0)
    return np.asarray(trained & parallel)
