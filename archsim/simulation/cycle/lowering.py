"""From a priced program to the template that the engines run: tasks, barriers, windows.

`draft.py` says which tasks there are and what they wait for, `holding.py` what they use and for how
long: the times that the analytic fidelity counts.  So both fidelities see the same work.  What they
add up differs: here every claim waits its turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.simulation.analytic import segment_tasks, working_segments
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.draft import Draft, by_dependence, segment_by_segment
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.holding import priced
from archsim.simulation.cycle.power import under_power_caps
from archsim.simulation.cycle.template import Template
from archsim.simulation.cycle.ticks import TickArray
from archsim.simulation.program import Program


@dataclass(frozen=True, slots=True)
class Lowered:
    """The template, and for each of its tasks the program's (-1 for barriers and the like).

    `written_for` is the segment before which a task moves weights to or from the arrays, -1 for all
    others.
    """

    template: Template
    program_task: TickArray
    written_for: TickArray


def lower_cycle(
    program: Program, costs: TaskCosts, execution: Execution, configuration: int = 0
) -> Lowered:
    """The template of one training step, priced by one configuration of `costs`."""
    segments = segment_tasks(
        program,
        batch_barriers=execution.barriers,
        deferred=execution.update == "deferred",
        phase=None if execution.turns is None else execution.turns.phase,
    )
    draft = Draft()
    woken = np.zeros(segments.count, dtype=bool)
    if execution.wake_s > 0:
        woken = working_segments(program, costs, segments)[configuration].any(axis=1)
    if execution.mode == "sequential":
        segment_by_segment(draft, program, segments, woken, execution)
    else:
        by_dependence(draft, program, segments, woken, execution)
    template = priced(draft, program, costs, execution, configuration)
    own = np.array(draft.program_task, dtype=np.int64)
    written_for = np.full(own.size, -1, dtype=np.int64)
    written_for[list(draft.rewrites)] = list(draft.rewrites.values())
    return Lowered(
        under_power_caps(template, (own, np.array(draft.share)), costs, configuration),
        own,
        written_for,
    )
