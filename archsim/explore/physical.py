"""Physical limits and warnings of many configurations at once.

A sweep must not recommend a chip that `archsim run` would warn about, so both ask the same cost
functions and compare with the same thresholds (`archsim.result.cautions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.tile_power import peak_tile_density_w_per_m2
from archsim.architecture.weight_arrays import structure
from archsim.explore.headline import WARNING_CODES
from archsim.fields import FloatArray, Scalar, stack
from archsim.hardware.limits import read_noise, settling_ratios
from archsim.mapping.packing import shares_array
from archsim.result import cautions
from archsim.result.disturb import disturb_by_matrix
from archsim.result.firing import densest_firing
from archsim.result.limits import drift_per_step, ir_drop_by_matrix
from archsim.result.repair import UNREPAIRED_LIMIT, unrepaired_arrays
from archsim.simulation.estimate import Estimate
from archsim.simulation.tile_space import vector_bits

BoolColumn: TypeAlias = NDArray[np.bool_]


def limit_columns(found: Estimate, architectures: Sequence[Architecture]) -> dict[str, FloatArray]:
    """Limits and `warnings.<code>` (0 or 1) of the C configurations of a pass, each [C].

    `found` is the estimate of `architectures`, which share one structure.
    """
    tree = stack(architectures)
    limits = _limits(found, tree)
    warned = _warned(found, tree, limits)
    assert warned.keys() == WARNING_CODES.keys()
    codes = {f"warnings.{code}": mask.astype(np.float64) for code, mask in warned.items()}
    return {**limits, **codes}


def beyond_memory(found: Estimate, architectures: Sequence[Architecture]) -> BoolColumn:
    """Where what waits between layers, or for its round, exceeds buffer and DRAM together, [C]."""
    tree = stack(architectures)
    chips, weights = found.mapping.chips, found.waiting_bits
    dram = _column(tree.dram.capacity_bit, found) * chips
    room = _column(tree.activation_buffer.capacity_bit, found) * chips + dram - weights
    return np.asarray((weights > dram) | (found.stored_bits + found.state.bits > room))


def beyond_tile_buffers(found: Estimate, architectures: Sequence[Architecture]) -> BoolColumn:
    """Where a tile's buffer does not hold one vector of some matrix and its outputs, [C]."""
    tree = stack(architectures)
    needed = vector_bits(tree, found.mapping).max(axis=1, initial=0.0)
    return np.asarray(needed > _column(tree.tile.buffer.capacity_bit, found))


def _column(value: Scalar, found: Estimate) -> FloatArray:
    """A scalar or [C, 1] array as [C]."""
    size = found.batch.shape[0]
    return np.broadcast_to(np.asarray(value, dtype=np.float64).reshape(-1), (size,)).copy()


def _limits(found: Estimate, tree: Architecture) -> dict[str, FloatArray]:
    crossbar, settling = tree.crossbar, settling_ratios(tree.crossbar)
    power_w = found.step_energy_j / found.step_latency_s - found.static_power_w["static_dram"]
    pulses = found.pulses_per_step.max(axis=1, initial=0.0)
    endurance = _column(tree.device.endurance_pulses, found)
    return {
        "read_noise": _column(read_noise(crossbar), found),
        "ir_drop": ir_drop_by_matrix(found, tree).max(axis=1, initial=0.0),
        "disturb_per_pulse": disturb_by_matrix(found, tree).max(axis=1, initial=0.0),
        "settling_read": _column(settling["forward read"], found),
        "settling_update": _column(settling["update"], found),
        "steps_to_wear_out": np.divide(
            endurance, pulses, out=np.full_like(pulses, np.inf), where=pulses > 0
        ),
        "power_density_w_per_m2": power_w / found.area_m2,
        "spilled_share": found.spilled_share,
        "dram_bytes": found.stored_bits * found.spilled_share / 8.0,
    }


def _warned(
    found: Estimate, tree: Architecture, limits: dict[str, FloatArray]
) -> dict[str, BoolColumn]:
    policy, size = tree.schedule, found.batch.shape[0]
    norms, averaged = bool(found.program.minibatch_norms), _averaged(tree)
    settling = np.maximum(limits["settling_read"], limits["settling_update"])
    cooling = _column(tree.chip.cooling_limit_w_per_m2, found)
    return {
        "read_noise": limits["read_noise"] > cautions.NOISE_LIMIT,
        "ir_drop": limits["ir_drop"] > cautions.IR_DROP_LIMIT,
        "half_select": limits["disturb_per_pulse"] > cautions.DISTURB_LIMIT,
        "retention": drift_per_step(found, tree) > _column(cautions.drift_limit(tree), found),
        "settling": settling > cautions.SETTLING_LIMIT,
        "adc_extrapolated": _column(tree.adc.extrapolates(), found) > 0,
        "unrepaired_arrays": _column(unrepaired_arrays(tree), found) >= UNREPAIRED_LIMIT,
        "endurance": limits["steps_to_wear_out"] < cautions.TRAINING_STEPS,
        "power_density": limits["power_density_w_per_m2"] > cooling,
        "tile_power_density": _column(peak_tile_density_w_per_m2(tree), found) > cooling,
        "pump_overloaded": _overloaded(found, tree),
        "reticle": found.area_m2 / found.mapping.chips > cautions.RETICLE_M2,
        "spill": found.spilled_share > 0,
        "algorithm_state": found.state.off_chip_share > 0,
        "pulses_clipped": _clipped(found, tree),
        "copies_averaged": np.asarray(averaged & (found.mapping.copies > 1).any(axis=1)),
        "batchnorm_barrier": np.full(size, norms and policy.batchnorm == "batch"),
        "batchnorm_changed": np.full(size, norms and policy.batchnorm != "batch"),
        "multi_chip": found.mapping.chips > 1,
        "reprogrammed": _any(found.mapping.round_of, size, lambda rounds: rounds > 0),
        "arrays_shared": _any(found.mapping.array_of, size, shares_array),
        "immediate_update": (found.batch > 1) & (policy.update == "immediate"),
    }


def _averaged(tree: Architecture) -> bool:
    """Whether copies train apart, so that they have to be averaged."""
    return tree.mapping.sync == "average" and not structure(tree).copies_alike


def _any(
    of_matrix: NDArray[np.intp] | None,
    size: int,
    test: Callable[[NDArray[np.intp]], BoolColumn],
) -> BoolColumn:
    """Where any matrix passes a test of [C, M], [C]; nowhere if there is nothing to test."""
    if of_matrix is None:
        return np.zeros(size, dtype=bool)
    return np.asarray(test(of_matrix).any(axis=1))


def _overloaded(found: Estimate, tree: Architecture) -> BoolColumn:
    """Where more lines of a matrix fire in a slot than the supply of an array is built for, [C]."""
    sustained = _column(tree.periphery.supply.sustained_share(), found)
    return np.asarray(densest_firing(found, tree).max(axis=1, initial=0.0) > sustained)


def _clipped(found: Estimate, tree: Architecture) -> BoolColumn:
    """Where the lines of a matrix would have to fire in more than every slot, [C]."""
    return np.asarray((densest_firing(found, tree) >= 1.0).any(axis=1))
