"""Whether a network fits, and what would help if it does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, weight_arrays
from archsim.fields import lone
from archsim.mapping.does_not_fit import DoesNotFit
from archsim.mapping.mapping import Mapping, MatrixTable
from archsim.mapping.partition import arrays_per_copy, partition
from archsim.mapping.rounds import NOWHERE


def fits(architecture: Architecture, mapping: Mapping) -> NDArray[np.bool_]:
    """Whether one copy of each matrix finds room, by the architecture's rule for overflow, [C].

    On one chip all of them, with as many copies as are stated; on several chips they must not be more
    than there are; in rounds the largest matrix alone.
    """
    count = mapping.chips.size
    if architecture.mapping.overflow == "multi_chip":
        assert architecture.system is not None
        most = np.broadcast_to(np.asarray(architecture.system.max_chips).reshape(-1), (count,))
        return np.asarray(mapping.chips <= most)
    stated = architecture.mapping.replication == "stated"
    needed = mapping.arrays if stated else mapping.arrays_needed
    if mapping.round_of is not None:
        return np.asarray((mapping.round_of != NOWHERE).all(axis=1))
    held = needed.sum(axis=1)
    available = np.asarray(architecture.arrays_available, dtype=np.float64).reshape(-1)
    return np.asarray(held <= np.broadcast_to(available, (count,)))


def check_fit(architecture: Architecture, table: MatrixTable, mapping: Mapping) -> None:
    """Refuse a network that the arrays cannot hold (one configuration, C = 1)."""
    if fits(architecture, mapping).all():
        return
    if architecture.mapping.overflow == "multi_chip":
        raise _too_many_chips(architecture, mapping)
    available = int(lone(architecture.arrays_available))
    needed = mapping.arrays_needed[0]
    largest = int(np.argmax(needed))
    if architecture.mapping.overflow == "reprogram":
        raise DoesNotFit(
            f"'{table.names[largest]}' alone needs {int(needed[largest]):,} arrays, and the chip has "
            f"{available:,} (less those of matrices that several layers use): a matrix is not written "
            "in parts.",
            remedy="Enlarge mesh.side or tile.arrays, or use mapping.overflow: multi_chip, which "
            "cuts large matrices.",
        )
    if needed.sum() <= available:
        raise DoesNotFit(
            f"the copies that mapping.copies states need {int(mapping.arrays[0].sum()):,} arrays, the "
            f"chip has {available:,}; one copy of each weight matrix needs {int(needed.sum()):,}.",
            remedy="State fewer copies, or enlarge mesh.side or tile.arrays.",
        )
    rows, cols = int(lone(architecture.array.rows)), int(lone(architecture.array.cols))
    raise DoesNotFit(
        f"the network needs {int(needed.sum()):,} arrays of {rows} x {cols} for one copy of each "
        f"weight matrix{_several(architecture)}, the chip has {available:,} (largest: '{table.names[largest]}', "
        f"{int(mapping.arrays_per_copy[0, largest]):,} arrays).",
        remedy=_remedies(architecture, table, mapping, int(needed.sum())),
    )


def _too_many_chips(architecture: Architecture, mapping: Mapping) -> DoesNotFit:
    assert architecture.system is not None
    side, most = int(lone(architecture.mesh.side)), int(lone(architecture.system.max_chips))
    needed, arrays = int(mapping.chips[0]), mapping.arrays_needed[0].sum()
    wider = int(np.ceil(np.sqrt(arrays / most / int(lone(architecture.tile.arrays)))))
    # Whole matrices leave room over, so a wider mesh is a start and not a promise.
    return DoesNotFit(
        f"the network needs {needed:,} chips of {int(lone(architecture.arrays_available)):,} arrays, "
        f"and system.max_chips allows {most:,}.",
        remedy=f"Remedies: allow more chips (system.max_chips: {needed}), or larger ones "
        f"(mesh.side: {max(wider, side + 1)} or more, now {side}).",
    )


def _remedies(architecture: Architecture, table: MatrixTable, mapping: Mapping, needed: int) -> str:
    side, tile_arrays = int(lone(architecture.mesh.side)), int(lone(architecture.tile.arrays))
    wider = int(np.ceil(np.sqrt(needed / tile_arrays)))
    denser = int(np.ceil(needed / side**2))
    available = int(lone(architecture.arrays_available))
    return (
        f"Remedies: enlarge the mesh (mesh.side: {wider}, now {side}), put more arrays on a "
        f"tile (tile.arrays: {denser}, now {tile_arrays}), "
        + _larger_arrays(architecture, table, mapping, available)
        + " or spread it over chips (mapping.overflow: multi_chip)."
    )


def _several(architecture: Architecture) -> str:
    """How many arrays each part of a matrix takes, if more than one."""
    arrays = weight_arrays(architecture)
    if len(arrays) == 1:
        return ""
    roles = ", ".join(array.role for array in arrays)
    return f" ({len(arrays)} arrays each for algorithm '{architecture.algorithm.kind}': {roles})"


def _larger_arrays(
    architecture: Architecture, table: MatrixTable, mapping: Mapping, available: int
) -> str:
    """The smallest doubling of the arrays with which the network fits, as a remedy."""
    array = architecture.array
    for power in range(1, 7):
        larger = array.model_copy(
            update={"rows": array.rows * 2**power, "cols": array.cols * 2**power}
        )
        place = partition(larger, table.inputs, table.outputs, table.blocks, table.bias)
        arrays = arrays_per_copy(place) * arrays_per_weight(architecture)
        needed = int((arrays * mapping.on_array).sum())
        if needed <= available:
            side = int(np.asarray(larger.rows).item()), int(np.asarray(larger.cols).item())
            return (
                f"use larger arrays (array.rows: {side[0]} and array.cols: {side[1]} need "
                f"{needed:,}),"
            )
    return "choose a smaller network: no array size up to 64 times as large makes it fit,"
