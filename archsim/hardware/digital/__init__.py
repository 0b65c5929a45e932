"""Digital units of the chip: vector unit, matrix unit."""

from archsim.hardware.digital.matrix_unit import MatrixUnit
from archsim.hardware.digital.operations import OPERATIONS
from archsim.hardware.digital.vector_unit import VectorUnit

__all__ = ["OPERATIONS", "MatrixUnit", "VectorUnit"]
