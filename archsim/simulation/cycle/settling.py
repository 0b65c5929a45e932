"""One way of admitting samples, simulated until the activation buffer holds what it has on its way."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import lone
from archsim.simulation.columns import TaskCosts
from archsim.simulation.converter_sharing import on_own_sets
from archsim.simulation.cycle.chips import on_own_chips
from archsim.simulation.cycle.execution import Execution, Turns
from archsim.simulation.cycle.fast import Progress, TemplateSchedule, simulate_template
from archsim.simulation.cycle.lowering import Lowered, lower_cycle
from archsim.simulation.cycle.occupancy import queue_peak
from archsim.simulation.cycle.space import Demand, Peak, Space, next_space, with_spills
from archsim.simulation.estimate import Estimate

# With their queues, causes and path they take about 2 GiB.
MOST_TASKS = 5_000_000
# So often what spills is found anew, in small steps; then it is found fast.
_CLOSE_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A step to be simulated: what is known of it before samples are admitted.

    `base` are the costs of `priced` (its first configuration, `architecture`) with the ways of data on
    the mesh, and the spills of `priced`.
    """

    priced: Estimate
    architecture: Architecture
    base: TaskCosts
    asked: Demand
    turns: Turns | None


@dataclass(frozen=True, slots=True)
class Settled:
    """A schedule in which the buffer holds what `space` says, less what spills: `costs` have that."""

    execution: Execution
    lowered: Lowered
    found: TemplateSchedule
    costs: TaskCosts
    space: Space
    peak: Peak

    def narrow(self, wanted: tuple[int, ...]) -> bool:
        """Whether the buffer lets in fewer samples than are `wanted`, or less of their outputs."""
        space = self.space
        return bool(space.outputs or space.overflow_share or space.samples != wanted)

    @property
    def makespan_s(self) -> float:
        """Seconds of the step."""
        return self.found.makespan * self.lowered.template.tick_s


def settled(
    step: Step, space: Space, progress: Progress | None = None, *, afresh: bool = False
) -> Settled:
    """The schedule from `space` on, simulated again while what waits at once exceeds the buffer.

    `afresh` as in `next_space`, for the first few times.  Raises `InputError` for more tasks than are
    kept in memory.
    """
    segment = step.priced.timeline.segments.segment
    wanted: Space | None = space
    rounds = 0
    while wanted is not None:
        rounds += 1
        run = carried_out(step, wanted, progress)
        wanted = next_space(
            step.asked, wanted, run.peak, segment, afresh=afresh and rounds < _CLOSE_ROUNDS
        )
    return run


def carried_out(step: Step, space: Space, progress: Progress | None = None) -> Settled:
    """The schedule with the buffer shared as `space` says, whether or not it holds that.

    Raises `InputError` for more tasks than are kept in memory.
    """
    execution, costs, lowered = lowered_with(step, space)
    _check_size(lowered)
    found = simulate_template(lowered.template, progress=progress)
    peak = queue_peak(found, lowered.program_task, step.asked)
    return Settled(execution, lowered, found, costs, space, peak)


def lowered_with(step: Step, space: Space) -> tuple[Execution, TaskCosts, Lowered]:
    """How the step is carried out, its costs and its tasks, with the buffer shared as `space` says."""
    priced = step.priced
    costs = with_spills(step.base, priced, step.architecture, step.asked, space)
    execution = _execution(step, space)
    lowered = lower_cycle(priced.program, on_own_chips(on_own_sets(costs)), execution)
    return execution, costs, lowered


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
        remedy="Use the analytic fidelity."
        if most < 1
        else f"Use a batch of at most {most:,}, after which the time per sample hardly changes, or the "
        "analytic fidelity.",
    )


def _execution(step: Step, space: Space) -> Execution:
    policy, gating = step.architecture.schedule, step.architecture.chip.power_gating
    barriers = policy.batchnorm == "batch" and bool(step.priced.program.barrier.any())
    return Execution(
        samples=int(step.priced.batch[0]),
        mode=policy.mode,
        update=policy.update,
        barriers=barriers,
        in_flight=space.samples[0] if step.turns is None else None,
        in_segment=space.samples if barriers or step.turns is not None else (),
        row_blocks=int(lone(policy.row_blocks)),
        waiting_outputs=tuple(
            (task, step.asked.takers(task), most) for task, most in space.outputs
        ),
        wake_s=0.0 if gating is None else lone(gating.wake_s),
        turns=step.turns,
    )
