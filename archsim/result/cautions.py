"""What a reader of a result must know: limits exceeded, algorithms changed, chips overheated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.tile_power import tile_area_m2, tile_power_w
from archsim.architecture.weight_arrays import structure
from archsim.fields import Scalar
from archsim.hardware.limits import device_noise, read_noise, read_noise_steps, settling_ratios
from archsim.mapping.write_back import write_backs
from archsim.result.algorithm import array_area_m2, state_area_m2, worn_role
from archsim.result.disturb import disturb_by_matrix
from archsim.result.firing import densest_firing
from archsim.result.large_system import cut_matrices, rounds, shared
from archsim.result.limits import drift_per_step, ir_drop_by_matrix
from archsim.result.repair import unrepaired_message
from archsim.simulation.estimate import Estimate
from archsim.units import format_quantity

# Output noise and IR drop that training is usually said to bear (reference `gv16.noise`,
# `check.irdrop_onen_mid_ns21_32nm_4F`).
NOISE_LIMIT = 0.06
IR_DROP_LIMIT = 0.05
# A device that is moved unasked as far as it is moved on purpose.
DISTURB_LIMIT = 1.0
# A training run of ImageNet at batch 256: 90 epochs of 1.28 million images.
TRAINING_STEPS = 450_000
# A line driven for three of its RC delays reaches 95 % at its far end.
SETTLING_LIMIT = 1.0 / 3.0
# The largest field that a lithography scanner exposes at once, 26 mm x 33 mm.
RETICLE_M2 = 858e-6


@dataclass(frozen=True, slots=True)
class Caution:
    """A code for programs, a sentence for people, the layer concerned or ""."""

    code: str
    message: str
    layer: str = ""


def collect(
    estimate: Estimate, architecture: Architecture, pulses: dict[str, float], broadcast_s: float
) -> tuple[Caution, ...]:
    """Every warning of the first configuration.

    `broadcast_s` is the step time if every copy took every update instead of being averaged.
    """
    return (
        *_physics(architecture),
        *_wires(estimate, architecture),
        *_disturbed(estimate, architecture),
        *_forgotten(estimate, architecture),
        *_normalisation(estimate, architecture),
        *_updates(estimate, architecture, broadcast_s),
        *_wear(estimate, architecture, pulses),
        *_state(estimate, architecture),
        *_large(estimate, architecture),
        *_chip(estimate, architecture),
    )


def _physics(architecture: Architecture) -> list[Caution]:
    crossbar, array = architecture.crossbar, architecture.array
    size = f"{array.rows:.0f} x {array.cols:.0f}"
    found = []
    for what, ratio in settling_ratios(crossbar).items():
        if ratio > SETTLING_LIMIT:
            found.append(
                Caution(
                    "settling",
                    f"Lines of a {size} array have an RC delay of {ratio:.2g} times what a {what} "
                    f"gives them; every layer is read and updated at less than full amplitude.",
                )
            )
    noise, devices = float(read_noise(crossbar)), float(device_noise(crossbar))
    if noise > NOISE_LIMIT:
        gain = (devices / NOISE_LIMIT) ** 2
        found.append(
            Caution(
                "read_noise",
                f"Every layer is read with a noise of {noise:.2g} of a unit product in a full "
                f"{size} array, {noise / NOISE_LIMIT:.1f} times the usual limit of {NOISE_LIMIT}; "
                f"that of the devices, {devices:.2g}, would take {gain**0.5:.1f} times the read "
                f"voltage or {gain:.0f} times the integration time.",
            )
        )
    if float(np.asarray(architecture.adc.extrapolates())):
        found.append(
            Caution(
                "adc_extrapolated",
                "The converter model extrapolates its survey below 22 nm.",
            )
        )
    broken = unrepaired_message(architecture)
    if broken:
        found.append(Caution("unrepaired_arrays", broken))
    return found


def _wires(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    """The layer whose output suffers most from the resistance of its lines."""
    drop = ir_drop_by_matrix(estimate, architecture)[0]
    over = int((drop > IR_DROP_LIMIT).sum())
    if not over:
        return []
    worst = int(drop.argmax())
    return [
        Caution(
            "ir_drop",
            f"IR drop costs {100 * drop[worst]:.0f} % of the output at full input, "
            f"{drop[worst] / IR_DROP_LIMIT:.1f} times the limit; {over} of {drop.size} weight "
            "matrices are beyond it.",
            estimate.program.matrices.names[worst],
        )
    ]


def _disturbed(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    """The layer whose devices move most without being asked."""
    disturb = disturb_by_matrix(estimate, architecture)[0]
    over = int((disturb > DISTURB_LIMIT).sum())
    if not over:
        return []
    worst = int(disturb.argmax())
    return [
        Caution(
            "half_select",
            f"Devices take {disturb[worst]:.2g} steps from partial voltages for each step that they "
            "are meant to take (both polarities counted alike, lines that transfers and averaging "
            f"write included); {over} of {disturb.size} weight "
            f"matrices take more than {DISTURB_LIMIT:g}.  Denser pulses, update.select or access "
            "transistors change that.",
            estimate.program.matrices.names[worst],
        )
    ]


def drift_limit(architecture: Architecture) -> Scalar:
    """Relative drift in a step that equals one pulse of a device at full range."""
    return 1.0 / np.asarray(architecture.device.pulses_full_range)


def _forgotten(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    """A device that forgets faster than one pulse per step can correct."""
    drift, limit = float(drift_per_step(estimate, architecture)[0]), drift_limit(architecture)
    if drift <= limit:
        return []
    return [
        Caution(
            "retention",
            f"An untouched device drifts by {100 * drift:.2g} % of its value in one step, "
            f"{drift / float(limit):.1f} times what one pulse corrects.",
        )
    ]


def _normalisation(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    policy = architecture.schedule
    norms = estimate.program.minibatch_norms
    if not norms:
        return []
    if policy.batchnorm != "batch":
        return [
            Caution(
                "batchnorm_changed",
                f"schedule.batchnorm: {policy.batchnorm} lets samples pass {norms} normalisations "
                "without minibatch statistics: a different training algorithm from the GPU's.",
            )
        ]
    what = (
        "stop the pipeline"
        if policy.mode == "pipelined"
        else "make each layer finish all samples before the next, also in sequential mode"
    )
    return [
        Caution(
            "batchnorm_barrier",
            f"{norms} normalisations by minibatch statistics (forward and backward) {what}.  "
            "schedule.batchnorm: running or group removes the barriers, but is a different training "
            "algorithm.",
        )
    ]


def _write_back(estimate: Estimate, architecture: Architecture) -> str:
    """What averaging writes, where noise of the read-out is more than a step of a device."""
    noise = float(read_noise_steps(architecture.crossbar))
    if noise <= 1.0:
        return ""
    backs = write_backs(architecture, estimate.batch[:, np.newaxis], estimate.mapping.copies)
    train = architecture.update.train_length
    most = max(float((back.read * back.pulses)[0].max()) for back in backs)
    apart = max(float((back.read * back.left_apart(train))[0].max()) for back in backs)
    return (
        f"  Each averaging reads devices with a noise of {noise:.0f} of their steps, writes up to "
        f"{most:.2g} pulses into each, and leaves copies {apart:.0f} steps apart from their mean "
        "(one sigma)."
    )


def _updates(estimate: Estimate, architecture: Architecture, broadcast_s: float) -> list[Caution]:
    policy, found = architecture.schedule, []
    copies = estimate.mapping.copies[0]
    # Both by the analytic fidelity, so that they can be compared.
    step_s = float(estimate.timeline.makespan_s[0])
    averaged = architecture.mapping.sync == "average"
    if averaged and (copies > 1).any() and not structure(architecture).copies_alike:
        found.append(
            Caution(
                "copies_averaged",
                f"{int((copies > 1).sum())} of {copies.size} weight matrices train as averaged "
                f"copies, each with up to {copies.max():.0f} times the learning rate on its share "
                "of the samples: a different training algorithm.  With mapping.sync: broadcast the "
                f"step takes {format_quantity(broadcast_s, 's')} instead of "
                f"{format_quantity(step_s, 's')}.{_write_back(estimate, architecture)}",
            )
        )
    if policy.update == "immediate" and estimate.batch[0] > 1:
        stale = float(estimate.staleness_samples[0])
        found.append(
            Caution(
                "immediate_update",
                "With schedule.update: immediate every sample is its own minibatch; compare with a "
                "GPU at the batch that reaches the same accuracy."
                + (
                    f"  Up to {stale:.0f} samples read a weight between one sample's forward read "
                    "and its update."
                    if stale
                    else ""
                ),
            )
        )
    clipped = _clipped(estimate, architecture)
    if clipped:
        found.append(
            Caution(
                "pulses_clipped",
                f"{len(clipped)} layers cannot give the pulses asked for: their lines would have to "
                "fire in more than every slot.  Use a longer update.train_length.",
                clipped[0],
            )
        )
    return found


def _clipped(estimate: Estimate, architecture: Architecture) -> list[str]:
    """Matrices whose lines fire in every slot."""
    full = densest_firing(estimate, architecture)[0] >= 1.0
    return [name for name, hit in zip(estimate.program.matrices.names, full, strict=True) if hit]


def _wear(
    estimate: Estimate, architecture: Architecture, pulses: dict[str, float]
) -> list[Caution]:
    if not pulses:
        return []
    layer, most = max(pulses.items(), key=lambda item: item[1])
    endurance = float(np.asarray(architecture.device.endurance_pulses))
    steps = endurance / most if most else np.inf
    if steps >= TRAINING_STEPS:
        return []
    role = worn_role(estimate, estimate.program.matrices.names.index(layer))
    where = f" of the {role} array" if len(estimate.pulses_by_role) > 1 else ""
    return [
        Caution(
            "endurance",
            f"At {most:.3g} pulses per device{where} and step the demonstrated endurance of "
            f"{endurance:.0e} pulses lasts {steps:.3g} steps; a training run takes 10^5 to 10^6.",
            layer,
        )
    ]


def _state(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    """Words of the update algorithm that do not fit on the chip beside saved activations."""
    share = float(estimate.state.off_chip_share[0])
    if share <= 0:
        return []
    state_bytes = float(estimate.state.bits[0]) / 8.0
    area, arrays = state_area_m2(estimate, architecture), array_area_m2(architecture)
    return [
        Caution(
            "algorithm_state",
            f"The digital state of '{architecture.algorithm.kind}' is "
            f"{format_quantity(state_bytes, 'B')}; {100 * share:.0f} % of it goes to DRAM and back.  "
            f"In a memory like the activation buffer it would take {format_quantity(area, 'm^2')}, "
            f"{area / arrays:.2g} times the area of all arrays with their periphery.",
        )
    ]


def _tile_power(architecture: Architecture, limit: float) -> list[Caution]:
    area = float(np.asarray(tile_area_m2(architecture)))
    power = {name: float(np.asarray(w)) for name, w in tile_power_w(architecture).items()}
    doing, most = max(power.items(), key=lambda item: item[1])
    if most <= limit * area:
        return []
    arrays = float(np.asarray(architecture.tile.arrays))
    able = int(arrays * limit * area / most)
    return [
        Caution(
            "tile_power_density",
            f"A tile dissipates {most / area * 1e-6:.2g} W/mm^2 while all its {arrays:.0f} arrays "
            f"do a {doing.replace('_', ' ')} at once, above the cooling limit of {limit * 1e-6:.2g} W/mm^2: only "
            f"{able} of them can for long.",
        )
    ]


def _pumps(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    sustained = float(np.asarray(architecture.periphery.supply.sustained_share()))
    fires = densest_firing(estimate, architecture)[0]
    if not fires.size or fires.max() <= sustained:
        return []
    worst = int(fires.argmax())
    return [
        Caution(
            "pump_overloaded",
            f"Up to {100 * fires[worst]:.0f} % of the lines of an array fire at once, but the pump "
            f"beside it is built for {100 * sustained:.0f} % (periphery.supply.firing_share).",
            estimate.program.matrices.names[worst],
        )
    ]


def _large(estimate: Estimate, architecture: Architecture) -> list[Caution]:
    """Weights that are not all on arrays of their own on one chip."""
    found, step_s = [], float(estimate.step_latency_s[0])
    chips, together, turns = int(estimate.mapping.chips[0]), shared(estimate), rounds(estimate)
    if chips > 1:
        found.append(
            Caution(
                "multi_chip",
                f"The weights are spread over {chips:,} chips in a row, which work as a pipeline; "
                f"{cut_matrices(estimate):,} of {estimate.mapping.copies.shape[1]:,} weight matrices "
                "are cut over several.",
            )
        )
    if turns > 1:
        share = float(estimate.timeline.writing_s[0].sum()) / step_s
        found.append(
            Caution(
                "reprogrammed",
                f"The arrays hold the weights in {turns} rounds: writing them and reading them back "
                f"takes {100 * share:.0f} % of the step, and weights pass through DRAM at "
                f"{architecture.numbers.parameter_bits:.0f} bits.",
            )
        )
    if together:
        found.append(
            Caution(
                "arrays_shared",
                f"{sum(map(len, together))} small weight matrices share {len(together)} arrays, and "
                "take turns on them; pulses on the rows and columns of one disturb the others, which "
                "is not counted.",
                together[0][0],
            )
        )
    return found


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
    found += _tile_power(architecture, limit)
    found += _pumps(estimate, architecture)
    area = float(estimate.area_m2[0]) / int(estimate.mapping.chips[0])
    if area > RETICLE_M2:
        found.append(
            Caution(
                "reticle",
                f"The chip's {area * 1e6:,.0f} mm^2 exceed one lithography field "
                f"({RETICLE_M2 * 1e6:.0f} mm^2): it cannot be made as one die.",
            )
        )
    spilled = float(estimate.spilled_share[0])
    need_bytes = float(estimate.stored_bits[0]) * spilled / 8.0
    if spilled > 0:
        found.append(
            Caution(
                "spill",
                f"{100 * spilled:.0f} % of what waits between layers "
                f"({format_quantity(need_bytes, 'B')}) goes to DRAM and back.",
            )
        )
    return found
