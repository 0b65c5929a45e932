"""The devices of an array as the kernel holds them: weights, bounds and steps, device by device.

A weight is a conductance relative to the reference, in units of half the conductance range:
w = (g - g_ref) / g_half, so that the states of `archsim.hardware.response` are w plus a constant.
"""

from __future__ import annotations

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
from archsim.tile_kernel.arrays import F32, finite
from archsim.tile_kernel.step_law import CurvedLaw, StepLaw, straight_law

CycleNoise = Literal["of_step", "of_mean_step"]

NO_SPREAD = Spread(
    step_devices=0,
    bounds_devices=0,
    asymmetry_devices=0,
    bounds_cycles=0,
    step_cycles=0,
    write_noise=0,
)


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """Devices on tiles of one shape; the arrays inside change, the object does not.

    `weights` float32 [tile, row, col] is what a read sees; `stored` is what pulses move, the same
    array unless writing adds noise.  `lower` <= 0 <= `upper` are the bounds of each device, and
    `law` its steps; they have the shape of the weights, or [1, 1, 1] where all devices are equal.
    `step` is the mean of the nominal steps up and down at weight zero.
    `cycle_noise` is the standard deviation of one step, relative to the step (`of_step`) or to
    `step` at every weight (`of_mean_step`); `write_noise` that of the weight after a write.
    `pulses` float64 [tile, row, col] counts the programming pulses that each device has taken.
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
) -> DeviceArray:
    """Devices at weight zero with the laws and bounds given."""
    weights = np.zeros(shape, dtype=np.float32)
    return DeviceArray(
        weights=weights,
        stored=weights if write_noise == 0 else weights.copy(),
        lower=np.atleast_3d(np.asarray(bounds[0], dtype=np.float32)),
        upper=np.atleast_3d(np.asarray(bounds[1], dtype=np.float32)),
        law=law,
        step=step,
        cycle_noise=cycle_noise,
        cycle_noise_kind=cycle_noise_kind,
        write_noise=write_noise,
        pulses=np.zeros(shape, dtype=np.float64),
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
    refused, since unknown is not zero.  A draw that would turn the sign of a step or of a bound is
    reflected.  Steps of a soft-bounds device end at its own bounds and keep their size at weight
    zero, those of a linear device keep their line; all other responses are stretched over the
    range of each device.  Draws are made in a fixed order, whichever of them are zero.
    """
    spread = known_spread(device, unknown)
    reference = float(device.state(device.conductance_reference_siemens))
    response = device.effective_response
    gain = np.abs(_draw(spread["step_devices"], shape, rng) + np.float32(1.0))
    tilt = _draw(spread["asymmetry_devices"], shape, rng) * np.float32(0.5)
    upper = np.abs(_draw(spread["bounds_devices"], shape, rng) + np.float32(UPPER - reference))
    lower = -np.abs(_draw(spread["bounds_devices"], shape, rng) + np.float32(reference - LOWER))
    up_scale = np.maximum(gain * (1 + tilt), 0, dtype=np.float32)
    down_scale = np.maximum(gain * (1 - tilt), 0, dtype=np.float32)
    build = _STRAIGHT.get(response.kind)
    law: StepLaw
    if build is None:
        law = CurvedLaw(response, up_scale, down_scale, lower, upper)
    else:
        law = build(response, reference, up_scale, down_scale, lower, upper)
    sizes = [float(response.step_size(reference, polarity)) for polarity in Polarity]
    return make_devices(
        shape,
        law,
        (lower, upper),
        0.5 * sum(sizes),
        cycle_noise=spread["step_cycles"],
        write_noise=spread["write_noise"],
    )


def known_spread(device: Device, unknown: Spread | None) -> dict[str, float]:
    """The spread of a device by name, gaps filled from `unknown`; InputError lists what is left."""
    names = [name for name in Spread.model_fields if name != "bounds_cycles"]
    values: dict[str, float] = {}
    missing = []
    for name in names:
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


def _constant(
    response: Response, reference: float, up: F32, down: F32, lower: F32, upper: F32
) -> StepLaw:
    assert isinstance(response, ConstantStep)
    flat = np.zeros((1, 1, 1), dtype=np.float32)
    up_step, down_step = up * np.float32(response.step_up), down * np.float32(response.step_down)
    return straight_law(up_step, flat, down_step, flat)


def _linear(
    response: Response, reference: float, up: F32, down: F32, lower: F32, upper: F32
) -> StepLaw:
    assert isinstance(response, LinearStep)
    up_step, down_step = up * np.float32(response.step_up), down * np.float32(response.step_down)
    at_zero_up = np.asarray(1.0 - response.slope_up * reference, dtype=np.float32)
    at_zero_down = np.asarray(1.0 + response.slope_down * reference, dtype=np.float32)
    return straight_law(
        up_step * at_zero_up,
        up_step * np.float32(response.slope_up),
        down_step * at_zero_down,
        down_step * np.float32(response.slope_down),
    )


def _soft_bounds(
    response: Response, reference: float, up: F32, down: F32, lower: F32, upper: F32
) -> StepLaw:
    assert isinstance(response, SoftBounds)
    up_step = up * np.asarray(response.step_up * (UPPER - reference), dtype=np.float32)
    down_step = down * np.asarray(response.step_down * (reference - LOWER), dtype=np.float32)
    smallest = np.finfo(np.float32).tiny
    above = np.asarray(np.maximum(upper, smallest), dtype=np.float32)
    below = np.asarray(np.maximum(-lower, smallest), dtype=np.float32)
    return straight_law(up_step, up_step / above, down_step, down_step / below)


_Builder = Callable[[Any, float, F32, F32, F32, F32], StepLaw]

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
    devices.stored[...] = held
    show_stored(devices, slice(None), rng)
    return bounded


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
