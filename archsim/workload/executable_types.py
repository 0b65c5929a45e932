"""A network that can be run and trained: nodes in order, tensors as numpy arrays, matrices by name.

Nothing here knows the file format; `executable` makes these objects of an ONNX file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.workload.graph import ParameterRole
from archsim.workload.matrix_layout import MatrixLayout

Array: TypeAlias = NDArray[Any]
Attribute: TypeAlias = "int | float | str | tuple[Any, ...] | Array"


@dataclass(frozen=True, slots=True)
class MatrixUse:
    """A product of a node by a stationary matrix.

    `slot` is the node's input that holds the weight, `shape` that input's shape.  `transposed` tells
    that the node multiplies by the transpose of the matrix as it is held.  The uses of a recurrent
    node are in the order W, R (GRU that resets before its product: W, R_zr, R_h) per direction.
    """

    matrix: str
    slot: int
    shape: tuple[int, ...]
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class ExecutableNode:
    """One operator: its type, version, attributes as plain values, and the tensors it reads and writes.

    Absent optional inputs and outputs are the empty text.  The inputs in the slots of `uses` are
    weights that the backend of the matrices holds.
    """

    name: str
    op_type: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    uses: tuple[MatrixUse, ...] = ()

    @property
    def place(self) -> str:
        """How messages name this node."""
        return f"node '{self.name}' ({self.op_type})"

    @property
    def weight_slots(self) -> frozenset[int]:
        """The inputs that are matrices of the backend."""
        return frozenset(use.slot for use in self.uses)

    @property
    def digital_inputs(self) -> tuple[str, ...]:
        """The inputs that are read as arrays, absent ones left out."""
        held = self.weight_slots
        return tuple(n for index, n in enumerate(self.inputs) if n and index not in held)

    def has(self, attribute: str) -> bool:
        """Whether the file gives the attribute."""
        return attribute in self.attributes

    def integer(self, attribute: str, default: int) -> int:
        """An integer attribute."""
        found = self.attributes.get(attribute, default)
        if not isinstance(found, int):
            raise self._misfit(attribute)
        return found

    def integers(self, attribute: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        found = self._list(attribute, default)
        if not all(isinstance(value, int) for value in found):
            raise self._misfit(attribute)
        return found

    def real(self, attribute: str, default: float) -> float:
        """A floating-point attribute."""
        found = self.attributes.get(attribute, default)
        if not isinstance(found, (int, float)):
            raise self._misfit(attribute)
        return float(found)

    def text(self, attribute: str, default: str = "") -> str:
        """A text attribute."""
        found = self.attributes.get(attribute, default)
        if not isinstance(found, str):
            raise self._misfit(attribute)
        return found

    def texts(self, attribute: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """An attribute that is a list of texts."""
        found = self._list(attribute, default)
        if not all(isinstance(value, str) for value in found):
            raise self._misfit(attribute)
        return found

    def array(self, attribute: str) -> Array | None:
        """An attribute that is a tensor, or None if the file does not give it."""
        found = self.attributes.get(attribute)
        if found is not None and not isinstance(found, np.ndarray):
            raise self._misfit(attribute)
        return found

    def _list(self, attribute: str, default: Sequence[Any]) -> tuple[Any, ...]:
        found = self.attributes.get(attribute, tuple(default))
        if not isinstance(found, tuple):
            raise self._misfit(attribute)
        return found

    def _misfit(self, attribute: str) -> InputError:
        return InputError(
            f"the attribute '{attribute}' is not of the kind that the operator needs.",
            place=self.place,
            remedy="The file is damaged; export the network again.",
        )


class Part(StrEnum):
    """What a parameter does, which decides how it starts."""

    WEIGHT = "weight"
    RECURRENT = "recurrent"
    EMBEDDING = "embedding"
    SCALE = "scale"
    SLOPE = "slope"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class ParameterTensor:
    """A learned tensor.

    `initial` are the numbers of the file, None if it has none (weights in another file, or one
    number that stands for all).  `fan_in` and `fan_out` are the sizes of the matrix that it is, the
    cells of a recurrent layer, 0 if it is none; `rectified` tells that a ReLU-like function follows the product.
    """

    name: str
    shape: tuple[int, ...]
    role: ParameterRole
    part: Part
    trainable: bool = True
    initial: Array | None = field(default=None, repr=False, compare=False)
    fan_in: int = 0
    fan_out: int = 0
    rectified: bool = False


@dataclass(frozen=True, slots=True)
class MatrixTensor:
    """A stationary matrix, named as in the `Workload`: `blocks` blocks of [inputs, outputs].

    Its elements are elements of one parameter, at the places that `layout` tells.
    """

    name: str
    parameter: str
    inputs: int
    outputs: int
    blocks: int
    layout: MatrixLayout = field(repr=False)
    trainable: bool = True

    def take(self, tensor: Array) -> Array:
        """The matrix [blocks, inputs, outputs] in its parameter's `tensor`, a view where possible."""
        return self.layout.take(tensor)

    def put(self, tensor: Array, matrix: Array) -> None:
        """Write `matrix` [blocks, inputs, outputs] into its parameter's `tensor`, in place."""
        self.layout.put(tensor, matrix)


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of the network; a size of None is free (the batch)."""

    name: str
    shape: tuple[int | None, ...]
    floating: bool = True


@dataclass(frozen=True, slots=True)
class ExecutableGraph:
    """A network ready to be run: every tensor is an input, a constant, a parameter, or written.

    `nodes` are in order.  `parameters` are the learned tensors, `matrices` those of the workload's
    matrices that a backend holds; `digital_matrices` names the others (computed in every step from
    parameters, chosen at run time), which are multiplied as arrays.  `statistics` are the start
    values of running means and variances.  `output_shapes` follow `outputs`, with None where a size
    is free.
    """

    name: str
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    output_shapes: tuple[tuple[int | None, ...], ...]
    nodes: tuple[ExecutableNode, ...]
    constants: Mapping[str, Array] = field(repr=False)
    parameters: Mapping[str, ParameterTensor]
    statistics: Mapping[str, Array] = field(repr=False)
    matrices: Mapping[str, MatrixTensor]
    digital_matrices: tuple[str, ...] = ()
