"""The devices of an array as the kernel holds them: weights, bounds and steps, device by device.

A weight is a conductance relative to the reference, in units of half the conductance range:
w = (g - g_ref) / g_half, so that the states of `archsim.hardware.response` are w plus a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.response import ConstantStep, LinearStep, Response, SoftBounds
from archsim.hardware.response.model import LOWER, UPPER, Polarity
from archsim.hardware.spread import Spread
from archsim.tile_kernel.arrays import F32, finite, part
from archsim.tile_kernel.step_law import (
    TINY,
    Bounds,
    CurvedLaw,
    LocalSteps,
    StepLaw,
    Where,
    ending_law,
    straight_law,
)

CycleNoise = Literal["of_step", "of_mean_step"]

NO_SPREAD = Spread(
    step_devices=0,
    bounds_devices=0,
    asymmetry_devices=0,
    bounds_cycles=0,
    step_cycles=0,
    write_noise=0,
    slope_devices=0,
)


@dataclass(frozen=True, slots=True)
class WanderingBounds:
    """What the wander of bounds needs: standard deviation, pulses of a full cycle, means.

    `lower` and `upper` [tile, row, col] are the mean bounds of each device, `seen` float64 the
    pulses that it had taken when its bounds were last drawn.
    """

    deviation: float
    cycle_pulses: float
    lower: F32
    upper: F32
    seen: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """Devices on tiles of one shape; the arrays inside change, the object does not.

    `weights` float32 [tile, row, col] is what a read sees; `stored` is what pulses move, the same
    array unless writing adds noise.  `lower` < 0 < `upper` are the bounds of each device, and
    `law` its steps; they have the shape of the weights, or [1, 1, 1] where all devices are equal.
    `step` is the mean of the nominal steps up and down at weight zero.
    `cycle_noise` is the standard deviation of one step, relative to the step (`of_step`) or to
    `step` at every weight (`of_mean_step`); `write_noise` that of the weight after a write.
    `pulses` float64 [tile, row, col] counts the programming pulses that each device has taken.
    `half_selects` float64 [tile, row, col] counts the slots in which it was on one fired line only,
    where updates are made with a disturb.
    `version` int64 [1] grows with every change of the weights: what was computed from them holds as
    long as it stays.  `moved` float64 [1] sums |change| over all devices and changes, those by
    pulses as mean steps.  Whoever writes into the arrays directly calls `changed`.
    """

    weights: F32
    stored: F32
    lower: F32
    upper: F32
    law: StepLaw
    step: float
    cycle_noise: float
    cycle_noise_kind: CycleNoise
    write_noise: float
    pulses: NDArray[np.float64]
    half_selects: NDArray[np.float64]
    version: NDArray[np.int64]
    moved: NDArray[np.float64]
    wander: WanderingBounds | None = None

    @property
    def lowest(self) -> F32:
        """The lower bound of each device, the mean one where it wanders."""
        return self.lower if self.wander is None else self.wander.lower

    def bounds(self, where: Where) -> Bounds:
        """Present bounds of the devices `where` of the flattened array."""
        return Bounds(part(self.lower, where), part(self.upper, where))

    def steps(self, weights: F32) -> LocalSteps:
        """The steps of all devices if they held `weights`, flat."""
        return self.law.at(weights, slice(None), self.bounds(slice(None)))

    def changed(self, by: float = math.inf) -> None:
        """Say that weights have changed, so that nothing computed from them is used again.

        `by` is the sum of |change| over all devices.
        """
        self.version[0] += 1
        self.moved[0] += by

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles, rows, columns."""
        tiles, rows, cols = self.weights.shape
        return tiles, rows, cols


def make_devices(
    shape: tuple[int, int, int],
    law: StepLaw,
    bounds: tuple[F32, F32],
    step: float,
    *,
    cycle_noise: float = 0.0,
    cycle_noise_kind: CycleNoise = "of_step",
    write_noise: float = 0.0,
    wander: WanderingBounds | None = None,
) -> DeviceArray:
    """Devices at weight zero with the laws and bounds given; InputError for bounds that cross."""
    _check_bounds(*bounds)
    weights = np.zeros(shape, dtype=np.float32)
    return DeviceArray(
        weights=weights,
        stored=weights if write_noise == 0 else weights.copy(),
        lower=np.atleast_3d(np.minimum(bounds[0], -TINY, dtype=np.float32)),
        upper=np.atleast_3d(np.maximum(bounds[1], TINY, dtype=np.float32)),
        law=law,
        step=step,
        cycle_noise=cycle_noise,
        cycle_noise_kind=cycle_noise_kind,
        write_noise=write_noise,
        pulses=np.zeros(shape, dtype=np.float64),
        half_selects=np.zeros(shape, dtype=np.float64),
        version=np.zeros(1, dtype=np.int64),
        moved=np.zeros(1, dtype=np.float64),
        wander=wander,
    )


def _check_bounds(lower: F32, upper: F32) -> None:
    """Refuse bounds between which there is no weight zero."""
    low, high = finite("the lower bounds", lower), finite("the upper bounds", upper)
    if np.any(low > 0) or np.any(high < 0):
        raise InputError(
            f"bounds of devices reach from {float(low.max(initial=0.0)):g} up and from "
            f"{float(high.min(initial=0.0)):g} down; expected lower bounds of at most 0 and upper "
            "bounds of at least 0"
        )


def sample_devices(
    device: Device,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    unknown: Spread | None = None,
) -> DeviceArray:
    """Devices drawn from the spread of `device`, at weight zero; `shape` is [tile, row, col].

    Entries of the spread that nobody has published are taken from `unknown`; without it they are
    refused, since unknown is not zero.  A draw that would turn the sign of a step, a slope or a
    bound is reflected.  Steps of a soft-bounds device end at its own bounds and keep their size at
    weight zero, those of a linear device keep their line; all other responses are stretched over
    the range of each device.  Draws are made in a fixed order, whichever of them are zero.
    """
    spread = known_spread(device, unknown)
    reference = float(device.state(device.conductance_reference_siemens))
    response = device.effective_response
    gain = np.abs(_draw(spread["step_devices"], shape, rng) + np.float32(1.0))
    tilt = _draw(spread["asymmetry_devices"], shape, rng) * np.float32(0.5)
    upper = np.abs(_draw(spread["bounds_devices"], shape, rng) + np.float32(UPPER - reference))
    lower = -np.abs(_draw(spread["bounds_devices"], shape, rng) + np.float32(reference - LOWER))
    powers = [np.abs(_draw(spread["slope_devices"], shape, rng) + 1) for _ in Polarity]
    bounds, wander = _wandering(device, spread["bounds_cycles"], (lower, upper), shape, rng)
    drawn = _Drawn(
        up=np.maximum(gain * (1 + tilt), 0, dtype=np.float32),
        down=np.maximum(gain * (1 - tilt), 0, dtype=np.float32),
        lower=bounds[0],
        upper=bounds[1],
        up_power=powers[0],
        down_power=powers[1],
    )
    law = _STRAIGHT.get(response.kind, _curved)(response, reference, drawn)
    sizes = [float(response.step_size(reference, polarity)) for polarity in Polarity]
    return make_devices(
        shape,
        law,
        bounds,
        0.5 * sum(sizes),
        cycle_noise=spread["step_cycles"],
        write_noise=spread["write_noise"],
        wander=wander,
    )


def _wandering(
    device: Device,
    deviation: float,
    means: tuple[F32, F32],
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> tuple[tuple[F32, F32], WanderingBounds | None]:
    """The bounds that devices start with; a full cycle is the range up and down."""
    if deviation == 0:
        return means, None
    lower, upper = (np.broadcast_to(mean, shape).copy() for mean in means)
    bounds = (
        np.minimum(lower + _draw(deviation, shape, rng), 0, dtype=np.float32),
        np.maximum(upper + _draw(deviation, shape, rng), 0, dtype=np.float32),
    )
    cycle = 2.0 * float(device.pulses_full_range)
    return bounds, WanderingBounds(deviation, cycle, lower, upper, np.zeros(shape))


def known_spread(device: Device, unknown: Spread | None) -> dict[str, float]:
    """The spread of a device by name, gaps filled from `unknown`; InputError lists what is left."""
    values: dict[str, float] = {}
    missing = []
    for name in Spread.model_fields:
        value = None if device.spread is None else getattr(device.spread, name)
        if value is None and unknown is not None:
            value = getattr(unknown, name)
        if value is None:
            missing.append(name)
        else:
            values[name] = float(value)
    if missing:
        raise InputError(
            f"the spread of device '{device.name}' is unknown in {', '.join(missing)}",
            remedy="Give these under device.spread in the architecture, or a spread to assume.",
        )
    return values


def _draw(deviation: float, shape: tuple[int, int, int], rng: np.random.Generator) -> F32:
    """Normal deviates around 0; one value for all devices if there is no spread."""
    if deviation == 0:
        return np.zeros((1, 1, 1), dtype=np.float32)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What was drawn for each device: scales of its steps, bounds, and powers of nonlinearity."""

    up: F32
    down: F32
    lower: F32
    upper: F32
    up_power: F32
    down_power: F32


def _constant(response: Response, reference: float, drawn: _Drawn) -> StepLaw:
    assert isinstance(response, ConstantStep)
    flat = np.zeros((1, 1, 1), dtype=np.float32)
    return straight_law(
        drawn.up * np.float32(response.step_up),
        flat,
        drawn.down * np.float32(response.step_down),
        flat,
    )


def _linear(response: Response, reference: float, drawn: _Drawn) -> StepLaw:
    assert isinstance(response, LinearStep)
    up_step = drawn.up * np.float32(response.step_up)
    down_step = drawn.down * np.float32(response.step_down)
    at_zero_up = np.asarray(1.0 - response.slope_up * reference, dtype=np.float32)
    at_zero_down = np.asarray(1.0 + response.slope_down * reference, dtype=np.float32)
    return straight_law(
        up_step * at_zero_up,
        up_step * np.float32(response.slope_up) * drawn.up_power,
        down_step * at_zero_down,
        down_step * np.float32(response.slope_down) * drawn.down_power,
    )


def _soft_bounds(response: Response, reference: float, drawn: _Drawn) -> StepLaw:
    assert isinstance(response, SoftBounds)
    up_step = drawn.up * np.asarray(response.step_up * (UPPER - reference), dtype=np.float32)
    down_step = drawn.down * np.asarray(response.step_down * (reference - LOWER), dtype=np.float32)
    return ending_law(up_step, down_step, Bounds(drawn.lower, drawn.upper))


def _curved(response: Response, reference: float, drawn: _Drawn) -> StepLaw:
    plain = drawn.up_power.size == 1
    return CurvedLaw(
        response,
        drawn.up,
        drawn.down,
        None if plain else drawn.up_power,
        None if plain else drawn.down_power,
        reference,
    )


_Builder = Callable[[Any, float, _Drawn], StepLaw]

# Responses whose steps are straight lines, by kind; all others go by their tangents.
_STRAIGHT: dict[str, _Builder] = {
    "constant": _constant,
    "linear": _linear,
    "soft_bounds": _soft_bounds,
}


def set_weights(
    devices: DeviceArray,
    target: ArrayLike,
    rng: np.random.Generator,
    *,
    states: int | None = None,
) -> float:
    """Program all devices to `target` [tile, row, col], in place, as far as their bounds allow.

    With `states` a device can only be left at one of so many levels, evenly spaced over its own
    range; the nearest is taken.  Adds write noise; counts no pulses (programming has its own cost).
    Returns the share of the devices that their bounds kept from the target.
    InputError, before anything is changed, if the target has another shape or is not finite, or if
    there are fewer than two states.
    """
    wanted = finite("the target weights", target)
    if wanted.shape != devices.shape:
        raise InputError(
            f"the target weights have shape {list(wanted.shape)}, but the devices have shape "
            f"{list(devices.shape)} [tile, row, col]"
        )
    if states is not None and states < 2:
        raise InputError(f"a device with {states} state(s) holds no weight; give at least 2")
    held = np.clip(wanted, devices.lower, devices.upper)
    bounded = float(np.mean(held != wanted))
    if states is not None:
        spacing = (devices.upper - devices.lower) / np.float32(states - 1)
        spacing = np.maximum(spacing, np.finfo(np.float32).tiny)
        held = devices.lower + np.rint((held - devices.lower) / spacing) * spacing
        np.clip(held, devices.lower, devices.upper, out=held)
    put_weights(devices, slice(None), held.reshape(-1), rng)
    return bounded


def put_weights(
    devices: DeviceArray,
    where: slice | NDArray[np.intp],
    values: F32,
    rng: np.random.Generator | None = None,
) -> None:
    """Write values inside the bounds to `where` (of the flattened array), one each.

    Adds write noise, none without `rng`.
    """
    weights = devices.weights.reshape(-1)
    before = weights[where].copy()
    devices.stored.reshape(-1)[where] = values
    if rng is None:
        weights[where] = values
    else:
        show_stored(devices, where, rng)
    devices.changed(distance(before, weights[where]))


def distance(before: F32, after: F32) -> float:
    """Sum of |after - before|."""
    apart = after - before
    np.abs(apart, out=apart)
    return float(apart.sum())


def show_stored(
    devices: DeviceArray, where: slice | NDArray[np.intp], rng: np.random.Generator
) -> None:
    """After a write to `where` (of the flattened array): the weights are the stored ones, noisy."""
    if devices.write_noise == 0:
        return
    stored = devices.stored.reshape(-1)[where]
    noise = rng.standard_normal(stored.shape, dtype=np.float32)
    noise *= np.float32(devices.write_noise)
    devices.weights.reshape(-1)[where] = stored + noise
