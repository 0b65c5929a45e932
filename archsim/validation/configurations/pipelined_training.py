"""A training pipeline over layers of equal work, counted in its own cycles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from archsim.architecture import Architecture
from archsim.fields import Quantity
from archsim.mapping import check_fit
from archsim.simulation.estimate import Estimate as StepEstimate
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.validation.estimate import ConfigurationKind, Estimate, Outcome, total
from archsim.validation.shipped_network import built_graph
from archsim.workload.network_spec import Network
from archsim.workload.spec import TrainingSpec
from archsim.workload.training import TaskKind

Mode = Literal["pipelined", "sequential"]
_MODES: tuple[Mode, ...] = ("pipelined", "sequential")


class PipelinedTraining(ConfigurationKind):
    """A minibatch through a network of equal layers; analytic fidelity.

    A cycle is the time of the longest forward task of one sample.  Rows: `cycles.pipelined` and
    `cycles.sequential`, the cycles of a step of `batch` samples with each `schedule.mode` (that of
    `architecture` is replaced), and `speedup`, their ratio.
    """

    kind: Literal["pipelined_training"]
    architecture: Architecture
    network: Network
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    batch: Annotated[int, Quantity(integer=True, minimum=1, maximum=1e6)]

    def estimates(self) -> Mapping[str, Outcome]:
        """Cycles of a step, by mode, and what the pipeline gains."""
        cycles = {mode: _cycles(_step(self, mode)) for mode in _MODES}
        return {
            **{f"cycles.{mode}": _count(value) for mode, value in cycles.items()},
            "speedup": _count(cycles["sequential"] / cycles["pipelined"]),
        }


@lru_cache(maxsize=8)
def _step(run: PipelinedTraining, mode: Mode) -> StepEstimate:
    """The step in one mode; raises `InputError` if the network does not fit."""
    schedule = run.architecture.schedule.model_copy(update={"mode": mode})
    architecture = run.architecture.model_copy(update={"schedule": schedule})
    program = lower(built_graph(run.network, run.training))
    step = estimate(program, [architecture], [run.batch])
    check_fit(architecture, program.matrices, step.mapping)
    return step


def _cycles(step: StepEstimate) -> float:
    forward = np.array([kind is TaskKind.FORWARD for kind in step.program.kind])
    durations_s = (step.costs.main_s + step.costs.transfer_s)[0, forward]
    return float(step.step_latency_s[0] / durations_s.max())


def _count(value: float) -> Estimate:
    return total(value, "", "ratio", "prediction")
