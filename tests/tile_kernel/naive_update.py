"""A pulsed update as a plain loop over samples, slots, rows and columns: the slow second method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsim.tile_kernel.trains import Trains

# The change of one device at a weight by one pulse (+1 up, -1 down).
StepAt = Callable[[float, int], float]


def naive_update(
    weights: np.ndarray,
    trains: Trains,
    step_at: StepAt,
    bounds: tuple[float, float],
    cycle_noise: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """New weights [row, col] of one tile after all pulses, one after the other."""
    (tile,) = trains.tiles
    result = weights.astype(float).copy()
    for sample, length in enumerate(tile.length):
        for _ in range(length):
            fires_x = rng.random(result.shape[0]) < tile.p_x[sample]
            fires_error = rng.random(result.shape[1]) < tile.p_error[sample]
            for row in np.flatnonzero(fires_x):
                for col in np.flatnonzero(fires_error):
                    way = -int(tile.sign_x[sample, row] * tile.sign_error[sample, col])
                    step = step_at(result[row, col], way)
                    step *= 1.0 + cycle_noise * rng.standard_normal()
                    result[row, col] = np.clip(result[row, col] + step, *bounds)
    return result
