"""Work that happens once per step and matrix: equal copies, weights that are held digitally."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import Scalar
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.mapping import Mapping
from archsim.simulation.columns import CostColumns, use_activation_buffer, use_vector_unit
from archsim.simulation.program import IntArray, Program

# Writing a row back fires the row in every slot of its train and a column in half of them.
WRITE_BACK_DENSITY = 0.5


def add_per_step_work(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Once per step and matrix: keep averaged copies equal; step the weights held digitally.

    Averaging reads every row of every copy (one-hot transposed reads), sums the copies on the
    vector unit and writes the mean back row by row with one pulse train per row; its cost is spread
    over `sync_interval` steps.
    """
    count = len(program.matrices.names)
    columns = np.arange(program.size - count, program.size)
    if not count:
        return
    _average_copies(build, program, architecture, mapping, columns)
    trained = program.matrices.updates > 0
    held = (1.0 - mapping.on_array) * trained
    if held.any():
        weights = (
            held * program.matrices.inputs * program.matrices.outputs * (program.matrices.blocks)
        )
        none = np.zeros_like(weights)
        counts: Sequence[Scalar] = [weights, weights] + [none] * 6
        use_vector_unit(build, architecture, columns, counts)
        bits = weights * architecture.numbers.parameter_bits
        use_activation_buffer(build, architecture, columns, 2.0 * bits, bits)


def _average_copies(
    build: CostColumns,
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    columns: IntArray,
) -> None:
    policy = architecture.mapping
    copied = (mapping.copies > 1) & mapping.on_array & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return
    crossbar, place = architecture.crossbar, mapping.place
    share = copied / policy.sync_interval
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    read = crossbar.read_cost(place, Direction.FORWARD)
    one_row = Placement(
        inputs=np.ones_like(np.asarray(place.inputs)),
        outputs=place.outputs,
        blocks=place.blocks,
        blocks_per_array=np.ones_like(np.asarray(place.inputs)),
        row_splits=place.row_splits,
        col_splits=place.col_splits,
    )
    one = np.ones_like(np.asarray(place.inputs))
    density = WRITE_BACK_DENSITY * one
    write = crossbar.update_cost(one_row, PulseStatistics(one, density, one, 2.0 * one))
    duration = share * rows * (read.interval_s + write.duration_s)
    build.main[:, columns] += duration
    build.array[:, columns] += duration
    accesses = share * mapping.copies * place.inputs
    for component, energy in read.energy_j.items():
        driven = 1.0 / place.inputs if component in _PER_DRIVEN_LINE else 1.0
        build.add_energy(component, columns, accesses * energy * driven)
    for component, energy in write.energy_j.items():
        build.add_energy(component, columns, accesses * energy)
    weights = place.inputs * place.outputs * place.blocks
    none = np.zeros_like(np.asarray(weights))
    counts: Sequence[Scalar] = [share * (mapping.copies - 1) * weights, share * weights] + [
        none
    ] * 6
    use_vector_unit(build, architecture, columns, counts)
    bits = share * 2.0 * mapping.copies * weights * architecture.numbers.parameter_bits
    build.shared["mesh"][:, columns] += architecture.mesh.occupancy_s(bits)
    build.add_energy("mesh", columns, architecture.mesh.energy_j(bits))


# Read energy that scales with the driven rows: a one-hot read drives one.
_PER_DRIVEN_LINE = ("array_devices", "array_lines", "input_drivers")
