"""A normalised tensor with a learned scale and shift: which stored vector is which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import COLUMNS, ROWS, Numbers, close


@dataclass(frozen=True, slots=True)
class Affine:
    """`scale` and `shift` of a normalisation; `along_columns` if they vary where it normalises."""

    scale: Constant | None = None
    shift: Constant | None = None
    along_columns: bool = True

    @property
    def vectors(self) -> int:
        """How many of the two there are."""
        return (self.scale is not None) + (self.shift is not None)


def affine(cone: Cone, normalised: Numbers) -> Affine | None:
    """The scale and shift that turn `normalised` into what the cone computes, or None."""
    if not cone.vectors:
        return Affine() if close(cone.found, normalised) else None
    shapes = {numbers.shape for numbers in cone.factors}
    if shapes not in ({(1, COLUMNS)}, {(ROWS, 1)}) or len(cone.vectors) > 2:
        return None
    if len({vector.elements for vector in cone.vectors}) > 1:
        return None
    columns = shapes == {(1, COLUMNS)}
    pairs = list(zip(cone.vectors, cone.factors, strict=True))
    if len(pairs) == 1:
        vector, numbers = pairs[0]
        if close(cone.found, normalised * numbers):
            return Affine(scale=vector, along_columns=columns)
        if close(cone.found, normalised + numbers):
            return Affine(shift=vector, along_columns=columns)
        return None
    for (scale, times), (shift, plus) in permutations(pairs):
        if close(cone.found, normalised * times + plus):
            return Affine(scale, shift, columns)
    return None
