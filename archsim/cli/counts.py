"""The counts that `archsim inspect` gives: operators, parameters, multiply-accumulates, notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from archsim.workload.gradients import matrix_parameters
from archsim.workload.graph import UNKNOWN_ORIGIN, Op, Origin, Workload
from archsim.workload.places import ARRAYS, where_it_runs
from archsim.workload.training import saved_activation_bytes

if TYPE_CHECKING:
    from archsim.workload.onnx_reader import UnsupportedOperators
    from archsim.workload.training import TrainingGraph

_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})


@dataclass(frozen=True, slots=True)
class OpRow:
    """One operator as `inspect` shows it; counts are over the whole bound graph.

    `operations` are the scalar operations of the digital part of its forward pass.
    """

    name: str
    type: str
    kind: str
    macs: int
    parameters: int
    where: str
    reason: str
    operations: int = 0

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {field: getattr(self, field) for field in self.__slots__}


@dataclass(frozen=True, slots=True)
class InArrays:
    """What of a network would go to crossbars: parameters and forward multiply-accumulates."""

    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """Everything that `inspect` reports; all counts are exact integers."""

    name: str
    sha256: str
    samples: int
    bindings: Mapping[str, int]
    parameters: int
    parameters_untied: int
    forward_macs: dict[str, int]
    training_macs: dict[str, int]
    weight_matrices: int
    weight_uses: int
    saved_activation_bytes: int
    ops: tuple[OpRow, ...]
    notes: tuple[dict[str, str], ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...] = ()
    outputs: tuple[tuple[str, tuple[int, ...]], ...] = ()
    origin: Origin = UNKNOWN_ORIGIN
    in_arrays: InArrays | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON document of `archsim inspect --json`."""
        return {
            "name": self.name,
            "onnx_sha256": self.sha256,
            "samples": self.samples,
            "bindings": dict(self.bindings),
            "parameters": self.parameters,
            "parameters_untied": self.parameters_untied,
            "forward_macs": self.forward_macs,
            "training_macs": self.training_macs,
            "weight_matrices": self.weight_matrices,
            "weight_uses": self.weight_uses,
            "saved_activation_bytes": self.saved_activation_bytes,
            "ops": [row.as_json() for row in self.ops],
            "unsupported": [],
            "notes": list(self.notes),
            "inputs": _described(self.inputs),
            "outputs": _described(self.outputs),
            "origin": _origin_json(self.origin),
            "in_arrays": None if self.in_arrays is None else asdict(self.in_arrays),
        }


def count_network(graph: TrainingGraph) -> NetworkCounts:
    """The counts of a training graph and of the workload that it was derived from."""
    workload, macs = graph.workload, graph.macs
    rows = tuple(_row(workload, op) for op in workload.ops)
    return NetworkCounts(
        name=workload.name,
        sha256=workload.sha256,
        samples=workload.samples,
        bindings=workload.bindings,
        parameters=workload.parameter_count,
        parameters_untied=workload.parameter_count_untied,
        forward_macs=forward_macs(workload),
        training_macs={
            "forward": macs.forward,
            "input_gradient": macs.input_gradient,
            "weight_gradient": macs.weight_gradient,
            "dynamic_backward": macs.dynamic_backward,
            **({"recompute": macs.recompute} if macs.recompute else {}),
            "total": macs.total,
        },
        weight_matrices=weight_matrices(workload),
        weight_uses=weight_uses(workload),
        saved_activation_bytes=saved_activation_bytes(graph),
        ops=rows,
        notes=tuple({"code": n.code, "message": n.message, "node": n.node} for n in workload.notes),
        inputs=_shapes(workload, workload.inputs),
        outputs=_shapes(workload, workload.outputs),
        origin=workload.origin,
        in_arrays=in_arrays(workload),
    )


def in_arrays(workload: Workload) -> InArrays:
    """The parameters that are the content of matrices, and the products done with them."""
    held = matrix_parameters(workload.ops, workload)
    names = {name for found in held.values() for name in found}
    return InArrays(
        sum(workload.parameters[name].elements for name in names),
        sum(workload.macs(op) for op in workload.ops if where_it_runs(op) == ARRAYS),
    )


def _shapes(workload: Workload, names: Sequence[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, workload.tensors[name].shape) for name in names)


def _described(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> list[dict[str, Any]]:
    return [{"name": name, "shape": list(shape)} for name, shape in tensors]


def _origin_json(origin: Origin) -> dict[str, Any]:
    return {
        "producer": origin.producer,
        "producer_version": origin.producer_version,
        "ir_version": origin.ir_version,
        "opsets": {domain or "ai.onnx": version for domain, version in origin.opsets.items()},
    }


def forward_macs(workload: Workload) -> dict[str, int]:
    """Forward multiply-accumulates by family: convolution, linear, dynamic, and their total."""
    found = {"convolution": 0, "linear": 0, "dynamic": 0}
    for op in workload.ops:
        found[_family(op)] += workload.macs(op)
    return {**found, "total": sum(found.values())}


def weight_matrices(workload: Workload) -> int:
    """Separate matrices that the file stores: blocks apart, slices of one matrix together."""
    stored: dict[str, int] = {}
    for matrix in workload.matrices.values():
        name = matrix.part_of or matrix.name
        stored[name] = max(stored.get(name, 0), matrix.blocks)
    return sum(stored.values())


def weight_uses(workload: Workload) -> int:
    """How often a matrix block is put to use in one forward pass: blocks times time steps.

    Every matrix of a recurrent cell is used once in each time step: also that of the input, whose
    products could be formed for all steps at once, and also one whose parts are multiplied one
    after the other.
    """
    steps: dict[str, int] = {}
    blocks: dict[tuple[str, str], int] = {}
    for op in workload.ops:
        if op.weight is not None:
            cell, matrix = _cell(op), workload.matrices[op.weight.matrix]
            steps[cell] = max(steps.get(cell, 1), op.weight.sequential_steps)
            use = (cell, matrix.part_of or matrix.name)
            blocks[use] = max(blocks.get(use, 0), matrix.blocks)
    return sum(count * steps[cell] for (cell, _), count in blocks.items())


def _cell(op: Op) -> str:
    """The recurrent cell that an operator is a part of; the operator itself if it is of none.

    The importer splits a recurrent node into parts named `node/part`.
    """
    return op.name.rpartition("/")[0] if op.op_type in _RECURRENT else op.name


def unsupported_json(error: UnsupportedOperators) -> dict[str, Any]:
    """The document for a network that cannot be read: the operators that are not supported."""
    return {
        "parameters": None,
        "parameters_untied": None,
        "forward_macs": None,
        "training_macs": None,
        "weight_matrices": None,
        "weight_uses": None,
        "ops": [],
        "unsupported": [
            {
                "op_type": entry.op_type,
                "domain": entry.domain,
                "version": entry.version,
                "count": entry.count,
                "nodes": list(entry.nodes),
                "nearest": entry.nearest,
            }
            for entry in error.operators
        ],
        "notes": [{"code": "unsupported_operators", "message": str(error), "node": ""}],
    }


def _family(op: Op) -> str:
    if op.weight is None:
        return "dynamic"
    return "convolution" if "Conv" in op.op_type else "linear"


def _row(workload: Workload, op: Op) -> OpRow:
    return OpRow(
        name=op.name,
        type=op.op_type,
        kind=op.kind.value,
        macs=workload.macs(op),
        parameters=sum(workload.parameters[name].elements for name in op.parameters),
        where=where_it_runs(op),
        reason=op.reason,
        operations=op.forward.operations,
    )
