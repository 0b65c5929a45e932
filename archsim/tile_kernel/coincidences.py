"""How many pulses each device takes: three ways to one distribution.

Trains are shared along a line: all devices of a row see the same ones of that row.  The counts of
two devices of one line are therefore correlated, and the update projected on its own input or
error is noisier than independent draws per device would make it.  All three ways keep that.

Each way works on one tile and yields blocks of whole rows, so that its temporaries stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.trains import TileTrains, draw_bits

Keys: TypeAlias = NDArray[np.signedinteger[Any]]

# Devices of one block, and bits drawn at a time: arrays of 120 KiB, which allocators keep at hand
# (from 128 KiB on they ask the system for fresh pages).
_BLOCK = 30720
_BITS = 122880


@dataclass(frozen=True, slots=True)
class PulseCounts:
    """Pulses up and down, flat float32, of the devices `where` of the tile (row by row).

    `rows` are the rows that the block covers; `where` is a slice, or the indices of the devices
    that take a pulse.  `variance` is that of (up - down) about the counts given, None where they
    are exact.
    """

    rows: slice
    where: slice | NDArray[np.intp]
    up: F32
    down: F32
    variance: F32 | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """Ones of each line over the slots of each update, float32 [batch, line], and the counts.

    `x` and `error` are complete when the blocks are used up.
    """

    x: F32
    error: F32
    blocks: Iterator[PulseCounts]


def _row_blocks(rows: int, cols: int, devices: int) -> Iterator[slice]:
    blocks = max(1, round(rows * cols / devices))
    step = -(-rows // min(blocks, rows))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _block(rows: slice, cols: int) -> slice:
    return slice(rows.start * cols, rows.stop * cols)


def _samples(trains: TileTrains, lines: int) -> Iterator[slice]:
    """Parts of the batch whose bits fill one cache-sized array."""
    batch = trains.length.size
    step = max(1, _BITS // max(1, trains.slots * lines))
    for start in range(0, batch, step):
        yield slice(start, min(start + step, batch))


def _ones(probability: F32, trains: TileTrains, rng: np.random.Generator) -> F32:
    """Draw all bits of all lines and keep only how many ones each line has per sample."""
    kind = np.uint8 if trains.slots <= np.iinfo(np.uint8).max else np.uint16
    ones = np.empty(probability.shape, dtype=np.float32)
    for some in _samples(trains, probability.shape[1]):
        bits = draw_bits(probability[some], trains.length[some], trains.slots, rng)
        ones[some] = bits.view(np.uint8).sum(axis=1, dtype=kind)
    return ones


def pulsed(trains: TileTrains, rng: np.random.Generator, *, every_device: bool) -> Drawn:
    """Exact counts: products of bit matrices whose inner dimension is samples times slots."""
    batch, rows = trains.p_x.shape
    cols = trains.p_error.shape[1]
    x_bits = draw_bits(trains.p_x, trains.length, trains.slots, rng)
    error_bits = draw_bits(trains.p_error, trains.length, trains.slots, rng)
    inner = batch * trains.slots
    signed_x = (x_bits * trains.sign_x[:, np.newaxis, :]).reshape(inner, rows)
    signed_error = (error_bits * trains.sign_error[:, np.newaxis, :]).reshape(inner, cols)
    x, error = np.abs(signed_x), np.abs(signed_error)

    def blocks() -> Iterator[PulseCounts]:
        for block in _row_blocks(rows, cols, _BLOCK):
            total = x[:, block].T @ error
            up, down = _halves(total, signed_x[:, block].T @ signed_error)
            yield PulseCounts(block, _block(block, cols), up, down, None)

    ones_x = x_bits.sum(axis=1, dtype=np.float32)
    return Drawn(ones_x, error_bits.sum(axis=1, dtype=np.float32), blocks())


def _halves(total: F32, against: F32) -> tuple[F32, F32]:
    """Pulses up and down, flat, from their sum and from down - up."""
    up = (total - against).reshape(-1)
    up *= np.float32(0.5)
    total += against
    total *= np.float32(0.5)
    return up, total.reshape(-1)


def counts(trains: TileTrains, rng: np.random.Generator, *, every_device: bool) -> Drawn:
    """Counts given the ones of each line: their mean, and the variance that the slots leave.

    With c_x and c_error ones in `length` slots the coincidences of a device are hypergeometric:
    mean c_x * c_error / length and variance
    c_x (length - c_x) c_error (length - c_error) / (length^2 (length - 1)); given the ones, two
    devices are uncorrelated.  Sums over the batch are three matrix products.  The counts returned
    are means, hence not whole; the variance is added by whoever applies them.  Trains of one slot
    leave no variance, and the counts are exact.
    """
    x = _ones(trains.p_x, trains, rng)
    error = _ones(trains.p_error, trains, rng)
    rows, cols = x.shape[1], error.shape[1]

    def blocks() -> Iterator[PulseCounts]:
        length: F32 = np.maximum(trains.length, 1).astype(np.float32)[:, np.newaxis]
        per_slot = error / length
        against = per_slot * trains.sign_error
        remaining = length * np.maximum(length - 1, np.float32(1))
        spread = np.asarray(per_slot * (length - error) / remaining, dtype=np.float32)
        for block in _row_blocks(rows, cols, _BLOCK):
            ones = x[:, block]
            total = ones.T @ per_slot
            up, down = _halves(total, (ones * trains.sign_x[:, block]).T @ against)
            variance: F32 | None = None
            if trains.slots > 1:
                # Rounding may leave a count a hair below zero; counts of one slot are whole.
                np.maximum(up, 0, out=up)
                np.maximum(down, 0, out=down)
                variance = np.matmul((ones * (length - ones)).T, spread).reshape(-1)
            yield PulseCounts(block, _block(block, cols), up, down, variance)

    return Drawn(x, error, blocks())


@dataclass(frozen=True, slots=True)
class _Ones:
    """Every one of some lines, sorted by slot: slots, and 2 * stride * line + (1 if negative)."""

    slot: NDArray[np.intp]
    key: Keys


def _list_ones(
    lines: slice,
    side: tuple[F32, F32, F32],
    trains: TileTrains,
    stride: int,
    rng: np.random.Generator,
) -> _Ones:
    """Draw the bits of `lines` and list their ones; counts them into the array of ones."""
    probability, sign, ones = side
    slots, width = trains.slots, lines.stop - lines.start
    found, keys = [], []
    # Short keys sort in half the time.
    kind = np.int32 if 2 * stride * width <= np.iinfo(np.int32).max else np.int64
    for some in _samples(trains, width):
        chances = np.ascontiguousarray(probability[some, lines])
        bits = draw_bits(chances, trains.length[some], slots, rng)
        ones[some, lines] = bits.view(np.uint8).sum(axis=1, dtype=np.uint16)
        slot, line = np.divmod(np.flatnonzero(bits), width)
        negative = sign[some, lines] < 0
        key: Keys = line.astype(kind)
        key *= 2 * stride
        key += negative[slot // slots, line]
        slot += some.start * slots
        found.append(slot)
        keys.append(key)
    return _Ones(np.concatenate(found), np.concatenate(keys))


def events(trains: TileTrains, rng: np.random.Generator, *, every_device: bool) -> Drawn:
    """Exact counts of the devices that take a pulse: every coincidence is listed.

    The time goes with the number of coincidences, not of devices, apart from the bits themselves.
    With `every_device` the counts are laid out for all devices nevertheless.
    """
    rows, cols = trains.p_x.shape[1], trains.p_error.shape[1]
    x, error = np.zeros_like(trains.p_x), np.zeros_like(trains.p_error)
    columns = _list_ones(slice(0, cols), (trains.p_error, trains.sign_error, error), trains, 1, rng)
    per_slot = np.bincount(columns.slot, minlength=trains.length.size * trains.slots)
    starts = np.cumsum(per_slot) - per_slot
    # Few pulses per device: larger blocks, for a fixed number of coincidences in each.
    share = min(1.0, max(trains.expected_pulses(), 1.0 / rows))

    def blocks() -> Iterator[PulseCounts]:
        for block in _row_blocks(rows, cols, int(_BLOCK / share)):
            one_side = (trains.p_x, trains.sign_x, x)
            fires = _list_ones(block, one_side, trains, cols, rng)
            runs = per_slot[fires.slot]
            ends = np.cumsum(runs)
            # The columns that fire in the slot of a row are a run of `columns.key`.
            key = np.repeat(starts[fires.slot] - (ends - runs), runs)
            key += np.arange(key.size)
            key = columns.key.take(key).astype(fires.key.dtype, copy=False)
            # The lowest bit is the sign: of both signs together it says which way the pulse goes.
            fired = np.repeat(fires.key, runs)
            negative = key & 1
            key -= negative
            key += fired
            key ^= negative
            yield _gather(key, block, cols, every_device=every_device)

    return Drawn(x, error, blocks())


# Below this share of devices with a pulse, counting by sorting beats counting into an array.
_SPARSE_SHARE = 0.25


def _gather(key: Keys, block: slice, cols: int, *, every_device: bool) -> PulseCounts:
    """Counts by device and polarity; an even key (equal signs) is a pulse down."""
    size = (block.stop - block.start) * cols
    if every_device or key.size > _SPARSE_SHARE * size:
        both = np.bincount(key, minlength=2 * size)
        up, down = both[1::2].astype(np.float32), both[::2].astype(np.float32)
        return PulseCounts(block, _block(block, cols), up, down, None)
    key.sort()
    device = key >> 1
    begins = np.empty(device.size, dtype=np.bool_)
    begins[:1] = True
    np.not_equal(device[1:], device[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    where = device.take(first).astype(np.intp)
    where += block.start * cols
    if not where.size:
        nothing = np.zeros(0, dtype=np.float32)
        return PulseCounts(block, where, nothing, nothing, None)
    ends = np.append(first[1:], key.size)
    total = (ends - first).astype(np.float32)
    key &= 1
    ups = np.cumsum(key).take(ends - 1)
    ups[1:] -= ups[:-1].copy()
    up = ups.astype(np.float32)
    return PulseCounts(block, where, up, total - up, None)
