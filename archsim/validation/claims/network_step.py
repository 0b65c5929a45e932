"""One training step of a network that ships, on a chip of archsim and on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.architecture import Architecture
from archsim.baseline.estimate import estimate as gpu_estimate
from archsim.baseline.gpu_spec import GpuSpec
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.validation.shipped_network import shipped_graph


@dataclass(frozen=True, slots=True)
class Step:
    """Time and energy of a training step on both machines, with plain SGD on both."""

    chip_s: float
    chip_j: float
    gpu_s: float
    gpu_j: float


def network_step(name: str, architecture: Architecture, gpu: GpuSpec, batch: int) -> Step:
    """A step of `batch` samples of the network called `name`; raises `InputError` for none."""
    graph = shipped_graph(name)
    chip = estimate(lower(graph), [architecture], [batch])
    rival = gpu_estimate(graph, gpu, batch)
    return Step(
        chip_s=float(chip.step_latency_s[0]),
        chip_j=float(chip.step_energy_j[0]),
        gpu_s=rival.step_latency_s,
        gpu_j=rival.step_energy_j,
    )
