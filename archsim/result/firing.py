"""How often lines fire in the updates of each matrix."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.estimate import Estimate


def densest_firing(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """Chance that a line of each trained matrix on arrays fires in a slot, else 0, [C, M]."""
    updates, mapping = estimate.program.matrices.updates, estimate.mapping
    average = architecture.mapping.sync == "average"
    share = mapping.copies if average else np.ones_like(mapping.copies)
    fires = np.asarray(architecture.update.firing_probability(updates / share))
    return np.where((updates > 0) & mapping.on_array, fires, 0.0)
