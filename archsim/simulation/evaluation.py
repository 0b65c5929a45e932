"""Evaluation passes: the forward pass alone, of samples that nothing is learned from.

The same counts, costs and mapping as in a training step, without what only training asks for: no
barriers (normalisations use stored statistics), nothing saved and so nothing spilled, no backward pass,
no updates.  A normalisation is still priced with the work of gathering statistics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.fields import FloatArray, stack
from archsim.simulation.analytic import schedule, segment_tasks
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.estimate import Estimate
from archsim.simulation.power import with_power_caps
from archsim.simulation.program import BoolArray, Program
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """A sample's way through the network, in seconds and J.

    `latency_s` is the time of one sample, `interval_s` that between two that follow each other,
    `energy_j` what one takes, static energy of the interval included.  `bottleneck` is the busiest
    resource.
    """

    latency_s: float
    interval_s: float
    energy_j: float
    bottleneck: str


def forward_pass(priced: Estimate, architecture: Architecture) -> ForwardPass | None:
    """The forward pass on the mapping of `priced` (its first configuration, `architecture`).

    None where a pass is not priced apart from the step: several chips, arrays that are written anew or
    shared.
    """
    mapping, program = priced.mapping, priced.program
    if mapping.array_of is not None or mapping.chips[0] != 1 or not priced.fits[0]:
        return None
    if architecture.mapping.overflow == "reprogram":
        return None
    tree, batch = stack([architecture]), priced.batch[:1, None]
    # Nothing of a forward pass happens once per step, so nothing is spread over minibatches.
    costs = task_costs(program, tree, mapping, batch, tree.hop_m)
    costs = _only(with_power_caps(costs, program, tree, mapping), _first_reads(program))
    segments = segment_tasks(program, batch_barriers=False, deferred=False)
    pipelined = architecture.schedule.mode == "pipelined"
    blocks = tree.schedule.row_blocks
    line = schedule(program, costs, segments, batch, pipelined=pipelined, blocks=blocks)
    interval_s = float(line.interval_s[0, 0])
    power = static_power(architecture).whole_chip_w(architecture.arrays_available)
    static_w = float(sum(np.asarray(watt).item() for watt in power.values()))
    dynamic_j = sum(float(energy[0].sum()) for energy in costs.energy_j.values())
    return ForwardPass(
        latency_s=float(line.latency_s[0, 0]),
        interval_s=interval_s,
        energy_j=dynamic_j + static_w * interval_s,
        bottleneck=line.resources[int(line.bottleneck[0, 0])],
    )


def _first_reads(program: Program) -> BoolArray:
    """Forward tasks, without those that run again in the backward pass, [T]."""
    found = np.zeros(program.size, dtype=bool)
    seen: set[str] = set()
    for task in program.select(TaskKind.FORWARD).tolist():
        if program.ops[task] not in seen and not program.per_step[task]:
            found[task] = True
            seen.add(program.ops[task])
    return found


def _only(costs: TaskCosts, chosen: BoolArray) -> TaskCosts:
    """The costs of the `chosen` tasks [T]; the others take nothing."""

    def kept(columns: FloatArray) -> FloatArray:
        return np.where(chosen, columns, 0.0)

    return replace(
        costs,
        main_s=kept(costs.main_s),
        transfer_s=kept(costs.transfer_s),
        array_s=kept(costs.array_s),
        shared_s={name: kept(held) for name, held in costs.shared_s.items()},
        energy_j={name: kept(energy) for name, energy in costs.energy_j.items()},
        power={name: replace(draw, share=kept(draw.share)) for name, draw in costs.power.items()},
    )
