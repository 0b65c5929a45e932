"""One training step by the cycle fidelity: what it is lowered to, and when everything happens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.simulation.cycle.fast import Progress, simulate_template
from archsim.simulation.cycle.lowering import Execution, Lowered, lower_cycle
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.estimate import Estimate
from archsim.simulation.memory import live_samples

# Of the samples that a pipeline without queues has on their way, one works and one waits at each
# place: with fewer, every queue would empty the units behind it.
DOUBLE_BUFFERING = 2
# With their queues, causes and path they take about 2 GiB.
MOST_TASKS = 5_000_000


@dataclass(frozen=True, slots=True)
class CycleRun:
    """A training step of the first configuration, task by task.

    `schedule` has all instances: task t of sample s of the template is number `offsets[t] + s`.
    """

    execution: Execution
    lowered: Lowered
    schedule: Schedule

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
    execution = _execution(priced, architecture)
    lowered = lower_cycle(priced.program, priced.costs, execution)
    _check_size(lowered)
    found = simulate_template(lowered.template, progress=progress)
    return CycleRun(execution, lowered, found.schedule())


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


def _execution(priced: Estimate, architecture: Architecture) -> Execution:
    policy, gating = architecture.schedule, architecture.chip.power_gating
    samples = int(priced.batch[0])
    live = math.ceil(float(live_samples(priced.timeline, priced.batch[:, None])[0, 0]))
    return Execution(
        samples=samples,
        mode=policy.mode,
        update=policy.update,
        barriers=policy.batchnorm == "batch" and bool(priced.program.barrier.any()),
        in_flight=min(DOUBLE_BUFFERING * max(live, 1), samples),
        wake_s=0.0 if gating is None else float(np.asarray(gating.wake_s).flat[0]),
    )
