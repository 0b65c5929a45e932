"""What a reader of a result must know: limits exceeded, algorithms changed, chips overheated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.hardware.limits import ir_drop, read_noise, settling_ratios
from archsim.simulation.estimate import Estimate
from archsim.units import format_quantity

# Output noise and IR drop that training is usually said to bear (reference `gv16.noise`,
# `check.irdrop_onen_mid_ns21_32nm_4F`).
NOISE_LIMIT = 0.06
IR_DROP_LIMIT = 0.05


@dataclass(frozen=True, slots=True)
class Caution:
    """A code for programs, a sentence for people, the layer concerned or ""."""

    code: str
    message: str
    layer: str = ""


def collect(
    estimate: Estimate, architecture: Architecture, pulses: dict[str, float]
) -> tuple[Caution, ...]:
    """Every warning of the first configuration."""
    return (
        *_physics(architecture),
        *_algorithm(estimate, architecture),
        *_wear(architecture, pulses),
        *_chip(estimate, architecture),
    )


def _physics(architecture: Architecture) -> list[Caution]:
    crossbar, array = architecture.crossbar, architecture.array
    size = f"{array.rows:.0f} x {array.cols:.0f}"
    found = []
    for what, ratio in settling_ratios(crossbar).items():
        if ratio > 1.0:
            found.append(
                Caution(
                    "settling",
                    f"Lines of a {size} array take {ratio:.2g} times as long to settle as a "
                    f"{what} gives them.",
                )
            )
    noise, drop = float(read_noise(crossbar)), float(ir_drop(crossbar))
    if noise > NOISE_LIMIT:
        gain = (noise / NOISE_LIMIT) ** 2
        found.append(
            Caution(
                "read_noise",
                f"Johnson noise of a full {size} read is {noise:.2g} of a unit product, "
                f"{noise / NOISE_LIMIT:.1f} times the usual limit of {NOISE_LIMIT}; it takes "
                f"{gain**0.5:.1f} times the read voltage or {gain:.0f} times the integration time.",
            )
        )
    if drop > IR_DROP_LIMIT:
        found.append(
            Caution(
                "ir_drop",
                f"IR drop costs {100 * drop:.0f} % of the output of a {size} array at full input.",
            )
        )
    return found


def _algorithm(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    policy = architecture.schedule
    norms = estimate.program.minibatch_norms
    found = []
    if norms and policy.batchnorm == "batch" and policy.mode == "pipelined":
        found.append(
            Caution(
                "batchnorm_barrier",
                f"{norms} normalisations by minibatch statistics (forward and backward) stop the "
                "pipeline: each waits for the whole minibatch.  schedule.batchnorm: running or "
                "group removes the barriers, but is a different training algorithm.",
            )
        )
    elif norms and policy.batchnorm != "batch":
        found.append(
            Caution(
                "batchnorm_changed",
                f"schedule.batchnorm: {policy.batchnorm} lets samples pass {norms} normalisations "
                "without minibatch statistics: a different training algorithm from the GPU's.",
            )
        )
    stale = float(estimate.staleness_samples[0])
    if stale > 0:
        found.append(
            Caution(
                "staleness",
                f"Immediate updates in a pipeline: up to {stale:.0f} samples read a weight between "
                "one sample's forward read and its update.",
            )
        )
    return found


def _wear(architecture: Architecture, pulses: dict[str, float]) -> list[Caution]:
    if not pulses:
        return []
    layer, most = max(pulses.items(), key=lambda item: item[1])
    endurance = float(np.asarray(architecture.device.endurance_pulses))
    steps = endurance / most if most else np.inf
    # A training run of ImageNet at batch 256 takes 450,000 steps (90 epochs of 1.28 million).
    if steps >= 450_000:
        return []
    return [
        Caution(
            "endurance",
            f"At {most:.3g} pulses per device and step the demonstrated endurance of "
            f"{endurance:.0e} pulses lasts {steps:.3g} steps; a training run takes 10^5 to 10^6.",
            layer,
        )
    ]


def _chip(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    found = []
    power = float(estimate.step_energy_j[0] / estimate.step_latency_s[0])
    off_chip = float(estimate.static_power_w["static_dram"][0])
    density = (power - off_chip) / float(estimate.area_m2[0])
    limit = float(np.asarray(architecture.chip.cooling_limit_w_per_m2))
    if density > limit:
        found.append(
            Caution(
                "power_density",
                f"The chip dissipates {density * 1e-6:.2g} W/mm^2 on average, above its cooling "
                f"limit of {limit * 1e-6:.2g} W/mm^2.",
            )
        )
    need = float(estimate.saved_bits[0] * estimate.live_samples[0] * estimate.spilled_share[0])
    capacity = float(np.asarray(architecture.dram.capacity_bit))
    if need > capacity:
        found.append(
            Caution(
                "dram_capacity",
                f"Saved activations need {format_quantity(need / 8, 'B')} of DRAM, more than the "
                f"{format_quantity(capacity / 8, 'B')} there are; use a smaller batch.",
            )
        )
    return found
