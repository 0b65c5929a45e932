"""How many pulses keep averaged copies equal: what drifted apart, and what noise of the read-out adds.

In steps of a device, with d copies that are read out with noise of deviation s (one sigma, of each
read-out), and of which each took n pulses of random sign since the last time:

    written to copy k  =  mean of the d read-outs - read-out of copy k.

Its variance is (1 - 1/d) times that of what a copy and its read-out have of their own.  That is n for
the pulses, s^2 for this read-out, and what the last time left in the copy: s^2 for its read-out, since
its noise was written into the copy as if it were a difference, and 1/6 for the parts of pulses, which
are whole pulses by chance (f * (1 - f) on average over all parts f).  So

    variance = v^2 = (1 - 1/d) * (n + 2 s^2 + 1/6).

A device takes at most BL pulses of it, the length of a train: of a half-normal number so cut off,

    mean |pulses| = sqrt(2/pi) v (1 - exp(-b^2)) + BL erfc(b),    b = BL / (sqrt(2) v).

Where that cuts much, less of the noise and more of the drift is left in the copies than v says; the
pulses are then close to BL anyhow.  Noise of the converter counts as if it differed from copy to copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import Pulsed, Role
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure, weight_arrays
from archsim.fields import FloatArray, Scalar
from archsim.hardware.limits import read_noise_steps
from archsim.mapping.transfers import PEAK

_HALF_NORMAL_MEAN = math.sqrt(2.0 / math.pi)
_LEAST_DEVIATION = 1e-9
_BISECTIONS = 60
# Of a part f of a pulse that is one with chance f: f * (1 - f), over equally likely f.
_ROUNDING_VARIANCE = 1.0 / 6.0


@dataclass(frozen=True, slots=True)
class WriteBack:
    """One write-back of the array of `role`: a device takes `pulses` in the `slots` of its line.

    `read` is 1 where reads go through the array, else 0: it is not averaged then.  `slots` are those
    of one polarity; both come one after the other.  `drift` is the variance of a copy's difference to
    the mean that its own pulses make in between, `noise` that of its read-out.
    """

    role: Role
    read: Scalar
    pulses: FloatArray
    slots: FloatArray
    drift: FloatArray
    noise: FloatArray

    def left_apart(self, train_length: Scalar) -> FloatArray:
        """Deviation of a copy from the mean of all after the write-back, in steps, one sigma.

        With V the variance before it, E the mean square of what is written, and g the mean share of a
        difference that is written (statistical linearisation of the cut-off), V is as large again
        before the next one if drift + E = 2 g V; solved by bisection.
        """
        least = self.drift + _LEAST_DEVIATION
        # At most as if all were written; where much is cut off, g V grows with the root of V only.
        linear = least + self.noise + 1.0
        most = linear * (1.0 + linear)
        for _ in range(_BISECTIONS):
            middle = np.sqrt(least * most)
            wanted = middle + self.noise
            b = _cut_at(np.sqrt(wanted), train_length)
            share = 1.0 - _erfc(b)
            square = wanted * (share - 2.0 / math.sqrt(math.pi) * b * np.exp(-np.square(b)))
            square = square + np.square(train_length) * (1.0 - share)
            settles = 2.0 * share * middle > self.drift + square
            least, most = np.where(settles, least, middle), np.where(settles, middle, most)
        return np.asarray(np.sqrt(np.maximum(most - self.drift, 0.0)))


def write_backs(
    architecture: Architecture, batch: FloatArray, copies: Scalar
) -> tuple[WriteBack, ...]:
    """Of each array of a weight that may drift apart, one synchronisation of `copies` copies.

    `batch` is [C, 1] samples per step; `copies` is at least 1, also infinite.  A line fires as often
    as its most-pulsed device asks for, but no device takes more than `update.train_length` pulses:
    copies that are further apart stay so for the time being.
    """
    operations = structure(architecture)
    if operations.copies_alike:
        return ()
    between = batch * architecture.mapping.sync_interval * architecture.schedule.accumulate
    per_sample: dict[Pulsed, Scalar] = {
        Pulsed.PARALLEL: architecture.update.pulses_per_sample,
        Pulsed.SHARED: 0.5 * architecture.update.pulses_per_sample,
        Pulsed.WRITTEN: operations.written_pulses_per_sample,
    }
    train = architecture.update.train_length
    noise = np.square(read_noise_steps(architecture.crossbar))
    shared = 1.0 - 1.0 / np.asarray(copies, dtype=np.float64)
    found = []
    for array in weight_arrays(architecture):
        if array.pulsed not in per_sample or not np.any(array.read):
            continue
        drift = np.asarray(shared * (per_sample[array.pulsed] * between))
        deviation = np.sqrt(drift + shared * (2.0 * noise + _ROUNDING_VARIANCE))
        largest = np.ceil(PEAK * _HALF_NORMAL_MEAN * deviation)
        slots = np.asarray(np.clip(largest, 1.0, train))
        pulses = _cut_off(deviation, train)
        found.append(WriteBack(array.role, array.read, pulses, slots, drift, shared * noise))
    return tuple(found)


def _cut_off(deviation: Scalar, most: Scalar) -> FloatArray:
    """Mean size of a normal number of mean 0 and this `deviation`, cut off at `most`."""
    b = _cut_at(deviation, most)
    below = _HALF_NORMAL_MEAN * deviation * -np.expm1(-np.square(b))
    return np.asarray(below + most * _erfc(b))


def _cut_at(deviation: Scalar, most: Scalar) -> FloatArray:
    """`most` in units of sqrt(2) deviations."""
    return np.asarray(most / (math.sqrt(2.0) * np.maximum(deviation, _LEAST_DEVIATION)))


def _erfc(b: FloatArray) -> FloatArray:
    """Chance of a normal number beyond b * sqrt(2) deviations on either side."""
    return np.asarray(_ERFC(b), dtype=np.float64)


_ERFC = np.vectorize(math.erfc, otypes=[np.float64])
