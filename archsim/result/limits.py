"""`limits`: what physics does to each matrix that sits on arrays, from the parameters of its cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.hardware import limits
from archsim.result.disturb import disturb_by_matrix
from archsim.result.firing import pulse_statistics, updated_in_parallel
from archsim.simulation.estimate import Estimate


def limit_rows(estimate: Estimate, architecture: Architecture) -> list[dict[str, Any]]:
    """One row per matrix on arrays, of the first configuration.

    `rows` and `cols` are what the matrix uses of its fullest array, `ir_drop` the mean share of the
    output that it loses in the wires at full input, in its worst array.  Noise is that of a full
    column, since unused cells conduct as well.  Where a matrix is not trained, what concerns
    updates is None.
    """
    crossbar, mapping = architecture.crossbar, estimate.mapping
    table, size = estimate.program.matrices, len(estimate.program.matrices.names)
    used = extent(estimate, architecture)
    settling = limits.settling_ratios(crossbar)
    endurance = float(np.asarray(architecture.device.endurance_pulses))

    def column(value: Scalar) -> FloatArray:
        return np.asarray(np.broadcast_to(np.asarray(value, dtype=np.float64), (1, size))[0])

    columns = {
        "rows": column(used.rows),
        "cols": column(used.cols),
        "read_noise": column(limits.read_noise(crossbar)),
        "device_noise": column(limits.device_noise(crossbar)),
        "integrator_noise": column(limits.integrator_noise(crossbar)),
        "converter_noise": column(limits.converter_noise(crossbar)),
        "ir_drop": column(limits.ir_drop(crossbar, used)),
        "ir_drop_farthest": column(limits.ir_drop_farthest(crossbar, used)),
        "settling_read": column(settling["forward read"]),
        "settling_update": column(settling["update"]),
        "far_step": column(limits.far_step(crossbar)),
    }
    pulses = pulse_statistics(estimate, architecture)
    half = column(limits.half_selects_per_pulse(crossbar, pulses))
    disturb = disturb_by_matrix(estimate, architecture)[0]
    parallel = updated_in_parallel(estimate, architecture)[0]
    rows = []
    for i in np.flatnonzero(mapping.on_array[0]):
        taken = float(estimate.pulses_per_step[0, i])
        trained = table.updates[i] > 0 and taken > 0
        row: dict[str, Any] = {"matrix": table.names[i]}
        row |= {name: float(values[i]) for name, values in columns.items()}
        row |= {
            "half_selects_per_pulse": float(half[i]) if trained and parallel[i] else None,
            "disturb_per_pulse": float(disturb[i]) if trained else None,
            "pulses_per_device_per_step": taken if trained else None,
            "steps_to_wear_out": endurance / taken if trained else None,
        }
        rows.append(row)
    return rows


def extent(estimate: Estimate, architecture: Architecture) -> limits.Extent:
    """The rows and physical columns that each matrix uses of its fullest array, [C, M]."""
    array, place = architecture.array, estimate.mapping.place
    packed = np.asarray(place.blocks_per_array)
    rows = np.minimum(np.asarray(place.inputs) * packed, array.rows)
    cols = np.minimum(np.asarray(place.outputs) * array.columns_per_weight * packed, array.cols)
    return limits.Extent(rows, cols)


def ir_drop_by_matrix(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """Mean share of the output that each matrix loses in the wires, 0 off the arrays, [C, M]."""
    drop = limits.ir_drop(architecture.crossbar, extent(estimate, architecture))
    return np.where(estimate.mapping.on_array, drop, 0.0)


def drift_per_step(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """Relative change of an untouched weight during a training step, [C]; 0 if unknown."""
    retention, step_s = architecture.device.retention, estimate.step_latency_s
    if retention is None:
        return np.zeros_like(step_s)
    return np.asarray(retention.relative_drift(step_s[:, None]))[:, 0]
