"""How a network is held: on how many chips, in which rounds of writing, which matrices share arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Placement
from archsim.mapping.chips import chips_needed, shared_on_chips
from archsim.mapping.packing import IndexArray, Shareable, shareable
from archsim.mapping.rounds import packed_rounds, rounds_of


@dataclass(frozen=True, slots=True)
class Held:
    """`chips` [C], `array_of` and `round_of` [C, M], as in `archsim.mapping.mapping.Mapping`."""

    chips: IndexArray
    array_of: IndexArray | None
    round_of: IndexArray | None


@dataclass(frozen=True, slots=True)
class _Network:
    """One copy of each matrix: `needed` [C, M] arrays, on chips of `rooms` arrays, one per row.

    `uses` [M] is how many layers read each.  `shares` has one entry per configuration, none where
    matrices do not share arrays.
    """

    architecture: Architecture
    uses: FloatArray
    needed: FloatArray
    rooms: list[float]
    shares: tuple[Shareable, ...] = ()


def ways_of_holding(
    architecture: Architecture,
    uses: FloatArray,
    place: Placement,
    on_array: NDArray[np.bool_],
    needed: FloatArray,
) -> list[Held]:
    """By the architecture's rules: one way, or two where sharing arrays is to be weighed.

    Matrices without shared arrays come first.  `uses` [M] is how many layers read each matrix,
    `needed` [C, M] the arrays that one copy takes, 0 where it is not on arrays.
    """
    policy = architecture.mapping
    available = np.asarray(architecture.arrays_available, dtype=np.float64)
    rooms: list[float] = np.broadcast_to(available, (needed.shape[0], 1))[:, 0].tolist()
    alone = _alone(_Network(architecture, uses, needed, rooms))
    if policy.packing == "none":
        return [alone]
    shares = shareable(architecture.array, place, on_array)
    packed = _packed(_Network(architecture, uses, needed, rooms, shares))
    if policy.replication == "none":
        return [packed]
    # Ways are weighed side by side, so all of them say who shares.
    own = np.tile(np.arange(needed.shape[1], dtype=np.intp), (needed.shape[0], 1))
    return [Held(alone.chips, own, alone.round_of), packed]


def _alone(network: _Network) -> Held:
    overflow = network.architecture.mapping.overflow
    one = np.ones(network.needed.shape[0], dtype=np.intp)
    if overflow == "multi_chip":
        return Held(_chips(network, network.needed), None, None)
    if overflow == "reprogram":
        each = zip(network.needed, network.rooms, strict=True)
        return Held(one, None, np.stack([rounds_of(a, network.uses, room) for a, room in each]))
    return Held(one, None, None)


def _packed(network: _Network) -> Held:
    overflow, needed = network.architecture.mapping.overflow, network.needed
    one = np.ones(needed.shape[0], dtype=np.intp)
    each = zip(needed, network.rooms, network.shares, strict=True)
    if overflow == "reprogram":
        found = [packed_rounds(arrays, network.uses, room, s) for arrays, room, s in each]
        rounds, array_of = (np.stack(column) for column in zip(*found, strict=True))
        return Held(one, array_of, rounds)
    together = np.stack([shares.together() for shares in network.shares])
    if overflow != "multi_chip":
        return Held(one, together, None)
    several = _chips(network, _first_ones(needed, together)) > 1
    cut = np.stack([shared_on_chips(arrays, room, shares) for arrays, room, shares in each])
    array_of = np.where(several[:, None], cut, together)
    return Held(_chips(network, _first_ones(needed, array_of), array_of), array_of, None)


def _first_ones(needed: FloatArray, array_of: IndexArray) -> FloatArray:
    """Arrays where those that several matrices share count for the first of them, [C, M]."""
    return np.asarray(needed * (array_of == np.arange(needed.shape[1])))


def _chips(network: _Network, needed: FloatArray, array_of: IndexArray | None = None) -> IndexArray:
    """Chips that hold one copy of each matrix, no fewer than the system's least, [C]."""
    system = network.architecture.system
    assert system is not None
    least = np.broadcast_to(np.asarray(system.min_chips), (needed.shape[0], 1))[:, 0]
    found = chips_needed(needed, np.array(network.rooms), array_of)
    return np.maximum(found, np.asarray(least, dtype=np.intp))
