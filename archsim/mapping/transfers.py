"""What one transfer between arrays (or one refresh) takes, on one copy of each matrix.

Every array is transferred on its own: arrays side by side that share a line (a strip, over all
column splits) read, filter and write it together, and all strips of a matrix do so at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import Operations, Refresh
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Placement
from archsim.mapping.line_access import line_read, line_write

# The largest of a few hundred half-normal numbers, relative to their mean: a line is written in as
# many slots as its largest pulse count takes.
PEAK = 3.5
# Energy of transfers is reported beside that of the arrays' other work.
PREFIX = "transfer_"
_NEVER = 1e-30
_MOST_PULSES = 1e9
_ALMOST_ONE = 1.0 - 1e-15


@dataclass(frozen=True, slots=True)
class Strips:
    """Arrays that share lines: how many of a matrix there are, and their lines, [C, M].

    `lines` is the mean over the strips (uneven splits, packed blocks), `most_lines` that of the
    fullest one.
    """

    count: Scalar
    lines: Scalar
    most_lines: Scalar


@dataclass(frozen=True, slots=True)
class WriteLoad:
    """Pulses of one line write: `slots` of its train, `written` the chance that it happens.

    A device takes `pulses` on average over all writes that are due, skipped ones included, and a
    column fires with `density` in a slot of a write that happens.
    """

    slots: Scalar
    written: Scalar
    density: Scalar
    pulses: Scalar


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer of each matrix, [C, M]: all strips of one copy.

    `array_s` is how long the arrays are taken, `energy_j` by component.  `macs`, `compares` and
    `words` are digital; `read_bits` pass from the arrays to the vector unit, `pulse_bits` back.  `written_per_sample`
    is how many pulses a device of the array that transfers write takes per training sample, and
    `slots_per_pulse` in how many slots of either polarity its line fires for each of them.
    """

    array_s: FloatArray
    energy_j: Mapping[str, Scalar]
    macs: Scalar
    compares: Scalar
    words: Scalar
    read_bits: Scalar
    pulse_bits: Scalar
    written_per_sample: Scalar
    slots_per_pulse: Scalar


def strips(architecture: Architecture, place: Placement) -> Strips:
    """The strips of one copy of each matrix."""
    count = np.ceil(place.blocks / place.blocks_per_array) * place.row_splits
    return Strips(
        count=count,
        lines=place.inputs * place.blocks / count,
        most_lines=np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows),
    )


def transfer(architecture: Architecture, place: Placement, per_sample: Scalar) -> Transfer:
    """One transfer, if a copy makes `per_sample` of them per training sample."""
    algorithm, strip = architecture.algorithm, strips(architecture, place)
    mean: Operations = algorithm.operations(strip.lines, place.outputs)
    most = algorithm.operations(strip.most_lines, place.outputs).per_transfer
    work = mean.per_transfer
    # Pairs that share an array are written together, but read one device at a time.
    together = arrays_per_weight(architecture) / mean.arrays_per_weight if mean.refresh else 1.0
    due = per_sample * work.line_writes * together / strip.lines
    load = _write_load(architecture, mean, place.outputs, due)
    read = line_read(architecture, place, with_reference=mean.transfer_reads_reference)
    write = line_write(architecture, place, load.slots, load.density)
    writes = load.written * together
    energy = {
        PREFIX + name: strip.count * work.line_reads * value
        for name, value in read.energy_j.items()
    }
    for name, value in write.energy_j.items():
        key = PREFIX + name
        energy[key] = energy.get(key, 0.0) + strip.count * work.line_writes * writes * value
    read_bits, pulse_bits = _mesh_bits(architecture, mean, place.outputs, load)
    seconds = most.line_reads * read.seconds + most.line_writes * writes * write.seconds
    return Transfer(
        array_s=np.asarray(seconds),
        energy_j=energy,
        macs=strip.count * work.digital_macs,
        compares=strip.count * work.digital_compares,
        words=strip.count * work.words_moved,
        read_bits=strip.count * read_bits,
        pulse_bits=strip.count * pulse_bits,
        written_per_sample=load.pulses * due,
        slots_per_pulse=load.slots * load.written / np.maximum(load.pulses, _NEVER),
    )


def _mesh_bits(
    architecture: Architecture, operations: Operations, outputs: Scalar, load: WriteLoad
) -> tuple[Scalar, Scalar]:
    """Bits to the vector unit and back, per strip: what is read, and the pulses to be written.

    Without digital work, what is read of one array stays in the tile for the other.
    """
    work = operations.per_transfer
    if not np.any(np.asarray(work.digital_macs)):
        return 0.0, 0.0
    pulse_bits = np.ceil(np.log2(2.0 * load.slots + 1.0))
    read = work.conversions * architecture.numbers.partial_sum_bits
    return read, work.line_writes * load.written * outputs * pulse_bits


def _write_load(
    architecture: Architecture, operations: Operations, outputs: Scalar, due: Scalar
) -> WriteLoad:
    """Pulses of a line write, if `due` of them reach each device per training sample."""
    seldom = np.maximum(due, _NEVER)
    if operations.refresh is not None:
        return _refresh_load(architecture, operations.refresh, outputs, seldom)
    pulses = np.minimum(operations.written_pulses_per_sample / seldom, _MOST_PULSES)
    slots = np.minimum(operations.per_transfer.write_slots, np.maximum(np.ceil(PEAK * pulses), 1.0))
    pulses = np.minimum(pulses, slots)
    written = _any_of(outputs, np.minimum(pulses, 1.0))
    return WriteLoad(slots, written, pulses / (slots * written), pulses)


def _refresh_load(
    architecture: Architecture, refresh: Refresh, outputs: Scalar, due: Scalar
) -> WriteLoad:
    """Reset and second writing of the pairs that have come to the top of their range.

    Either device of a pair takes half of the update's pulses, all of them up.  A reset is the down
    pulses that lead it back.
    """
    whole = architecture.device.pulses_full_range
    climb = np.maximum(refresh.upper * whole, 1.0)
    share = np.minimum(0.5 * architecture.update.pulses_per_sample / due / climb, 1.0)
    rewritten = (refresh.upper - refresh.lower) * whole
    slots = climb + rewritten
    # Half of the largest difference on average, on one of the two devices.
    pulses = share * (climb + 0.25 * rewritten)
    written = _any_of(outputs, share)
    return WriteLoad(slots, written, pulses / (slots * written), pulses)


def _any_of(outputs: Scalar, share: Scalar) -> Scalar:
    """Chance that at least one of a line's devices is written, each with chance `share`."""
    return np.asarray(
        -np.expm1(outputs * np.log1p(-np.minimum(share, _ALMOST_ONE))), dtype=np.float64
    )


def transfers_per_sample(
    architecture: Architecture, operations: Operations, vectors: Scalar, batch: Scalar
) -> Scalar:
    """Transfers that a copy makes per training sample, if it takes `vectors` updates of each.

    With immediate updates every sample is a minibatch of its own, and minibatches that share their
    updates (`schedule.accumulate`) are one.
    """
    if not operations.transfers:
        return 0.0
    policy = architecture.schedule
    minibatch = 1.0 if policy.update == "immediate" else batch * policy.accumulate
    trained = np.asarray(vectors) > 0
    made = trained * operations.transfers_per_minibatch(vectors * minibatch)
    return np.asarray(made / minibatch, dtype=np.float64)
