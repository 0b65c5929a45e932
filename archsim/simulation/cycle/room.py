"""What a step would take if the activation buffer had room for all that waits between tasks.

The critical path does not tell: where few samples are let in at a time, it runs through the work of
single samples, and the waiting of all others is beside it.  So the step is simulated again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import stack
from archsim.simulation.converter_sharing import on_own_sets
from archsim.simulation.cycle.chips import on_own_chips
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.cycle.space import Space, with_spills
from archsim.simulation.estimate import Estimate
from archsim.simulation.round_trips import passing_bits, with_round_trips


@dataclass(frozen=True, slots=True)
class Roomy:
    """A step of `makespan_s` in which `wanted` samples are on their way, for `admitted` in the run.

    Both are of the segment in which the fewest of those that are wanted were let in.  `passing` outputs of a
    sample pass through DRAM, as they are large.
    """

    makespan_s: float
    admitted: int
    wanted: int
    passing: int


def _admitting(run: CycleRun, priced: Estimate) -> list[int]:
    """The segments to which samples are admitted: all but those of deferred updates and the optimizer.

    Without barriers samples are admitted once, as into the first segment.
    """
    if not run.execution.in_segment:
        return [0]
    later = priced.program.waiting(run.execution.update) | priced.program.per_step
    found: list[int] = np.unique(priced.timeline.segments.segment[~later]).tolist()
    return found


def fewest_admitted(run: CycleRun, priced: Estimate) -> tuple[int, int]:
    """How many samples are admitted of how many that are wanted, where these are fewest of those."""
    pairs = [(run.space.samples[s], run.wanted[s]) for s in _admitting(run, priced)]
    return min(pairs, key=lambda pair: pair[0] / pair[1])


def with_room(run: CycleRun, priced: Estimate, architecture: Architecture) -> Roomy | None:
    """The step of `run` (which is of `priced` and `architecture`) with room for what waits in queues.

    What is saved for the backward pass, or waits for the minibatch, spills to DRAM as it does in `run`.
    None where the buffer does have that room.
    """
    fewest, wanted = fewest_admitted(run, priced), run.wanted
    narrow = fewest[0] < fewest[1] or run.space.outputs or run.space.overflow_share
    program, segments, tree = priced.program, priced.timeline.segments, stack([architecture])
    passing = passing_bits(program, tree, segments, np.array([run.asked.largest_bits]))
    if not narrow and not passing.any():
        return None
    space = Space(wanted, 0.0, run.space.spilled_share)
    base = priced.costs if run.placed is None else run.placed.costs
    base = with_round_trips(base, program, tree, segments, priced.largest_bits[:1], times=-1.0)
    costs = with_spills(base, priced, architecture, run.asked, space)
    execution = replace(
        run.execution,
        in_flight=None if run.execution.in_flight is None else wanted[0],
        in_segment=wanted if run.execution.in_segment else (),
        waiting_outputs=(),
    )
    lowered = lower_cycle(priced.program, on_own_chips(on_own_sets(costs)), execution)
    ticks = simulate_template(lowered.template).makespan
    return Roomy(ticks * lowered.template.tick_s, *fewest, passing=int((passing > 0).sum()))
