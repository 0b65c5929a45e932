"""The states that a device runs through while it takes the pulses of a curve."""

from __future__ import annotations

import numpy as np

from archsim.fitting.curve import Curve, Floats
from archsim.hardware.response.model import LOWER, UPPER, ResponseModel

# States at which a step is evaluated for the fast trajectory; between them it is linear.
_TABLE = 4097


def exact_states(model: ResponseModel, start: float, curve: Curve) -> Floats:
    """States [N] at the points of `curve`, by the model's own n-pulse rule."""
    found, state, done = np.empty(curve.points), start, 0
    for branch in curve.branches:
        inside = (curve.pulses >= done) & (curve.pulses <= done + branch.pulses)
        found[inside] = model.after_pulses(state, curve.pulses[inside] - done, branch.polarity)
        state = float(model.after_pulses(state, branch.pulses, branch.polarity))
        done += branch.pulses
    return found


def fast_states(model: ResponseModel, start: float, curve: Curve) -> Floats:
    """`exact_states` pulse by pulse with tabulated steps, for models without a closed form.

    A least-squares fit asks for thousands of trajectories, and one step of a numpy function costs
    more than a hundred steps through a table.  The error, of second order in the table's spacing of
    1/2048, is below 1e-6 for steps that are smooth on that scale.
    """
    return _every_state(model, start, curve)[curve.pulses]


def dense_states(
    model: ResponseModel, start: float, curve: Curve, most: int = 400
) -> tuple[Floats, Floats]:
    """Pulse numbers and states along all of `curve`, at most `most` of them, for a drawing."""
    states = _every_state(model, start, curve)
    chosen = np.unique(np.linspace(0, len(states) - 1, min(most, len(states))).round())
    return chosen, states[chosen.astype(np.int64)]


def _every_state(model: ResponseModel, start: float, curve: Curve) -> Floats:
    """The state before the first and after every pulse, with tabulated steps."""
    grid = np.linspace(LOWER, UPPER, _TABLE)
    path = [start]
    for branch in curve.branches:
        table = model.step(grid, branch.polarity).tolist()
        path += _walk(path[-1], table, branch.pulses)
    return np.asarray(path)


def _walk(start: float, table: list[float], pulses: int) -> list[float]:
    """States after each of `pulses` steps from `start`, steps interpolated in `table`."""
    last, half = len(table) - 2, (len(table) - 1) / 2.0
    path, x = [], start
    for _ in range(pulses):
        place = (x + 1.0) * half
        index = min(max(int(place), 0), last)
        below = table[index]
        x += below + (table[index + 1] - below) * (place - index)
        x = min(max(x, LOWER), UPPER)
        path.append(x)
    return path


def has_closed_form(model: ResponseModel) -> bool:
    """Whether n pulses of a model cost as much as one."""
    return type(model).after_pulses is not ResponseModel.after_pulses
