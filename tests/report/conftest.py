"""A realistic result, built from its parts so that its sums hold, and variations of it."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from archsim.result.energy import EnergyRow

Result = dict[str, Any]
ResultBuilder = Callable[..., tuple[Result, list[EnergyRow]]]

# Share of a layer's phase that each component takes; each line adds up to 1.
ARRAY_READ = {"adc": 0.44, "integrator": 0.2, "line": 0.16, "device": 0.08, "driver": 0.12}
ARRAY_UPDATE = {"line": 0.55, "driver": 0.25, "device": 0.05, "high_voltage_supply": 0.15}
DIGITAL = {"vector_unit": 0.6, "buffer": 0.3, "mesh": 0.1}
STATIC = {"leakage": 0.7, "clock": 0.2, "unused_unit": 0.1}


def network(blocks: int) -> list[tuple[str, str]]:
    """Names and operators of a residual network with `blocks` blocks."""
    names = [("/conv1/Conv", "Conv"), ("/bn1/BatchNormalization", "BatchNormalization")]
    for block in range(blocks):
        stem = f"/layer{1 + block // 4}/layer{1 + block // 4}.{block % 4}"
        names += [
            (f"{stem}/conv1/Conv", "Conv"),
            (f"{stem}/relu/Relu", "Relu"),
            (f"{stem}/conv2/Conv", "Conv"),
            (f"{stem}/Add", "Add"),
        ]
    return [*names, ("/fc/Gemm", "Gemm")]


def layer_rows(blocks: int, scale: float) -> list[dict[str, Any]]:
    """Rows of every layer and phase; early layers have many vectors, late ones many arrays."""
    rows: list[dict[str, Any]] = []
    for index, (name, op_type) in enumerate(network(blocks)):
        analog = op_type in ("Conv", "Gemm")
        size = 1 + (index * 7) % 5 + 40 / (index + 3)
        common = {"name": name, "op_type": op_type, "copies": 1 + index % 3 if analog else None}
        common["arrays"] = 2 ** (index // 12) * 3 if analog else 0
        common["vectors"] = max(1, 12544 // (1 + index)) if analog else 0
        common["utilisation"] = 0.5 + 0.49 * ((index * 13) % 7) / 7 if analog else None
        common["kind"] = "weight_matmul" if analog else "elementwise"
        common["matrix"] = name.strip("/") + ".weight" if analog else None
        where, phases = ("arrays", ("forward", "input_gradient", "update"))
        if not analog:
            where, phases = ("vector unit", ("digital",))
        for rank, phase in enumerate(phases):
            rows.append(
                {
                    **common,
                    "phase": phase,
                    "where": where,
                    "latency_s": scale * size * (1 + 0.3 * rank) * 9e-6,
                    "energy_j": scale * size * (1 + 0.5 * rank) * 1.1e-3,
                    "reason": "" if analog else "no stationary operand",
                }
            )
    rows.append(
        {
            "name": "chip",
            "op_type": "",
            "kind": "static",
            "phase": "static",
            "where": "chip",
            "matrix": None,
            "arrays": 0,
            "copies": None,
            "vectors": 0,
            "latency_s": 0.0,
            "energy_j": 0.02 * scale,
            "utilisation": None,
            "reason": "leakage of everything that is powered",
        }
    )
    return rows


def energy_rows_of(layers: list[dict[str, Any]]) -> list[EnergyRow]:
    """The layers' energies split by component."""
    split = {"forward": ARRAY_READ, "input_gradient": ARRAY_READ, "update": ARRAY_UPDATE}
    split |= {"digital": DIGITAL, "static": STATIC}
    return [
        EnergyRow(row["name"], row["phase"], component, share * row["energy_j"])
        for row in layers
        for component, share in split[row["phase"]].items()
    ]


def summed(pairs: list[tuple[str, float]]) -> dict[str, float]:
    """Sums by key."""
    found: dict[str, float] = defaultdict(float)
    for key, value in pairs:
        found[key] += value
    return dict(found)


AREA_M2 = {
    "array": 96e-6,
    "adc": 124e-6,
    "driver": 61e-6,
    "integrator": 33e-6,
    "buffer": 58e-6,
    "vector_unit": 22e-6,
    "mesh": 14e-6,
    "high_voltage_supply": 9e-6,
}


def cycle_parts(step_latency_s: float) -> Result:
    """What a run that was timed cycle by cycle has beside the rest."""
    array = "arrays:layer1/layer1.0/conv2/Conv.weight"
    step = {
        "task": "/layer1/layer1.0/conv2/Conv:forward",
        "sample": 3,
        "begin_s": 0.25 * step_latency_s,
        "seconds": 0.01 * step_latency_s,
        "by": array,
        "waited_for": "unit",
        "through": array,
    }
    shares = {"busy": 0.93, "input": 0.05, "buffer": 0.0, "unit": 0.01, "link": 0.0, "power": 0.0}
    return {
        "fidelity": {
            "mode": "cycle",
            "other_mode": "analytic",
            "other_step_latency_s": 0.97 * step_latency_s,
            "difference": {
                "relative": 1 / 0.97 - 1,
                "by_limit_s": {
                    "arrays": 0.02 * step_latency_s,
                    "mesh": 0.01 * step_latency_s,
                },
                "resource": "arrays",
                "explanation": "3.1 % more time than the analytic estimate: crossbar arrays take it.",
            },
        },
        "cycle": {
            "tick_s": 1e-15,
            "tasks": 150_000,
            "samples_in_flight": 12,
            "stalls": {
                "resource": array,
                "utilisation": 0.93,
                "seconds": {
                    name: share * step_latency_s
                    for name, share in {**shares, "drained": 0.01}.items()
                },
            },
            "utilisation": {
                "units": {"vector_unit": 0.21, "dram": 0.02},
                "arrays": {array.partition(":")[2]: 0.93, "fc.weight": 0.3},
                "mesh_links": {
                    "busiest": {"mesh:1,0->0,0": 0.25, "mesh:0,0->0,1": 0.2},
                    "others": 7,
                    "others_mean": 0.04,
                },
            },
            "critical_path": {
                "steps": 20_000,
                "waited_for_s": {
                    "input": 0.1 * step_latency_s,
                    "buffer": 0.0,
                    "unit": 0.9 * step_latency_s,
                    "link": 0.0,
                    "power": 0.0,
                },
                "queues_s": {array: 0.9 * step_latency_s},
                "tasks": [{"task": step["task"], "steps": 256, "seconds": 0.4 * step_latency_s}],
                "first": [{**step, "begin_s": 0.0, "waited_for": "start", "through": None}],
                "longest": [step, {**step, "sample": None, "by": None}],
            },
            "mesh": mesh_parts(),
        },
    }


def large_parts() -> Result:
    """What networks have that spread over chips, are written in rounds, or share arrays.

    No run has all three at once; here they only have to be of the right form.
    """
    names = ["conv1.weight", "fc.weight"]
    return {
        "system": {
            "link": "ucie",
            "links": 2,
            "link_bytes": 3e6,
            "busiest_link_bytes": 2e6,
            "cut_matrices": 0,
            "chips_of": {names[0]: [0, 0], names[1]: [1, 1]},
        },
        "rounds": {
            "rounds": 2,
            "writing_s": 1e-5,
            "most_writes": 2,
            "dram_bytes": 4e6,
            "round_of": {names[0]: 0, names[1]: None},
        },
        "packing": {"arrays_saved": 1, "shared": [names]},
    }


def mesh_parts() -> Result:
    """A mesh of 3 x 3 tiles, of which eight hold weights."""
    names = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight"]
    return {
        "placement": "improved",
        "side": 3,
        "tiles_used": 8,
        "copies_bit_hops_per_sample": {"snake": 4e6, "placed": 2e6},
        "mean_hops": 1.25,
        "bit_hops_per_sample": 3e6,
        "energy_per_sample_j": 1e-6,
        "mean_distance": {
            "mean_hops": 1.78,
            "bit_hops_per_sample": 9e6,
            "energy_per_sample_j": 3e-6,
        },
        "links": {"total": 24, "used": 18, "simulated": 7, "delaying": 2, "left_out": 0},
        "busiest": [
            {
                "link": "mesh:1,0->2,0",
                "utilisation": 0.21,
                "bits_per_sample": 5e5,
                "tasks": {"layer1.0.conv1:forward": 5e5},
            }
        ],
        "tiles": [
            {"x": i % 3, "y": i // 3, "arrays": {names[i % 3]: 12, names[0]: 4}} for i in range(8)
        ],
    }


def build_result(
    *, blocks: int = 14, scale: float = 1.0, batch: int = 256, name: str = "protonic_256"
) -> tuple[Result, list[EnergyRow]]:
    """A result of a residual network with its energy rows; `scale` multiplies time and energy."""
    layers = layer_rows(blocks, scale)
    energy = energy_rows_of(layers)
    step_energy_j = sum(row.energy_j for row in energy)
    by_phase_s = summed([(row["phase"], row["latency_s"]) for row in layers])
    step_latency_s = 0.3 * sum(by_phase_s.values())
    latency_by_phase_s = {k: 0.3 * v for k, v in by_phase_s.items() if v} | {"transfer": 0.0}
    gpu_latency_s, gpu_energy_j = 0.0884, 48.2
    result = {
        "schema_version": 1,
        "archsim_version": "0.1.0",
        "created": "2026-11-21T19:40:00+00:00",
        "seed": 1,
        "command": f"archsim run resnet50 --arch {name} --gpu h100 --batch {batch}",
        "workload": {
            "name": "resnet50",
            "onnx_sha256": "3f6c" * 16,
            "batch": batch,
            "parameters": 25_557_032,
            "analog_parameters": 25_502_912,
            "forward_macs": 4_089_184_256,
            "training_macs": 12_149_538_816,
            "saved_activation_bytes": 22_300_000,
        },
        "architecture": {
            "name": name,
            "sha256": "9ab1" * 16,
            "device": "protonic_onen2022",
            "algorithm": "sgd",
            "arrays_used": 1043,
            "arrays_available": 2048,
            "chips": 1,
            "replication": {"/conv1/Conv": 16, "/fc/Gemm": 1},
            **large_parts(),
        },
        "accelerator": {
            "step_latency_s": step_latency_s,
            "samples_per_s": batch / step_latency_s,
            "step_energy_j": step_energy_j,
            "energy_per_sample_j": step_energy_j / batch,
            "average_power_w": step_energy_j / step_latency_s,
            "area_m2": sum(AREA_M2.values()),
            "latency_by_phase_s": latency_by_phase_s,
            "energy_by_phase_j": summed([(row.phase, row.energy_j) for row in energy]),
            "energy_by_component_j": summed([(row.component, row.energy_j) for row in energy]),
            "area_by_component_m2": dict(AREA_M2),
            "power_density_w_per_m2": step_energy_j / step_latency_s / sum(AREA_M2.values()),
            "algorithm": {
                "kind": "sgd",
                "state_bytes": 0.0,
                "state_bytes_off_chip": 0.0,
                "state_area_m2": 0.0,
                "array_area_m2": 5e-4,
                "pulses_per_step_by_role": {"weight": 256.0},
                "steps_to_wear_out_by_role": {"weight": 391.0},
            },
            "latency_by_resource_s": {
                "arrays_of_/layer1/layer1.0/conv2/Conv": 0.93 * step_latency_s,
                "vector_unit": 0.61 * step_latency_s,
                "mesh": 0.22 * step_latency_s,
                "dram": 0.09 * step_latency_s,
                "matrix_unit": 0.0,
            },
            "saved_activation_bytes_on_chip": 3.2e9,
            "saved_activation_bytes_spilled": 2.5e9,
            "critical": "Updates of /layer1/layer1.0/conv2/Conv keep its arrays busy 93 % of the"
            " step.",
            "update": {
                "line_energy_j": 3.1e-9,
                "device_energy_j": 2.2e-10,
                "driver_energy_j": 9.6e-10,
                "time_s": 6.4e-7,
                "scheme": "half_bias",
            },
            "array_utilisation": 0.63,
            "bottleneck": "/layer1/layer1.0/conv2/Conv",
            "staleness_samples": 17,
            "endurance": {"pulses_per_device_per_step": 41.2, "steps_to_wear_out": 2.4e6},
            "retention": {"drift_per_step": 6e-4, "drift_per_run": 0.09},
        },
        "baseline": {
            "gpu": "h100",
            "precision": "bf16",
            "batch": batch,
            "optimizer": "sgd",
            "calibrated": False,
            "step_latency_s": gpu_latency_s,
            "samples_per_s": batch / gpu_latency_s,
            "step_energy_j": gpu_energy_j,
            "memory_bytes": 2.9e10,
            "mfu": 0.31,
            "notes": ["Elementwise chains are fused into the product before them."],
            "best_batch": {
                "batch": 512,
                "step_latency_s": 0.166,
                "samples_per_s": 512 / 0.166,
                "step_energy_j": 91.0,
            },
            "usual_optimizer": {
                "optimizer": "sgd_momentum",
                "batch": batch,
                "step_latency_s": 0.0889,
                "samples_per_s": batch / 0.0889,
                "step_energy_j": 48.5,
            },
        },
        "ratios": {
            "speedup": {"value": gpu_latency_s / step_latency_s, "low": None, "high": None},
            "energy_ratio": {"value": gpu_energy_j / step_energy_j, "low": None, "high": None},
        },
        **cycle_parts(step_latency_s),
        "accuracy": None,
        "evaluation": {
            "latency_s": 0.01 * step_latency_s,
            "samples_per_s": 100 / step_latency_s,
            "energy_per_sample_j": 0.3 * step_energy_j / batch,
            "bottleneck": "arrays",
        },
        "layers": layers,
        "limits": [
            {
                "matrix": "fc.weight",
                "rows": 120.0,
                "cols": 168.0,
                "read_noise": 0.15,
                "device_noise": 0.148,
                "integrator_noise": 0.0106,
                "converter_noise": 0.0135,
                "ir_drop": 0.002,
                "ir_drop_farthest": 0.0026,
                "settling_read": 4e-5,
                "settling_update": 6e-4,
                "far_step": 0.999,
                "half_selects_per_pulse": 7.5,
                "disturb_per_pulse": 0.8,
                "pulses_per_device_per_step": 272.0,
                "steps_to_wear_out": 368.0,
            }
        ],
        "assumptions": [
            {
                "path": "device.step_charge",
                "value": "1.2 fC",
                "source": "Onen et al., Science 377 (2022), fig. 3",
                "note": "",
            },
            {
                "path": "array.wire_resistance",
                "value": 2.0,
                "source": "assumed",
                "note": "per cell, copper at 200 nm pitch",
            },
            {"path": "update.pulse_probability", "value": 0.05, "source": "assumed", "note": ""},
        ],
        "warnings": [
            {
                "code": "settling",
                "message": "The update pulse is 1.3 times shorter than the settling of the line.",
                "layer": "/fc/Gemm",
            }
        ],
    }
    return result, energy


@pytest.fixture(scope="session")
def make_result() -> ResultBuilder:
    """`build_result`: a realistic result and its energy rows."""
    return build_result


@pytest.fixture(scope="session")
def _sample() -> tuple[Result, list[EnergyRow]]:
    return build_result()


@pytest.fixture
def result(_sample: tuple[Result, list[EnergyRow]]) -> Result:
    """A result of about 60 layers, free to be changed."""
    return copy.deepcopy(_sample[0])


@pytest.fixture
def energy_rows(_sample: tuple[Result, list[EnergyRow]]) -> list[EnergyRow]:
    """The energy rows of `result`."""
    return list(_sample[1])
