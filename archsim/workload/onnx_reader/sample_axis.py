"""Which dimension of an input counts samples: the leading one, unless a recurrent operator says else.

LSTM, GRU and RNN take [time, samples, features] (`layout` 0), or [samples, time, features]
(`layout` 1).  From there the axis is followed back through operators that move or keep axes, to an
input of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from archsim.workload.graph import Note
from archsim.workload.onnx_reader.binding import SampleAxis
from archsim.workload.onnx_reader.constants import Constant, constant_node
from archsim.workload.onnx_reader.nodes import Node


@dataclass(frozen=True, slots=True)
class SampleAxes:
    """What recurrent operators say: the axis that the first of them leads to, if any does.

    `unclear` names an operator that leads to another dimension than the first, or, where none leads
    to an input, the first.
    """

    found: SampleAxis | None = None
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """One of the `rank` axes of a tensor."""

    tensor: str
    axis: int
    rank: int


@dataclass(frozen=True, slots=True)
class _Known:
    """Stored tensors, the tensors that depend on an input, and which node makes each."""

    constants: Mapping[str, Constant]
    moving: AbstractSet[str]
    producer: Mapping[str, Node]


Step = Callable[[Node, _Place, _Known], _Place | None]


def sample_axes(
    nodes: Sequence[Node], inputs: Sequence[str], constants: Mapping[str, Constant]
) -> SampleAxes:
    """What the recurrent operators among `nodes` say about `inputs`, the network's data inputs.

    `nodes` are in an order in which they can be computed, `constants` the stored tensors.
    """
    recurrent = [node for node in nodes if node.op_type in _RECURRENT and not node.domain]
    if not recurrent:
        return SampleAxes()
    known = _known(nodes, inputs, constants)
    found: SampleAxis | None = None
    for node in recurrent:
        origin = _origin(_Place(node.input(0), _batch_axis(node), 3), known)
        if origin is None or origin.tensor not in inputs:
            continue
        if found is None:
            found = SampleAxis(origin.tensor, origin.axis, node.name)
        elif found.name == origin.tensor and found.axis != origin.axis:
            return SampleAxes(found, node.name)
    return SampleAxes(found, recurrent[0].name if found is None else "")


def chosen_axis(
    axes: SampleAxes, shapes: Mapping[str, Sequence[object]], batch: int | None
) -> SampleAxis | None:
    """The axis that counts samples, None for the leading one.

    Where operators do not say, a `batch` that only one dimension of the first input has tells which.
    `shapes` are the declared ones of the inputs.
    """
    if not axes.unclear or batch is None:
        return axes.found
    name, sizes = next(((n, shape) for n, shape in shapes.items() if shape), ("", ()))
    alike = [axis for axis, size in enumerate(sizes) if size == batch]
    return SampleAxis(name, alike[0], "--batch") if len(alike) == 1 else axes.found


def samples_notes(axes: SampleAxes, axis: SampleAxis | None, shape: Sequence[int]) -> list[Note]:
    """What to say of the dimension `axis` of an input of `shape` that was taken for the samples."""
    show = "x".join(map(str, shape))
    if axes.unclear and (axis is None or axis.by != "--batch"):
        taken = 0 if axis is None else axis.axis
        return [
            Note(
                "samples_unclear",
                f"Whether dimension {taken} of the input ({show}) counts samples cannot be followed "
                f"back from '{axes.unclear}'; it is taken so. If another does, give its size with "
                "--batch, or export the network with a dimension called batch.",
            )
        ]
    if axis is None or axis.axis == 0:
        return []
    return [
        Note(
            "samples_not_leading",
            f"Dimension {axis.axis} of the input '{axis.name}' ({show}) counts samples, not the "
            f"first: '{axis.by}' takes it so.",
        )
    ]


def _known(
    nodes: Sequence[Node], inputs: Sequence[str], constants: Mapping[str, Constant]
) -> _Known:
    stored, moving = dict(constants), set(inputs)
    for node in nodes:
        if node.op_type == "Constant":
            stored[node.outputs[0]] = constant_node(node)
        elif not moving.isdisjoint(node.reads):
            moving.update(filter(None, node.outputs))
    producer = {tensor: node for node in nodes for tensor in node.outputs if tensor}
    return _Known(stored, moving, producer)


def _origin(place: _Place, known: _Known) -> _Place | None:
    """The input and axis that `place` comes from; None where that cannot be said."""
    here: _Place | None = place
    while here is not None and here.tensor in known.producer:
        node = known.producer[here.tensor]
        step = _STEPS.get(node.op_type)
        here = None if step is None or node.domain else step(node, here, known)
    return here


def _batch_axis(node: Node) -> int:
    return 0 if node.integer("layout", 0) else 1


def _kept(node: Node, place: _Place, known: _Known) -> _Place | None:
    """An operator whose result has the axes of its first input that is no constant."""
    source = next((name for name in node.inputs if name in known.moving), None)
    return None if source is None else _Place(source, place.axis, place.rank)


def _leading(node: Node, place: _Place, known: _Known) -> _Place | None:
    """An operator that keeps the leading axis and makes others anew."""
    return _kept(node, place, known) if place.axis == 0 else None


def _product(node: Node, place: _Place, known: _Known) -> _Place | None:
    """A product with a stored matrix on the right keeps all axes but the last."""
    if node.input(0) not in known.moving or node.input(1) in known.moving:
        return None
    return _Place(node.input(0), place.axis, place.rank) if place.axis < place.rank - 1 else None


def _gemm(node: Node, place: _Place, known: _Known) -> _Place | None:
    return None if node.integer("transA", 0) else _product(node, place, known)


def _transposed(node: Node, place: _Place, known: _Known) -> _Place | None:
    order = node.integers("perm", tuple(reversed(range(place.rank))))
    if sorted(order) != list(range(place.rank)):
        return None
    return _Place(node.input(0), order[place.axis], place.rank)


def _looked_up(node: Node, place: _Place, known: _Known) -> _Place | None:
    """Rows of a stored table: the axes of the indices come first."""
    if node.input(0) in known.moving or node.integer("axis", 0):
        return None
    table = known.constants.get(node.input(0))
    # A table that is computed (dequantised, say) has a row per index as well.
    rank = place.rank - (1 if table is None else len(table.shape) - 1)
    return _Place(node.input(1), place.axis, rank) if place.axis < rank else None


def _squeezed(node: Node, place: _Place, known: _Known) -> _Place | None:
    axes = _axes(node, known)
    if not axes:
        return None
    rank = place.rank + len(axes)
    gone = {axis % rank for axis in axes}
    kept = [axis for axis in range(rank) if axis not in gone]
    return _Place(node.input(0), kept[place.axis], rank) if len(kept) == place.rank else None


def _unsqueezed(node: Node, place: _Place, known: _Known) -> _Place | None:
    axes = _axes(node, known)
    if not axes:
        return None
    added = {axis % place.rank for axis in axes}
    if place.axis in added:
        return None
    axis = place.axis - sum(new < place.axis for new in added)
    return _Place(node.input(0), axis, place.rank - len(added))


def _axes(node: Node, known: _Known) -> tuple[int, ...]:
    """The axes of Squeeze and Unsqueeze, an attribute or a stored list; empty if unknown."""
    stored = known.constants.get(node.input(1))
    if stored is None:
        return node.integers("axes")
    value = stored.value
    return () if value is None else tuple(int(v) for v in value.ravel().tolist())


def _layers_before(node: Node, place: _Place, known: _Known) -> _Place | None:
    """A recurrent operator: its sequence of states has the axes of its input and one of directions."""
    if place.tensor != node.outputs[0]:
        return None
    directions = 2 if node.integer("layout", 0) else 1
    if place.rank != 4 or place.axis in (directions, 3):
        return None
    axis = place.axis - (place.axis > directions)
    return _Place(node.input(0), axis, 3)


_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_KEEP = (
    "Add", "Cast", "CastLike", "Clip", "DequantizeLinear", "Div", "Dropout", "Elu", "Gelu", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Mul", "PRelu", "Pow", "QuantizeLinear", "Relu",
    "Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Swish", "Tanh",
)  # fmt: skip
_LEAD = ("AveragePool", "BatchNormalization", "Conv", "Flatten", "MaxPool")
_STEPS: Mapping[str, Step] = {
    **dict.fromkeys(_KEEP, _kept),
    **dict.fromkeys(_LEAD, _leading),
    **dict.fromkeys(_RECURRENT, _layers_before),
    "Gather": _looked_up,
    "Gemm": _gemm,
    "MatMul": _product,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}
