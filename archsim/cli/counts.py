"""The counts that `archsim inspect` gives: operators, parameters, multiply-accumulates, notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.workload.graph import NO_WORK, Op, OpKind, Workload
from archsim.workload.training import saved_activation_bytes

if TYPE_CHECKING:
    from archsim.workload.onnx_reader import UnsupportedOperators
    from archsim.workload.training import TrainingGraph

# Where a kind runs unless a mapping says otherwise; movement is decided by its work.
_PLACES: dict[OpKind, str] = {
    OpKind.WEIGHT_MATMUL: "arrays",
    OpKind.DYNAMIC_MATMUL: "matrix unit",
    OpKind.EMBEDDING: "memory",
    OpKind.MOVEMENT: "memory",
}
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})


@dataclass(frozen=True, slots=True)
class OpRow:
    """One operator as `inspect` shows it; counts are over the whole bound graph."""

    name: str
    type: str
    kind: str
    macs: int
    parameters: int
    where: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {field: getattr(self, field) for field in self.__slots__}


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
            "total": macs.total,
        },
        weight_matrices=sum(matrix.blocks for matrix in workload.matrices.values()),
        weight_uses=weight_uses(workload),
        saved_activation_bytes=saved_activation_bytes(graph),
        ops=rows,
        notes=tuple({"code": n.code, "message": n.message, "node": n.node} for n in workload.notes),
    )


def forward_macs(workload: Workload) -> dict[str, int]:
    """Forward multiply-accumulates by family: convolution, linear, dynamic, and their total."""
    found = {"convolution": 0, "linear": 0, "dynamic": 0}
    for op in workload.ops:
        found[_family(op)] += workload.macs(op)
    return {**found, "total": sum(found.values())}


def weight_uses(workload: Workload) -> int:
    """How often a matrix block is put to use in one forward pass: blocks times time steps.

    Every matrix of a recurrent cell is used once in each time step, also that of the input, whose
    products could be formed for all steps at once.
    """
    steps: dict[str, int] = {}
    for op in workload.ops:
        if op.weight is not None:
            cell = _cell(op)
            steps[cell] = max(steps.get(cell, 1), op.weight.sequential_steps)
    return sum(
        workload.matrices[op.weight.matrix].blocks * steps[_cell(op)]
        for op in workload.ops
        if op.weight is not None
    )


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


def where_it_runs(op: Op) -> str:
    """The part of a chip that an operator occupies, or `free` if only metadata changes."""
    if op.kind is OpKind.MOVEMENT and op.forward == NO_WORK:
        return "free"
    return _PLACES.get(op.kind, "vector unit")


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
    )
