"""Arrays that are written anew within a step: what runs when, and what writing takes.

With n rounds a step has 2 n - 1 phases: forward through all rounds, the last of which goes on with
its backward pass, then backward through the others.  Where the first rounds have nothing to do
backward (their weights are frozen, and so is all before them), the step ends sooner: only the first
round is written once more.  Every sample of the minibatch passes a phase
before the arrays are written for the next.  The first round is on the arrays when a step begins,
since it was the last of the step before.  Weights that were updated are read back before others take
their arrays; all weights wait in DRAM.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight
from archsim.fields import FloatArray, NotStackable, Scalar
from archsim.mapping import Mapping
from archsim.mapping.packing import taken_together
from archsim.mapping.rounds import ALWAYS
from archsim.mapping.row_write import RowWrite, row_read, row_write
from archsim.simulation.analytic import Segments, Writing
from archsim.simulation.columns import TaskCosts
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.training import TaskKind

_AHEAD = (TaskKind.FORWARD, TaskKind.LOSS)
_BACK = (TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT)


def rounds_in(round_of: IntArray) -> int:
    """Number of rounds, from the round of each matrix, [M]."""
    return int(round_of.max(initial=0)) + 1


def _common(mapping: Mapping) -> IntArray:
    """The round of each matrix, [M], which must be the same in all configurations."""
    assert mapping.round_of is not None
    if (mapping.round_of != mapping.round_of[0]).any():
        raise NotStackable("rounds")
    return np.asarray(mapping.round_of[0])


def order_of_rounds(program: Program, round_of: IntArray) -> tuple[int, ...]:
    """The round that is on the arrays in each phase of a step; `round_of` is [M]."""
    count = rounds_in(round_of)
    deepest = _deepest(program, round_of)
    closing = (0,) * (deepest > 0)
    return (*range(count), *range(count - 2, deepest - 1, -1), *closing)


def _deepest(program: Program, round_of: IntArray) -> int:
    """The first round that the backward pass comes back to."""
    back = program.matrix[program.select(*_BACK)]
    turns = round_of[back[back >= 0]]
    return int(turns[turns != ALWAYS].min(initial=rounds_in(round_of) - 1))


def phases_of(program: Program, mapping: Mapping) -> IntArray | None:
    """The phase of each task, [T]; None where all matrices are on the arrays at once.

    Work once per step is in the last phase.  Raises `archsim.fields.NotStackable` if the
    configurations differ in their rounds: price them one by one.
    """
    if mapping.round_of is None:
        return None
    round_of = _common(mapping)
    if rounds_in(round_of) == 1:
        return None
    order, deepest = order_of_rounds(program, round_of), _deepest(program, round_of)
    last = 2 * rounds_in(round_of) - 2
    found = np.full(program.size, len(order) - 1, dtype=np.intp)
    ahead: dict[str, int] = {}
    for task, op in enumerate(program.ops):
        if program.per_step[task]:
            continue
        matrix = int(program.matrix[task])
        own = int(round_of[matrix]) if matrix >= 0 else ALWAYS
        before = [int(found[p]) for p in program.predecessors[task] if not program.per_step[p]]
        if program.kind[task] in _AHEAD:
            found[task] = max(own, *before, 0)
            ahead.setdefault(op, int(found[task]))
        else:
            own = last - max(own if own != ALWAYS else ahead.get(op, last), deepest)
            found[task] = max(own, *before, last - rounds_in(round_of) + 1)
    return found


def _changes(round_of: IntArray, order: tuple[int, ...]) -> list[tuple[BoolArray, BoolArray]]:
    """Matrices that leave the arrays after being updated, and that are written, by phase."""
    count = rounds_in(round_of)
    nothing = np.zeros(round_of.size, dtype=bool)
    found = [(nothing, nothing)]
    for phase in range(1, len(order)):
        updated = phase == 1 or phase >= count
        leaving = round_of == order[phase - 1] if updated else nothing
        found.append((leaving, round_of == order[phase]))
    return found


def times_written(program: Program, round_of: IntArray) -> FloatArray:
    """How often each matrix is written in a step, [M]; `round_of` is [M]."""
    changes = _changes(round_of, order_of_rounds(program, round_of))
    return np.asarray(np.sum([written for _, written in changes], axis=0, dtype=np.float64))


def times_moved(program: Program, mapping: Mapping) -> tuple[FloatArray, FloatArray]:
    """How often the weights of each matrix are written in a step, and how often read back, [C, M]."""
    written = times_written(program, _common(mapping)) * mapping.on_array
    return written, np.where(program.matrices.updates > 0, np.minimum(written, 1.0), 0.0)


def written_pulses(program: Program, architecture: Architecture, mapping: Mapping) -> FloatArray:
    """Pulses per step that a device takes while its weights are written, [C, M]."""
    written = times_written(program, _common(mapping)) * mapping.on_array
    return np.asarray(written * architecture.programming.pulses)


@dataclass(frozen=True, slots=True)
class Moved:
    """Weights that go to, or come from, the arrays of each matrix.

    `array_s` [C, M] is how long its arrays are written or read row by row (of matrices that share an
    array the sum, at the first), `streams_s` [C, M] how long each memory or link streams them.
    """

    array_s: FloatArray
    streams_s: MappingType[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Turnover:
    """What happens to the arrays before a phase: some are read back, then others are written.

    All arrays at once, first the reading, then the writing; memory and mesh stream beside them.
    """

    back: Moved
    written: Moved

    @property
    def streams_s(self) -> dict[str, FloatArray]:
        """How long each memory or link streams in all, [C]."""
        both = zip(self.back.streams_s.items(), self.written.streams_s.values(), strict=True)
        return {name: (back + there).sum(axis=1) for (name, back), there in both}

    @property
    def seconds(self) -> FloatArray:
        """What the step waits for, [C]: the arrays, or what streams if that is slower."""
        array_s = [moved.array_s.max(axis=1, initial=0.0) for moved in (self.back, self.written)]
        return np.asarray(np.maximum.reduce([array_s[0] + array_s[1], *self.streams_s.values()]))


def turnovers(
    program: Program, architecture: Architecture, mapping: Mapping
) -> tuple[Turnover, ...]:
    """What happens before each phase of a step; nothing before the first."""
    write, read = _rows(architecture, mapping)
    rows = np.minimum(
        mapping.place.inputs * mapping.place.blocks_per_array, architecture.array.rows
    )
    each = arrays_per_weight(architecture) * rows * mapping.on_array
    bits = weight_bits(program, architecture, mapping)
    rates = _streams(architecture)
    round_of, trained = _common(mapping), program.matrices.updates > 0

    def moved(row_s: Scalar, chosen: BoolArray) -> Moved:
        array_s = np.asarray(each * row_s * chosen)
        if mapping.array_of is not None:
            array_s = taken_together(mapping.array_of, array_s)
        streams = {name: np.asarray(bits * chosen * per_bit) for name, per_bit in rates.items()}
        return Moved(array_s, streams)

    return tuple(
        Turnover(moved(read.seconds, leaving & trained), moved(write.seconds, written))
        for leaving, written in _changes(round_of, order_of_rounds(program, round_of))
    )


def _streams(architecture: Architecture) -> dict[str, Scalar]:
    """Seconds for which DRAM and the mesh are taken by a bit of a weight.

    Weights go between the memory controllers and their arrays, which takes them the mean distance
    that all data on the mesh go.
    """
    mesh = architecture.mesh
    return {
        "dram": 1.0 / architecture.dram.bandwidth_bit_per_s,
        "mesh": mesh.occupancy_s(mesh.mean_hops),
    }


def writing(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    segments: Segments,
    phase: IntArray,
) -> Writing:
    """What each segment waits for arrays to be read back and written, and what that takes."""
    waited = np.zeros((mapping.copies.shape[0], segments.count))
    arrays_s = np.zeros(mapping.copies.shape)
    shared_s: dict[str, FloatArray] = {}
    first = first_segments(program, segments, phase)
    for number, turn in enumerate(turnovers(program, architecture, mapping)):
        waited[:, first[number]] += turn.seconds
        arrays_s = arrays_s + turn.back.array_s + turn.written.array_s
        for name, held in turn.streams_s.items():
            shared_s[name] = shared_s.get(name, 0.0) + held
    return Writing(waited, arrays_s, shared_s)


def first_segments(program: Program, segments: Segments, phase: IntArray) -> list[int]:
    """The segment with which each phase begins; the last one of all where nothing happens in it."""
    found = []
    for number in range(int(phase.max(initial=0)) + 1):
        own = (phase == number) & ~program.per_step
        last = segments.count - 1
        found.append(int(segments.segment[own].min()) if own.any() else last)
    return found


def with_writing(
    costs: TaskCosts, program: Program, architecture: Architecture, mapping: Mapping, hop_m: Scalar
) -> TaskCosts:
    """The costs with the energy of writing and reading back, at each matrix's work once per step."""
    matrices = len(program.matrices.names)
    columns = slice(program.size - matrices, program.size)
    written, back = times_moved(program, mapping)
    write, read = _rows(architecture, mapping)
    rows = arrays_per_weight(architecture) * mapping.place.inputs * mapping.on_array
    bits = moved_bits(program, architecture, mapping)
    added: dict[str, Scalar] = {
        name: rows * written * value for name, value in write.energy_j.items()
    }
    for name, value in read.energy_j.items():
        added[name] = np.asarray(added.get(name, 0.0) + rows * back * value, dtype=np.float64)
    mesh = architecture.mesh
    added["dram"] = bits * architecture.dram.energy_j_per_bit
    added["mesh"] = mesh.energy_j(bits * mesh.mean_hops, hop_m)
    energy = dict(costs.energy_j)
    for name, value in added.items():
        column = energy.get(name, np.zeros_like(costs.main_s)).copy()
        column[:, columns] += value
        energy[name] = column
    return replace(costs, energy_j=energy)


def waiting_bits(program: Program, architecture: Architecture, mapping: Mapping) -> FloatArray:
    """DRAM that is kept for weights while others are on the arrays, [C]; 0 where all always are.

    Every matrix that leaves the arrays has a place of its own there.
    """
    if mapping.round_of is None or (mapping.round_of <= 0).all():
        return np.zeros(mapping.copies.shape[0])
    leaves = mapping.round_of != ALWAYS
    return np.asarray((weight_bits(program, architecture, mapping) * leaves).sum(axis=1))


def moved_bits(program: Program, architecture: Architecture, mapping: Mapping) -> FloatArray:
    """Bits of the weights of each matrix that are written and read back in a step, [C, M]."""
    written, back = times_moved(program, mapping)
    return weight_bits(program, architecture, mapping) * (written + back)


def _rows(architecture: Architecture, mapping: Mapping) -> tuple[RowWrite, RowWrite]:
    """Writing a row from wherever it stands, in all passes, and reading one back."""
    scheme = architecture.programming
    once = row_write(architecture, mapping.read_place, scheme.pulses / scheme.passes, 1.0)
    write = RowWrite(
        scheme.passes * once.seconds,
        {name: scheme.passes * energy for name, energy in once.energy_j.items()},
    )
    return write, row_read(architecture, mapping.read_place)


def weight_bits(program: Program, architecture: Architecture, mapping: Mapping) -> FloatArray:
    """What the weights of each matrix take in DRAM, [C, M]."""
    table = program.matrices
    weights = table.inputs * table.outputs * table.blocks * mapping.on_array
    return np.asarray(
        weights * arrays_per_weight(architecture) * architecture.numbers.parameter_bits
    )
