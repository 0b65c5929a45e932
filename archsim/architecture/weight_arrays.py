"""The arrays that hold one weight matrix, by what the update algorithm uses them for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.algorithm.operations import Operations, Pulsed, Role, RoleArray
from archsim.fields import Scalar

if TYPE_CHECKING:
    from archsim.architecture.architecture import Architecture


def structure(architecture: Architecture) -> Operations:
    """What the algorithm asks for, of a matrix of one weight: its arrays and its kinds of work."""
    operations: Operations = architecture.algorithm.operations(1.0, 1.0)
    return operations


def weight_arrays(architecture: Architecture) -> tuple[RoleArray, ...]:
    """One entry per array of the chip that every part of a weight matrix takes.

    Two devices that are pulsed by sign are the two columns of differential weights, so that they
    take one array; weights against a shared reference column need one array for each.
    """
    arrays = structure(architecture).arrays
    by_sign = all(array.pulsed is Pulsed.SHARED for array in arrays)
    if by_sign and len(arrays) == architecture.array.columns_per_weight:
        return (RoleArray(Role.WEIGHT, Pulsed.SHARED, read=1),)
    return arrays


def arrays_per_weight(architecture: Architecture) -> int:
    """Arrays of the chip that every part of a weight matrix takes."""
    return len(weight_arrays(architecture))


def arrays_read(architecture: Architecture) -> Scalar:
    """Arrays that a forward or transposed read goes through."""
    total: Scalar = 0.0
    for array in weight_arrays(architecture):
        total = total + array.read
    return total
