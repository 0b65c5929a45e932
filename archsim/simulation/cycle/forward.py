"""Evaluation passes in the cycle fidelity: forward passes that queue for what they need.

What is asked is the pace of samples that follow each other without end.  While samples are admitted, one for
each that is done, the pipeline is as full as it ever is; before that it fills, and after the last one it
drains.  So the pace is that of one turn of all samples on their way, from half a turn on.  No pace is faster
than the busiest resource.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.fast import TemplateSchedule
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh, placed_alike
from archsim.simulation.cycle.settling import Settled, Step, carried_out, lowered_with, settled
from archsim.simulation.cycle.space import Space, demand, first_space
from archsim.simulation.cycle.template import Template
from archsim.simulation.cycle.ticks import TickArray
from archsim.simulation.estimate import Estimate
from archsim.simulation.evaluation import (
    ForwardEstimate,
    ForwardPass,
    forward_estimate,
    pass_energy_j,
)

# Samples in turns of all that are on their way: their pace is taken from here on for one turn, in which
# samples are admitted for one turn more.
_FROM = 0.5
_ALL = _FROM + 2.0
# With so many in turns of those that are wanted, space in the buffer is sought.
_SEEKING = 1.25
# Of the buffer what waits may fill so much where the rest of it goes to DRAM: its peak varies.
_SPARING = 0.9
# A pace so close to that of the busiest resource is not worth another simulation.
_CLOSE = 0.98
# Of a large network fewer samples are simulated: tasks in all.
_MOST_TASKS = 200_000
# More samples than any pipeline lets in, and more bits than they take.
_PLENTY, _ENDLESS = 1e6, 1e30


@dataclass(frozen=True, slots=True)
class _Passing:
    """Forward passes of the same samples again and again: `found` with the `costs` of its ways."""

    found: ForwardEstimate
    costs: TaskCosts

    def samples(self, turns: float, at_once: int) -> int:
        """So many turns of samples, or as many as are not too many tasks."""
        most = max(_MOST_TASKS // self.found.priced.program.size, 2)
        return min(math.ceil(turns * at_once), most)

    def step(self, samples: float) -> Step:
        """Passes of so many samples."""
        priced = replace(self.found.priced, batch=np.array([float(samples)]))
        architecture = self.found.architecture
        return Step(priced, architecture, self.costs, demand(priced, architecture), None)

    def held_back(self, samples: float) -> Settled:
        """Passes of so many samples, of which no more are let in at once than the buffer holds."""
        step = self.step(samples)
        return settled(step, first_space(step.priced, step.architecture, step.asked))

    def wanted(self) -> int:
        """Samples that a pipeline lets in at once if all of them fit into the activation buffer."""
        step = self.step(_PLENTY)
        asked = replace(step.asked, room=_ENDLESS)
        return first_space(step.priced, step.architecture, asked).samples[0]

    def overflowing(self, at_once: int, below_s: float) -> Settled | None:
        """So many at once, with so much of what waits in DRAM that the rest has room.

        None if DRAM or another resource then works for a sample no less than `below_s`.
        """
        segments = self.found.priced.timeline.segments.count
        step, share = self.step(self.samples(_SEEKING, at_once)), 0.0
        space = Space((at_once,) * segments, step.asked.room, 0.0)
        while share < 1.0:
            bits = carried_out(step, replace(space, overflow_share=share)).peak.bits
            if bits * (1.0 - share) <= step.asked.room:
                break
            share = 1.0 - _SPARING * max(step.asked.room, 0.0) / bits
            template = lowered_with(step, replace(space, overflow_share=share))[2].template
            if float(held_ticks(template).max(initial=0.0)) * template.tick_s >= below_s:
                return None
        step = self.step(self.samples(_ALL, at_once))
        return carried_out(step, replace(space, overflow_share=share))


@dataclass(frozen=True, slots=True)
class _Pace:
    """Passes of a `run`, and the ticks between two that follow each other without end."""

    run: Settled
    at_once: int
    ticks: float
    held: FloatArray

    @property
    def seconds(self) -> float:
        """The time between two passes."""
        return self.ticks * self.run.found.template.tick_s

    @property
    def busy(self) -> float:
        """The share of the time in which the busiest resource works."""
        return float(self.held.max(initial=0.0)) / self.ticks if self.ticks else 1.0


def simulate_forward(
    priced: Estimate, architecture: Architecture, placed: PlacedMesh | PlacedChips | None
) -> ForwardPass | None:
    """The forward pass of the step `priced` (one configuration, `architecture`), with contention.

    `placed` is the mesh that the step's data travel on, None if they travel a mean distance.  The
    latency is that of a sample alone.  None where a pass is not priced apart from the step.
    """
    found = forward_estimate(priced, architecture, 1)
    if found is None:
        return None
    costs = found.priced.costs
    if placed is not None:
        costs = placed_alike(placed, found.priced, architecture, found.tasks).costs
    passing = _Passing(found, costs)
    fastest = _fastest(passing)
    template, busiest = fastest.run.found.template, int(fastest.held.argmax())
    return ForwardPass(
        latency_s=passing.held_back(1).makespan_s,
        interval_s=fastest.seconds,
        energy_j=pass_energy_j(found, fastest.run.costs, fastest.seconds),
        bottleneck=template.resources.names[busiest],
        bottleneck_s=float(fastest.held[busiest]) * template.tick_s,
        samples_in_flight=fastest.at_once,
    )


def _fastest(passing: _Passing) -> _Pace:
    """The faster of two ways where the buffer is small: samples are held back, or outputs go to DRAM."""
    wanted = passing.wanted()
    run = passing.held_back(passing.samples(_SEEKING, wanted))
    at_once = _at_once(run)
    enough = passing.samples(_ALL, at_once)
    if run.execution.samples < enough:
        run = passing.held_back(enough)
        at_once = min(at_once, _at_once(run))
    pace = _pace_of(run, at_once)
    sequential = run.execution.mode == "sequential"
    if sequential or pace.busy >= _CLOSE or not (at_once < wanted or run.space.outputs):
        return pace
    spilling = passing.overflowing(wanted, pace.seconds)
    if spilling is None:
        return pace
    other = _pace_of(spilling, wanted)
    return other if other.seconds < pace.seconds else pace


def _at_once(run: Settled) -> int:
    """Samples on their way at once: in sequence one, and no more than there are."""
    if run.execution.mode == "sequential":
        return 1
    return min(run.execution.in_flight or run.execution.samples, run.execution.samples)


def _pace_of(run: Settled, at_once: int) -> _Pace:
    held = held_ticks(run.found.template)
    ticks = max(_pace(all_done(run.found), at_once), float(held.max(initial=0.0)))
    return _Pace(run, at_once, ticks, held)


def _pace(done: TickArray, at_once: int) -> float:
    """Mean ticks between two samples that are done, over one turn of those on their way.

    `done` are ends of samples, [N], N at least 2.
    """
    first = max(math.floor(_FROM * at_once), 1) - 1
    last = min(first + at_once, done.size - 1)
    return float(done[last] - done[first]) / (last - first)


def all_done(found: TemplateSchedule) -> TickArray:
    """When each sample has passed all of its tasks, in ticks."""
    template, offsets = found.template, found.template.offsets
    ends = np.zeros(template.samples, dtype=np.int64)
    for task in np.flatnonzero(~template.once).tolist():
        np.maximum(ends, found.finish[offsets[task] : offsets[task + 1]], out=ends)
    return ends


def held_ticks(template: Template) -> FloatArray:
    """Ticks for which one sample has all of each resource, [R]."""
    resources, holds = template.resources, template.holds
    taken = holds.amount * template.hold_ticks.astype(np.float64)
    each = np.bincount(holds.item, taken, minlength=len(resources.names))
    return np.asarray(each / resources.capacity)
