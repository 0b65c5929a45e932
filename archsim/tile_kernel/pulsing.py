"""Devices take pulses: any number up and down at once, in place.

The pulses of a minibatch come in random order.  Between them the step changes along its local
line, which makes the mean weight relax exponentially: with S = n_up * up - n_down * down (net
rate at the start) and D = n_up * up_fall + n_down * down_fall,

    w' = w + S * (1 - exp(-D)) / D,

exact for n pulses of one polarity of constant, linear and soft-bounds devices, and the mean over
orders to second order in the steps for mixed ones.  Curved responses are taken in stretches over
which the line holds.  The noise of n pulses grows as sqrt(n): each step's deviation is independent
of the others', and what it adds fades by the pulses that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.normal import normals
from archsim.tile_kernel.state import DeviceArray, show_stored
from archsim.tile_kernel.step_law import Bounds, LocalSteps, Where

# Devices per pass: the temporaries of one pass stay in a second-level cache of 1 MB.
CHUNK = 30720
# Above this |D| the series of sinh loses digits, and the exponential is evaluated directly.
_SERIES_LIMIT = 2.0
# Up to this |D| four terms of its own series are enough, if no more than a few devices exceed it.
_SHORT_LIMIT = 0.1
_FEW = 0.05
_LARGEST_EXPONENT = 80.0
# A tangent of a curved response is followed over at most this change of the weight,
_STRETCH = 0.05
# unless pulses would take every device over its range many times.
_MOST_STRETCHES = 1000


@dataclass(frozen=True, slots=True)
class PartialPulses:
    """What devices see of pulses that are not meant for them: flat float32, one entry per device.

    `up` and `down` are steps relative to a full one; `slots` how often, for the counters.
    They belong to the counts given.  A pulse more on a device comes with less of them: `up_lost` and
    `down_lost` are what it takes off its own polarity, `up_against` and `down_against` what a pulse
    up and a pulse down add to the other one, so that noise of the counts moves the weight by less.
    """

    up: F32
    down: F32
    slots: F32
    up_lost: float = 0.0
    down_lost: float = 0.0
    up_against: float = 0.0
    down_against: float = 0.0


def apply_pulses(
    devices: DeviceArray,
    where: Where,
    up: F32,
    down: F32,
    rng: np.random.Generator,
    *,
    count_variance: F32 | None = None,
    partial: PartialPulses | None = None,
) -> None:
    """Give `up` and `down` pulses (>= 0, float32) to the devices `where` of the flattened array.

    `where` is a slice or distinct indices; the counts have one entry for each.
    `count_variance` is the variance of up - down that the counts given do not contain: the weight
    gets that noise times the step.  `partial` moves the mean, and has no noise of its own; it is
    counted apart.  Changes `weights`, `stored` and the counters in place.
    """
    if isinstance(where, slice):
        start, stop, _ = where.indices(devices.weights.size)
        chunks = range(start, stop, CHUNK)
        for first in chunks:
            chunk = slice(first, min(first + CHUNK, stop))
            given = slice(first - start, chunk.stop - start)
            variance = None if count_variance is None else count_variance[given]
            some = partial and replace(
                partial,
                up=partial.up[given],
                down=partial.down[given],
                slots=partial.slots[given],
            )
            _pass(devices, chunk, _Pulses(up[given], down[given], variance, some), rng)
    else:
        _pass(devices, where, _Pulses(up, down, count_variance, partial), rng)


@dataclass(frozen=True, slots=True)
class _Pulses:
    """Pulses of some devices, with the variance of their difference and the partial ones."""

    up: F32
    down: F32
    variance: F32 | None
    partial: PartialPulses | None

    def mean(self) -> tuple[F32, F32]:
        """Pulses up and down that move the mean weight."""
        if self.partial is None:
            return self.up, self.down
        return self.up + self.partial.up, self.down + self.partial.down

    def over(self, stretches: int) -> _Pulses:
        """An equal share of them."""
        if stretches == 1:
            return self
        share = np.float32(1.0 / stretches)
        return _Pulses(
            self.up * share,
            self.down * share,
            None if self.variance is None else self.variance * share,
            self.partial
            and replace(self.partial, up=self.partial.up * share, down=self.partial.down * share),
        )


def _pass(devices: DeviceArray, where: Where, pulses: _Pulses, rng: np.random.Generator) -> None:
    stored = devices.stored.reshape(-1)
    before = stored[where]
    after = _moved(devices, where, before, pulses, rng)
    taken = pulses.up + pulses.down
    by = devices.step * float(taken.sum())
    if devices.write_noise > 0:
        # The noise of the last write stays where none is made.
        devices.weights.reshape(-1)[where] += after - before
    stored[where] = after
    devices.pulses.reshape(-1)[where] += taken
    if pulses.partial is not None:
        devices.half_selects.reshape(-1)[where] += pulses.partial.slots
        by += devices.step * float(pulses.partial.up.sum() + pulses.partial.down.sum())
    if devices.write_noise > 0:
        written = taken > 0 if pulses.variance is None else (taken > 0) | (pulses.variance > 0)
        show_stored(devices, np.arange(stored.size)[where][written], rng)
        by += devices.write_noise * float(np.count_nonzero(written))
    devices.changed(by)


def _moved(
    devices: DeviceArray,
    where: Where,
    weights: F32,
    pulses: _Pulses,
    rng: np.random.Generator,
) -> F32:
    """The weights after the pulses, inside the bounds."""
    bounds = devices.bounds(where)
    steps = devices.law.at(weights, where, bounds)
    stretches = 1 if devices.law.straight else _stretches(steps, pulses)
    share = pulses.over(stretches)
    for stretch in range(stretches):
        if stretch:
            steps = devices.law.at(weights, where, bounds)
        weights = _advance(devices, steps, weights, share, bounds, rng)
        np.minimum(weights, bounds.upper, out=weights)
        np.maximum(weights, bounds.lower, out=weights)
    return weights


def _stretches(steps: LocalSteps, pulses: _Pulses) -> int:
    """Parts over which the weight changes by little, as long as steps stay as they are."""
    up, down = pulses.mean()
    way = up * steps.up_rate
    way += down * steps.down_rate
    stretches = float(np.max(way, initial=0.0)) / _STRETCH
    return max(1, int(np.ceil(min(stretches, _MOST_STRETCHES))))


def _advance(
    devices: DeviceArray,
    steps: LocalSteps,
    weights: F32,
    pulses: _Pulses,
    bounds: Bounds,
    rng: np.random.Generator,
) -> F32:
    """The weights after the pulses, with noise, before the bounds cut them."""
    up, down = pulses.mean()
    net = up * steps.up_rate
    net -= down * steps.down_rate
    fade = _fade(up, down, steps)
    net *= fade
    moved = weights + net
    if devices.law.straight and float(fade.max(initial=1.0)) > 1:
        # Where steps grow the way runs far beyond the bounds, but no step is taken there.
        net = np.minimum(np.maximum(moved, bounds.lower), bounds.upper) - weights
    if devices.cycle_noise == 0 and pulses.variance is None:
        return moved
    if pulses.partial is None or pulses.variance is not None:
        moved += _noise(devices, steps, net, fade, pulses, rng)
        return moved
    # Devices that see parts of pulses only are given no noise.
    some = np.flatnonzero(pulses.up + pulses.down)
    of_some = LocalSteps(*(_of_some(rate, some) for rate in steps))
    taken = _Pulses(pulses.up[some], pulses.down[some], None, None)
    moved[some] += _noise(devices, of_some, net[some], _of_some(fade, some), taken, rng)
    return moved


def _noise(
    devices: DeviceArray,
    steps: LocalSteps,
    net: F32,
    fade: F32,
    pulses: _Pulses,
    rng: np.random.Generator,
) -> F32:
    """Noise of the weight after the pulses; overwrites `net`, the way of the mean.

    What is added at time t fades by what follows; its size and its fading are taken midway.
    """
    net *= np.float32(0.5)
    spread = _noise_variance(devices, steps, net, pulses)
    np.sqrt(spread, out=spread)
    spread *= fade
    spread *= normals(rng, spread.size)
    return spread


def _of_some(values: F32, some: NDArray[np.intp]) -> F32:
    """Entries `some` of an array per device, or the one value that holds for all."""
    return values if values.ndim == 0 else values[some]


def _fade(up: F32, down: F32, steps: LocalSteps) -> F32:
    """(1 - exp(-D)) / D: a short series where nearly all D are small, the rest one by one.

    Otherwise as exp(-D/2) * sinh(D/2) / (D/2), which loses no digits at small D.
    """
    if not (steps.up_fall.ndim or steps.down_fall.ndim or steps.up_fall or steps.down_fall):
        return np.ones((), dtype=np.float32)
    decay = up * steps.up_fall
    decay += down * steps.down_fall
    largest = max(float(decay.max(initial=0.0)), -float(decay.min(initial=0.0)))
    if largest <= _SHORT_LIMIT:
        return _short_series(decay)
    size = np.abs(decay)
    far = np.flatnonzero(size > _SHORT_LIMIT)
    short = far.size < _FEW * decay.size
    if not short:
        far = np.flatnonzero(size > _SERIES_LIMIT)
    distant = _exact_fade(decay[far])
    decay[far] = 0
    series = _short_series(decay) if short else _long_series(decay)
    series[far] = distant
    return series


def _short_series(decay: F32) -> F32:
    """1 - D/2 + D^2/6 - D^3/24, to 1e-6 below the short limit."""
    series = decay * np.float32(-1 / 24)
    series += np.float32(1 / 6)
    series *= decay
    series -= np.float32(1 / 2)
    series *= decay
    series += np.float32(1)
    return series


def _long_series(decay: F32) -> F32:
    """exp(-D/2) times the series of sinh(D/2) / (D/2); overwrites `decay`."""
    square = decay * decay
    series = square * np.float32(1 / 322560)
    series += np.float32(1 / 1920)
    series *= square
    series += np.float32(1 / 24)
    series *= square
    series += np.float32(1)
    decay *= np.float32(-0.5)
    np.exp(decay, out=decay)
    series *= decay
    return series


def _exact_fade(decay: F32) -> F32:
    """(1 - exp(-D)) / D away from D = 0; growth beyond every range is cut before it overflows."""
    exact = np.maximum(decay, np.float32(-_LARGEST_EXPONENT))
    return np.asarray(-np.expm1(-exact) / exact, dtype=np.float32)


def _noise_variance(devices: DeviceArray, steps: LocalSteps, half_way: F32, pulses: _Pulses) -> F32:
    """Variance of the weight from single steps and from counts, before fading."""
    up, down, variance = pulses.up, pulses.down, pulses.variance
    up_step = steps.up_rate - steps.up_fall * half_way
    down_step = steps.down_rate + steps.down_fall * half_way
    # The remainder of the counts belongs to pulses up and down by their parts.
    share: F32 | None = None
    if variance is not None:
        share = variance / np.maximum(up + down, np.finfo(np.float32).tiny)
    apart: F32 | None = None
    if share is not None and pulses.partial is not None:
        # A pulse more moves the weight by less than its step.
        of_up, of_down = _net_steps(up_step, down_step, pulses.partial)
        apart = _sum_of_squares(up, of_up, down, of_down)
        apart *= share
        share = None
    squares = _sum_of_squares(up, up_step, down, down_step)
    if devices.cycle_noise_kind == "of_mean_step":
        noise = np.float32(devices.cycle_noise**2 * devices.step**2) * (up + down)
        if share is not None:
            noise += squares * share
    elif share is None:
        squares *= np.float32(devices.cycle_noise**2)
        noise = squares
    else:
        share += np.float32(devices.cycle_noise**2)
        squares *= share
        noise = squares
    if apart is not None:
        noise += apart
    return noise


def _sum_of_squares(up: F32, up_step: F32, down: F32, down_step: F32) -> F32:
    """up * up_step^2 + down * down_step^2; overwrites the steps."""
    up_step *= up_step
    down_step *= down_step
    squares = up * up_step
    squares += down * down_step
    return squares


def _net_steps(up_step: F32, down_step: F32, partial: PartialPulses) -> tuple[F32, F32]:
    """How far one pulse more moves a weight, with the partial pulses that it replaces."""
    of_up = up_step * np.float32(1.0 - partial.up_lost)
    of_down = down_step * np.float32(1.0 - partial.down_lost)
    if partial.up_against or partial.down_against:
        of_up -= down_step * np.float32(partial.up_against)
        of_down -= up_step * np.float32(partial.down_against)
    return of_up, of_down
