"""Initial programming of a mapped network: time and energy, once, outside the step."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import Role
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, weight_arrays
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Bystanders, Placement, PulseStatistics
from archsim.mapping import Mapping
from archsim.mapping.row_write import row_write


@dataclass(frozen=True, slots=True)
class Programming:
    """What is spent before the first step, for C configurations.

    `seconds` [C] with all arrays at work at once, and `energy_j` [C] by component, of writing;
    `calibration_s` and `calibration_j` [C] of setting the reference devices once.
    """

    seconds: FloatArray
    energy_j: MappingType[str, FloatArray]
    calibration_s: FloatArray
    calibration_j: FloatArray


def programming(architecture: Architecture, mapping: Mapping) -> Programming:
    """Write every weight of every copy once, after calibrating the references.

    The rows of an array one after the other, all arrays in parallel; without power gating of the
    rest, whose leakage is not counted here.  Every array of a weight is written and has its
    references set, one after the other; a fast array that is read against its symmetry points is
    led to them by alternating pulses on all of its devices.
    """
    scheme, place = architecture.programming, mapping.read_place
    copies = mapping.copies * mapping.on_array
    arrays = arrays_per_weight(architecture)
    calibration_s, calibration_j = calibration(architecture, mapping)
    each = scheme.pulses / scheme.passes
    row = row_write(architecture, place, each, 1.0)
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    seconds = arrays * scheme.passes * rows * row.seconds * (copies > 0)
    written = arrays * scheme.passes * place.inputs * copies
    return Programming(
        seconds=_largest(np.asarray(seconds), copies),
        energy_j={
            name: np.asarray((written * energy).sum(axis=1))
            for name, energy in row.energy_j.items()
        },
        calibration_s=calibration_s,
        calibration_j=np.asarray(calibration_j.sum(axis=1)),
    )


def calibration(architecture: Architecture, mapping: Mapping) -> tuple[FloatArray, FloatArray]:
    """Setting all references once: seconds, all arrays at once, [C], and energy by matrix, [C, M]."""
    place, copies = mapping.place, mapping.copies * mapping.on_array
    arrays = arrays_per_weight(architecture)
    seconds, energy_j = _calibration(architecture, place)
    led_s, led_j = _led_to_symmetry(architecture, place)
    taken_s = np.asarray((arrays * seconds + led_s) * (copies > 0))
    return _largest(taken_s, copies), np.asarray(copies * (arrays * energy_j + led_j))


def _largest(values: FloatArray, like: FloatArray) -> FloatArray:
    return np.asarray(np.broadcast_to(values, like.shape).max(axis=1, initial=0.0))


def _led_to_symmetry(architecture: Architecture, place: Placement) -> tuple[Scalar, Scalar]:
    """Time and energy of alternating pulses on all devices of the fast array, if it needs them."""
    if not any(array.role is Role.REFERENCE for array in weight_arrays(architecture)):
        return 0.0, 0.0
    one = np.ones_like(np.asarray(place.inputs))
    train = architecture.crossbar.update_cost(place, PulseStatistics(one, one, one, one))
    trains = np.ceil(architecture.programming.calibration_pulses / architecture.update.train_length)
    return trains * train.duration_s, trains * sum(train.energy_j.values())


def _calibration(architecture: Architecture, place: Placement) -> tuple[Scalar, Scalar]:
    """Time and energy of alternating pulses on all reference devices of a matrix, rows at once.

    The columns of the other devices do not fire, but fired rows cross their cells.
    """
    crossbar, scheme = architecture.crossbar, architecture.programming
    columns = architecture.array.columns_per_weight
    one = np.ones_like(np.asarray(place.inputs))
    # One signed slot is one phase of a train; the reference devices are one column per weight, or
    # one column per array.
    if architecture.array.encoding == "reference":
        outputs = np.asarray(place.col_splits * one)
    else:
        outputs = np.asarray(place.outputs * one)
    references = Placement(
        place.inputs,
        outputs / columns,
        place.blocks,
        place.blocks_per_array,
        place.row_splits,
        place.col_splits,
    )
    # All columns but one of each pair, or all that share the reference.
    others = place.outputs / place.col_splits
    train = crossbar.update_cost(
        references, PulseStatistics(one, one, one, one), Bystanders(cols=others)
    )
    trains = np.ceil(scheme.calibration_pulses / architecture.update.train_length)
    return trains * train.duration_s, trains * sum(train.energy_j.values())
