"""Minibatches that share one update: what happens once for all of them is spread over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.fields import FloatArray, Scalar
from archsim.simulation.columns import TaskCosts
from archsim.simulation.program import Program


def spread_over_minibatches(costs: TaskCosts, program: Program, minibatches: Scalar) -> TaskCosts:
    """The costs in which each of `minibatches` ([C, 1] or a number, at least 1) bears its part.

    Tasks that happen once per step (the digital optimizer, averaging of copies, transfers of the update
    algorithm that wait for minibatches, weights that are held digitally) happen once for all; time and energy of one minibatch are that over their number.
    """
    if (np.asarray(minibatches) == 1).all():
        return costs
    part = np.where(program.per_step[None, :], 1.0 / np.asarray(minibatches), 1.0)

    def spread(columns: FloatArray) -> FloatArray:
        return np.asarray(columns * part)

    transfers_s, state_bits = costs.transfers_s, costs.state_bits
    return replace(
        costs,
        transfers_s=None if transfers_s is None else spread(transfers_s),
        state_bits=None if state_bits is None else spread(state_bits),
        main_s=spread(costs.main_s),
        transfer_s=spread(costs.transfer_s),
        array_s=spread(costs.array_s),
        shared_s={name: spread(held) for name, held in costs.shared_s.items()},
        energy_j={name: spread(energy) for name, energy in costs.energy_j.items()},
    )
