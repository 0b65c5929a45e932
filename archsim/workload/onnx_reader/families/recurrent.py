"""LSTM, GRU and RNN layers, taken apart into products and gates.

Each direction becomes the product of all inputs by W (independent vectors), the product of the
hidden states by R (one dependent step per time step), and the gates on the vector unit.  T steps of
B samples with H cells are h = T*B*H elements; a cell has G gates.  GRU that resets before its
product (`linear_before_reset` 0) needs two dependent products per step: R_zr for its first two
gates, then R_h for the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archsim.errors import InputError
from archsim.workload.graph import (
    DigitalWork,
    OpKind,
    ParameterRole,
    Saved,
    TensorInfo,
)
from archsim.workload.onnx_reader.constants import Constant, part_of
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Read, Scope, rule


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of cell: gates, states beside the hidden one, and work per element of h.

    The forward work holds the sums of the two products and the gates; `saved` counts the values
    per element that the backward needs beside the hidden states.
    """

    gates: int
    states: int
    forward: DigitalWork
    backward: DigitalWork
    saved: int


# LSTM: i, o, f = sigmoid, c~ = tanh; c = f*c + i*c~; y = o*tanh(c).  Backward recomputes tanh(c):
# dc += dy*o*(1 - tanh^2), do = dy*tanh*o(1-o), di = dc*c~*i(1-i), dc~ = dc*i*(1 - c~^2),
# df = dc*c_before*f(1-f), dc_before = dc*f.
_LSTM = Cell(
    gates=4,
    states=1,
    forward=DigitalWork(add=5, mul=3, special=5),
    backward=DigitalWork(add=7, mul=16, special=1),
    saved=5,
)
# GRU: z, r = sigmoid, h~ = tanh; y = (1-z)*h~ + z*y_before, one product with r.  Backward:
# dh~ = dy(1-z), dz = dy(y_before - h~), the derivatives of three gates, dr, and three terms of
# dy_before.  Where r multiplies R_h y_before + b instead of y_before, dr needs that sum as well.
_GRU = Cell(
    gates=3,
    states=0,
    forward=DigitalWork(add=5, mul=3, special=3),
    backward=DigitalWork(add=7, mul=11),
    saved=3,
)
# RNN: y = tanh(a); da = dy(1 - y^2), from the saved hidden state.
_RNN = Cell(
    gates=1,
    states=0,
    forward=DigitalWork(add=1, special=1),
    backward=DigitalWork(add=2, mul=2),
    saved=0,
)
_GRU_RESET_AFTER = replace(_GRU, saved=4)
_CELLS: Mapping[str, Cell] = {"LSTM": _LSTM, "GRU": _GRU, "RNN": _RNN}


@dataclass(frozen=True, slots=True)
class Layer:
    """One direction of a recurrent layer, with the sizes that all its pieces share."""

    node: Node
    cell: Cell
    prefix: str
    direction: int
    directions: int
    steps: int
    samples: int
    inputs: int
    hidden: int
    bytes_per_element: int

    @property
    def vectors(self) -> int:
        """Vectors through each matrix: one per step and sample."""
        return self.steps * self.samples

    @property
    def elements(self) -> int:
        """Elements of the hidden states of all steps."""
        return self.vectors * self.hidden

    def tensor(self, label: str, width: int) -> TensorInfo:
        """An internal tensor of `width` values per step and sample."""
        name = f"{self.node.name}{self.prefix}/{label}"
        return TensorInfo(name, (self.steps, self.samples, width), self.bytes_per_element)

    def part(self, constant: Constant) -> Constant:
        """What this direction uses of a constant whose first axis is the direction."""
        if self.directions == 1:
            return constant
        return part_of(constant, f"direction {self.direction}", constant.shape[1:])


def _layers(node: Node, scope: Scope) -> list[Layer]:
    shape = scope.shape(node.input(0))
    steps, samples, inputs = shape
    if node.integer("layout", 0):
        samples, steps = steps, samples
    weights = _matrix(node, scope, 1)
    both = weights.shape[0] == 2
    return [
        Layer(
            node=node,
            cell=_cell(node),
            prefix=f"/{'backward' if direction else 'forward'}" if both else "",
            direction=direction,
            directions=2 if both else 1,
            steps=steps,
            samples=samples,
            inputs=inputs,
            hidden=_matrix(node, scope, 2).shape[-1],
            bytes_per_element=scope.info(node.input(0)).bytes_per_element,
        )
        for direction in range(2 if both else 1)
    ]


def _cell(node: Node) -> Cell:
    resets_after = node.op_type == "GRU" and node.integer("linear_before_reset", 0)
    return _GRU_RESET_AFTER if resets_after else _CELLS[node.op_type]


def _matrix(node: Node, scope: Scope, index: int) -> Constant:
    constant = scope.constant(node.input(index))
    if constant is None:
        raise InputError(
            f"the weights '{node.input(index)}' depend on the network's input.", place=node.place
        )
    if scope.constant(node.input(0)) is not None:
        raise InputError("the sequence is constant.", place=node.place)
    return constant


def _product(
    layer: Layer,
    label: str,
    constant: Constant,
    size: tuple[int, int],
    source: tuple[str, ...],
    saved: Saved,
    *,
    sequential: bool,
    part_of: str = "",
) -> tuple[Piece, TensorInfo]:
    inputs, outputs = size
    result = layer.tensor(f"{label}_product", outputs)
    product = Product(
        constant=constant,
        inputs=inputs,
        outputs=outputs,
        vectors=layer.vectors,
        sequential_steps=layer.steps if sequential else 1,
        outputs_first=True,
        part_of=part_of,
    )
    reason = (
        f"constant weights, {layer.steps} dependent steps"
        if sequential
        else "constant weights, all time steps at once"
    )
    piece = Piece(
        kind=OpKind.WEIGHT_MATMUL,
        inputs=source,
        outputs=(result.name,),
        reason=reason,
        suffix=f"{layer.prefix}/{label}",
        product=product,
        saved=(saved,),
        reads=(Read(constant, ParameterRole.WEIGHT),),
        internal=(result,),
    )
    return piece, result


def _direction(layer: Layer, scope: Scope) -> list[Piece]:
    node, cell, hidden = layer.node, layer.cell, layer.hidden
    sequence = node.input(0)
    first, by_inputs = _product(
        layer,
        "W",
        layer.part(_matrix(node, scope, 1)),
        (layer.inputs, cell.gates * hidden),
        (sequence,),
        Saved(sequence, scope.elements(sequence)),
        sequential=False,
    )
    pieces, products = [first], [by_inputs]
    recurrent = layer.part(_matrix(node, scope, 2))
    start = tuple(n for n in (node.input(5),) if n and scope.constant(n) is None)
    states = Saved(_hidden_name(layer), layer.elements)
    chain: tuple[tuple[str, int, Saved], ...] = (("R", cell.gates * hidden, states),)
    if node.op_type == "GRU" and not node.integer("linear_before_reset", 0):
        reset = Saved(layer.tensor("reset_hidden", hidden).name, layer.elements)
        chain = (
            ("R_zr", 2 * hidden, states),
            ("R_h", hidden, reset),
        )
    source = (by_inputs.name, *start)
    for label, outputs, saved in chain:
        constant, whole = recurrent, ""
        if len(chain) > 1:
            constant = part_of(recurrent, label.removeprefix("R_"), (outputs, hidden))
            whole = recurrent.view or recurrent.name
        piece, result = _product(
            layer, label, constant, (hidden, outputs), source, saved, sequential=True, part_of=whole
        )
        pieces.append(piece)
        products.append(result)
        source = (result.name,)
    return [*pieces, _gates(layer, scope, tuple(tensor.name for tensor in products))]


def _hidden_name(layer: Layer) -> str:
    """The tensor that holds the hidden states: the layer's output where that is just them."""
    output = layer.node.outputs[0]
    return output if output and layer.directions == 1 else layer.tensor("hidden", 0).name


def _gates(layer: Layer, scope: Scope, products: tuple[str, ...]) -> Piece:
    """The gates: sums of the products and biases, functions, and the state update."""
    node, cell, h = layer.node, layer.cell, layer.elements
    forward, backward = cell.forward, cell.backward
    reads = []
    bias = scope.constant(node.input(3)) if node.input(3) else None
    if bias is not None and bias.learned_roots:
        # Two vectors per gate, one for each product; they share their gradient.
        reads.append(Read(layer.part(bias), ParameterRole.BIAS))
        forward += DigitalWork(add=2 * cell.gates)
        backward += DigitalWork(add=cell.gates)
    peepholes = scope.constant(node.input(7)) if node.input(7) else None
    if peepholes is not None and peepholes.learned_roots:
        reads.append(Read(layer.part(peepholes), ParameterRole.SCALE))
        forward += DigitalWork(add=3, mul=3)
        backward += DigitalWork(add=6, mul=6)
    parameters = sum(read.constant.elements for read in reads)
    kept = layer.tensor("gate_values", cell.saved * layer.hidden)
    start = tuple(n for n in (node.input(6),) if n and scope.constant(n) is None)
    internal = (kept,) if cell.saved else ()
    outputs = scope.results_of(node)
    if layer.directions == 2:
        hidden = layer.tensor("hidden", layer.hidden)
        outputs, internal = (hidden.name,), (*internal, hidden)
    traffic = 2 * cell.gates + cell.states
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=(*products, *start),
        outputs=outputs,
        reason=f"gates and state of {node.op_type}",
        suffix=f"{layer.prefix}/gates",
        forward=forward.scaled(h)
        + DigitalWork(read=traffic * h, written=(1 + cell.saved) * h, read_parameters=parameters),
        backward=backward.scaled(h)
        + DigitalWork(
            read=(1 + max(cell.saved, 1)) * h,
            written=cell.gates * h,
            read_parameters=peepholes.elements if peepholes is not None else 0,
        ),
        saved=(Saved(kept.name, kept.elements),)
        if cell.saved
        else (Saved(_hidden_name(layer), h),),
        reads=tuple(reads),
        internal=internal,
    )


def _recurrent(node: Node, scope: Scope) -> Sequence[Piece]:
    layers = _layers(node, scope)
    pieces = [piece for layer in layers for piece in _direction(layer, scope)]
    if len(layers) == 2:
        pieces.append(
            Piece(
                kind=OpKind.MOVEMENT,
                inputs=tuple(layer.tensor("hidden", 0).name for layer in layers),
                outputs=scope.results_of(node),
                reason="free: both directions write into one tensor",
                suffix="/join",
            )
        )
    return pieces


_RULE = rule(
    (OpKind.WEIGHT_MATMUL, OpKind.ELEMENTWISE, OpKind.MOVEMENT),
    "x by W at once, h by R step by step, gates per cell",
    "the same in reverse order of steps",
)
OPERATORS = tuple(Operator(op_type, _recurrent, rule=_RULE) for op_type in _CELLS)
