"""Which phase of a training step a task and a component belong to, and where a task runs."""

from __future__ import annotations

from enum import StrEnum

from archsim.simulation.program import Program
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind


class ResultPhase(StrEnum):
    """Phases of a result's flat maps."""

    FORWARD = "forward"
    INPUT_GRADIENT = "input_gradient"
    UPDATE = "update"
    DIGITAL = "digital"
    TRANSFER = "transfer"
    STATIC = "static"


_ARRAY_PHASES = {
    TaskKind.FORWARD: ResultPhase.FORWARD,
    TaskKind.INPUT_GRADIENT: ResultPhase.INPUT_GRADIENT,
    TaskKind.WEIGHT_GRADIENT: ResultPhase.UPDATE,
    None: ResultPhase.UPDATE,
}
_COMPONENT_PHASES = {
    "mesh": ResultPhase.TRANSFER,
    "dram": ResultPhase.TRANSFER,
    "vector_unit": ResultPhase.DIGITAL,
    "matrix_unit": ResultPhase.DIGITAL,
    "activation_buffer": ResultPhase.TRANSFER,
}


def task_phase(program: Program, task: int) -> ResultPhase:
    """The phase that a task's own time counts to."""
    if program.matrix[task] < 0:
        return ResultPhase.DIGITAL
    return _ARRAY_PHASES[program.kind[task]]


def energy_phase(program: Program, task: int, component: str) -> ResultPhase:
    """The phase that a component's energy in a task counts to."""
    return _COMPONENT_PHASES.get(component) or task_phase(program, task)


def task_place(program: Program, task: int, *, on_array: bool) -> str:
    """Where a task runs, in words."""
    if program.matrix[task] >= 0:
        return "arrays" if on_array else "matrix unit"
    if program.op_kind[task] is OpKind.DYNAMIC_MATMUL:
        return "matrix unit"
    if program.op_kind[task] in (OpKind.EMBEDDING, OpKind.MOVEMENT):
        return "memory"
    return "vector unit"
