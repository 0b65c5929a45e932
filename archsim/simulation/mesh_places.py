"""Where weight matrices lie on a mesh: all at once, or some after the other in rounds of writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone
from archsim.mapping.layout import TileLayout, joined, lay_out
from archsim.mapping.placement import TilePlacement, keep_snake, place_tiles, usual_effort
from archsim.mapping.rounds import ALWAYS
from archsim.mapping.traffic import Traffic, copy_traffic
from archsim.simulation.mesh_matrices import MeshMatrices
from archsim.simulation.program import BoolArray, IntArray

# Placements by what is placed: equal arrays with equal traffic have equal places.
Known: TypeAlias = dict[tuple[bytes, ...], TilePlacement]


@dataclass(frozen=True, slots=True)
class Places:
    """Copies in tiles, tiles on the mesh, and what copies exchange per sample.

    In rounds of writing several slots of the layout have the same tile, one after the other.
    """

    layout: TileLayout
    placement: TilePlacement
    exchanged_bits: float


@dataclass(frozen=True, slots=True)
class _Case:
    """What is to be placed: a layout, traffic between its copies, and how hard to try.

    `staying` are the tiles of the first slots, which are given (None: all are free).
    """

    layout: TileLayout
    traffic: Traffic
    side: int
    effort: int | None = None
    staying: IntArray | None = None

    @property
    def key(self) -> tuple[bytes, ...]:
        """Equal for what is placed alike."""
        layout, traffic = self.layout, self.traffic
        pieces = (layout.piece_slot, layout.piece_arrays, layout.piece_copy)
        ends = (traffic.source, traffic.target)
        return (*(column.tobytes() for column in (*pieces, *ends)), traffic.bits.tobytes())


def _along_the_snake(case: _Case) -> TilePlacement:
    # The first slots have the same tiles whatever follows.
    return keep_snake(case.layout, case.traffic, case.side)


def _improved(case: _Case) -> TilePlacement:
    return place_tiles(
        case.layout, case.traffic, case.side, effort=case.effort, staying=case.staying
    )


_PLACED_BY: dict[Literal["snake", "improved"], Callable[[_Case], TilePlacement]] = {
    "snake": _along_the_snake,
    "improved": _improved,
}


def places_at_once(
    architecture: Architecture,
    matrices: MeshMatrices,
    between: Traffic,
    samples: int,
    known: Known,
) -> Places:
    """Places of `matrices` on one mesh, with traffic `between` them in bits per sample.

    `known` are placements so far, to which this one is added.  Raises `DoesNotFit` if the arrays do
    not suffice.
    """
    case = _case(architecture, matrices, between, samples)
    if case.key not in known:
        known[case.key] = _PLACED_BY[architecture.mapping.placement](case)
    return Places(case.layout, known[case.key], float(case.traffic.bits.sum()))


def places_in_rounds(
    architecture: Architecture,
    matrices: MeshMatrices,
    between: Traffic,
    samples: int,
    round_of: IntArray,
) -> Places:
    """Places of `matrices` that have the arrays in rounds: `round_of` [K], or `ALWAYS`.

    Every round is placed on its own, by what its matrices exchange.  Those that are always there are
    placed with the first round, and stay.  Rounds with equal arrays and traffic are placed alike.
    """
    stay = (round_of == ALWAYS) & (matrices.copies > 0)
    cases = [
        _case(
            architecture,
            matrices.only(stay | (round_of == number)),
            _without(between, stay) if number else between,
            samples,
            stay,
        )
        for number in range(int(round_of.max(initial=0)) + 1)
    ]
    side, kinds = cases[0].side, len({case.key for case in cases})
    effort = usual_effort(side) // kinds
    tiles = lone(architecture.tile.arrays)
    fixed = int(np.ceil((matrices.arrays * matrices.copies)[stay].sum() / tiles))
    place, known = _PLACED_BY[architecture.mapping.placement], Known()
    staying: IntArray | None = None
    found = []
    for case in cases:
        if case.key not in known:
            known[case.key] = place(replace(case, effort=effort, staying=staying))
        found.append(known[case.key])
        if staying is None:
            staying = found[0].tile[:fixed]
    return Places(
        joined([case.layout for case in cases], stay),
        TilePlacement(
            side,
            np.concatenate([placement.tile for placement in found]),
            sum(placement.snake_bit_hops for placement in found),
            sum(placement.bit_hops for placement in found),
        ),
        float(sum(case.traffic.bits.sum() for case in cases)),
    )


def _case(
    architecture: Architecture,
    matrices: MeshMatrices,
    between: Traffic,
    samples: int,
    ahead: BoolArray | None = None,
) -> _Case:
    """`matrices` in tiles, those `ahead` first, with all traffic between their copies."""
    side, arrays = int(lone(architecture.mesh.side)), int(lone(architecture.tile.arrays))
    layout = lay_out(matrices.arrays, matrices.copies, arrays, side * side, ahead)
    traffic = copy_traffic(layout, between)
    return _Case(layout, _with_chains(traffic, layout, matrices.chain_bits / samples), side)


def _without(between: Traffic, stay: BoolArray) -> Traffic:
    """The traffic but for that between matrices that `stay`, whose places are known."""
    other = ~(stay[between.source] & stay[between.target])
    return Traffic(between.source[other], between.target[other], between.bits[other])


def _with_chains(traffic: Traffic, layout: TileLayout, bits: FloatArray) -> Traffic:
    """`traffic` and what each copy of a matrix exchanges with the next one, both ways."""
    later = np.flatnonzero(layout.copy_rank > 0)
    return Traffic(
        np.concatenate([traffic.source, later - 1]),
        np.concatenate([traffic.target, later]),
        np.concatenate([traffic.bits, 2.0 * bits[layout.copy_matrix[later]]]),
    )
