"""What each learned tensor is for, which decides how it starts when it is drawn anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archsim.workload.executable_types import (
    Array,
    ExecutableNode,
    MatrixTensor,
    MatrixUse,
    ParameterTensor,
    Part,
)
from archsim.workload.graph import ParameterRole, Workload

_NORMS = frozenset(
    {
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
    }
)
_SCALINGS = frozenset({"Mul", "Div"})
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_RECTIFIERS = frozenset({"Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "HardSwish", "Gelu"})
# What may stand between a product and the function that follows it.
_BETWEEN = _NORMS | {
    "Add",
    "AveragePool",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "MaxPool",
    "Reshape",
    "Squeeze",
    "Transpose",
}
_FARTHEST = 6


def parameter_tensors(
    workload: Workload,
    nodes: Sequence[ExecutableNode],
    matrices: Mapping[str, MatrixTensor],
    stored: Mapping[str, tuple[tuple[int, ...], Array | None]],
    trained: frozenset[str],
) -> dict[str, ParameterTensor]:
    """The parameters of the workload with what is known of their use.

    `stored` are their shapes, and the numbers that the file holds (None where it has none).
    """
    readers = _Readers(nodes, matrices)
    found = {}
    for name, parameter in workload.parameters.items():
        shape, numbers = stored[name]
        part = readers.part(name, parameter.role)
        fan_in, fan_out = readers.fans(name, part)
        found[name] = ParameterTensor(
            name=name,
            shape=shape,
            role=parameter.role,
            part=part,
            trainable=name in trained,
            initial=numbers,
            fan_in=fan_in,
            fan_out=fan_out,
            rectified=readers.rectified(name),
        )
    return found


class _Readers:
    """Who reads each tensor, and who multiplies by each parameter."""

    def __init__(
        self, nodes: Sequence[ExecutableNode], matrices: Mapping[str, MatrixTensor]
    ) -> None:
        self._matrices = matrices
        self._reads: dict[str, list[tuple[ExecutableNode, int]]] = {}
        self._products: dict[str, list[tuple[ExecutableNode, MatrixUse]]] = {}
        for node in nodes:
            for slot, name in enumerate(node.inputs):
                if name and slot not in node.weight_slots:
                    self._reads.setdefault(name, []).append((node, slot))
            for use in node.uses:
                parameter = matrices[use.matrix].parameter
                self._products.setdefault(parameter, []).append((node, use))

    def part(self, name: str, role: ParameterRole) -> Part:
        """What a parameter is for."""
        products = self._products.get(name, ())
        if role is ParameterRole.EMBEDDING:
            return Part.EMBEDDING
        if any(node.op_type in _GATES for node, _ in products):
            return Part.RECURRENT
        if products or role is ParameterRole.WEIGHT:
            return Part.WEIGHT
        for node, slot in self._reads.get(name, ()):
            if node.op_type == "PRelu":
                return Part.SLOPE
            if (node.op_type in _NORMS and slot == 1) or node.op_type in _SCALINGS:
                return Part.SCALE
        return Part.SHIFT

    def fans(self, name: str, part: Part) -> tuple[int, int]:
        """Inputs and outputs of the matrix that a parameter is; twice its cells, if recurrent."""
        for node, use in self._products.get(name, ()):
            if part is Part.RECURRENT:
                cells = use.shape[1] // _GATES[node.op_type]
                return cells, cells
            matrix = self._matrices[use.matrix]
            return matrix.inputs, matrix.outputs
        return 0, 0

    def rectified(self, name: str) -> bool:
        """Whether a ReLU-like function follows a product by the parameter."""
        return any(self._follows(node) for node, _ in self._products.get(name, ()))

    def _follows(self, node: ExecutableNode) -> bool:
        waiting, steps = [node], 0
        while waiting and steps < _FARTHEST:
            followers = [
                reader
                for n in waiting
                for out in n.outputs
                for reader, _ in self._reads.get(out, ())
            ]
            if any(reader.op_type in _RECTIFIERS for reader in followers):
                return True
            waiting = [reader for reader in followers if reader.op_type in _BETWEEN]
            steps += 1
        return False
