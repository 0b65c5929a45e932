"""The contract of an operator family: what a node becomes.

A family file lists its operators as `Operator` entries.  A handler is a pure function from a node
and the tensors around it to `Piece`s: an ordinary operator gives one, a recurrent cell several.
The assembly turns pieces into the ops, matrices and parameters of a `Workload`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import onnx

from archsim.errors import InputError
from archsim.workload.graph import (
    NO_WORK,
    OPERATION_CLASSES,
    DigitalWork,
    DynamicMatmul,
    Note,
    OpKind,
    ParameterRole,
    RowWindow,
    Saved,
    TensorInfo,
)
from archsim.workload.onnx_reader.constants import Array, Constant
from archsim.workload.onnx_reader.nodes import Node


@dataclass(frozen=True, slots=True)
class Read:
    """An operator reads a learned constant in a role."""

    constant: Constant
    role: ParameterRole


@dataclass(frozen=True, slots=True)
class Product:
    """Multiplication of `vectors` activation vectors by a constant matrix of `blocks` blocks.

    `outputs_first` tells that the constant's axes are outputs, then inputs (as a convolution's).
    `chosen_blocks` is how many blocks each vector passes, None for all.  `part_of` names the stored
    matrix that the constant is a slice of, where that cannot be seen from the constant itself.
    """

    constant: Constant
    inputs: int
    outputs: int
    vectors: int
    blocks: int = 1
    sequential_steps: int = 1
    outputs_first: bool = False
    bias: Constant | None = None
    chosen_blocks: int | None = None
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One op in the making; see `archsim.workload.graph.Op` for the fields it shares.

    `suffix` is appended to the node's name.  `internal` are tensors that the file does not know,
    such as a recurrent cell's gates.  `added_bias` marks an addition of a constant vector along the
    last axis, which becomes part of the product that it follows.  `content` names the tensor that
    holds the product's matrix where parameters compute it; `per_step` marks such computations.
    `rows` is the learned constant whose vectors enter the product (queries), or None.
    """

    kind: OpKind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str
    suffix: str = ""
    product: Product | None = None
    dynamic: tuple[DynamicMatmul, ...] = ()
    forward: DigitalWork = NO_WORK
    backward: DigitalWork = NO_WORK
    saved: tuple[Saved, ...] = ()
    framework_saved: tuple[Saved, ...] | None = None
    reads: tuple[Read, ...] = ()
    batch_barrier: bool = False
    internal: tuple[TensorInfo, ...] = ()
    added_bias: Constant | None = None
    notes: tuple[Note, ...] = ()
    content: str = ""
    per_step: bool = False
    rows: Constant | None = None
    window: RowWindow | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the op."""
        product = self.product
        if product is None:
            return sum(entry.macs for entry in self.dynamic)
        blocks = product.blocks if product.chosen_blocks is None else product.chosen_blocks
        return product.vectors * product.inputs * product.outputs * blocks


@dataclass(frozen=True, slots=True)
class Scope:
    """The tensors known when a node is handled: all its inputs and outputs are among them.

    `consumers` maps a tensor to the nodes that read it; `results` are the graph's outputs.  `types`
    are the ONNX types of all tensors; `counts` are sizes that only a run would tell, by the name of
    the node (iterations of a loop, elements that are found).
    """

    tensors: Mapping[str, TensorInfo]
    constants: Mapping[str, Constant]
    consumers: Mapping[str, Sequence[Node]]
    results: frozenset[str]
    types: Mapping[str, onnx.TypeProto] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def element_type(self, name: str) -> int:
        """The ONNX element type of an activation or a constant."""
        constant = self.constants.get(name)
        if constant is not None:
            return constant.element_type
        return self.types[name].tensor_type.elem_type

    def knowing(self, *tensors: TensorInfo) -> Scope:
        """A scope of these and further tensors, such as those inside an operator that fuses several.

        The tables are not copied: for each node, that would grow with the square of the nodes.
        """
        further = {entry.name: entry for entry in tensors}
        return replace(self, tensors=ChainMap(further, self.tensors))  # type: ignore[arg-type]  # only read

    def info(self, name: str) -> TensorInfo:
        """The activation called `name`."""
        return self.tensors[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an activation or a constant."""
        constant = self.constants.get(name)
        return constant.shape if constant is not None else self.tensors[name].shape

    def elements(self, name: str) -> int:
        """The number of elements of an activation or a constant."""
        constant = self.constants.get(name)
        return constant.elements if constant is not None else self.tensors[name].elements

    def constant(self, name: str) -> Constant | None:
        """The constant called `name`, or None if it is an activation or absent."""
        return self.constants.get(name)

    def value(self, name: str) -> Array | None:
        """The value of a small constant, or None."""
        constant = self.constants.get(name)
        return None if constant is None else constant.value

    def required(self, node: Node, index: int, what: str) -> Array:
        """The value of an input that must be a known constant."""
        value = self.value(node.input(index))
        if value is None:
            raise InputError(
                f"{what} (input '{node.input(index)}') depends on the data or is not stored in "
                "the file, and the estimate needs its value.",
                place=node.place,
                remedy="Export the network with constant shapes, or bind its dimensions.",
            )
        return value

    def activations(self, node: Node) -> tuple[str, ...]:
        """The inputs of `node` that depend on the network's inputs, each once, in order."""
        names = (name for name in node.inputs if name and name not in self.constants)
        return tuple(dict.fromkeys(names))

    def results_of(self, node: Node) -> tuple[str, ...]:
        """The outputs that are computed: the first, and others that something reads."""
        return tuple(name for name in node.outputs if name in self.tensors)

    def differentiable(self, name: str) -> bool:
        """Whether `name` is an activation that a gradient can flow into."""
        found = self.tensors.get(name)
        return found is not None and found.floating


Handler: TypeAlias = Callable[[Node, Scope], Sequence[Piece]]
NodeRule: TypeAlias = Callable[[Node, Scope], bool]
# Output types for an operator without an ONNX shape function: (element type, shape) each.
ShapeRule: TypeAlias = Callable[[Node, Scope], Sequence[tuple[int, tuple[int, ...]]]]


def signed(node: Node, scope: Scope) -> bool:
    """The outputs may be negative."""
    return False


def nonnegative(node: Node, scope: Scope) -> bool:
    """The outputs never are negative, whatever the inputs."""
    return True


def keeps_sign(node: Node, scope: Scope) -> bool:
    """The outputs are nonnegative if all activations that enter are."""
    names = scope.activations(node)
    return bool(names) and all(scope.info(name).nonnegative for name in names)


def data_keeps_sign(node: Node, scope: Scope) -> bool:
    """The outputs are nonnegative if the first input is."""
    found = scope.tensors.get(node.input(0))
    return found is not None and found.nonnegative


def never(node: Node, scope: Scope) -> bool:
    """Not for any node."""
    return False


def always(node: Node, scope: Scope) -> bool:
    """For every node."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """What a reader is told of an operator: its kinds, and its cost in a few words.

    Several kinds are alternatives (a product by a constant, or of two activations) or the parts
    that the operator is taken apart into; the first is what it is called by.  `n` stands for the
    elements of the output.
    """

    kinds: tuple[OpKind, ...]
    forward: str
    backward: str


def rule(kind: OpKind | tuple[OpKind, ...], forward: str, backward: str) -> Rule:
    """A rule of one kind or several."""
    return Rule(kind if isinstance(kind, tuple) else (kind,), forward, backward)


def in_words(work: DigitalWork) -> str:
    """The operations per element of a rule: `n (exp, 2 mul)`."""
    counts = ((name, getattr(work, name)) for name in OPERATION_CLASSES)
    parts = [name if count == 1 else f"{count} {name}" for name, count in counts if count]
    return f"n ({', '.join(parts)})" if parts else "none"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator that the reader understands.

    `rule` says what it costs.  `straight_through` tells whether gradients pass though the outputs
    are integers, as training with simulated quantisation does.
    """

    op_type: str
    handler: Handler
    sign: NodeRule = signed
    domain: str = ""
    shapes: ShapeRule | None = None
    straight_through: NodeRule = never
    rule: Rule = field(kw_only=True)


def per_element(  # the classes of DigitalWork, per element
    count: int,
    *,
    add: int = 0,
    mul: int = 0,
    div: int = 0,
    exp: int = 0,
    log: int = 0,
    sqrt: int = 0,
    special: int = 0,
    compare: int = 0,
) -> DigitalWork:
    """The work of `count` elements that each need these operations."""
    unit = DigitalWork(add, mul, div, exp, log, sqrt, special, compare)
    return unit.scaled(count)
