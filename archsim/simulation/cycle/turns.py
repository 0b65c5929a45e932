"""Arrays that are written anew within a step, as tasks of the cycle fidelity."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.simulation.cycle.execution import Move, Turn, Turns
from archsim.simulation.cycle.links import MESH
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh
from archsim.simulation.estimate import Estimate
from archsim.simulation.rounds import Moved, Turnover, first_segments, phases_of, turnovers


def turns_of(
    priced: Estimate, architecture: Architecture, placed: PlacedMesh | PlacedChips | None
) -> Turns | None:
    """The phases of the first configuration of `priced`; None where all weights are there at once.

    `architecture` is that configuration.  Times are those that the analytic fidelity counts, but that
    weights take the links of a `placed` mesh instead of all of the mesh.
    """
    program, mapping = priced.program, priced.mapping
    phase = phases_of(program, mapping)
    if phase is None:
        return None
    mesh = placed if isinstance(placed, PlacedMesh) else None
    return Turns(
        phase,
        tuple(_turn(turn, mesh) for turn in turnovers(program, architecture, mapping)),
        tuple(first_segments(program, priced.timeline.segments, phase)),
    )


def _turn(turn: Turnover, mesh: PlacedMesh | None) -> Turn:
    matrices = turn.back.array_s.shape[1]
    # What leaves goes to memory first, so that its place is there when it is asked for.
    return Turn(
        _on_arrays(turn.back),
        _on_arrays(turn.written),
        (*_traffic(turn.back, mesh, matrices), *_traffic(turn.written, mesh, 0)),
    )


def _on_arrays(moved: Moved) -> tuple[Move, ...]:
    held = moved.array_s[0]
    return tuple(Move(m, float(held[m])) for m in np.flatnonzero(held).tolist())


def _traffic(moved: Moved, mesh: PlacedMesh | None, first: int) -> tuple[Move, ...]:
    """Weights on memory and mesh; on a placed one that of matrix m is transfer `first` + m."""
    found = []
    for matrix in range(moved.array_s.shape[1]):
        streams = [(name, float(held[0, matrix])) for name, held in moved.streams_s.items()]
        some = tuple((name, held) for name, held in streams if held > 0)
        if some and mesh is not None:
            others = tuple((name, held) for name, held in some if name != MESH)
            some = (*others, *mesh.weight_streams(first + matrix))
        if some:
            found.append(Move(matrix, 0.0, some))
    return tuple(found)
