"""Which data pass over which links of the meshes of several chips.

Every chip has its own mesh.  What comes from another chip enters at the edge x = 0, where memory
controllers and the links between chips are, in the row of the tile that needs it; what goes to others
leaves there, once however many need it.  A task that takes data from another chip again, for an
update, has it from the same edge.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.mapping import Mapping
from archsim.mapping.flows import Entries
from archsim.mapping.placement import TilePlacement
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.mesh_routes import MeshRoutes, WeightData, routed, weight_data
from archsim.simulation.program import BoolArray, Program
from archsim.workload.training import TaskKind


def chip_routes(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    samples: int,
    spread: ChipSpread,
) -> tuple[MeshRoutes, ...] | None:
    """The routes on each chip, of the first configuration; None if a matrix lies on several.

    `architecture` is that configuration, `samples` its minibatch.  Equal chips are placed alike.
    """
    if (spread.matrix_count[0][mapping.on_array[0]] > 1).any():
        return None
    chip = spread.matrix_first[0]
    held = chip if mapping.array_of is None else chip[mapping.array_of[0]]
    data = weight_data(program, architecture, mapping)
    moved = data.transfers
    crossing = held[moved.source] != held[moved.target]
    data = _across(program, data, crossing)
    known: dict[tuple[bytes, ...], TilePlacement] = {}
    return tuple(
        routed(
            program,
            architecture,
            replace(mapping, on_array=mapping.on_array & (held == number)),
            samples,
            data,
            known,
        )
        for number in range(int(spread.chips[0]))
    )


def _across(program: Program, data: WeightData, crossing: BoolArray) -> WeightData:
    """The data with what crosses from chip to chip as something that leaves one and enters another."""
    moved, own = data.transfers, data.entries
    entering = Entries(
        np.concatenate([own.target, moved.target[crossing]]),
        np.concatenate([own.bits, moved.bits[crossing]]),
        np.concatenate([own.to_columns, moved.to_columns[crossing]]),
        np.concatenate([own.to_every_copy, moved.to_every_copy[crossing]]),
    )
    # The receiver keeps it for the update, so that only reads are sent anything.
    sent = crossing & ~program.of_kind(TaskKind.WEIGHT_GRADIENT)[data.taker]
    giver, first, place = np.unique(data.giver[sent], return_index=True, return_inverse=True)
    bits = np.zeros(giver.size)
    np.maximum.at(bits, place, moved.bits[sent])
    nothing = np.zeros(giver.size, dtype=np.bool_)
    return replace(
        data,
        entries=entering,
        enters=np.concatenate([data.enters, data.taker[crossing]]),
        leaves=Entries(moved.source[sent][first], bits, ~moved.from_rows[sent][first], nothing),
        leaving=giver,
    )
