"""Drift between steps: what devices lose while they are left alone."""

from __future__ import annotations

import numpy as np

from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.retention import ExponentialRetention, Retention
from archsim.tile_kernel.state import DeviceArray, distance


def drift(devices: DeviceArray, device: Device, age_s: float, duration_s: float) -> None:
    """Let `duration_s` pass, in place, for devices last written `age_s` ago.

    See `kept_share` and `relax`.
    """
    relax(devices, device, kept_share(device, age_s, duration_s))


def kept_share(device: Device, age_s: float, duration_s: float) -> float:
    """What `duration_s` leaves of the distance to rest of devices last written `age_s` ago.

    An exponential retention relaxes to weight zero; drift by a power or a logarithm of time takes
    its share of the conductance, and what is taken depends on the age: with the shares r1 and r2
    of both ends, the conductance is multiplied by (1 - r2) / (1 - r1).
    InputError if the device's retention is unknown, or a time is negative.
    """
    if device.retention is None:
        raise InputError(
            f"the retention of device '{device.name}' is unknown, so its drift cannot be computed",
            remedy="Give device.retention in the architecture.",
        )
    for name, value in (("age", age_s), ("duration", duration_s)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"the {name} of a drift is {value} s; expected at least 0 s")
    return _kept(device.retention, age_s, duration_s)


def relax(devices: DeviceArray, device: Device, keep: float) -> None:
    """Leave the share `keep` of the distance to rest, in place; bounds are not crossed."""
    # Weight that stands for conductance zero: drift of the conductance draws weights there.
    rest = 0.0
    if not isinstance(device.retention, ExponentialRetention):
        half = float(device.half_range_siemens)
        rest = -float(device.conductance_reference_siemens) / half
    # Pulses move one array and reads see another only where writing adds noise.
    held = [devices.weights] if devices.write_noise == 0 else [devices.weights, devices.stored]
    before = devices.weights.copy()
    for weights in held:
        drifted = (weights - np.float32(rest)) * np.float32(keep) + np.float32(rest)
        weights[...] = np.clip(drifted, devices.lower, devices.upper)
    devices.changed(distance(before, devices.weights))


def _kept(retention: Retention, age_s: float, duration_s: float) -> float:
    before = 1.0 - float(retention.relative_drift(age_s))
    after = 1.0 - float(retention.relative_drift(age_s + duration_s))
    return after / before if before > 0 else 0.0
