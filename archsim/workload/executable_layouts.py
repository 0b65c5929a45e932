"""The matrices of a workload in the tensors that hold them, and the products that use them.

The places of a matrix's elements are found by letting the constant subgraph in front of the product
(transposes, reshapes, slices) move numbers that count through the stored tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.workload.executable_types import Array, MatrixTensor, MatrixUse
from archsim.workload.graph import Op, WeightMatrix
from archsim.workload.matrix_layout import MatrixLayout, layout_of
from archsim.workload.numerics.kernel import Call
from archsim.workload.numerics.products import Uncounted
from archsim.workload.numerics.registry import KERNELS
from archsim.workload.onnx_reader.families.einsum import parse
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Piece
from archsim.workload.onnx_reader.reader import Understood

Indices = NDArray[np.intp]
# Operators that only move the elements of their first input.
_MOVES = frozenset(
    {
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Slice",
        "Split",
        "Gather",
        "Expand",
    }
)
_SAME = frozenset({"Identity", "Cast", "CastLike", "Dropout"})
_PLAIN_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_NOTHING = Uncounted()


class Places:
    """Which element of which stored tensor each element of a constant is."""

    def __init__(self, known: Understood, value: Callable[[str], Array]) -> None:
        self._constants = known.traced.scope.constants
        self._producers = {n: node for node in known.traced.leaves for n in node.outputs if n}
        self._value = value
        self._found: dict[str, Indices | None] = {}

    def of(self, name: str) -> Indices | None:
        """The places in its root of the constant `name`, in its shape; None if it is computed."""
        if name not in self._found:
            self._found[name] = self._places(name)
        return self._found[name]

    def root(self, name: str) -> str:
        """The stored tensor that the constant is made of."""
        return self._constants[name].roots[0].name

    def _places(self, name: str) -> Indices | None:
        constant = self._constants[name]
        if not constant.view or len(constant.roots) != 1:
            return None
        root = constant.roots[0]
        producer = self._producers.get(name)
        if producer is None or root.name == name:
            counted = np.arange(math.prod(constant.shape), dtype=np.intp)
            # A tied tensor may be the transpose of the one that stands for both.
            turned = constant.flipped and root.name != name
            shape = constant.shape[::-1] if turned else constant.shape
            return counted.reshape(shape).T if turned else counted.reshape(shape)
        return self._moved(producer, name)

    def _moved(self, node: Node, name: str) -> Indices | None:
        if node.domain or node.op_type not in _MOVES | _SAME:
            return None
        source = self.of(node.inputs[0])
        if source is None or node.op_type in _SAME:
            return source
        operands = (source, *(self._value(n) if n else None for n in node.inputs[1:]))
        call = Call(node, operands, (True,) * len(operands), _NOTHING)
        result = KERNELS["", node.op_type].forward(call)
        parts = list(result) if isinstance(result, (list, tuple)) else [result]
        return np.asarray(parts[node.outputs.index(name)])


@dataclass(frozen=True, slots=True)
class HeldMatrix:
    """A matrix of the workload that is a reordered part of one parameter."""

    matrix: WeightMatrix
    parameter: str
    layout: MatrixLayout

    def tensor(self, *, trainable: bool) -> MatrixTensor:
        """The same for the executable graph."""
        m = self.matrix
        return MatrixTensor(
            m.name, self.parameter, m.inputs, m.outputs, m.blocks, self.layout, trainable
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The matrices that a backend holds, and their uses by the first output of the node."""

    matrices: dict[str, HeldMatrix] = field(default_factory=dict)
    uses: dict[str, tuple[MatrixUse, ...]] = field(default_factory=dict)


def held_matrices(known: Understood, places: Places) -> Held:
    """All products by matrices that can be held; a node's products are held together or not at all.

    A table of rows that also is such a matrix (a tied embedding) is read by one-hot vectors.
    """
    held = Held()
    for output, group in _products(known).items():
        found = [_use(known, places, held, *entry) for entry in group]
        uses = [entry for entry in found if entry is not None]
        if len(uses) == len(found):
            held.matrices.update({use.matrix: matrix for use, matrix in uses})
            held.uses[output] = tuple(use for use, _ in uses)
    _add_lookups(known, places, held)
    return held


def _add_lookups(known: Understood, places: Places, held: Held) -> None:
    by_parameter = {matrix.parameter: name for name, matrix in held.matrices.items()}
    constants = known.traced.scope.constants
    for node in known.traced.leaves:
        table = constants.get(node.input(0))
        if node.op_type != "Gather" or node.integer("axis", 0) or table is None:
            continue
        if node.domain or not table.whole or table.roots[0].name not in by_parameter:
            continue
        matrix = held.matrices[by_parameter[table.roots[0].name]]
        indices = places.of(table.name)
        content = matrix.layout.take(np.arange(matrix.layout.elements, dtype=np.intp))
        if indices is None or indices.ndim != 2:
            continue
        for transposed, side in ((False, content), (True, content.swapaxes(1, 2))):
            if np.array_equal(side, indices[None]):
                use = MatrixUse(matrix.matrix.name, 0, table.shape, transposed=transposed)
                held.uses.setdefault(node.outputs[0], (use,))


def _products(known: Understood) -> dict[str, list[tuple[Node, Piece, Op]]]:
    """The pieces that multiply by weights, by the first output of their node, in order."""
    found: dict[str, list[tuple[Node, Piece, Op]]] = {}
    for (node, piece), op in zip(known.pieces, known.ops, strict=True):
        if piece.product is not None and op.weight is not None:
            found.setdefault(node.outputs[0], []).append((node, piece, op))
    return found


def _use(
    known: Understood, places: Places, held: Held, node: Node, piece: Piece, op: Op
) -> tuple[MatrixUse, HeldMatrix] | None:
    """One product as a use of a matrix that can be held, or None."""
    assert op.weight is not None
    matrix = known.workload.matrices[op.weight.matrix]
    if piece.content or matrix.computed or op.weight.chosen_blocks is not None or node.domain:
        return None
    located = _located(known, places, piece, node)
    if located is None:
        return None
    slot, indices = located
    constants = known.traced.scope.constants
    shape = constants[node.inputs[slot]].shape
    before = held.matrices.get(matrix.name)
    if before is None:
        parameter = places.root(node.inputs[slot])
        layout = layout_of(indices, math.prod(constants[parameter].shape))
        return MatrixUse(matrix.name, slot, shape), HeldMatrix(matrix, parameter, layout)
    content = before.layout.take(np.arange(before.layout.elements, dtype=np.intp))
    if np.array_equal(content, indices):
        return MatrixUse(matrix.name, slot, shape), before
    if np.array_equal(content.swapaxes(1, 2), indices):
        return MatrixUse(matrix.name, slot, shape, transposed=True), before
    return None


def _located(
    known: Understood, places: Places, piece: Piece, node: Node
) -> tuple[int, Indices] | None:
    """The weight's input, and the places of its matrix [blocks, K, N]; None if it has none."""
    product = piece.product
    assert product is not None
    if node.op_type in _RECURRENT:
        return _of_cell(places, piece, node)
    slots = [i for i, name in enumerate(node.inputs) if name == product.constant.name]
    if len(slots) != 1:
        return None
    indices = places.of(node.inputs[slots[0]])
    size = product.blocks * product.inputs * product.outputs
    if indices is None or indices.size != size:
        return None
    if node.op_type == "Einsum":
        arranged = _of_einsum(known, node, slots[0], indices)
        return None if arranged is None else (slots[0], arranged)
    if node.op_type not in _PLAIN_PRODUCTS:
        return None
    if product.outputs_first:
        turned = indices.reshape(product.blocks, product.outputs, product.inputs)
        return slots[0], turned.swapaxes(1, 2)
    return slots[0], indices.reshape(product.blocks, product.inputs, product.outputs)


def _of_cell(places: Places, piece: Piece, node: Node) -> tuple[int, Indices] | None:
    """W or R of one direction [G*H, inputs], or the rows of R that a product of a GRU has."""
    label = piece.suffix.rpartition("/")[2]
    slot = 1 if label == "W" else 2
    indices = places.of(node.inputs[slot])
    if indices is None:
        return None
    own = indices[1 if "/backward/" in piece.suffix else 0]
    hidden = own.shape[0] // 3
    rows: Mapping[str, slice] = {"R_zr": slice(0, 2 * hidden), "R_h": slice(2 * hidden, None)}
    return slot, own[rows.get(label, slice(None))].T[None]


def _of_einsum(known: Understood, node: Node, slot: int, indices: Indices) -> Indices | None:
    """The weight's axes in the order shared, summed, own, each group as one axis."""
    if len(node.inputs) != 2:
        return None
    shapes = [known.traced.scope.shape(name) for name in node.inputs]
    try:
        terms, result = parse(node.text("equation"), [len(shape) for shape in shapes])
    except (InputError, ValueError):
        return None
    own, other = terms[slot], terms[1 - slot]
    shared = [x for x in own if x in other and x in result]
    summed = [x for x in own if x in other and x not in result]
    kept = [x for x in own if x not in other]
    sizes = [dict(zip(term, shape, strict=True)) for term, shape in zip(terms, shapes, strict=True)]
    if any(sizes[0][x] != sizes[1][x] for x in (*shared, *summed)) or set(kept) - set(result):
        return None
    turned = indices.transpose([own.index(x) for x in (*shared, *summed, *kept)])
    mine = sizes[slot]
    return turned.reshape([math.prod(mine[x] for x in group) for group in (shared, summed, kept)])
