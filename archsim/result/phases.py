"""Which phase of a training step a task and a component belong to, and where a task runs."""

from __future__ import annotations

from enum import StrEnum

from archsim.mapping.transfers import PREFIX
from archsim.simulation.algorithm_state import STATE, STATE_IN_DRAM
from archsim.simulation.chip_spread import CHIP_LINKS
from archsim.simulation.estimate import Estimate
from archsim.simulation.program import Program
from archsim.simulation.recalibration import RECALIBRATION
from archsim.simulation.transfers import FILTER
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
    "host_link": ResultPhase.TRANSFER,
    CHIP_LINKS: ResultPhase.TRANSFER,
    "vector_unit": ResultPhase.DIGITAL,
    "matrix_unit": ResultPhase.DIGITAL,
    "activation_buffer": ResultPhase.TRANSFER,
    STATE: ResultPhase.TRANSFER,
    STATE_IN_DRAM: ResultPhase.TRANSFER,
    FILTER: ResultPhase.DIGITAL,
    RECALIBRATION: ResultPhase.TRANSFER,
}


def task_phase(program: Program, task: int) -> ResultPhase:
    """The phase that a task's own time counts to."""
    if program.matrix[task] < 0:
        return ResultPhase.DIGITAL
    return _ARRAY_PHASES[program.kind[task]]


def energy_phase(program: Program, task: int, component: str) -> ResultPhase:
    """The phase that a component's energy in a task counts to."""
    if component.startswith(PREFIX):
        return ResultPhase.TRANSFER
    return _COMPONENT_PHASES.get(component) or task_phase(program, task)


def main_by_phase_s(estimate: Estimate, task: int) -> dict[ResultPhase, float]:
    """A task's own time: its phase's, less what transfers between arrays take of it."""
    main = float(estimate.costs.main_s[0, task])
    phase = task_phase(estimate.program, task)
    if estimate.costs.transfers_s is None:
        return {phase: main}
    moved = float(estimate.costs.transfers_s[0, task])
    return {phase: main - moved, ResultPhase.TRANSFER: moved} if moved else {phase: main}


def array_by_phase_s(estimate: Estimate, task: int) -> dict[ResultPhase, float]:
    """How long a task takes its arrays, likewise."""
    held = float(estimate.costs.array_s[0, task])
    main = main_by_phase_s(estimate, task)
    moved = min(main.get(ResultPhase.TRANSFER, 0.0), held)
    phase = task_phase(estimate.program, task)
    return {phase: held - moved, ResultPhase.TRANSFER: moved} if moved else {phase: held}


def task_place(program: Program, task: int, *, on_array: bool) -> str:
    """Where a task runs, in words."""
    if program.matrix[task] >= 0:
        return "arrays" if on_array else "matrix unit"
    if program.op_kind[task] is OpKind.DYNAMIC_MATMUL:
        return "matrix unit"
    if program.op_kind[task] in (OpKind.EMBEDDING, OpKind.MOVEMENT):
        return "memory"
    return "vector unit"
