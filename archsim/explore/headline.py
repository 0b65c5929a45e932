"""The headline numbers of a priced configuration: what a study may optimise, limit and list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """Which way an objective is better."""

    MIN = "min"
    MAX = "max"


class Merge(StrEnum):
    """How a number over several workloads becomes one number for the configuration."""

    MEAN = "mean"  # weighted arithmetic mean: times, energies, powers
    RATE = "rate"  # weighted harmonic mean: samples per second
    RATIO = "ratio"  # weighted geometric mean: ratios to the GPU
    LARGEST = "largest"  # what must suffice for every workload: area, arrays


@dataclass(frozen=True, slots=True)
class Headline:
    """A headline number: a short label, its SI unit ("" for a plain number), goal and merge rule."""

    label: str
    unit: str
    goal: Goal
    merge: Merge
    meaning: str


HEADLINES: dict[str, Headline] = {
    "step_latency_s": Headline("time/step", "s", Goal.MIN, Merge.MEAN, "time of a training step"),
    "samples_per_s": Headline("samples/s", "1/s", Goal.MAX, Merge.RATE, "training throughput"),
    "step_energy_j": Headline(
        "energy/step", "J", Goal.MIN, Merge.MEAN, "energy of a training step"
    ),
    "energy_per_sample_j": Headline(
        "energy/sample", "J", Goal.MIN, Merge.MEAN, "training energy per sample"
    ),
    "average_power_w": Headline("power", "W", Goal.MIN, Merge.MEAN, "step energy over step time"),
    "area_m2": Headline("area", "m^2", Goal.MIN, Merge.LARGEST, "silicon area of all chips"),
    "arrays_used": Headline(
        "arrays", "", Goal.MIN, Merge.LARGEST, "crossbar arrays that hold weights"
    ),
    "array_utilisation": Headline(
        "utilisation", "", Goal.MAX, Merge.MEAN, "busy share of the arrays in use"
    ),
    "speedup": Headline("speed-up", "", Goal.MAX, Merge.RATIO, "GPU step time over this step time"),
    "energy_ratio": Headline(
        "energy ratio", "", Goal.MAX, Merge.RATIO, "GPU step energy over this step energy"
    ),
}
# These need a GPU to compare with.
GPU_HEADLINES = frozenset({"speedup", "energy_ratio"})
