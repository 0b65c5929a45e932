"""Evaluation passes: the forward pass alone, of samples that nothing is learned from.

The same counts, costs and mapping as in a training step, without what only training asks for: no
barriers (normalisations use stored statistics), nothing saved and so nothing spilled for a backward pass,
no updates.  A normalisation is still priced with the work of gathering statistics.  Arrays stay
switched on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, stack
from archsim.simulation.analytic import Segments, schedule, segment_tasks
from archsim.simulation.chips import over_chips, part_of
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.estimate import Estimate
from archsim.simulation.forward_program import forward_part
from archsim.simulation.power import with_power_caps
from archsim.simulation.program import IntArray, Program
from archsim.simulation.round_trips import with_round_trips
from archsim.simulation.rounds import phases_of
from archsim.simulation.static import static_energy_over


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """A sample's way through the network, in seconds and J.

    `latency_s` is the time of one sample alone, `interval_s` that between two that follow each other,
    `energy_j` what one takes, static energy of the interval included.  `bottleneck` is the busiest
    resource, which one sample keeps for `bottleneck_s`.  `samples_in_flight` are on their way at once, at
    most (None: not counted).
    """

    latency_s: float
    interval_s: float
    energy_j: float
    bottleneck: str
    bottleneck_s: float
    samples_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class ForwardEstimate:
    """The forward pass on the mapping of a training step.

    `priced` is about the forward program only: `program`, `mapping`, `costs`, `timeline` and `batch`
    are those of `batch` forward passes, nothing is spilled.  Its task i is number `tasks[i]` of the
    step's.  `architecture` is the step's with all arrays switched on.
    """

    priced: Estimate
    tasks: IntArray
    architecture: Architecture


def forward_estimate(
    priced: Estimate, architecture: Architecture, samples: int
) -> ForwardEstimate | None:
    """Forward passes of `samples` on the mapping of `priced` (one configuration, `architecture`).

    None where a pass is not priced apart from the step: arrays that are written anew.
    """
    mapping = priced.mapping
    if not priced.fits[0] or phases_of(priced.program, mapping) is not None:
        return None
    program, tasks = forward_part(priced.program)
    chip = architecture.chip.model_copy(update={"power_gating": None})
    always_on = architecture.model_copy(update={"chip": chip})
    batch = np.full((1, 1), float(samples))
    segments = segment_tasks(program, batch_barriers=False, deferred=False)
    costs = _costs(priced, (program, segments), tasks, stack([always_on]), batch)
    policy = architecture.schedule
    line = schedule(
        program,
        costs,
        segments,
        batch,
        pipelined=policy.mode == "pipelined",
        blocks=policy.row_blocks,
    )
    nothing = np.zeros(1)
    part = replace(
        priced,
        program=program,
        costs=costs,
        timeline=line,
        batch=batch[:, 0],
        step_latency_s=line.makespan_s,
        stored_bits=nothing,
        spilled_share=nothing,
        staleness_samples=nothing,
        recalibration_s=nothing,
    )
    return ForwardEstimate(part, tasks, always_on)


def forward_pass(priced: Estimate, architecture: Architecture) -> ForwardPass | None:
    """The forward pass of the step `priced` (one configuration, `architecture`), in closed form.

    None where it is not priced apart from the step (see `forward_estimate`).
    """
    found = forward_estimate(priced, architecture, int(priced.batch[0]))
    if found is None:
        return None
    line = found.priced.timeline
    interval_s = float(line.interval_s[0, 0])
    return ForwardPass(
        latency_s=float(line.latency_s[0, 0]),
        interval_s=interval_s,
        energy_j=pass_energy_j(found, found.priced.costs, interval_s),
        bottleneck=line.resources[int(line.bottleneck[0, 0])],
        bottleneck_s=float(line.bottleneck_s[0, 0]),
    )


def pass_energy_j(found: ForwardEstimate, costs: TaskCosts, interval_s: float) -> float:
    """Energy of one pass by `costs`, and what flows in its `interval_s` anyway."""
    dynamic_j = sum(float(energy[0].sum()) for energy in costs.energy_j.values())
    tree, chips = stack([found.architecture]), found.priced.mapping.chips
    static = static_energy_over(tree, np.array([interval_s]), None, chips)
    return dynamic_j + float(sum(energy[0] for energy in static.values()))


def _costs(
    priced: Estimate,
    forward: tuple[Program, Segments],
    tasks: IntArray,
    tree: Architecture,
    batch: FloatArray,
) -> TaskCosts:
    """The costs of the `forward` program, whose task i is number `tasks[i]` of the step's."""
    (program, segments), mapping, spread = forward, priced.mapping, priced.costs.chips
    costs = _of_samples(task_costs(program, tree, mapping, batch, tree.hop_m), program)
    costs = with_round_trips(costs, program, tree, segments, priced.largest_bits)
    if spread is not None:
        costs = over_chips(costs, program, tree, part_of(spread, program, tree, tasks))
    costs = replace(costs, array_of=mapping.array_of)
    return with_power_caps(costs, program, tree, mapping)


def _of_samples(costs: TaskCosts, program: Program) -> TaskCosts:
    """The costs without those of what closes a step, which takes nothing."""

    def kept(columns: FloatArray) -> FloatArray:
        return np.where(program.per_step, 0.0, columns)

    return replace(
        costs,
        main_s=kept(costs.main_s),
        transfer_s=kept(costs.transfer_s),
        array_s=kept(costs.array_s),
        shared_s={name: kept(held) for name, held in costs.shared_s.items()},
        energy_j={name: kept(energy) for name, energy in costs.energy_j.items()},
    )
