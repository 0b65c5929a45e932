"""What a result says of the update algorithm: its arrays, its digital state, wear by array."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.algorithm.operations import Role
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import weight_arrays
from archsim.simulation.estimate import Estimate


def arrays_by_role(estimate: Estimate, architecture: Architecture) -> dict[str, int]:
    """Arrays in use by what the update algorithm uses them for; they sum to all arrays in use."""
    roles = weight_arrays(architecture)
    each = round(float(estimate.mapping.arrays_used[0])) // len(roles)
    return {str(array.role): each for array in roles}


def algorithm_section(estimate: Estimate, architecture: Architecture) -> dict[str, Any]:
    """Digital state of the first configuration, and wear of the hardest-hit device of each role.

    `state_area_m2` is what the state takes, or would take, of a memory like the activation buffer,
    `array_area_m2` what all arrays with their periphery take.
    """
    state_bytes = float(estimate.state.bits[0]) / 8.0
    off_chip = float(estimate.state.off_chip_share[0])
    endurance = float(np.asarray(architecture.device.endurance_pulses))
    pulses = {
        role: float(taken[0].max(initial=0.0)) for role, taken in estimate.pulses_by_role.items()
    }
    return {
        "kind": architecture.algorithm.kind,
        "state_bytes": state_bytes,
        "state_bytes_off_chip": state_bytes * off_chip,
        "state_area_m2": state_area_m2(estimate, architecture),
        "array_area_m2": array_area_m2(architecture),
        "pulses_per_step_by_role": {str(role): taken for role, taken in pulses.items()},
        "steps_to_wear_out_by_role": {
            str(role): endurance / taken if taken else None for role, taken in pulses.items()
        },
    }


def state_area_m2(estimate: Estimate, architecture: Architecture) -> float:
    """Area of the state in a memory like the activation buffer."""
    buffer = architecture.activation_buffer
    per_bit = float(np.asarray(buffer.area_m2)) / float(np.asarray(buffer.capacity_bit))
    return float(estimate.state.bits[0]) * per_bit


def array_area_m2(architecture: Architecture) -> float:
    """Area of all arrays of a chip with their periphery."""
    one = sum(architecture.crossbar.area_by_component_m2().values())
    return float(np.asarray(architecture.arrays_available * one))


def worn_role(estimate: Estimate, matrix: int) -> Role:
    """The role of the array of a matrix whose devices take the most pulses."""
    pulses = estimate.pulses_by_role
    return max(pulses, key=lambda role: float(pulses[role][0, matrix]))
