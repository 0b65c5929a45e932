"""Arrays that are written anew within a step: what runs when, and what writing takes.

With n rounds a step has 2 n - 1 phases: forward through all rounds, the last of which goes on with
its backward pass, then backward through the others.  Every sample of the minibatch passes a phase
before the arrays are written for the next.  The first round is on the arrays when a step begins,
since it was the last of the step before.  Weights that were updated are read back before others take
their arrays; all weights wait in DRAM.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight
from archsim.fields import FloatArray, NotStackable, Scalar
from archsim.mapping import Mapping
from archsim.mapping.rounds import ALWAYS
from archsim.mapping.row_write import RowWrite, row_write
from archsim.simulation.analytic import Segments
from archsim.simulation.columns import TaskCosts
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.training import TaskKind

_AHEAD = (TaskKind.FORWARD, TaskKind.LOSS)


def rounds_in(round_of: IntArray) -> int:
    """Number of rounds, from the round of each matrix, [M]."""
    return int(round_of.max(initial=0)) + 1


def _common(mapping: Mapping) -> IntArray:
    """The round of each matrix, [M], which must be the same in all configurations."""
    assert mapping.round_of is not None
    if (mapping.round_of != mapping.round_of[0]).any():
        raise NotStackable("rounds")
    return np.asarray(mapping.round_of[0])


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
    last = 2 * rounds_in(round_of) - 2
    found = np.full(program.size, last, dtype=np.intp)
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
            own = last - own if own != ALWAYS else last - ahead.get(op, last)
            found[task] = max(own, *before, last - rounds_in(round_of) + 1)
    return found


def _changes(round_of: IntArray) -> list[tuple[BoolArray, BoolArray]]:
    """Matrices that leave the arrays after being updated, and that are written, by phase."""
    count = rounds_in(round_of)
    order = [*range(count), *range(count - 2, -1, -1)]
    nothing = np.zeros(round_of.size, dtype=bool)
    found = [(nothing, nothing)]
    for phase in range(1, len(order)):
        updated = phase == 1 or phase >= count
        leaving = round_of == order[phase - 1] if updated else nothing
        found.append((leaving, round_of == order[phase]))
    return found


def times_written(round_of: IntArray) -> FloatArray:
    """How often each matrix is written in a step, [M]."""
    return np.asarray(
        np.sum([written for _, written in _changes(round_of)], axis=0, dtype=np.float64)
    )


def written_pulses(architecture: Architecture, mapping: Mapping) -> FloatArray:
    """Pulses per step that a device takes while its weights are written, [C, M]."""
    written = times_written(_common(mapping)) * mapping.on_array
    return np.asarray(written * architecture.programming.pulses)


def writing_s(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    segments: Segments,
    phase: IntArray,
) -> FloatArray:
    """What each segment waits for arrays to be read back and written, [C, S].

    All arrays of a round at once, row by row; DRAM streams beside them and may be slower.
    """
    write, read = _rows(architecture, mapping)
    rows = np.minimum(
        mapping.place.inputs * mapping.place.blocks_per_array, architecture.array.rows
    )
    each = arrays_per_weight(architecture) * rows * mapping.on_array
    bits = _bits(program, architecture, mapping)
    trained = program.matrices.updates > 0
    found = np.zeros((mapping.copies.shape[0], segments.count))
    for number, (leaving, written) in enumerate(_changes(_common(mapping))):
        if not written.any():
            continue
        saved = leaving & trained
        reading_s = (each * read.seconds * saved).max(axis=1, initial=0.0)
        array_s = reading_s + (each * write.seconds * written).max(axis=1, initial=0.0)
        moved = (bits * (saved * 1.0 + written)).sum(axis=1, keepdims=True)
        dram_s = (moved / architecture.dram.bandwidth_bit_per_s)[:, 0]
        own = (phase == number) & ~program.per_step
        first = int(segments.segment[own].min())
        found[:, first] = np.maximum(array_s, dram_s)
    return found


def with_writing(
    costs: TaskCosts, program: Program, architecture: Architecture, mapping: Mapping
) -> TaskCosts:
    """The costs with the energy of writing and reading back, at each matrix's work once per step."""
    matrices = len(program.matrices.names)
    columns = slice(program.size - matrices, program.size)
    written = times_written(_common(mapping))
    back = (program.matrices.updates > 0) * (written > 0)
    write, read = _rows(architecture, mapping)
    rows = arrays_per_weight(architecture) * mapping.place.inputs * mapping.on_array
    bits = _bits(program, architecture, mapping) * (written + back)
    added: dict[str, Scalar] = {
        name: rows * written * value for name, value in write.energy_j.items()
    }
    for name, value in read.energy_j.items():
        added[name] = np.asarray(added.get(name, 0.0) + rows * back * value, dtype=np.float64)
    added["dram"] = bits * architecture.dram.energy_j_per_bit
    energy = dict(costs.energy_j)
    for name, value in added.items():
        column = energy.get(name, np.zeros_like(costs.main_s)).copy()
        column[:, columns] += value
        energy[name] = column
    return replace(costs, energy_j=energy)


def _rows(architecture: Architecture, mapping: Mapping) -> tuple[RowWrite, RowWrite]:
    """Writing a row from wherever it stands, in all passes, and reading one back."""
    scheme = architecture.programming
    once = row_write(architecture, mapping.place, scheme.pulses / scheme.passes, 1.0)
    write = RowWrite(
        scheme.passes * once.seconds,
        {name: scheme.passes * energy for name, energy in once.energy_j.items()},
    )
    return write, row_write(architecture, mapping.place, 0.0, 1.0)


def _bits(program: Program, architecture: Architecture, mapping: Mapping) -> FloatArray:
    """What the weights of each matrix take in DRAM, [C, M]."""
    table = program.matrices
    weights = table.inputs * table.outputs * table.blocks * mapping.on_array
    return np.asarray(
        weights * arrays_per_weight(architecture) * architecture.numbers.parameter_bits
    )
