"""The data that reads and updates of weight matrices take in, sum and send, wherever these lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray, lone
from archsim.mapping import Mapping
from archsim.mapping.flows import Entries, Transfers
from archsim.mapping.traffic import task_traffic
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.transfers import transfer_traffic
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Words:
    """What transfers of the update algorithm send each time that a task happens, all [N].

    Bits of each copy of `matrix`: `read_bits` from its arrays to where the outputs of their columns are
    summed, `pulse_bits` back.
    """

    task: IntArray
    matrix: IntArray
    read_bits: FloatArray
    pulse_bits: FloatArray


@dataclass(frozen=True, slots=True)
class WeightData:
    """What weight tasks take in, sum and send away, and the program's task that pays for each.

    `giver` is the task from which each of `transfers` comes.  `entries` come from the edge of the mesh to
    the tiles that need them, `arrivals` to where outputs are summed; `leaves` go from there to the edge.
    `words` are those of transfers of the update algorithm.
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
    arrivals: Entries
    arriving: IntArray
    words: Words


def weight_data(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> WeightData:
    """The data of all matrices on arrays, wherever these are; nothing leaves the mesh.

    Of the first configuration of `mapping`, which is `architecture`, with a minibatch of `samples`.
    """
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
    nothing = np.zeros(0, dtype=np.int64)
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
        leaves=_NO_ENTRIES,
        leaving=nothing,
        arrivals=_NO_ENTRIES,
        arriving=nothing,
        words=_words(program, architecture, mapping, samples),
    )


_NO_ENTRIES = Entries(
    np.zeros(0, dtype=np.int64),
    np.zeros(0),
    np.zeros(0, dtype=np.bool_),
    np.zeros(0, dtype=np.bool_),
)


def _words(program: Program, architecture: Architecture, mapping: Mapping, samples: int) -> Words:
    sent = transfer_traffic(program, architecture, mapping, np.array([[float(samples)]]))
    if sent is None:
        nothing = np.zeros(0, dtype=np.int64)
        return Words(nothing, nothing, np.zeros(0), np.zeros(0))
    matrix = _holders(program, mapping)[sent.task]
    return Words(sent.task, matrix, sent.read_bits, sent.pulse_bits)


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
