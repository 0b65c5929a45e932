"""Steps that devices take unasked: of parallel updates, of transfers, and of averaging copies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.hardware import limits
from archsim.result.firing import pulse_statistics
from archsim.simulation.estimate import Estimate
from archsim.simulation.pulses import PulsesTaken, pulses_taken


def disturb_by_matrix(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """Unasked steps per wanted pulse of a device of each trained matrix on arrays, else 0, [C, M].

    Over all pulses that the device takes, of the array in which that is most.
    """
    most = np.zeros(estimate.mapping.on_array.shape)
    for each in _taken(estimate, architecture):
        most = np.maximum(most, _per_pulse(estimate, architecture, each))
    return _where_trained(estimate, most)


def disturb_where_most_pulsed(estimate: Estimate, architecture: Architecture) -> FloatArray:
    """As `disturb_by_matrix`, of the array whose devices take most pulses."""
    pulses = np.zeros(estimate.mapping.on_array.shape)
    found = np.zeros_like(pulses)
    for each in _taken(estimate, architecture):
        most = each.all > pulses
        found = np.where(most, _per_pulse(estimate, architecture, each), found)
        pulses = np.where(most, each.all, pulses)
    return _where_trained(estimate, found)


def _taken(estimate: Estimate, architecture: Architecture) -> Iterable[PulsesTaken]:
    batch = estimate.batch[:, np.newaxis]
    return pulses_taken(architecture, estimate.program, estimate.mapping, batch).values()


def _where_trained(estimate: Estimate, values: FloatArray) -> FloatArray:
    trained = estimate.mapping.on_array & (estimate.program.matrices.updates > 0)
    return np.where(trained, values, 0.0)


def _per_pulse(estimate: Estimate, architecture: Architecture, taken: PulsesTaken) -> FloatArray:
    """Mean over the pulses of one array, [C, M]; 0 where there are none."""
    crossbar, place = architecture.crossbar, estimate.mapping.place
    per_pulse = limits.disturb_per_pulse(crossbar, pulse_statistics(estimate, architecture))
    unasked = np.asarray(taken.parallel * per_pulse)
    most_rows = architecture.array.rows
    own = np.minimum(place.inputs, most_rows)
    rows = np.minimum(place.inputs * place.blocks_per_array, most_rows)
    for lines in taken.written:
        per_pulse = limits.line_write_disturb_per_pulse(crossbar, lines.slots_per_pulse, rows, own)
        unasked = unasked + lines.pulses * per_pulse
    wanted = np.broadcast_to(taken.all, unasked.shape)
    share = np.divide(unasked, wanted, out=np.zeros(unasked.shape), where=wanted > 0)
    return np.asarray(share, dtype=np.float64)
