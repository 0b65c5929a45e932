"""Devices as another simulator describes them: bounds, step and slopes around weight zero."""

from __future__ import annotations

import numpy as np

from archsim.hardware.response import ExponentialStep
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray, make_devices
from archsim.tile_kernel.step_law import straight_law

# Bounds, smallest step, relative noise of one step, and what the step loses per unit of weight,
# relative to the step: defaults and presets of aihwkit 1.2.0.
CONSTANT = (-0.6, 0.6, 0.001, 0.3, 0.0, 0.0)
SOFT = (-0.6, 0.6, 0.001, 0.3, 1 / 0.6, 1 / 0.6)
ECRAM = (-0.8276, 1.1724, 0.002, 0.3, 0.1153 / 1.1724, 0.5085 / 0.8276)
ECRAM_MO = (-0.8286, 1.1714, 0.00028214, 2.0, 0.4152 / 1.1714, 0.7342 / 0.8286)
REFERENCES = {
    "ConstantStep": CONSTANT,
    "LinearStep": CONSTANT,
    "SoftBounds": SOFT,
    "EcRamPreset": ECRAM,
    "EcRamMOPreset": ECRAM_MO,
}

# A step that falls with the exponential of the weight, differently up and down.
EXPONENTIAL = ExponentialStep(
    kind="exponential",
    step_up=0.004,
    step_down=0.003,
    amplitude_up=0.2,
    amplitude_down=0.1,
    rate_up=1.5,
    rate_down=2,
)


def one(value: float) -> F32:
    """One value for all devices."""
    return np.full((1, 1, 1), value, dtype=np.float32)


def reference_devices(name: str, shape: tuple[int, int, int], *, noisy: bool = True) -> DeviceArray:
    """Equal devices of one of the descriptions above, at weight zero, in its units."""
    lower, upper, step, noise, up_fall, down_fall = REFERENCES[name]
    law = straight_law(one(step), one(step * up_fall), one(step), one(step * down_fall))
    bounds = (one(lower), one(upper))
    return make_devices(shape, law, bounds, step, cycle_noise=noise if noisy else 0.0)


def generator(seed: int) -> np.random.Generator:
    """The generator that the kernel is meant to be run with."""
    return np.random.Generator(np.random.SFC64(seed))
