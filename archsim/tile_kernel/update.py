"""The parallel update of an array: a minibatch of rank-1 changes by coincident pulses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from archsim.tile_kernel.coincidences import Drawn, PulseCounts, counts, events, pulsed
from archsim.tile_kernel.disturb import Exposure, exposures, partial_pulses
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import DeviceArray
from archsim.tile_kernel.step_law import Where
from archsim.tile_kernel.trains import Disturb, TileTrains, UpdateParameters, pulse_trains


class _Kernel(Protocol):
    def __call__(
        self, trains: TileTrains, rng: np.random.Generator, *, every_device: bool
    ) -> Drawn: ...


# Mean pulses per device from which matrix products beat a list of coincidences, one-slot trains.
_DENSE_FROM_ONE_SLOT = 0.5

_KERNELS: dict[str, _Kernel] = {"pulsed": pulsed, "counts": counts, "events": events}


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update did: measured statistics that the energy model asks for.

    `pulses_up` and `pulses_down` sum over all devices and samples, `row_ones` and `column_ones`
    over all lines and samples; `slots` sums the train lengths over samples and tiles; `clipped`
    counts probabilities above one.
    """

    pulses_up: float = 0.0
    pulses_down: float = 0.0
    row_ones: float = 0.0
    column_ones: float = 0.0
    slots: int = 0
    clipped: int = 0

    def __add__(self, other: UpdateReport) -> UpdateReport:
        return UpdateReport(
            self.pulses_up + other.pulses_up,
            self.pulses_down + other.pulses_down,
            self.row_ones + other.row_ones,
            self.column_ones + other.column_ones,
            self.slots + other.slots,
            self.clipped + other.clipped,
        )


Taker: TypeAlias = Callable[[Where, PulseCounts, Exposure | None], None]


def update(
    devices: DeviceArray,
    x: ArrayLike,
    error: ArrayLike,
    learning_rate: float,
    parameters: UpdateParameters,
    rng: np.random.Generator,
) -> UpdateReport:
    """Change `devices` in place towards w - learning_rate * x^T error, by pulses.

    `x` [batch, row], `error` [batch, col], with a tile axis in the middle for several tiles.
    Bad input is refused with InputError before anything is changed.
    """
    disturb = parameters.disturb

    def take(where: Where, block: PulseCounts, seen: Exposure | None) -> None:
        partial = partial_pulses(disturb, seen)
        apply_pulses(
            devices,
            where,
            block.up,
            block.down,
            rng,
            count_variance=block.variance,
            partial=partial,
        )

    return drive_lines(devices, x, error, learning_rate, parameters, rng, take)


def drive_lines(
    devices: DeviceArray,
    x: ArrayLike,
    error: ArrayLike,
    learning_rate: float,
    parameters: UpdateParameters,
    rng: np.random.Generator,
    take: Taker,
) -> UpdateReport:
    """Draw the pulses of a minibatch for arrays of the shape and step of `devices`.

    `take` is called with the devices of a block (of the flattened array), their pulses, and what
    they see of other pulses where that disturbs; whatever is to change, it changes.
    """
    trains = pulse_trains(devices, x, error, learning_rate, parameters)
    report = UpdateReport(clipped=trains.clipped)
    for tile, of_tile in enumerate(trains.tiles):
        groups = [of_tile]
        if parameters.merge == "sample":
            groups = [of_tile.sample(index) for index in range(of_tile.length.size)]
        for group in groups:
            if group.slots:
                report += _drive_tile(tile, group, parameters, rng, take)
    return report


def _drive_tile(
    tile: int,
    trains: TileTrains,
    parameters: UpdateParameters,
    rng: np.random.Generator,
    take: Taker,
) -> UpdateReport:
    kernel = parameters.kernel
    if kernel == "auto":
        # Trains of one slot leave no remainder: their counts are exact at any density.
        dense_from = _DENSE_FROM_ONE_SLOT if trains.slots == 1 else parameters.dense_from
        kernel = "counts" if trains.expected_pulses() >= dense_from else "events"
    disturb = parameters.disturb
    drawn = _KERNELS[kernel](trains, rng, every_device=disturb is not None)
    first = tile * trains.p_x.shape[1] * trains.p_error.shape[1]
    ups = downs = 0.0
    for block, seen in _blocks(drawn, trains, disturb):
        take(_shifted(block.where, first), block, seen)
        # Pulses of a block are few enough for float32 to count them.
        ups += float(block.up.sum())
        downs += float(block.down.sum())
    return UpdateReport(
        pulses_up=ups,
        pulses_down=downs,
        row_ones=float(drawn.x.sum(dtype=np.float64)),
        column_ones=float(drawn.error.sum(dtype=np.float64)),
        slots=int(trains.length.sum()),
    )


def _blocks(
    drawn: Drawn, trains: TileTrains, disturb: Disturb | None
) -> Iterator[tuple[PulseCounts, Exposure | None]]:
    if disturb is not None:
        yield from exposures(drawn, trains, idle=disturb.of_idle_lines)
    else:
        for block in drawn.blocks:
            yield block, None


def _shifted(where: Where, first: int) -> Where:
    """Devices of a tile as devices of the whole array, whose tile begins at `first`."""
    if first == 0:
        return where
    if isinstance(where, slice):
        return slice(where.start + first, where.stop + first)
    return where + first
