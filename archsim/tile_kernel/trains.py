"""Stochastic pulse trains: how often each line fires in the slots of an update.

One vector pair (x, error) of a minibatch is one update of `length` slots.  Row i fires in a slot
with probability p_x = a * |x_i| / s, column j with p_error = a * |error_j| * s, where
a = sqrt(learning_rate / (step * length)), so that a device meets length * p_x * p_error
coincidences on average: learning_rate * |x * error| / step pulses.  Update management chooses s so
that the largest line of either side fires equally often; length management shortens the trains
where fewer slots are enough.  Both as in Gokmen et al. (2017) and in aihwkit, with
k = learning_rate * max|x| * max|error| / step.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError, did_you_mean
from archsim.tile_kernel.arrays import F32, Bits, lines_of
from archsim.tile_kernel.state import DeviceArray

if TYPE_CHECKING:
    from archsim.architecture.architecture import Architecture

Merge = Literal["sample", "minibatch"]
Kernel = Literal["auto", "pulsed", "counts", "events"]
MERGES: tuple[Merge, ...] = ("sample", "minibatch")
KERNELS: tuple[Kernel, ...] = ("auto", "pulsed", "counts", "events")

_LONGEST_TRAIN = 10000
_LEVELS = 256
# Far below every product of numbers that float32 holds; a number may be divided by it.
_TINY = 1e-150
# Inputs, errors and changes above are refused: what is computed from them would leave float32.
_LARGEST_NUMBER = 1e15
# Learning rates above are refused.  Far above the largest number, since algorithms divide rates by
# inputs and errors; far below where products of such rates leave float64.
_LARGEST_RATE = 1e100
_LARGEST_SCALE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Disturb:
    """Steps of devices that are not selected, relative to the full step.

    `up` and `down` are those of half-selected devices, by the polarity of the pulse whose part they
    see; `idle_up` and `idle_down` those of devices on idle lines only, by the polarity that they see,
    which is against the phase's.  0 where the select protects them.
    """

    up: float
    down: float
    idle_up: float = 0.0
    idle_down: float = 0.0

    @property
    def of_idle_lines(self) -> bool:
        """Whether devices on idle lines move."""
        return max(self.idle_up, self.idle_down) > 0


@dataclass(frozen=True, slots=True)
class UpdateParameters:
    """How a minibatch of vector pairs becomes pulses.

    `train_length` is BL, the slots of one update, the most if `length_management` shortens it.
    `merge: sample` applies the vectors one after the other, the reference; `minibatch` gives each
    device all its pulses of the minibatch at once, the fast way.
    `kernel`: `pulsed` draws all trains and multiplies bit matrices; `counts` uses the ones of each
    line and a normal remainder; `events` lists coincidences; `auto` takes `events` below
    `dense_from` mean pulses per device and minibatch, `counts` above.
    `disturb` is None where devices that are not selected are left alone.
    """

    train_length: int = 31
    update_management: bool = True
    length_management: bool = True
    merge: Merge = "minibatch"
    kernel: Kernel = "auto"
    dense_from: float = 2.0
    disturb: Disturb | None = None

    def __post_init__(self) -> None:
        _check_choice("kernel", self.kernel, KERNELS)
        _check_choice("merge", self.merge, MERGES)
        if not self.dense_from >= 0:
            raise InputError(f"dense_from is {self.dense_from}; expected a number of at least 0")
        if not 1 <= self.train_length <= _LONGEST_TRAIN or int(self.train_length) != (
            self.train_length
        ):
            raise InputError(
                f"train_length is {self.train_length}; expected a whole number from 1 to "
                f"{_LONGEST_TRAIN}"
            )

    @classmethod
    def from_architecture(cls, architecture: Architecture) -> Self:
        """Train length and disturb of the hardware that the cost model prices."""
        device, bias = architecture.device, architecture.update.bias
        steps = [
            float(device.field_law.step_fraction(part, volts, 300.0)) if part > 0 else 0.0
            for part in (bias.half_selected, bias.unselected)
            for volts in (device.pulse_up_v, device.pulse_down_v)
        ]
        return cls(
            train_length=int(architecture.update.train_length),
            disturb=Disturb(*steps) if max(steps) > 0 else None,
        )


@dataclass(frozen=True, slots=True)
class TileTrains:
    """The trains of one tile: arrays are [batch, line], float32; `length` int [batch].

    `length` is the number of slots of each update, at most `slots`.  A device takes a pulse of
    polarity -sign_x * sign_error: weights move against the gradient.
    """

    p_x: F32
    p_error: F32
    sign_x: F32
    sign_error: F32
    length: NDArray[np.int64]

    @property
    def slots(self) -> int:
        """Slots of the longest train."""
        return int(self.length.max(initial=0))

    def expected_pulses(self) -> float:
        """Mean coincidences per device over the whole minibatch."""
        x = self.p_x.mean(axis=1, dtype=np.float64)
        return float(np.sum(x * self.p_error.mean(axis=1, dtype=np.float64) * self.length))

    def sample(self, index: int) -> TileTrains:
        """The trains of one sample of the minibatch."""
        one = slice(index, index + 1)
        return TileTrains(
            self.p_x[one],
            self.p_error[one],
            self.sign_x[one],
            self.sign_error[one],
            self.length[one],
        )


@dataclass(frozen=True, slots=True)
class Trains:
    """The trains of all tiles; `clipped` counts the probabilities above one that were cut."""

    tiles: tuple[TileTrains, ...]
    clipped: int


def pulse_trains(
    devices: DeviceArray,
    x: ArrayLike,
    error: ArrayLike,
    learning_rate: float,
    parameters: UpdateParameters,
) -> Trains:
    """Trains for the update w -= learning_rate * x^T error.

    `x` is [batch, row] and `error` [batch, col]; with several tiles [batch, tile, row] and
    [batch, tile, col].  InputError if shapes do not match, entries are not finite or the learning
    rate is negative.
    """
    inputs, errors = vector_pairs(devices.shape, x, error, learning_rate)
    size_x, size_error = np.abs(inputs), np.abs(errors)
    length, scale_x, scale_error = _scales(
        size_x, size_error, learning_rate / devices.step, parameters
    )
    # What leaves float32 here is a probability above one, which is cut.
    with np.errstate(over="ignore"):
        p_x, p_error = size_x * scale_x, size_error * scale_error
    clipped = int(np.count_nonzero(p_x > 1)) + int(np.count_nonzero(p_error > 1))
    sides = (np.minimum(p_x, 1), np.minimum(p_error, 1), np.sign(inputs), np.sign(errors), length)
    return Trains(tuple(TileTrains(*of_tile) for of_tile in zip(*sides, strict=True)), clipped)


def vector_pairs(
    shape: tuple[int, int, int], x: ArrayLike, error: ArrayLike, learning_rate: float
) -> tuple[F32, F32]:
    """Inputs [tile, batch, row] and errors [tile, batch, col] of a minibatch, all checked."""
    tiles, rows, cols = shape
    inputs = lines_of("x", x, tiles, rows, "rows")
    errors = lines_of("error", error, tiles, cols, "columns")
    if inputs.shape[1] != errors.shape[1]:
        raise InputError(
            f"x holds {inputs.shape[1]} vectors and error {errors.shape[1]}; give one error per "
            "input"
        )
    for name, values in (("x", inputs), ("error", errors)):
        largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
        if largest > _LARGEST_NUMBER:
            raise InputError(
                f"{name} is as large as {largest:g}; expected at most {_LARGEST_NUMBER:g}"
            )
    if not _is_rate(learning_rate):
        raise InputError(
            f"the learning rate is {learning_rate}; expected a number of at least 0 and at most "
            f"{_LARGEST_RATE:g}"
        )
    return inputs, errors


def _is_rate(value: object) -> bool:
    """Whether a value, whatever its type, is a learning rate."""
    return isinstance(value, Real) and 0 <= float(value) <= _LARGEST_RATE


def change_of(x: F32, error: F32, learning_rate: float) -> F32:
    """The change -learning_rate * x^T error [tile, row, col] that a minibatch asks for.

    Arguments are those that `vector_pairs` returns.  InputError if the change is too large to be
    one of weights.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        change: F32 = np.matmul(x.swapaxes(1, 2), error * np.float32(-learning_rate))
    largest = float(np.abs(change).max(initial=0.0))
    if not largest <= _LARGEST_NUMBER:
        raise InputError(
            f"the change that the minibatch asks for is as large as {largest:g}; expected at most "
            f"{_LARGEST_NUMBER:g}",
            remedy="Use a smaller learning rate.",
        )
    return change


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            f"{name} is '{value}', expected one of {', '.join(allowed)}",
            remedy=did_you_mean(value, allowed),
        )


def _scales(
    size_x: F32, size_error: F32, steps: float, parameters: UpdateParameters
) -> tuple[NDArray[np.int64], F32, F32]:
    """Train lengths [tile, batch], and what |x| and |error| are multiplied by to fire."""
    most_x = size_x.max(axis=2, initial=0.0).astype(np.float64)
    most_error = size_error.max(axis=2, initial=0.0).astype(np.float64)
    largest = steps * most_x * most_error
    wanted = parameters.train_length
    if parameters.length_management:
        length = np.clip(np.ceil(largest), 1, wanted).astype(np.int64)
    else:
        length = np.full(largest.shape, wanted, dtype=np.int64)
    # A sample without input or without error fires nothing.
    length[largest == 0] = 0
    scale = np.sqrt(steps / np.maximum(length, 1)) * (largest > 0)
    balance = np.ones_like(largest)
    if parameters.update_management:
        room = np.minimum(1.0, wanted / np.maximum(largest, _TINY))
        ratio = most_x / np.maximum(most_error * room, _TINY)
        balance = np.sqrt(np.where(largest > 0, ratio, 1.0))
    # Probabilities far above one are cut anyway.
    sides = (np.minimum(side, _LARGEST_SCALE) for side in (scale / balance, scale * balance))
    scale_x, scale_error = (np.asarray(side, dtype=np.float32)[..., np.newaxis] for side in sides)
    return length, scale_x, scale_error


def draw_bits(
    probability: F32, length: NDArray[np.int64], slots: int, rng: np.random.Generator
) -> Bits:
    """Which lines fire in which slots: bool [batch, slot, line] from probabilities [batch, line].

    Slots beyond the `length` of a sample stay silent.  One random byte decides, and a finer number
    only where the byte falls on the threshold itself: probabilities are exact to float32.
    """
    batch, lines = probability.shape
    scaled = probability * np.float32(_LEVELS)
    level = np.minimum(scaled, np.float32(_LEVELS - 1)).astype(np.uint8)
    rest = scaled - level
    size = batch * slots * lines
    words = rng.integers(0, 2**64 - 1, size=-(-size // 8), dtype=np.uint64, endpoint=True)
    drawn = words.view(np.uint8)[:size].reshape(batch, slots, lines)
    bits: Bits = drawn < level[:, np.newaxis, :]
    ties = np.flatnonzero(drawn == level[:, np.newaxis, :])
    line = ties % lines + ties // (slots * lines) * lines
    bits.reshape(-1)[ties] = rng.random(ties.size, dtype=np.float32) < rest.reshape(-1)[line]
    for sample in np.flatnonzero(length < slots):
        bits[sample, length[sample] :] = False
    return bits
