"""One training step by the cycle fidelity: what it is lowered to, and when everything happens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import lone
from archsim.simulation.columns import TaskCosts
from archsim.simulation.converter_sharing import on_own_sets
from archsim.simulation.cycle.chips import on_own_chips
from archsim.simulation.cycle.delaying import without_idle_links
from archsim.simulation.cycle.execution import Execution, Turns
from archsim.simulation.cycle.fast import Progress, simulate_template
from archsim.simulation.cycle.lowering import Lowered, lower_cycle
from archsim.simulation.cycle.occupancy import queue_peak
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh, place_on_mesh
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.space import (
    Demand,
    Peak,
    Space,
    demand,
    first_space,
    next_space,
    with_spills,
)
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.cycle.turns import turns_of
from archsim.simulation.estimate import Estimate

# With their queues, causes and path they take about 2 GiB.
MOST_TASKS = 5_000_000


@dataclass(frozen=True, slots=True)
class CycleRun:
    """A training step of the first configuration, task by task.

    `placed` is the mesh that its data travel on, None if they travel a mean distance; of its links
    only those that delay some task are resources of the schedule.  `costs` are those of the tasks,
    with the spills that `space` says for what is `asked` of the activation buffer, and `peak` is the most that waits in queues at once.
    `schedule` has all instances: task t of sample s of the template is number `offsets[t] + s`.
    """

    execution: Execution
    lowered: Lowered
    schedule: Schedule
    costs: TaskCosts
    asked: Demand
    space: Space
    peak: Peak
    placed: PlacedMesh | PlacedChips | None = None

    @property
    def tick_s(self) -> float:
        """Seconds of a tick."""
        return self.lowered.template.tick_s

    @property
    def makespan_s(self) -> float:
        """Seconds of the step."""
        return self.schedule.makespan_s

    def program_tasks(self, instances: Indices) -> Indices:
        """The program's task of each instance, -1 for barriers and the like."""
        return np.asarray(self.lowered.program_task[self.template_tasks(instances)])

    def template_tasks(self, instances: Indices) -> Indices:
        """The template's task of each instance."""
        offsets = self.lowered.template.offsets
        return np.asarray(np.searchsorted(offsets, instances, side="right") - 1)

    def moves_weights(self, instances: Indices) -> NDArray[np.bool_]:
        """Whether each instance writes arrays anew, reads them back, or moves weights for that."""
        return np.asarray(self.lowered.written_for[self.template_tasks(instances)] >= 0)

    def samples(self, instances: Indices) -> Indices:
        """The sample of each instance, -1 for tasks that happen once."""
        template = self.lowered.template
        task = self.template_tasks(instances)
        return np.where(template.once[task], -1, instances - template.offsets[task])


def simulate_step(
    priced: Estimate, architecture: Architecture, progress: Progress | None = None
) -> CycleRun:
    """The step that `priced` prices (its first configuration, `architecture`), with contention.

    Raises `InputError` for more tasks than are kept in memory.
    """
    placed = place_on_mesh(priced, architecture)
    turns = turns_of(priced, architecture, placed)
    base = priced.costs if placed is None else placed.costs
    asked = demand(priced, architecture)
    space: Space | None = first_space(priced, architecture, asked)
    while space is not None:
        used = space
        costs = with_spills(base, priced, architecture, asked, used)
        execution = _execution(priced, architecture, asked, used, turns)
        lowered = lower_cycle(priced.program, on_own_chips(on_own_sets(costs)), execution)
        _check_size(lowered)
        found = simulate_template(lowered.template, progress=progress)
        peak = queue_peak(found, lowered.program_task, asked)
        space = next_space(asked, used, peak, priced.timeline.segments.segment)
    found = without_idle_links(found)
    lowered = replace(lowered, template=found.template)
    return CycleRun(execution, lowered, found.schedule(), costs, asked, used, peak, placed)


def _check_size(lowered: Lowered) -> None:
    template = lowered.template
    tasks = int(template.offsets[-1])
    if tasks <= MOST_TASKS:
        return
    once = int(template.once.sum())
    most = (MOST_TASKS - once) // (template.size - once)
    raise InputError(
        f"a step of {template.samples:,} samples has {tasks:,} tasks, and the cycle fidelity keeps at "
        f"most {MOST_TASKS:,}",
        remedy=f"Use a batch of at most {most:,}, after which the time per sample hardly changes, or "
        "the analytic fidelity.",
    )


def _execution(
    priced: Estimate,
    architecture: Architecture,
    asked: Demand,
    space: Space,
    turns: Turns | None,
) -> Execution:
    policy, gating = architecture.schedule, architecture.chip.power_gating
    barriers = policy.batchnorm == "batch" and bool(priced.program.barrier.any())
    return Execution(
        samples=int(priced.batch[0]),
        mode=policy.mode,
        update=policy.update,
        barriers=barriers,
        in_flight=space.samples[0] if turns is None else None,
        in_segment=space.samples if barriers or turns is not None else (),
        row_blocks=int(lone(policy.row_blocks)),
        waiting_outputs=tuple((task, asked.takers(task), most) for task, most in space.outputs),
        wake_s=0.0 if gating is None else lone(gating.wake_s),
        turns=turns,
    )
