"""One network on one architecture beside one GPU: the result contract, filled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from archsim import __version__
from archsim.architecture import Architecture
from archsim.baseline.estimate import GpuEstimate
from archsim.config.assumptions import assumptions
from archsim.config.loading import Loaded
from archsim.mapping import check_fit
from archsim.result.algorithm import algorithm_section, arrays_by_role
from archsim.result.capacity import check_memory
from archsim.result.cautions import TRAINING_STEPS, Caution, collect
from archsim.result.cycle import CycleFindings, analyse, attribute_path, cycle_section
from archsim.result.energy import EnergyRow, energy_rows, total_by
from archsim.result.evaluation import evaluation_section
from archsim.result.fidelity import Fidelity, Step, analytic_section, cycle_fidelity
from archsim.result.hardware_detail import hardware_detail
from archsim.result.large_system import large_system
from archsim.result.latency import Attribution, attribute, limit_words, with_recalibration
from archsim.result.layers import layer_rows, pulses_per_device
from archsim.result.limits import drift_per_step, limit_rows
from archsim.result.mesh import mesh_section
from archsim.result.proxies import proxies_section
from archsim.result.schema import SCHEMA_VERSION
from archsim.result.utilisation import utilisation_section
from archsim.simulation.cycle.best_copies import simulate_best_copies
from archsim.simulation.cycle.fast import Progress
from archsim.simulation.cycle.forward import simulate_forward
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.evaluation import ForwardPass, forward_pass
from archsim.simulation.program import Program
from archsim.simulation.tile_space import check_tile_buffers
from archsim.workload.training import TrainingGraph, saved_activation_bytes


@dataclass(frozen=True, slots=True)
class Baseline:
    """The GPU at the batch asked for, at its own best batch, and with its usual optimizer."""

    asked: GpuEstimate
    best: GpuEstimate
    usual: GpuEstimate


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished result: the JSON mapping of the contract and the long-form energy.

    `cycle` is what the cycle fidelity found, None if the step was timed analytically.
    """

    result: dict[str, Any]
    energy_rows: tuple[EnergyRow, ...]
    estimate: Estimate
    cycle: CycleFindings | None = None


@dataclass(frozen=True, slots=True)
class _Timed:
    """A priced step, where its time goes, and evaluation passes, by the fidelity that was asked for."""

    priced: Estimate
    split: Attribution
    cycle: CycleFindings | None
    fidelity: dict[str, Any]
    forward: ForwardPass | None
    section: dict[str, Any] | None = None


def evaluate(
    training: TrainingGraph,
    program: Program,
    architecture: Loaded[Architecture],
    batch: int,
    baseline: Baseline | None = None,
    command: Sequence[str] = (),
    *,
    fidelity: Fidelity = "analytic",
    progress: Progress | None = None,
) -> Evaluation:
    """Price a training step of `batch` samples and fill the result contract.

    `program` is `lower(training)`; `progress` hears how far the cycle fidelity is.  Raises
    `DoesNotFit` if the arrays do not suffice, `InputError` if buffers do not.
    """
    tree = architecture.value
    first = estimate(program, [tree], [batch])
    check_fit(tree, program.matrices, first.mapping)
    check_tile_buffers(tree, program.matrices, first.mapping)
    check_memory(tree, first)
    timed = _TIMED_BY[fidelity](first, tree, progress)
    priced = timed.priced
    energy = energy_rows(priced)
    pulses = pulses_per_device(priced)
    limited = limit_rows(priced, tree)
    cautions = collect(priced, tree, pulses, _broadcast_s(program, tree, batch))
    result = {
        "schema_version": SCHEMA_VERSION,
        "archsim_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": 0,
        "command": " ".join(command),
        "workload": _workload(training, priced),
        "architecture": _architecture(architecture, priced),
        "accelerator": _accelerator(timed, tree, energy, pulses),
        "baseline": None if baseline is None else _baseline(baseline),
        "ratios": _ratios(priced, baseline),
        "fidelity": timed.fidelity,
        "evaluation": evaluation_section(timed.forward),
        "cycle": timed.section,
        "accuracy": proxies_section(priced, tree, limited),
        "layers": layer_rows(priced, training.workload, energy),
        "limits": limited,
        "assumptions": [
            {"path": a.path, "value": a.value, "source": a.source, "note": a.note}
            for a in assumptions(architecture)
        ],
        "warnings": _warnings(cautions, training, baseline),
    }
    return Evaluation(result, energy, priced, timed.cycle)


def _by_analysis(priced: Estimate, tree: Architecture, _progress: Progress | None) -> _Timed:
    split, forward = _split(priced, attribute(priced)), forward_pass(priced, tree)
    return _Timed(priced, split, None, analytic_section(), forward)


def _split(priced: Estimate, work: Attribution) -> Attribution:
    """Where the time of the whole step goes, given where that of its schedule goes."""
    return with_recalibration(work, float(priced.recalibration_s[0]))


def _by_cycle(priced: Estimate, tree: Architecture, progress: Progress | None) -> _Timed:
    copies = simulate_best_copies(priced, tree, progress)
    priced, found = copies.priced, analyse(copies.run)
    timed = timed_by_cycle(priced, tree, found.run)
    split = _split(timed, attribute_path(priced, found))
    return _Timed(
        timed,
        split,
        found,
        cycle_fidelity(
            Step(priced, _split(priced, attribute(priced))), Step(timed, split), found, tree
        ),
        simulate_forward(priced, tree, found.run.placed),
        {
            **cycle_section(found),
            "copies_tried": copies.tried,
            "utilisation": utilisation_section(priced, found.run),
            "mesh": mesh_section(priced, tree, found.run),
        },
    )


_TIMED_BY: dict[Fidelity, Callable[[Estimate, Architecture, Progress | None], _Timed]] = {
    "analytic": _by_analysis,
    "cycle": _by_cycle,
}


def _broadcast_s(program: Program, tree: Architecture, batch: int) -> float:
    """Step time if every copy took every update."""
    mapping = tree.mapping.model_copy(update={"sync": "broadcast"})
    priced = estimate(program, [tree.model_copy(update={"mapping": mapping})], [batch])
    return float(priced.step_latency_s[0])


def _workload(training: TrainingGraph, priced: Estimate) -> dict[str, Any]:
    workload = training.workload
    on_array = priced.mapping.on_array[0]
    analog = [m.elements for m, on in zip(workload.matrices.values(), on_array, strict=True) if on]
    samples = workload.samples
    return {
        "name": workload.name,
        "onnx_sha256": workload.sha256,
        "batch": int(priced.batch[0]),
        "parameters": workload.parameter_count,
        "analog_parameters": sum(analog),
        "forward_macs": round(training.macs.forward / samples),
        "training_macs": round(training.macs.total / samples),
        "saved_activation_bytes": round(saved_activation_bytes(training) / samples),
        "notes": [{"code": n.code, "message": n.message, "node": n.node} for n in workload.notes],
    }


def _architecture(architecture: Loaded[Architecture], priced: Estimate) -> dict[str, Any]:
    tree, table = architecture.value, priced.program.matrices
    mapping = priced.mapping
    return {
        "name": tree.name,
        "sha256": architecture.sha256,
        "description": tree.description,
        "device": tree.device.name,
        "algorithm": tree.algorithm.kind,
        "arrays_by_role": arrays_by_role(priced, tree),
        "arrays_used": int(mapping.arrays_used[0]),
        "arrays_available": int(priced.arrays_available[0]),
        "chips": int(mapping.chips[0]),
        **large_system(priced, tree),
        "replication": {
            "policy": tree.mapping.replication,
            "sync": tree.mapping.sync,
            "copies": {
                name: int(mapping.copies[0, i])
                for i, name in enumerate(table.names)
                if mapping.on_array[0, i]
            },
        },
        "schedule": {
            "mode": tree.schedule.mode,
            "update": tree.schedule.update,
            "batchnorm": tree.schedule.batchnorm,
            "segments": int(priced.timeline.segments.count),
        },
    }


def _accelerator(
    timed: _Timed,
    tree: Architecture,
    energy: tuple[EnergyRow, ...],
    pulses: dict[str, float],
) -> dict[str, Any]:
    priced, split = timed.priced, timed.split
    step_s = float(priced.step_latency_s[0])
    # The rows are the result's energy: totals over layers, phases and components are sums of them.
    step_j = float(sum(row.energy_j for row in energy))
    batch = float(priced.batch[0])
    limit, limit_s = max(split.by_limit_s.items(), key=lambda item: item[1])
    area = float(priced.area_m2[0])
    off_chip = float(priced.static_power_w["static_dram"][0])
    most = max(pulses.values(), default=0.0)
    spilled = float(priced.spilled_share[0])
    stored = float(priced.stored_bits[0]) / 8.0
    return {
        "step_latency_s": step_s,
        "samples_per_s": batch / step_s,
        "step_energy_j": step_j,
        "energy_per_sample_j": step_j / batch,
        "average_power_w": step_j / step_s,
        "area_m2": area,
        "power_density_w_per_m2": (step_j / step_s - off_chip) / area,
        "latency_by_phase_s": split.by_phase_s,
        "latency_by_limit_s": split.by_limit_s,
        "latency_by_resource_s": _busy(priced),
        "energy_by_phase_j": total_by(energy, "phase"),
        "energy_by_component_j": total_by(energy, "component"),
        "area_by_component_m2": {
            name: float(value[0]) for name, value in priced.area_by_component_m2.items()
        },
        "array_utilisation": float(priced.array_utilisation[0]),
        "cell_utilisation": _cell_utilisation(priced),
        "bottleneck": limit,
        "critical": _critical(priced, split, limit, limit_s / step_s),
        "staleness_samples": float(priced.staleness_samples[0]),
        "saved_activation_bytes_on_chip": stored * (1.0 - spilled),
        "saved_activation_bytes_spilled": stored * spilled,
        "endurance": {
            "pulses_per_device_per_step": most,
            "steps_to_wear_out": tree.device.endurance_pulses / most if most else None,
            "endurance_pulses": tree.device.endurance_pulses,
        },
        "algorithm": algorithm_section(priced, tree),
        "retention": _retention(priced, tree),
        "update": _update_detail(energy),
        **hardware_detail(priced, tree, energy),
    }


def _retention(priced: Estimate, tree: Architecture) -> dict[str, float] | None:
    """What an untouched weight forgets in a step and in a training run; None if unknown."""
    if tree.device.retention is None:
        return None
    run_s = TRAINING_STEPS * float(priced.step_latency_s[0])
    return {
        "drift_per_step": float(drift_per_step(priced, tree)[0]),
        "drift_per_run": float(np.asarray(tree.device.retention.relative_drift(run_s))),
    }


def _busy(priced: Estimate) -> dict[str, float]:
    """Busy seconds per step: the busiest array group, and every shared resource."""
    found: dict[str, float] = {}
    for name, value in zip(priced.timeline.resources, priced.timeline.resource_s[0], strict=True):
        key = "arrays (busiest)" if name.startswith("arrays:") else name
        found[key] = max(found.get(key, 0.0), float(value))
    return found


def _cell_utilisation(priced: Estimate) -> float:
    """Share of the cells of used arrays that hold weights."""
    mapping = priced.mapping
    holding = (mapping.arrays_per_copy * mapping.copies * mapping.on_array)[0]
    used = (holding * mapping.cell_utilisation[0]).sum()
    return float(used / max(float(mapping.arrays[0].sum()), 1.0))


def _critical(priced: Estimate, split: Attribution, limit: str, share: float) -> str:
    """What limits the step, in a sentence: the resource, and the phases that it serves."""
    verb = "take" if limit == "arrays" else "takes"
    sentence = f"{limit_words(limit)} {verb} {100 * share:.0f} % of the step"
    if limit == "arrays":
        total = sum(split.by_phase_s.values())
        parts = [
            f"{words} {100 * split.by_phase_s[phase] / total:.0f} %"
            for phase, words in _ARRAY_PHASES.items()
            if split.by_phase_s.get(phase, 0.0) > 0.005 * total
        ]
        sentence += f" ({', '.join(parts)})" if parts else ""
    norms = priced.program.minibatch_norms
    # Without barriers there are at most the sample's pass, deferred updates and the optimizer.
    if norms and priced.timeline.segments.count > 3:
        sentence += f", one layer at a time between {norms} minibatch barriers"
    return sentence


_ARRAY_PHASES = {
    "forward": "forward reads",
    "input_gradient": "transposed reads",
    "update": "updates and averaging",
}


def _update_detail(energy: tuple[EnergyRow, ...]) -> dict[str, float]:
    """The energy of a step's updates by what it is spent on: lines against devices."""
    parts: dict[str, float] = {}
    for row in energy:
        if row.phase == "update":
            parts[f"{row.component}_j"] = parts.get(f"{row.component}_j", 0.0) + row.energy_j
    return parts


def _baseline(baseline: Baseline) -> dict[str, Any]:
    asked = baseline.asked
    return {
        **_gpu(asked),
        "gpu": asked.gpu,
        "memory_bytes": asked.memory_bytes,
        "usable_memory_bytes": asked.usable_memory_bytes,
        "fits": asked.fits,
        "compared": "asked" if asked.fits else "best_batch",
        "largest_batch": asked.largest_batch,
        "calibrated": asked.calibrated,
        "notes": list(asked.notes),
        "best_batch": _gpu(baseline.best),
        "usual_optimizer": _gpu(baseline.usual),
    }


def _gpu(gpu: GpuEstimate) -> dict[str, Any]:
    return {
        "batch": gpu.batch,
        "precision": str(gpu.precision),
        "optimizer": str(gpu.optimizer),
        "step_latency_s": gpu.step_latency_s,
        "samples_per_s": gpu.samples_per_s,
        "step_energy_j": gpu.step_energy_j,
        "average_power_w": gpu.average_power_w,
        "mfu": gpu.mfu,
    }


def _ratios(priced: Estimate, baseline: Baseline | None) -> dict[str, Any] | None:
    """Speed-up and energy ratio per sample; ranges come with distributions.

    At the batch asked for, or at the GPU's best one if it cannot hold that.
    """
    if baseline is None:
        return None
    rival = baseline.asked if baseline.asked.fits else baseline.best
    batch = float(priced.batch[0])
    speed = rival.step_latency_s / rival.batch / (float(priced.step_latency_s[0]) / batch)
    energy = rival.step_energy_j / rival.batch / (float(priced.step_energy_j[0]) / batch)
    return {
        "speedup": {"value": speed, "low": None, "high": None},
        "energy_ratio": {"value": energy, "low": None, "high": None},
    }


def _warnings(
    cautions: tuple[Caution, ...], training: TrainingGraph, baseline: Baseline | None
) -> list[dict[str, str]]:
    found = [{"code": c.code, "message": c.message, "layer": c.layer} for c in cautions]
    found += [
        {"code": n.code, "message": n.message, "layer": n.node} for n in training.workload.notes
    ]
    if baseline is not None:
        found += [{"code": "gpu", "message": note, "layer": ""} for note in baseline.asked.notes]
    return found
