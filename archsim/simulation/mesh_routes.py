"""Which data of a training step pass over which links of the mesh, task by task.

Digital work is done, and its data are kept, where the outputs that it works on were summed.  So
data go from there straight to the tiles that need them next: inputs of a read along its slices,
activations and errors of an update along rows and columns.  What stems from no array (the network's
input, rows of embeddings) enters from the memory controllers.  The task that takes data pays for
their way; partial sums travel in the task that makes them, weights in the averaging of copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray, lone
from archsim.mapping import Mapping
from archsim.mapping.averaging import averaging
from archsim.mapping.flows import (
    Entries,
    Slices,
    Transfers,
    copy_chains,
    entries,
    leaving,
    multicasts,
    reductions,
    within_copies,
)
from archsim.mapping.layout import TileLayout, lay_out
from archsim.mapping.placement import TilePlacement, keep_snake, place_tiles
from archsim.mapping.routing import Flows, route
from archsim.mapping.traffic import Traffic, copy_traffic, task_traffic
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.transfers import transfer_traffic
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class MeshRoutes:
    """What tasks send over the links of a placed mesh, each time that they happen.

    Entries [N], sorted by task and link: `bits` of `task` over `link` (see
    `archsim.mapping.routing.Routes`).  `depth` [T] is the longest way of a task's data, in hops:
    that of its inputs and then that of its partial sums.  `exchanged_bits` per sample go from copy to
    copy, which is what the placement brings together.  `transfer_bit_hops` [T] is the part of bits
    times links that transfers of the update algorithm take.
    """

    layout: TileLayout
    placement: TilePlacement
    task: IntArray
    link: IntArray
    bits: FloatArray
    depth: IntArray
    exchanged_bits: float
    transfer_bit_hops: FloatArray

    @property
    def mean_hops(self) -> float:
        """Distance of copies that exchange data, weighted by the data; 0 if none do."""
        return self.placement.bit_hops / self.exchanged_bits if self.exchanged_bits else 0.0

    @property
    def bit_hops(self) -> FloatArray:
        """Bits times links of each task, [T]."""
        found = np.bincount(self.task, weights=self.bits, minlength=self.depth.size)
        return found.astype(np.float64)

    def on_links(self, times: FloatArray) -> FloatArray:
        """Bits on every link, [4 * side**2], if each task happens `times` ([T])."""
        links = 4 * self.placement.side**2
        found = np.bincount(self.link, weights=self.bits * times[self.task], minlength=links)
        return found.astype(np.float64)


def mesh_routes(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> MeshRoutes:
    """Place the first configuration of `mapping` on the mesh and route the data of every task.

    `architecture` is that configuration, `samples` its minibatch.  Raises `DoesNotFit` if the arrays
    do not suffice.
    """
    data = weight_data(program, architecture, mapping)
    return routed(program, architecture, mapping, samples, data, {})


def routed(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    samples: int,
    data: WeightData,
    known: dict[tuple[bytes, ...], TilePlacement],
) -> MeshRoutes:
    """Route those of `data` that matrices which `mapping` has on arrays take or give.

    What comes from other matrices than these, or goes to them, has no way here, unless `data` says
    that it enters or leaves.  `known` are placements of equal arrays with equal traffic, to which that
    of these is added.
    """
    side, arrays = int(lone(architecture.mesh.side)), int(lone(architecture.tile.arrays))
    copies = np.where(mapping.arrays_needed > 0, mapping.copies, 0.0)[0]
    layout = lay_out(mapping.arrays_needed[0], copies, arrays, side * side)
    weights = _weights(program, architecture, mapping, samples)
    between = Traffic(data.transfers.source, data.transfers.target, data.transfers.bits).merged()
    traffic = _with_chains(copy_traffic(layout, between), layout, weights / samples)
    pieces = (layout.piece_slot, layout.piece_arrays, layout.piece_copy)
    alike = tuple(
        column.tobytes() for column in (*pieces, traffic.source, traffic.target, traffic.bits)
    )
    if alike not in known:
        known[alike] = _PLACED_BY[architecture.mapping.placement](layout, traffic, side)
    placement = known[alike]
    slices = Slices(layout, placement, *_grids(mapping))
    matrices = np.flatnonzero(weights)
    owners = program.closing[matrices]
    inputs = [
        (multicasts(slices, data.transfers), data.taker),
        (entries(slices, data.entries, side), data.enters),
    ]
    sums = [
        (reductions(slices, data.summed, data.sums, data.from_rows), data.summing),
        (copy_chains(layout, placement, matrices, weights[matrices]), owners),
        (leaving(slices, data.leaves, side), data.leaving),
    ]
    ways = [_ways(program.size, side, part) for part in (inputs, sums)]
    links = 4 * side * side
    moved = _transfer_ways(program, architecture, mapping, samples, (layout, placement))
    everything = [*ways, moved]
    key, place = np.unique(np.concatenate([way.key for way in everything]), return_inverse=True)
    bits = np.bincount(place, weights=np.concatenate([way.bits for way in everything]))
    of_transfers = np.bincount(moved.key // links, weights=moved.bits, minlength=program.size)
    return MeshRoutes(
        layout,
        placement,
        task=key // links,
        link=key % links,
        bits=np.asarray(bits, dtype=np.float64),
        depth=np.asarray(sum(way.depth for way in ways)),
        exchanged_bits=float(traffic.bits.sum()),
        transfer_bit_hops=of_transfers.astype(np.float64),
    )


def _transfer_ways(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    samples: int,
    placed: tuple[TileLayout, TilePlacement],
) -> _Ways:
    """Lines that transfers read go to where the outputs of their columns are summed; pulses come back.

    That is where digital work on these columns is done.  Nobody waits for the hops alone.
    """
    side = placed[1].side
    sent = transfer_traffic(program, architecture, mapping, np.array([[float(samples)]]))
    if sent is None:
        return _ways(program.size, side, [])
    matrix = _holders(program, mapping)[sent.task]
    back, use = within_copies(*placed, _grids(mapping), matrix, sent.pulse_bits)
    there, used = within_copies(*placed, _grids(mapping), matrix, sent.read_bits)
    there = replace(there, inward=np.ones_like(there.inward))
    return _ways(program.size, side, [((back, use), sent.task), ((there, used), sent.task)])


_PLACED_BY: dict[
    Literal["snake", "improved"], Callable[[TileLayout, Traffic, int], TilePlacement]
] = {"snake": keep_snake, "improved": place_tiles}


@dataclass(frozen=True, slots=True)
class WeightData:
    """What weight tasks take in, sum and send away, and the program's task that pays for each.

    `giver` is the task from which each of `transfers` comes.  `entries` come from the edge of the mesh,
    `leaves` go there.
    """

    transfers: Transfers
    giver: IntArray
    taker: IntArray
    entries: Entries
    enters: IntArray
    summed: IntArray
    sums: FloatArray
    from_rows: BoolArray
    summing: IntArray
    leaves: Entries
    leaving: IntArray


def weight_data(program: Program, architecture: Architecture, mapping: Mapping) -> WeightData:
    """The data of all matrices on arrays, wherever these are; nothing leaves the mesh."""
    numbers = architecture.numbers
    width = lone(numbers.activation_bits)
    on = _on_arrays(program, mapping)
    if not np.any(structure(architecture).per_vector.parallel_updates):
        on = on & ~program.of_kind(
            TaskKind.WEIGHT_GRADIENT
        )  # vectors go to the matrix unit, no array takes them
    split = _split_updates(program, on)
    wanted = split.elements * width
    found = task_traffic(split.on, split.edge_from, split.edge_to, split.outputs, wanted)
    taker = split.task[found.target]
    every = program.of_kind(TaskKind.WEIGHT_GRADIENT) & (architecture.mapping.sync == "broadcast")
    held = _holders(program, mapping)
    transfers = Transfers(
        held[found.source],
        held[taker],
        found.bits,
        from_rows=program.transposed[found.source],
        to_columns=split.columns[found.target],
        to_every_copy=every[taker],
    )
    known = np.bincount(found.target, weights=found.bits, minlength=wanted.size)
    left = np.where(split.on, wanted - known, 0.0)
    # What differs by rounding only does not come from outside.
    outside = np.flatnonzero(left > 1e-9 * wanted)
    enters = split.task[outside]
    entering = Entries(held[enters], left[outside], split.columns[outside], every[enters])
    sums = program.output_elements * lone(numbers.partial_sum_bits)
    summing = np.flatnonzero(on & ~program.of_kind(TaskKind.WEIGHT_GRADIENT) & (sums > 0))
    nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    return WeightData(
        transfers=transfers,
        giver=split.task[found.source],
        taker=taker,
        entries=entering,
        enters=enters,
        summed=held[summing],
        sums=sums[summing],
        from_rows=program.transposed[summing],
        summing=summing,
        leaves=Entries(nothing, np.zeros(0), none, none),
        leaving=nothing,
    )


@dataclass(frozen=True, slots=True)
class _Split:
    """A program's tasks, in which each update is followed by two: its activations, its errors.

    All [V]: `task` is the program's, `on` says that it works on arrays, `elements` what it takes
    in, `outputs` what it makes, `columns` whether its input enters along column slices.
    """

    task: IntArray
    on: BoolArray
    elements: FloatArray
    outputs: FloatArray
    columns: BoolArray
    edge_from: IntArray
    edge_to: IntArray


def _split_updates(program: Program, on: BoolArray) -> _Split:
    """Activations of an update come from where its read's came from, errors from the tasks before."""
    size = program.size
    updates = np.flatnonzero(on & program.of_kind(TaskKind.WEIGHT_GRADIENT))
    place = np.full(size, -1)
    place[updates] = size + 2 * np.arange(updates.size)
    source, target, again = _data_edges(program)
    to_errors = np.where(place[target] >= 0, place[target] + 1, target)
    saved = place[again.target] >= 0
    task = np.concatenate([np.arange(size), np.repeat(updates, 2)])
    errors = np.concatenate([np.zeros(size, dtype=bool), np.arange(2 * updates.size) % 2 == 1])
    elements = program.input_elements[task].copy()
    amount = np.minimum(program.errors_stored, program.input_elements)[task]
    elements[size:] = np.where(errors, amount, elements - amount)[size:]
    elements[updates] = 0.0
    outputs = np.where(np.arange(task.size) < size, program.output_elements[task], 0.0)
    return _Split(
        task=task,
        on=on[task],
        elements=elements,
        outputs=outputs,
        columns=program.transposed[task] ^ errors,
        edge_from=np.concatenate([source, again.source[saved]]),
        edge_to=np.concatenate([to_errors, place[again.target[saved]]]),
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """Inputs of forward tasks that their operator's backward tasks use again: pairs, [E]."""

    source: IntArray
    target: IntArray


def _data_edges(program: Program) -> tuple[IntArray, IntArray, _Again]:
    """Edges on which errors and activations travel, and what is used again.

    A backward task also follows the forward task of its own operator, which only saves data for it:
    what it takes from there are that task's inputs.
    """
    source, target = program.edge_from[program.edge_data], program.edge_to[program.edge_data]
    ahead = np.array([kind is TaskKind.FORWARD for kind in program.kind])
    op = np.unique(np.array(program.ops), return_inverse=True)[1]
    own = ahead[source] & ~ahead[target] & (op[source] == op[target])
    before: list[list[int]] = [[] for _ in range(program.size)]
    for a, b in zip(source[~own].tolist(), target[~own].tolist(), strict=True):
        before[b].append(a)
    pairs = [
        (a, later)
        for read, later in zip(source[own].tolist(), target[own].tolist(), strict=True)
        for a in before[read]
    ]
    table = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return source[~own], target[~own], _Again(table[:, 0], table[:, 1])


def _holders(program: Program, mapping: Mapping) -> IntArray:
    """The matrix whose arrays each task uses: its own, or the first of those that share an array."""
    if mapping.array_of is None:
        return program.matrix
    return np.where(program.matrix >= 0, mapping.array_of[0][program.matrix], -1)


def _on_arrays(program: Program, mapping: Mapping) -> BoolArray:
    """Reads and updates of matrices that are on arrays, [T]."""
    kinds = (TaskKind.FORWARD, TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT)
    return np.asarray(
        program.of_kind(*kinds) & (program.matrix >= 0) & mapping.on_array[0][program.matrix]
    )


def _weights(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> FloatArray:
    """Bits that a copy of each matrix exchanges with the next one per step, one way, [M]."""
    policy = architecture.mapping
    copied = (mapping.copies > 1) & mapping.on_array & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return np.zeros(copied.shape[1])
    weights = averaging(architecture, mapping.place, np.array([[float(samples)]])).additions
    bits = (
        weights
        * architecture.numbers.partial_sum_bits
        * copied
        / (policy.sync_interval * architecture.schedule.accumulate)
    )
    return np.asarray(np.broadcast_to(bits, copied.shape)[0], dtype=np.float64)


def _with_chains(traffic: Traffic, layout: TileLayout, bits: FloatArray) -> Traffic:
    """`traffic` and what each copy of a matrix exchanges with the next one, both ways."""
    later = np.flatnonzero(layout.copy_rank > 0)
    return Traffic(
        np.concatenate([traffic.source, later - 1]),
        np.concatenate([traffic.target, later]),
        np.concatenate([traffic.bits, 2.0 * bits[layout.copy_matrix[later]]]),
    )


def _grids(mapping: Mapping) -> tuple[IntArray, IntArray, IntArray]:
    """Row splits, column splits and groups of blocks of each matrix, [M]."""
    place = mapping.place
    groups = np.ceil(np.asarray(place.blocks) / np.asarray(place.blocks_per_array))
    rows, cols, groups = (
        np.broadcast_to(np.asarray(values), mapping.copies.shape)[0].astype(np.int64)
        for values in (place.row_splits, place.col_splits, groups)
    )
    return rows, cols, groups


@dataclass(frozen=True, slots=True)
class _Ways:
    """Flows on their links: bits of task and link (`key = task * links + link`), depth of tasks."""

    key: IntArray
    bits: FloatArray
    depth: IntArray


def _ways(tasks: int, side: int, parts: list[tuple[tuple[Flows, IntArray], IntArray]]) -> _Ways:
    """Route flows; each part has the use of each of its flows, and the task of each use."""
    keys: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    bits: list[FloatArray] = [np.zeros(0)]
    depth = np.zeros(tasks, dtype=np.int64)
    for (flows, use), owner in parts:
        routes, task = route(flows, side), owner[use]
        key, place = np.unique(
            task[routes.flow] * (4 * side * side) + routes.link, return_inverse=True
        )
        keys.append(key)
        on_link = np.bincount(place, weights=flows.bits[routes.flow], minlength=key.size)
        bits.append(on_link.astype(np.float64))
        np.maximum.at(depth, task, routes.depth)
    return _Ways(np.concatenate(keys), np.concatenate(bits), depth)
