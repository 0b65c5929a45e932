"""Whether the buffer of a tile holds one vector of each matrix in it, and what it makes of that."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import FloatArray, lone
from archsim.mapping import Mapping, MatrixTable
from archsim.mapping.partition import tile_bits_per_vector
from archsim.units import format_quantity


def vector_bits(architecture: Architecture, mapping: Mapping) -> FloatArray:
    """What a tile holds of one vector and of its outputs, [C, M]; the same both ways.

    Values enter at the width of activations and leave at that of partial sums.
    """
    numbers = architecture.numbers
    rows, cols = tile_bits_per_vector(
        mapping.place,
        architecture.array,
        architecture.tile.arrays,
        (numbers.activation_bits, numbers.partial_sum_bits),
        mapping.copies,
    )
    return np.asarray(rows + cols) * mapping.on_array


def check_tile_buffers(architecture: Architecture, table: MatrixTable, mapping: Mapping) -> None:
    """Raise `InputError` that names the matrix whose vectors no tile buffer of the first
    configuration holds: its arrays could never be fed.
    """
    needed = vector_bits(architecture, mapping)[0]
    room = lone(architecture.tile.buffer.capacity_bit)
    if not needed.size or needed.max() <= room:
        return
    worst = int(needed.argmax())
    need = format_quantity(float(needed[worst]) / 8, "B")
    raise InputError(
        f"a tile must hold {need} of one vector of '{table.names[worst]}' and its outputs, but its "
        f"buffer holds {format_quantity(room / 8, 'B')}",
        place="tile.buffer.capacity",
        remedy=f"Enlarge the buffer to at least {need}, or put fewer arrays into a tile "
        "(tile.arrays).",
    )
