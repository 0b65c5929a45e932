"""A network trained on an architecture of archsim: time and energy by phase, over many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Quantity
from archsim.mapping import check_fit
from archsim.simulation.estimate import Estimate as StepEstimate
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.validation.configurations.components import classed
from archsim.validation.estimate import (
    Basis,
    ConfigurationKind,
    Estimate,
    Outcome,
    summed,
    total,
)
from archsim.validation.shipped_network import built_graph, shipped_graph
from archsim.workload.network_spec import Network
from archsim.workload.spec import TrainingSpec
from archsim.workload.training import TaskKind

Phase: TypeAlias = Literal["forward", "backward", "weight_gradient", "update"]

_KINDS: Mapping[Phase, tuple[TaskKind | None, ...]] = {
    "forward": (TaskKind.FORWARD, TaskKind.LOSS),
    "backward": (TaskKind.INPUT_GRADIENT, TaskKind.DIGITAL_BACKWARD, TaskKind.GRADIENT_SUM),
    "weight_gradient": (TaskKind.WEIGHT_GRADIENT,),
    # Tasks without a kind write arrays and keep copies equal.
    "update": (TaskKind.OPTIMIZER, None),
}
# What is spent outside of arrays and their periphery.
_OUTSIDE = frozenset(
    (
        "mesh",
        "transfer_mesh",
        "dram",
        "host_link",
        "activation_buffer",
        "tile_buffers",
        "vector_unit",
        "matrix_unit",
        "algorithm_digital",
        "algorithm_state",
        "algorithm_state_dram",
    )
)


# A bandwidth in bit/s that nothing waits for.
_UNLIMITED = 1e30


class TrainingRun(ConfigurationKind):
    """A network trained on an architecture; analytic fidelity.

    The network is a `workload` that ships with archsim, or a `network` that archsim builds, trained
    as `training` says.  `samples` pass in steps of `batch`, phase after phase and layer after layer (`schedule.mode:
    sequential`).  PHASE is `forward`, `backward` (the activation gradient), `weight_gradient` or
    `update` (writing arrays).  Rows: `latency.PHASE` for the phases that are `timed`, `energy.PHASE`
    (dynamic) for those that are `priced`, and the same with `peak.` in front: of the arrays with
    their periphery alone, fed without delay, without buffers, interconnect, memory and vector
    unit.  A phase is left out where it hangs on an input that the publication does not state.
    `circuits: stated` says that the publication gives times and energies of the circuits: all rows
    are then roll-ups.
    """

    kind: Literal["training_run"]
    architecture: Architecture
    workload: str = ""
    network: Network | None = None
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    batch: Annotated[int, Quantity(integer=True, minimum=1, maximum=1e6)]
    samples: Annotated[float, Quantity(minimum=1)]
    timed: tuple[Phase, ...]
    priced: tuple[Phase, ...]
    circuits: Literal["modelled", "stated"] = "modelled"

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if bool(self.workload) == (self.network is not None):
            found = "both" if self.workload else "neither"
            raise ValueError(
                f"{found} of 'workload' and 'network'; expected one of them: the name of a network "
                "that ships with archsim, or a network such as {kind: mlp, widths: [128, 128]}"
            )
        return self

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        if self.architecture.schedule.mode != "sequential":
            raise ValueError(
                "the phases of a training run add up only with schedule.mode 'sequential'"
            )
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """Time and energy of the phases that are determined."""
        work, fed_at_once = _trained(self), _trained(self._fed_at_once())
        basis: Basis = "rollup" if self.circuits == "stated" else "prediction"
        found: dict[str, Outcome] = {}
        for phase in self.timed:
            found[f"latency.{phase}"] = _time(work.of(phase).duration_s, basis)
            # Pulses and conversion rates are the publication's.
            found[f"peak.latency.{phase}"] = _time(fed_at_once.of(phase).array_s, "rollup")
        for phase in self.priced:
            energy = work.of(phase).energy_j
            inside = {name: j for name, j in energy.items() if name not in _OUTSIDE}
            found[f"energy.{phase}"] = _energy(energy, basis)
            found[f"peak.energy.{phase}"] = _energy(inside, basis)
        return {name: value for name, value in found.items() if _is_something(value)}

    def _fed_at_once(self) -> Self:
        """The run with tile buffers that keep no array waiting."""
        tile, schedule = self.architecture.tile, self.architecture.schedule
        buffer = tile.buffer.model_copy(update={"bandwidth_bit_per_s": _UNLIMITED})
        changes = {
            "tile": tile.model_copy(update={"buffer": buffer}),
            "schedule": schedule.model_copy(update={"data": "streamed"}),
        }
        return self.model_copy(
            update={"architecture": self.architecture.model_copy(update=changes)}
        )


@dataclass(frozen=True, slots=True)
class _PhaseWork:
    """One phase over all samples: time, time of arrays, energy by component."""

    duration_s: float
    array_s: float
    energy_j: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Run:
    """A priced step, and how many steps there are."""

    step: StepEstimate
    steps: float

    def of(self, phase: Phase) -> _PhaseWork:
        """The work of a phase: its tasks one after the other, each as often as it runs."""
        program, costs = self.step.program, self.step.costs
        times = self._times(program, _KINDS[phase])
        return _PhaseWork(
            _dot(times, costs.main_s + costs.transfer_s),
            _dot(times, costs.array_s),
            {name: _dot(times, energy) for name, energy in costs.energy_j.items()},
        )

    def _times(self, program: Program, kinds: Sequence[TaskKind | None]) -> FloatArray:
        """How often each task of these kinds runs over all steps, [T]."""
        chosen = np.array([kind in kinds for kind in program.kind])
        per_step = np.where(program.per_step, 1.0, float(self.step.batch[0]))
        return np.asarray(chosen * per_step * self.steps)


@lru_cache(maxsize=8)
def _trained(run: TrainingRun) -> _Run:
    """The step of a run; raises `InputError` for a network that there is not or does not fit."""
    if run.network is None:
        graph = shipped_graph(run.workload)
    else:
        graph = built_graph(run.network, run.training)
    program = lower(graph)
    step = estimate(program, [run.architecture], [run.batch])
    check_fit(run.architecture, program.matrices, step.mapping)
    return _Run(step, run.samples / run.batch)


def _dot(times: FloatArray, values: FloatArray) -> float:
    return float(times @ values[0])


def _time(seconds: float, basis: Basis) -> Estimate:
    return total(seconds, "s", "time", basis)


def _energy(parts: Mapping[str, float], basis: Basis) -> Estimate:
    return Estimate(summed(classed(parts)), "J", "energy", basis)


def _is_something(outcome: Outcome) -> bool:
    return isinstance(outcome, Estimate) and outcome.value() > 0
