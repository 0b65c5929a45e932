"""Verdicts follow from figures, and figures from the configurations that ship."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from archsim.config.assumptions import unsourced
from archsim.config.loading import load
from archsim.config.references import check_references
from archsim.hardware.limits import ir_drop, settling_ratios
from archsim.resources import data_folder
from archsim.validation.claims import array_claims, device_claims
from archsim.validation.claims.array_limits import largest, of_size
from archsim.validation.claims.claim import Claim, Verdict, verdict
from archsim.validation.claims.network_step import network_step
from archsim.validation.claims.register import CLAIMS, judge_claims
from archsim.validation.claims.yardsticks import Court, Yardsticks, load_court
from tests.closeness import close


@pytest.fixture(scope="module")
def court() -> Court:
    return load_court()


def figure(claim: Claim, name: str) -> float:
    return next(f.value for f in claim.figures if f.name == name)


def with_device(court: Court, **fields: float) -> Court:
    device = court.chip.device.model_copy(update=fields)
    return replace(court, chip=court.chip.model_copy(update={"device": device}))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([True, True], Verdict.HOLDS),
        ([True, False], Verdict.CONDITIONS),
        ([False, False], Verdict.FAILS),
    ],
)
def test_a_claim_holds_as_far_as_its_conditions_do(
    conditions: list[bool], expected: Verdict
) -> None:
    assert verdict(conditions) is expected


def test_every_claim_has_a_verdict_with_figures() -> None:
    claims = judge_claims()
    assert len({claim.id for claim in claims}) == len(CLAIMS) >= 8
    for claim in claims:
        assert claim.figures
        assert claim.reason.endswith(".")
        assert all(math.isfinite(f.value) and f.source for f in claim.figures)


def test_the_yardsticks_are_cited() -> None:
    loaded = load("protonic", Yardsticks, data_folder("arch_configs") / "claims")
    check_references(loaded)
    assert unsourced(loaded) == ()


def test_the_largest_array_is_the_closed_form(court: Court) -> None:
    """IR drop is 2/3 G r N^2 and settling 0.5 r c N^2, so the bound gives N."""
    chip = court.chip
    g_r = float(chip.device.conductance_mean_siemens * chip.array.cell_resistance_ohm)
    found = largest(chip, lambda x: float(ir_drop(x)), 0.05)
    assert found == math.floor(math.sqrt(1.5 * 0.05 / g_r))
    delay = float(settling_ratios(of_size(chip, 1000))["update"]) / 1000**2
    assert largest(chip, lambda x: float(settling_ratios(x)["update"]), 1.0) == math.floor(
        math.sqrt(1.0 / delay)
    )


def test_no_array_may_be_too_small_or_bounded_at_all(court: Court) -> None:
    assert largest(court.chip, lambda _: 1.0, 0.5) == 0
    assert largest(court.chip, lambda _: 0.1, 0.5) == 65536


def test_a_slower_device_is_slower_by_as_much(court: Court) -> None:
    """The ratios come from the device's file."""
    slow = with_device(court, pulse_width_s=2 * float(court.chip.device.pulse_width_s))
    for claim, name in (
        (device_claims.faster_than_before, "least ratio"),
        (device_claims.synapse_speed, "pulse against synapse"),
    ):
        assert figure(claim(slow), name) == pytest.approx(figure(claim(court), name) / 2)
    assert device_claims.response(slow).verdict is not Verdict.HOLDS


def test_a_device_slower_than_all_before_fails_the_claim(court: Court) -> None:
    slow = with_device(court, pulse_width_s=1.0)
    assert device_claims.faster_than_before(slow).verdict is Verdict.FAILS
    assert device_claims.synapse_speed(slow).verdict is Verdict.FAILS


def test_the_array_takes_more_than_the_device(court: Court) -> None:
    claim = device_claims.energy_per_operation(court)
    device, gate, array = (
        figure(claim, name)
        for name in (
            "proton transfer",
            "gate charge, mean of both polarities",
            "array, per pulse that moves a device",
        )
    )
    assert device < gate < array
    assert claim.verdict is Verdict.CONDITIONS


def test_endurance_is_pulses_per_sample_times_samples(court: Court) -> None:
    claim = device_claims.endurance(court)
    y = court.yardsticks
    need = figure(claim, "pulses needed, arrays that take every update, most")
    assert need == pytest.approx(4 * 1.152e8)
    assert claim.verdict is Verdict.CONDITIONS
    enough = replace(court, yardsticks=y.model_copy(update={"cycles": 1e9}))
    assert device_claims.endurance(enough).verdict is Verdict.HOLDS


def test_time_is_constant_up_to_the_physical_limits(court: Court) -> None:
    claim = array_claims.constant_time(court)
    times = [f.value for f in claim.figures if f.name.startswith("product")]
    assert max(times) == close(min(times))
    assert claim.verdict is Verdict.CONDITIONS


def test_the_projected_acceleration_is_throughput_over_peak(court: Court) -> None:
    claim = array_claims.rpu_acceleration(court)
    rate = figure(claim, "training throughput at full load")
    peak = float(court.gpu.peak.amp_flop_per_s)
    assert figure(claim, "against mixed-precision peak") == pytest.approx(rate / peak)
    step = network_step("resnet50", court.projection, court.gpu, 256)
    assert figure(claim, "against a step of resnet50") == pytest.approx(step.gpu_s / step.chip_s)
    assert claim.verdict is Verdict.FAILS
