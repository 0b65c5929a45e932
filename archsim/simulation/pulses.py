"""Pulses that a device takes in one step, in each of the arrays that hold its weight."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import Pulsed, Role
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure, weight_arrays
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping, effective_pulses
from archsim.mapping.transfers import transfer, transfers_per_sample
from archsim.mapping.write_back import write_backs
from archsim.simulation.program import Program


@dataclass(frozen=True, slots=True)
class LinePulses:
    """Pulses per step of a device whose lines are written one by one, [C, M].

    Its line fires in `slots_per_pulse` slots of either polarity for each.
    """

    pulses: Scalar
    slots_per_pulse: Scalar


@dataclass(frozen=True, slots=True)
class PulsesTaken:
    """Pulses per step of a device of one array: of parallel updates ([C, M]), and of line writes."""

    parallel: Scalar
    written: tuple[LinePulses, ...]

    @property
    def all(self) -> Scalar:
        """Both together."""
        total = self.parallel
        for each in self.written:
            total = total + each.pulses
        return total


def pulses_by_role(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> MappingType[Role, FloatArray]:
    """Pulses that one device takes per step by the role of its array, each [C, M]."""
    taken = pulses_taken(architecture, program, mapping, batch)
    return {role: np.asarray(each.all * mapping.on_array) for role, each in taken.items()}


def pulses_taken(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> MappingType[Role, PulsesTaken]:
    """By the role of its array, what a device of each matrix takes if it is on arrays.

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
    written = _written(architecture, mapping, table.updates / share, batch)
    averaged = _averaged(architecture, program, mapping, batch)
    parallel: dict[Pulsed, Scalar] = {Pulsed.PARALLEL: trained, Pulsed.SHARED: 0.5 * trained}
    by_transfers = (Pulsed.SHARED, Pulsed.WRITTEN)
    return {
        array.role: PulsesTaken(
            parallel.get(array.pulsed, 0.0 * trained),
            (written if array.pulsed in by_transfers else ()) + averaged.get(array.role, ()),
        )
        for array in weight_arrays(architecture)
    }


def _averaged(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> dict[Role, tuple[LinePulses, ...]]:
    """What averaging the copies writes into the arrays that are read."""
    policy = architecture.mapping
    copied = (mapping.copies > 1) & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return {}
    every = policy.sync_interval * architecture.schedule.accumulate
    return {
        back.role: (
            LinePulses(
                copied * back.read * back.pulses / every,
                back.slots / np.where(copied, back.pulses, 1.0),
            ),
        )
        for back in write_backs(architecture, batch, mapping.copies)
    }


def _written(
    architecture: Architecture, mapping: Mapping, vectors: FloatArray, batch: FloatArray
) -> tuple[LinePulses, ...]:
    """What transfers give to a device of the array that they write.

    A copy takes `vectors` updates of each sample, [C, M].
    """
    operations = structure(architecture)
    if not operations.transfers:
        return ()
    per_sample = transfers_per_sample(architecture, operations, vectors, batch)
    found = transfer(architecture, mapping.place, per_sample)
    return (LinePulses(found.written_per_sample * batch, found.slots_per_pulse),)
