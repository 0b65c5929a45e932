"""Rows of `layers`: one per operator and phase, with place, arrays, time and energy."""

from __future__ import annotations

from typing import Any

from archsim.result.energy import CHIP, EnergyRow
from archsim.result.phases import task_phase, task_place
from archsim.simulation.estimate import Estimate
from archsim.workload.graph import Workload


def layer_rows(
    estimate: Estimate, workload: Workload, energy: tuple[EnergyRow, ...]
) -> list[dict[str, Any]]:
    """Layers of the first configuration; their energies sum to the step energy.

    `latency_s` is the time of all samples of the step in the layer one after another, `busy` the
    share of the step for which its unit is occupied by it, `utilisation` the share of the cells of
    its arrays that hold weights (None where it uses none).
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    program, costs = estimate.program, estimate.costs
    step_s = float(estimate.step_latency_s[0])
    for task in range(program.size):
        phase = str(task_phase(program, task))
        key = (program.ops[task], phase)
        repeats = 1.0 if program.per_step[task] else float(estimate.batch[0])
        duration = float(costs.main_s[0, task] + costs.transfer_s[0, task]) * repeats
        occupied = max(
            float(costs.array_s[0, task]), *(float(s[0, task]) for s in costs.shared_s.values())
        )
        row = rows.setdefault(key, _empty_row(estimate, workload, task, phase))
        row["latency_s"] += duration
        row["busy"] = min(1.0, row["busy"] + occupied * repeats / step_s)
        row["vectors"] += float(program.vectors[task])
    known: dict[str, dict[str, Any]] = {}
    for (name, _), row in rows.items():
        known.setdefault(name, row)
    for item in energy:
        key = (item.layer, item.phase)
        if key not in rows:
            rows[key] = _foreign_row(item, known.get(item.layer))
        rows[key]["energy_j"] += item.energy_j
    return [row for row in rows.values() if row["latency_s"] > 0 or row["energy_j"] > 0]


def _empty_row(estimate: Estimate, workload: Workload, task: int, phase: str) -> dict[str, Any]:
    program, mapping = estimate.program, estimate.mapping
    matrix = int(program.matrix[task])
    on_array = bool(matrix >= 0 and mapping.on_array[0, matrix])
    name = program.ops[task]
    op = workload.op(name) if name in workload.graph else None
    arrays = 0
    if on_array:
        arrays = int(mapping.arrays_per_copy[0, matrix] * mapping.copies[0, matrix])
    return {
        "name": name,
        "kind": str(program.op_kind[task]),
        "op_type": op.op_type if op else str(program.kind[task] or ""),
        "phase": phase,
        "where": task_place(program, task, on_array=on_array),
        "matrix": program.matrices.names[matrix] if matrix >= 0 else "",
        "arrays": arrays,
        "copies": int(mapping.copies[0, matrix]) if on_array else 0,
        "vectors": 0.0,
        "latency_s": 0.0,
        "energy_j": 0.0,
        "utilisation": float(mapping.cell_utilisation[0, matrix]) if on_array else None,
        "busy": 0.0,
        "reason": _reason(op.reason if op else "", matrix, on_array=on_array),
        **_chip(estimate, task),
    }


def _chip(estimate: Estimate, task: int) -> dict[str, int]:
    """The first chip of a task, if there are several."""
    spread = estimate.costs.chips
    return {} if spread is None else {"chip": int(spread.first[0, task])}


def _reason(reason: str, matrix: int, *, on_array: bool) -> str:
    if matrix >= 0 and not on_array:
        return "grouped or computed weights, on the matrix unit by the mapping policy"
    return reason


def _foreign_row(item: EnergyRow, known: dict[str, Any] | None) -> dict[str, Any]:
    """A row for energy in a phase in which the layer, whose first row is `known`, takes no time."""
    place = "chip" if item.layer == CHIP else {"transfer": "mesh"}.get(item.phase, "vector unit")
    return {
        "name": item.layer,
        "kind": known["kind"] if known else "static",
        "op_type": known["op_type"] if known else "",
        "phase": item.phase,
        "where": place,
        "matrix": known["matrix"] if known else "",
        "arrays": 0,
        "copies": 0,
        "vectors": 0.0,
        "latency_s": 0.0,
        "energy_j": 0.0,
        "utilisation": None,
        "busy": 0.0,
        "reason": known["reason"] if known else "leakage of everything that is powered",
        **({"chip": known["chip"]} if known and "chip" in known else {}),
    }


def pulses_per_device(estimate: Estimate) -> dict[str, float]:
    """Mean pulses that a device of each matrix takes in one step, by matrix name."""
    program, mapping = estimate.program, estimate.mapping
    table = program.matrices
    found = {}
    for i, name in enumerate(table.names):
        if table.updates[i] > 0 and mapping.on_array[0, i]:
            found[name] = float(estimate.pulses_per_step[0, i])
    return found
