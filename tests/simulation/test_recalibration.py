"""References that are set again and again: what a step bears of it, in both fidelities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.hardware.chip import PowerGating
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.programming import programming
from archsim.simulation.recalibration import RECALIBRATION
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, layers, program_of

PLAIN = changed(PROTONIC, mapping__grouped="block_diagonal", schedule__batchnorm="running")


def energy_j(found: Estimate) -> FloatArray:
    """Energy of a step by recalibration, by matrix."""
    count = len(found.program.matrices.names)
    column = found.costs.energy_j[RECALIBRATION][0]
    assert not column[: column.size - count].any()
    return np.asarray(column[column.size - count :])


@settings(max_examples=15)
@given(
    layers=layers,
    batch=st.integers(1, 9),
    share=st.floats(1e-6, 0.99),
    kind=st.sampled_from(["analytic", "cycle"]),
)
def test_the_share_of_all_time_is_lost_and_every_interval_pays_once(
    layers: list[Layer], batch: int, share: float, kind: str
) -> None:
    """Step = work / (1 - share); intervals of a step times the energy of one calibration."""
    program = program_of(layers)
    without = estimate(program, [PLAIN], [batch])
    once = programming(PLAIN, without.mapping)
    interval = float(once.calibration_s[0]) / share
    tree = changed(PLAIN, programming__calibration_interval_s=interval)
    found = estimate(program, [tree], [batch])
    if kind == "cycle":
        run = simulate_step(without, PLAIN)
        without = timed_by_cycle(without, PLAIN, run)
        found = timed_by_cycle(found, tree, simulate_step(found, tree))
    assert RECALIBRATION not in without.costs.energy_j
    work, step = float(without.step_latency_s[0]), float(found.step_latency_s[0])
    assert step == close(work / (1 - share))
    assert float(found.recalibration_s[0]) == close(step * share)
    paid = step / interval * float(once.calibration_j[0])
    assert energy_j(found).sum() == close(paid)
    for name, power in without.static_power_w.items():
        assert found.static_power_w[name] == close(power)
    static = sum(float(power[0]) for power in without.static_power_w.values())
    more = paid + static * (step - work)
    assert found.step_energy_j[0] == close(float(without.step_energy_j[0]) + more)


def test_gated_arrays_are_on_while_their_references_are_set() -> None:
    """The leakage of the arrays in use flows for all of the added time."""
    gate = PowerGating(retained_share=0.0, wake_energy_j=0.0, wake_s=0.0)
    program = program_of([Layer(300, 200, 5), Layer(200, 10, 5)])
    tree = changed(PLAIN, chip__power_gating=gate)
    spent = []
    for interval in (None, 1e-4):
        own = changed(tree, programming__calibration_interval_s=interval)
        found = estimate(program, [own], [4])
        spent.append(float(found.static_power_w["static_adc"][0] * found.step_latency_s[0]))
    ungated = estimate(program, [PLAIN], [4])
    each_w = float(ungated.static_power_w["static_adc"][0]) / float(PLAIN.arrays_available)
    on = each_w * float(found.mapping.arrays_used[0] * found.recalibration_s[0])
    assert on > 0
    assert spent[1] - spent[0] == close(on, rel=1e-6)


def test_an_interval_without_time_for_training_is_refused() -> None:
    program = program_of([Layer(30, 20)])
    once = programming(PLAIN, estimate(program, [PLAIN], [1]).mapping)
    tree = changed(PLAIN, programming__calibration_interval_s=float(once.calibration_s[0]))
    with pytest.raises(InputError, match=r"calibration_interval.*no time for training.*interval"):
        estimate(program, [tree], [1])
