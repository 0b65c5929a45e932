"""Work that happens once per step and matrix: equal copies, weights that are held digitally."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping
from archsim.mapping.averaging import averaging
from archsim.simulation.columns import CostColumns, use_activation_buffer, use_vector_unit
from archsim.simulation.program import IntArray, Program


def add_per_step_work(
    build: CostColumns,
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    batch: FloatArray,
) -> None:
    """Keep averaged copies equal; step the weights that are held digitally."""
    columns = program.closing
    if not columns.size:
        return
    _average_copies(build, program, architecture, mapping, batch, columns)
    trained = program.matrices.updates > 0
    if program.matrices.computed is not None:
        # What these are computed from has an optimizer of its own.
        trained = trained & ~program.matrices.computed
    held = (1.0 - mapping.on_array) * trained
    if held.any():
        weights = held * program.matrices.inputs * program.matrices.outputs
        weights = weights * program.matrices.blocks
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
    batch: FloatArray,
    columns: IntArray,
) -> None:
    """The cost of averaging, spread over the steps of a synchronisation interval."""
    policy, mesh = architecture.mapping, architecture.mesh
    copied = (mapping.copies > 1) & mapping.on_array & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return
    sync = averaging(architecture, mapping.read_place, batch, mapping.copies)
    share = copied / policy.sync_interval
    build.main[:, columns] += share * sync.array_s
    build.array[:, columns] += share * sync.array_s
    for component, energy in sync.energy_j.items():
        build.add_energy(component, columns, share * mapping.copies * energy)
    extra = share * (mapping.copies - 1.0)
    none = np.zeros_like(share)
    counts: Sequence[Scalar] = [extra * sync.additions, share * sync.additions] + [none] * 6
    use_vector_unit(build, architecture, columns, counts)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(extra * sync.bit_hops)
    build.add_energy("mesh", columns, mesh.energy_j(extra * sync.bit_hops, build.hop_m))
