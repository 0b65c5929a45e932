"""Which data pass over which links of the meshes of several chips.

Every chip has its own mesh.  What comes from another chip enters at the edge x = 0, where memory
controllers and the links between chips are, in the row of the tile that needs it; what goes to others
leaves there, once however many need it.  A task that takes data from another chip again, for an
update, has it from the same edge.  Of a matrix that is cut over chips each has its part.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.flows import Entries
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.matrix_parts import cut_into, data_of_parts, parts_of
from archsim.simulation.mesh_matrices import whole_matrices
from archsim.simulation.mesh_places import Known, places_at_once
from archsim.simulation.mesh_routes import MeshRoutes, routed, traffic_between
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.weight_data import WeightData, weight_data
from archsim.workload.training import TaskKind


def chip_routes(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    samples: int,
    spread: ChipSpread,
) -> tuple[MeshRoutes, ...]:
    """The routes on each chip, of the first configuration.

    `architecture` is that configuration, `samples` its minibatch.  Equal chips are placed alike.
    """
    parts = cut_into(np.where(mapping.on_array[0], spread.matrix_count[0], 1))
    matrices = parts_of(whole_matrices(program, architecture, mapping, samples), parts)
    chip = spread.matrix_first[0]
    held = (chip if mapping.array_of is None else chip[mapping.array_of[0]])[parts.matrix]
    held = held + parts.rank
    data = data_of_parts(program, weight_data(program, architecture, mapping, samples), parts)
    moved = data.transfers
    between = traffic_between(data)
    data = _across(program, data, held[moved.source] != held[moved.target])
    known = Known()

    def on_chip(number: int) -> MeshRoutes:
        here = matrices.only(held == number)
        places = places_at_once(architecture, here, between, samples, known)
        return routed(program, here, data, places)

    return tuple(map(on_chip, range(int(spread.chips[0]))))


def _across(program: Program, data: WeightData, crossing: BoolArray) -> WeightData:
    """The data with what crosses from chip to chip as something that leaves one and enters another."""
    moved = data.transfers
    entering = Entries(
        moved.target[crossing],
        moved.bits[crossing],
        moved.to_columns[crossing],
        moved.to_every_copy[crossing],
    )
    # The receiver keeps it for the update, so that only reads are sent anything.
    sent = crossing & ~program.of_kind(TaskKind.WEIGHT_GRADIENT)[data.taker]
    number, first, bits = _sent_once(data, np.flatnonzero(sent))
    nothing = np.zeros(number.size, dtype=np.bool_)
    leaves = Entries(moved.source[first], bits, ~moved.from_rows[first], nothing)
    return replace(
        data,
        entries=_joined(data.entries, entering),
        enters=np.concatenate([data.enters, data.taker[crossing]]),
        leaves=_joined(leaves, data.leaves),
        leaving=np.concatenate([data.giver[first], data.leaving]),
    )


def _sent_once(data: WeightData, sent: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """What part of which task leaves a chip: a number and the first transfer of each, and its bits.

    As much as the most that any task takes, however many take it: of parts that share it the sum, of
    parts that need all of it what one of them takes.
    """
    moved = data.transfers
    size = int(moved.source.max(initial=0)) + 1
    giving = data.giver[sent] * size + moved.source[sent]
    tasks = int(data.taker.max(initial=0)) + 1
    pair, place = np.unique(giving * tasks + data.taker[sent], return_inverse=True)
    summed = np.bincount(place, moved.bits[sent], minlength=pair.size)
    most = np.zeros(pair.size)
    np.maximum.at(most, place, moved.bits[sent])
    divided = np.zeros(pair.size, dtype=np.bool_)
    divided[place] = moved.to_columns[sent]
    taken = np.where(divided, summed, most)
    number, back = np.unique(pair // tasks, return_inverse=True)
    bits = np.zeros(number.size)
    np.maximum.at(bits, back, taken)
    return number, sent[np.unique(giving, return_index=True)[1]], bits


def _joined(one: Entries, other: Entries) -> Entries:
    return Entries(
        np.concatenate([one.target, other.target]),
        np.concatenate([one.bits, other.bits]),
        np.concatenate([one.to_columns, other.to_columns]),
        np.concatenate([one.to_every_copy, other.to_every_copy]),
    )
