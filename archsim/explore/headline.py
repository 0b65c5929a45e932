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
    LARGEST = "largest"  # what must suffice for every workload: area, arrays, limits
    SMALLEST = "smallest"  # what every workload must leave: lifetime


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
        "utilisation", "", Goal.MAX, Merge.MEAN, "busy share of all arrays of the chip"
    ),
    "read_noise": Headline(
        "read noise", "", Goal.MIN, Merge.LARGEST, "noise of a full read, in unit products"
    ),
    "ir_drop": Headline(
        "IR drop", "", Goal.MIN, Merge.LARGEST, "share of the worst layer's output lost in wires"
    ),
    "disturb_per_pulse": Headline(
        "disturb", "", Goal.MIN, Merge.LARGEST, "unasked steps per wanted pulse, worst layer"
    ),
    "settling_read": Headline(
        "settling, read", "", Goal.MIN, Merge.LARGEST, "RC delay of a line over the read time"
    ),
    "settling_update": Headline(
        "settling, update", "", Goal.MIN, Merge.LARGEST, "RC delay of a line over the pulse width"
    ),
    "steps_to_wear_out": Headline(
        "steps to wear-out", "", Goal.MAX, Merge.SMALLEST, "steps that the endurance lasts"
    ),
    "power_density_w_per_m2": Headline(
        "power density", "W/m^2", Goal.MIN, Merge.LARGEST, "power on the chip over its area"
    ),
    "spilled_share": Headline(
        "spilled", "", Goal.MIN, Merge.LARGEST, "share of what waits between layers that is in DRAM"
    ),
    "dram_bytes": Headline(
        "DRAM", "B", Goal.MIN, Merge.LARGEST, "DRAM that what waits between layers takes"
    ),
    "speedup": Headline("speed-up", "", Goal.MAX, Merge.RATIO, "GPU step time over this step time"),
    "energy_ratio": Headline(
        "energy ratio", "", Goal.MAX, Merge.RATIO, "GPU step energy over this step energy"
    ),
}
# Whether `archsim run` would warn: 1 if it would (on any of the workloads), else 0.
WARNING_CODES: dict[str, str] = {
    "read_noise": "the devices' noise exceeds its limit",
    "ir_drop": "IR drop exceeds its limit",
    "half_select": "devices move more unasked than on purpose",
    "retention": "devices drift by more than a pulse in a step",
    "settling": "lines do not settle in a read or in an update pulse",
    "adc_extrapolated": "the converter model leaves its survey",
    "unrepaired_arrays": "spare lines leave an array of the chip broken",
    "endurance": "devices wear out within a training run",
    "power_density": "the chip exceeds its cooling limit",
    "tile_power_density": "a tile at work exceeds the cooling limit",
    "pump_overloaded": "more lines fire at once than the pump is built for",
    "reticle": "the chip exceeds a lithography field",
    "spill": "what waits between layers does not fit on the chip",
    "algorithm_state": "the digital state of the update algorithm does not fit on the chip",
    "pulses_clipped": "lines would have to fire in more than every slot",
    "copies_averaged": "copies train apart and are averaged",
    "batchnorm_barrier": "normalisations stop the pipeline",
    "batchnorm_changed": "normalisations are not by minibatch statistics",
    "multi_chip": "weights are spread over several chips",
    "reprogrammed": "arrays are written anew within a step",
    "arrays_shared": "small matrices share arrays",
    "immediate_update": "every sample is its own minibatch",
}
HEADLINES |= {
    f"warnings.{code}": Headline(code, "", Goal.MIN, Merge.LARGEST, f"1 if {meaning}")
    for code, meaning in WARNING_CODES.items()
}
# These need a GPU to compare with.
GPU_HEADLINES = frozenset({"speedup", "energy_ratio"})
