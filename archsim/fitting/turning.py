"""Where a curve turns from potentiation to depression, or the other way round."""

from __future__ import annotations

import numpy as np

from archsim.errors import InputError
from archsim.fitting.curve import Branch, Counts, Floats
from archsim.hardware.response import Polarity

# Each branch shows at least this share of the span, else the turning point is noise.
_LEAST_SHARE = 0.2
_MOST_CANDIDATES = 60
# Around the turning point each branch is followed by a parabola over this many points at most.
_NEIGHBOURS = 25


def find_turn(
    name: str, pulses: Counts, conductances: Floats, turn: int | None
) -> tuple[Branch, ...]:
    """The two branches of a curve that turns once.

    The extreme point inside the curve tells the order of the branches.  The pulse at which it turns
    is `turn` if that is given; else the one that leaves the least residual when each branch near it
    is drawn as a parabola and both meet there.  Raises `InputError` if the curve does not turn.
    """
    first, second = _order(name, pulses, conductances)
    if turn is None:
        turn = _best_turn(pulses, conductances, first)
    elif not pulses[0] < turn < pulses[-1]:
        raise InputError(
            f"the turning point {turn} is not inside the curve, pulses {pulses[0]} to {pulses[-1]}.",
            place=name,
        )
    return (
        Branch(first, int(turn - pulses[0])),
        Branch(second, int(pulses[-1] - turn)),
    )


def _order(name: str, pulses: Counts, conductances: Floats) -> tuple[Polarity, Polarity]:
    """Up then down, or down then up."""
    span = float(np.ptp(conductances))
    first, last = float(conductances[0]), float(conductances[-1])
    above = float(conductances.max()) - max(first, last)
    below = min(first, last) - float(conductances.min())
    if max(above, below) < _LEAST_SHARE * span:
        word = "rises" if last > first else "falls"
        raise InputError(
            f"the curve only {word} between pulses {pulses[0]} and {pulses[-1]}; expected "
            "potentiation and depression.",
            place=name,
        )
    return (Polarity.UP, Polarity.DOWN) if above >= below else (Polarity.DOWN, Polarity.UP)


def _best_turn(pulses: Counts, conductances: Floats, first: Polarity) -> int:
    signed = conductances if first is Polarity.UP else -conductances
    peak = int(np.argmax(signed))
    # The noise, from second differences of neighbours: their variance is six times its own.
    bends = np.diff(signed, 2)
    noise = float(np.median(np.abs(bends))) / 0.6745 / np.sqrt(6.0) if bends.size else 0.0
    near = np.flatnonzero(signed >= signed[peak] - 6.0 * noise)
    # Only the run of points around the peak; an outlier elsewhere is no turning point.
    near = near[np.abs(near - peak) <= _NEIGHBOURS]
    low = int(pulses[max(int(near[0]) - 1, 0)])
    high = int(pulses[min(int(near[-1]) + 1, len(pulses) - 1)])
    low, high = max(low, int(pulses[0]) + 1), min(high, int(pulses[-1]) - 1)
    candidates = np.unique(np.linspace(low, high, _MOST_CANDIDATES).round().astype(np.int64))
    window = slice(max(peak - _NEIGHBOURS, 0), peak + _NEIGHBOURS + 1)
    x, y = pulses[window].astype(np.float64), signed[window]
    return int(min(candidates, key=lambda turn: _misfit(x, y, float(turn))))


def _misfit(pulses: Floats, values: Floats, turn: float) -> float:
    """Residual of two parabolas that meet at `turn`."""
    before = np.minimum(pulses - turn, 0.0)
    after = np.maximum(pulses - turn, 0.0)
    reach = max(float(np.abs(pulses - turn).max()), 1.0)
    columns = [np.ones_like(pulses), before / reach, after / reach]
    if len(pulses) > 7:
        columns += [(before / reach) ** 2, (after / reach) ** 2]
    matrix = np.column_stack(columns)
    solution, *_ = np.linalg.lstsq(matrix, values, rcond=None)
    return float(np.sum((matrix @ solution - values) ** 2))
