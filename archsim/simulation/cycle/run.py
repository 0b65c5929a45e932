"""One training step by the cycle fidelity: what it is lowered to, and when everything happens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.fields import stack
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.admission import admitted
from archsim.simulation.cycle.delaying import without_idle_links
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import Progress
from archsim.simulation.cycle.lowering import Lowered
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh, place_on_mesh
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.settling import Step
from archsim.simulation.cycle.space import Demand, Peak, Space, demand, wanted_samples
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.cycle.turns import turns_of
from archsim.simulation.estimate import Estimate
from archsim.simulation.round_trips import LARGE, with_round_trips


@dataclass(frozen=True, slots=True)
class CycleRun:
    """A training step of the first configuration, task by task.

    `placed` is the mesh that its data travel on, None if they travel a mean distance; of its links
    only those that delay some task are resources of the schedule.  `costs` are those of the tasks,
    with the spills that `space` says for what is `asked` of the activation buffer, and `peak` is the
    most that waits in queues at once.  `wanted` is how many samples would be let into each segment if
    the buffer had room for all.
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
    wanted: tuple[int, ...] = ()

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
    return simulate_placed(priced, architecture, place_on_mesh(priced, architecture), progress)


def simulate_placed(
    priced: Estimate,
    architecture: Architecture,
    placed: PlacedMesh | PlacedChips | None,
    progress: Progress | None = None,
) -> CycleRun:
    """As `simulate_step`, on a mesh that is `placed` already (None: data travel a mean distance)."""
    turns = turns_of(priced, architecture, placed)
    base = priced.costs if placed is None else placed.costs
    asked = demand(priced, architecture)
    chosen = admitted(Step(priced, architecture, base, asked, turns), progress)
    wanted = wanted_samples(priced, architecture, asked)
    # Outputs that are a large part of the buffer may pass through DRAM, too.
    less = demand(priced, architecture, min(LARGE * asked.whole, asked.largest_bits))
    if chosen.narrow(wanted) and not np.array_equal(less.passing, asked.passing):
        passing = _passing(base, priced, architecture, asked, less)
        other = admitted(Step(priced, architecture, passing, less, turns), progress)
        if other.makespan_s < chosen.makespan_s:
            chosen, asked = other, less
    found = without_idle_links(chosen.found)
    return CycleRun(
        execution=chosen.execution,
        lowered=replace(chosen.lowered, template=found.template),
        schedule=found.schedule(),
        costs=chosen.costs,
        asked=asked,
        space=chosen.space,
        peak=chosen.peak,
        placed=placed,
        wanted=wanted_samples(priced, architecture, asked),
    )


def _passing(
    base: TaskCosts, priced: Estimate, architecture: Architecture, asked: Demand, less: Demand
) -> TaskCosts:
    """`base`, where larger outputs than `asked` says pass through DRAM, with those that `less` says."""
    program, segments, tree = priced.program, priced.timeline.segments, stack([architecture])
    largest, least = (np.array([each.largest_bits]) for each in (asked, less))
    none = with_round_trips(base, program, tree, segments, largest, times=-1.0)
    return with_round_trips(none, program, tree, segments, least)
