"""Pulses that a device takes in one step, in each of the arrays that hold its weight."""

from __future__ import annotations

from collections.abc import Mapping as MappingType

import numpy as np

from archsim.algorithm.operations import Pulsed, Role
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure, weight_arrays
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping, effective_pulses
from archsim.mapping.averaging import averaging
from archsim.mapping.transfers import transfer, transfers_per_sample
from archsim.simulation.program import Program


def pulses_by_role(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> MappingType[Role, FloatArray]:
    """Pulses that one device takes per step by the role of its array, each [C, M].

    Each sample gives vectors * BL * p_x * p_error coincidences to an array of parallel updates, and
    half of them to either device of a pair that is pulsed by sign; transfers and refreshes write
    what they ask for.  Averaging the copies writes each device that is read once per interval.
    """
    table = program.matrices
    average = architecture.mapping.sync == "average"
    share = mapping.copies if average else np.ones_like(mapping.copies)
    pulses = effective_pulses(architecture, table.updates, table.input_signs, mapping.copies)
    both = pulses.probability_x * pulses.probability_error
    trained = table.updates / share * architecture.update.train_length * both * batch
    copied = (mapping.copies > 1) * average * (table.updates > 0)
    rewrite = averaging(architecture, mapping.place, batch).pulses
    rewrite = rewrite / (architecture.mapping.sync_interval * architecture.schedule.accumulate)
    written = _written(architecture, mapping, table.updates / share, batch)
    taken: dict[Pulsed, Scalar] = {
        Pulsed.PARALLEL: trained,
        Pulsed.SHARED: 0.5 * trained + written,
        Pulsed.WRITTEN: written,
        Pulsed.NEVER: 0.0,
    }
    return {
        array.role: np.asarray(
            (taken[array.pulsed] + array.read * copied * rewrite) * mapping.on_array
        )
        for array in weight_arrays(architecture)
    }


def _written(
    architecture: Architecture, mapping: Mapping, vectors: FloatArray, batch: FloatArray
) -> Scalar:
    """Pulses that transfers give to a device of the array that they write, per step, [C, M].

    A copy takes `vectors` updates of each sample, [C, M].
    """
    operations = structure(architecture)
    if not operations.transfers:
        return 0.0
    per_sample = transfers_per_sample(architecture, operations, vectors, batch)
    return transfer(architecture, mapping.place, per_sample).written_per_sample * batch
