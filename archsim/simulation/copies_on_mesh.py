"""What copies of weight matrices change on the mesh.

What replication weighs beforehand is the time of arrays and of keeping copies equal.  Copies also have
tiles of their own: data enter and leave through all of their ports, so that on slow links copies shorten
a sample's way though no array is the bottleneck.  Where all copies take all updates, they multiply the
traffic instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.replication import Stages
from archsim.simulation.movement import mesh_use
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.training import TaskKind

# Copies are searched for where other numbers of them might save this share of the step on the mesh, or
# where samples follow each other so little that the way of one is at least this share of a step.
_WORTH = 0.02
_FEW_SAMPLES = 0.25
# A matrix on the digital unit fills no tile; a vanishing size keeps ratios finite.
_FEW_ARRAYS = 1e-9


@dataclass(frozen=True, slots=True)
class OnMesh:
    """What copies change on the mesh, for C configurations.

    `port_s` [C, M] is what the data of each matrix take per sample through one port of a tile, and
    `copied_port_s` what data that every copy takes do, for one copy.  `tiles` [C, M] are the tiles that one
    copy fills (less than 1 where copies share tiles), `copy_s` [C, M] what each further copy takes of all
    links per sample.  `passes` [C, 1] is the part of the samples whose way the
    step waits for: all if one follows the other, the first of a pipeline.  `vectors` [M] are what copies
    share among them, `limits` arrays, budgets and array times.
    """

    limits: Stages
    port_s: FloatArray
    copied_port_s: FloatArray
    copy_s: FloatArray
    tiles: FloatArray
    passes: FloatArray
    vectors: FloatArray

    def waited_s(self, copies: FloatArray) -> FloatArray:
        """What samples wait for ports, per sample, with copies [C, M], [C]."""
        ports = np.maximum(np.ceil(self.tiles * copies), 1.0)
        through_s = (self.port_s + self.copied_port_s * copies) / ports
        return np.asarray((self.passes * through_s).sum(axis=1))

    @property
    def most(self) -> FloatArray:
        """The most copies of each matrix if others have one, [C, M]."""
        arrays = self.limits.arrays
        room = self.limits.budget - arrays.sum(axis=1, keepdims=True) + arrays
        return np.asarray(np.maximum(np.minimum(self.limits.most, np.floor(room / arrays)), 1.0))

    def rows(self, chosen: IntArray) -> OnMesh:
        """The configurations `chosen` [R], which may be there several times."""
        own = {f.name: getattr(self.limits, f.name)[chosen] for f in fields(Stages)}
        return OnMesh(
            Stages(**own),
            self.port_s[chosen],
            self.copied_port_s[chosen],
            self.copy_s[chosen],
            self.tiles[chosen],
            self.passes[chosen],
            self.vectors,
        )

    @property
    def stages(self) -> tuple[Stages, Stages]:
        """Stages with the time of ports and links: copies that have tiles of their own, or fill them.

        Few copies that share a tile gain no port; of many the ports grow with the arrays.
        """
        limits, port_s = self.limits, self.passes * self.port_s
        on_links = limits.per_copy_s + self.copy_s
        # Copies in one tile take what all of them need through its one port.
        in_turns = self.passes * self.copied_port_s * (self.tiles < 1.0)
        own = limits.shared_s + port_s / np.ceil(self.tiles)
        filled = limits.shared_s + port_s / self.tiles
        return (
            replace(limits, shared_s=own, per_copy_s=on_links + in_turns),
            replace(limits, shared_s=filled, per_copy_s=on_links),
        )


def on_mesh(
    program: Program, architecture: Architecture, one: Mapping, batch: FloatArray
) -> OnMesh | None:
    """What copies change on the mesh; `one` has one copy of each matrix, `batch` is [C, 1] samples.

    None where copies are not chosen.
    """
    limits = one.stages
    if limits is None:
        return None
    use = mesh_use(program, architecture, one)
    shape = one.copies.shape
    tasks = np.flatnonzero((program.matrix >= 0) & ~program.per_step)
    everywhere = np.zeros(program.size, dtype=np.bool_)
    if architecture.mapping.sync == "broadcast":
        everywhere = program.of_kind(TaskKind.WEIGHT_GRADIENT)

    def by_matrix(of_tasks: FloatArray) -> FloatArray:
        found = np.zeros(shape)
        place = (np.arange(shape[0])[:, None], program.matrix[tasks][None, :])
        np.add.at(found, place, of_tasks[:, tasks])
        return found

    pipelined = architecture.schedule.mode == "pipelined"
    arrays = np.maximum(one.arrays_per_copy / arrays_per_weight(architecture), _FEW_ARRAYS)
    return OnMesh(
        limits=limits,
        port_s=by_matrix(use.port_s * ~everywhere),
        copied_port_s=by_matrix(use.port_s * everywhere),
        copy_s=by_matrix(use.links_s * everywhere),
        tiles=np.broadcast_to(np.asarray(arrays / architecture.tile.arrays), shape),
        passes=1.0 / batch if pipelined else np.ones_like(batch),
        vectors=program.matrices.vectors_bound,
    )


def worth_a_search(
    mesh: OnMesh, tried: Sequence[FloatArray], best: FloatArray, sample_s: FloatArray
) -> BoolArray:
    """For which configurations other copies might save much on the mesh, [C].

    `tried` are copies [C, M] priced so far, `best` [C, M] the best of them, `sample_s` [C] their time per
    sample.
    """
    least_s = np.min([mesh.waited_s(copies) for copies in (*tried, mesh.most)], axis=0)
    ports_s = mesh.waited_s(best) - least_s
    more_s = mesh.copy_s + mesh.passes * mesh.copied_port_s
    copied_s = np.max([(more_s * (copies - 1.0)).sum(axis=1) for copies in tried], axis=0)
    few = mesh.passes[:, 0] >= _FEW_SAMPLES
    several = (mesh.most > 1).any(axis=1)
    return np.asarray(several & (few | (np.maximum(ports_s, copied_s) > _WORTH * sample_s)))
