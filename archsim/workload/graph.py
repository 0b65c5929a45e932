"""The forward graph of a network: frozen operators on a networkx graph.

A `Workload` is what the importer understood of an ONNX file with every dimension bound.  Counts are
exact integers over ONE evaluation of the bound graph, which processes `samples` samples.

Every operator has one `OpKind`; the kind decides where it runs and what its backward is:

* WEIGHT_MATMUL has `weight` set and runs on crossbars (or digitally, if the mapping says so);
* DYNAMIC_MATMUL has `dynamic` set and runs on the digital matrix unit;
* EMBEDDING reads rows of a table in memory;
* NORMALISATION, SOFTMAX, REDUCTION, ELEMENTWISE, POOLING and LOSS run on the vector unit;
* MOVEMENT is free if only metadata changes (`forward` is all zero), else memory traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property

import networkx as nx


class OpKind(StrEnum):
    """Where an operator runs and what its backward is."""

    WEIGHT_MATMUL = "weight_matmul"
    DYNAMIC_MATMUL = "dynamic_matmul"
    EMBEDDING = "embedding"
    NORMALISATION = "normalisation"
    SOFTMAX = "softmax"
    REDUCTION = "reduction"
    ELEMENTWISE = "elementwise"
    POOLING = "pooling"
    MOVEMENT = "movement"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class DigitalWork:
    """Scalar operations by class and elements moved, over one evaluation of the graph.

    `add` counts additions and subtractions, `compare` comparisons and selections, `special` look-up
    functions (tanh, erf, sigmoid, sin), `sqrt` square and reciprocal square roots.  `read` and
    `written` count tensor elements moved from and to a buffer; `read_parameters` counts parameter
    elements (norm scales, embedding rows, biases).
    """

    add: int = 0
    mul: int = 0
    div: int = 0
    exp: int = 0
    log: int = 0
    sqrt: int = 0
    special: int = 0
    compare: int = 0
    read: int = 0
    written: int = 0
    read_parameters: int = 0

    def __add__(self, other: DigitalWork) -> DigitalWork:
        # Written out: half a million of these are made for a large network.
        return DigitalWork(
            self.add + other.add,
            self.mul + other.mul,
            self.div + other.div,
            self.exp + other.exp,
            self.log + other.log,
            self.sqrt + other.sqrt,
            self.special + other.special,
            self.compare + other.compare,
            self.read + other.read,
            self.written + other.written,
            self.read_parameters + other.read_parameters,
        )

    def scaled(self, factor: int) -> DigitalWork:
        """The work of `factor` repetitions."""
        return DigitalWork(
            self.add * factor,
            self.mul * factor,
            self.div * factor,
            self.exp * factor,
            self.log * factor,
            self.sqrt * factor,
            self.special * factor,
            self.compare * factor,
            self.read * factor,
            self.written * factor,
            self.read_parameters * factor,
        )

    @property
    def operations(self) -> int:
        """All scalar operations, without the movement."""
        return sum(getattr(self, f) for f in OPERATION_CLASSES)


WORK_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(DigitalWork))
OPERATION_CLASSES: tuple[str, ...] = WORK_FIELDS[:8]
NO_WORK = DigitalWork()


@dataclass(frozen=True, slots=True)
class WeightMatrix:
    """A stationary matrix (or `blocks` equal block-diagonal ones) that arrays can hold.

    `inputs` (K) and `outputs` (N) are those of one block: a convolution has
    K = Cin/groups * kernel elements, N = Cout/groups, blocks = groups.  `bias` names the bias
    parameter that may be mapped as an extra row, or is None.  `part_of` names the stored matrix of
    which this one is a slice (the query part of a packed projection), or is None.  `computed` tells
    that the network computes the matrix from parameters in every step (weight normalisation), so
    that no array can be updated in place.
    """

    name: str
    inputs: int
    outputs: int
    blocks: int = 1
    bias: str | None = None
    trainable: bool = True
    part_of: str | None = None
    computed: bool = False

    @property
    def elements(self) -> int:
        """Number of weights, K * N * blocks."""
        return self.inputs * self.outputs * self.blocks


@dataclass(frozen=True, slots=True)
class WeightUse:
    """One operator's use of a weight matrix.

    `vectors` input vectors pass through every block in one evaluation of the graph.  They are
    independent of each other if `sequential_steps` is 1; a recurrent product has as many dependent
    steps as time steps, and `vectors / sequential_steps` independent vectors in each.
    `transposed` marks a use that multiplies by the transpose of the stored matrix (tied weights).
    `chosen_blocks` is how many of the blocks each vector passes where the network chooses them at
    run time (experts), None for all.  `content` names the tensor that holds a computed matrix.
    """

    matrix: str
    vectors: int
    sequential_steps: int = 1
    transposed: bool = False
    chosen_blocks: int | None = None
    content: str = ""

    def macs(self, matrix: WeightMatrix) -> int:
        """Multiply-accumulates of this use of `matrix`."""
        blocks = matrix.blocks if self.chosen_blocks is None else self.chosen_blocks
        return self.vectors * matrix.inputs * matrix.outputs * blocks

    def vectors_per_block(self, matrix: WeightMatrix) -> float:
        """Vectors through each block, the mean where blocks are chosen at run time."""
        chosen = matrix.blocks if self.chosen_blocks is None else self.chosen_blocks
        return self.vectors * chosen / matrix.blocks


@dataclass(frozen=True, slots=True)
class DynamicMatmul:
    """`count` independent products [m, k] x [k, n] of two activations."""

    count: int
    m: int
    k: int
    n: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all the products."""
        return self.count * self.m * self.k * self.n


class SavedForm(StrEnum):
    """How a tensor is kept for the backward pass."""

    VALUE = "value"  # the tensor itself, at activation precision
    MASK = "mask"  # one bit per element; free if the same tensor is also saved as a value
    INDEX = "index"  # position inside a pooling window, one byte per element


@dataclass(frozen=True, slots=True)
class Saved:
    """Something that an operator's backward needs from its forward: a tensor in a form."""

    tensor: str
    elements: int
    form: SavedForm = SavedForm.VALUE


class ParameterRole(StrEnum):
    """What a learned tensor is; everything but a matmul weight is a digital parameter."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM = "norm"
    EMBEDDING = "embedding"
    SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A learned tensor of the file; `uses` is the number of operators that read it."""

    name: str
    elements: int
    role: ParameterRole
    uses: int = 1
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of the bound graph: shape, bytes per element as the file has it, and its sign.

    `nonnegative` is True where the producer guarantees values of one sign (ReLU, sigmoid, softmax
    and what only moves or pools them); it halves the quadrants of an outer-product update.
    """

    name: str
    shape: tuple[int, ...]
    bytes_per_element: int = 4
    floating: bool = True
    nonnegative: bool = False

    @property
    def elements(self) -> int:
        """Number of elements (1 for a scalar)."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class RowWindow:
    """Which rows of its input an image operator needs: row r of its output needs the `extent` rows
    from `stride * r - before` on, as far as there are such rows.

    Rows are positions along the first axis after samples and channels.
    """

    extent: int
    stride: int
    before: int


@dataclass(frozen=True, slots=True)
class Op:
    """One operator of the forward graph.

    `inputs` and `outputs` are activation tensors (weights and other constants are not listed);
    `parameters` are the learned tensors it reads.  `forward` is its digital work, `backward` that
    of its backward (for a weight matmul: bias addition, and bias gradient; the products themselves
    are not digital work).  `saved` is what the backward needs.  `framework_saved`
    is what PyTorch keeps for it instead, where that does not follow from the operator (see
    `archsim.workload.framework_saved`).  `batch_barrier` marks normalisation by minibatch
    statistics.  `reason` tells a reader why it is of this kind.
    `per_step` marks work on parameters alone, which happens once per minibatch whatever its size.
    `module` is the dotted path of the module that it belongs to where the exporter noted one
    (`layer1.0.conv1`), else empty.  `window` says which rows of an image a row of the output needs
    (None: not an operator of windows).
    """

    name: str
    op_type: str
    kind: OpKind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    weight: WeightUse | None = None
    dynamic: tuple[DynamicMatmul, ...] = ()
    forward: DigitalWork = NO_WORK
    backward: DigitalWork = NO_WORK
    saved: tuple[Saved, ...] = ()
    framework_saved: tuple[Saved, ...] | None = None
    batch_barrier: bool = False
    reason: str = ""
    module: str = ""
    per_step: bool = False
    window: RowWindow | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote the file, as it says itself: the exporter, the IR version, the opset by domain."""

    producer: str = ""
    producer_version: str = ""
    ir_version: int = 0
    opsets: Mapping[str, int] = field(default_factory=dict)


UNKNOWN_ORIGIN = Origin()


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the file that a reader should know: a code, a sentence, a node's name."""

    code: str
    message: str
    node: str = ""


@dataclass(frozen=True)
class Workload:
    """A network, bound and understood.

    `graph` is a frozen `networkx.DiGraph`: one node per operator name with attribute `op` (an
    `Op`), an edge per producer-consumer pair with attribute `tensors` (a tuple of tensor names).
    `inputs` and `outputs` are tensor names.
    """

    name: str
    sha256: str
    samples: int
    graph: nx.DiGraph[str]
    tensors: Mapping[str, TensorInfo]
    matrices: Mapping[str, WeightMatrix]
    parameters: Mapping[str, Parameter]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    bindings: Mapping[str, int] = field(default_factory=dict)
    origin: Origin = UNKNOWN_ORIGIN

    def op(self, name: str) -> Op:
        """The operator called `name`."""
        found: Op = self.graph.nodes[name]["op"]
        return found

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        """All operators in a topological order that depends only on the file."""
        return tuple(
            self.op(name)
            for name in nx.lexicographical_topological_sort(self.graph, key=self._rank.__getitem__)
        )

    @property
    def _rank(self) -> dict[str, int]:
        return {name: rank for rank, name in enumerate(self.graph.nodes)}

    def macs(self, op: Op) -> int:
        """Forward multiply-accumulates of `op` over one evaluation of the graph."""
        if op.weight is not None:
            return op.weight.macs(self.matrices[op.weight.matrix])
        return sum(product.macs for product in op.dynamic)

    @property
    def parameter_count(self) -> int:
        """Learned elements in the file, ties counted once."""
        return sum(p.elements for p in self.parameters.values())

    @property
    def parameter_count_untied(self) -> int:
        """Learned elements, each use of a tied tensor counted."""
        return sum(p.elements * p.uses for p in self.parameters.values())
