"""Limits against the size of an array agree with those of an architecture of that size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm import MixedPrecision
from archsim.cli.inputs import load_architecture
from archsim.explore.array_sizes import (
    Bounds,
    largest_arrays,
    lifetime,
    of_size,
    size_study,
)
from archsim.hardware import limits
from archsim.hardware.crossbar import Direction, Placement
from tests.closeness import close
from tests.hardware.chips import chip
from tests.simulation.architectures import changed

PROTONIC = load_architecture("protonic_256", {}).value
RPU = load_architecture("rpu_4096", {}).value


@pytest.mark.parametrize("size", [64, 256, 1000])
def test_a_row_is_what_an_architecture_of_that_size_costs(size: int) -> None:
    """Sizes priced together equal each one configured alone."""
    study = size_study(PROTONIC, [16, size, 4096])
    alone = changed(PROTONIC, array__rows=size, array__cols=size).crossbar
    place = Placement(size, alone.array.weight_columns, 1.0, 1.0, 1.0, 1.0)
    cost = alone.read_cost(place, Direction.FORWARD)
    weights = size * float(np.asarray(alone.array.weight_columns))
    energy = float(np.asarray(sum(cost.energy_j.values())))
    assert study.mac_energy_j[1] == close(energy / weights, rel=1e-12)
    assert study.read_noise[1] == close(float(limits.read_noise(alone)), rel=1e-12)
    assert study.read_s[1] == close(float(np.asarray(cost.interval_s)), rel=1e-12)


bounds = st.floats(1e-3, 10.0)


@settings(max_examples=25, deadline=None)
@given(noise=bounds, drop=st.floats(1e-3, 0.9), settling=bounds)
def test_the_largest_array_keeps_its_bound_and_the_next_does_not(
    noise: float, drop: float, settling: float
) -> None:
    """At the size found each limit holds; one row and column more break it."""
    functions = {
        "read_noise": limits.read_noise,
        "ir_drop": limits.ir_drop,
        "settling_read": lambda c: limits.settling_ratios(c)["forward read"],
        "settling_update": lambda c: limits.settling_ratios(c)["update"],
    }
    found = largest_arrays(PROTONIC, Bounds(noise, drop, settling))
    assert {entry.limit for entry in found} == functions.keys()
    for entry in found:
        function = functions[entry.limit]
        if entry.size is None:
            assert float(np.asarray(function(of_size(PROTONIC, 65536)))) <= entry.bound
            continue
        assert entry.size == 0 or function(of_size(PROTONIC, entry.size)) <= entry.bound
        assert function(of_size(PROTONIC, entry.size + 1)) > entry.bound


def test_noise_and_drop_grow_and_energy_per_product_falls_with_size() -> None:
    """A larger array shares its converters among more products, at more noise and drop."""
    for architecture in (PROTONIC, RPU):
        study = size_study(architecture)
        for growing in (study.read_noise, study.ir_drop, study.settling_read, study.ir_drop_nodal):
            assert (np.diff(growing) > 0).all()
        assert (np.diff(study.mac_energy_j) < 0).all()
        assert (np.diff(study.far_amplitude) <= 0).all()


def test_the_closed_form_of_ir_drop_bounds_the_nodal_solution() -> None:
    """Small drops agree to a few per cent; large ones saturate, which the closed form ignores."""
    study = size_study(PROTONIC)
    small = study.ir_drop < 0.01
    assert small.any()
    assert study.ir_drop_nodal[small] == close(study.ir_drop[small], rel=0.02)
    assert (study.ir_drop_nodal <= study.ir_drop * 1.01).all()
    assert (study.ir_drop_nodal < 1).all()


def test_noise_parts_add_in_quadrature() -> None:
    """The noise of a read is that of devices, integrator and converter."""
    study = size_study(RPU)
    parts = study.device_noise**2 + study.integrator_noise**2 + study.converter_noise**2
    np.testing.assert_allclose(study.read_noise**2, parts, rtol=1e-12)


@pytest.mark.parametrize("vectors", [1.0, 49.0, 3136.0])
def test_a_lifetime_is_the_endurance_over_the_pulses(vectors: float) -> None:
    """Runs times samples times pulses per sample use up the endurance, for any vectors."""
    life = {k: float(v or 0) for k, v in lifetime(PROTONIC, 1e6, vectors).items()}
    used = life["training_runs"] * 1e6 * life["pulses_per_device_per_sample"]
    assert used == close(float(np.asarray(PROTONIC.device.endurance_pulses)), rel=1e-9)
    asked = float(np.asarray(PROTONIC.update.pulses_per_sample))
    assert life["pulses_per_device_per_sample"] == close(asked, rel=1e-9)


def naive_far_end(rc_s: float, time_s: float, nodes: int = 400) -> float:
    """Far end of an RC ladder driven by a step, by implicit time steps."""
    r, c = rc_s / nodes, 1.0 / nodes  # total resistance rc_s, total capacitance 1
    step = time_s / 2000
    main = np.full(nodes, 2.0 / r + c / step)
    main[-1] = 1.0 / r + c / step
    matrix = (
        np.diag(main)
        - np.diag(np.full(nodes - 1, 1 / r), 1)
        - np.diag(np.full(nodes - 1, 1 / r), -1)
    )
    inverse = np.linalg.inv(matrix)
    v = np.zeros(nodes)
    drive = np.zeros(nodes)
    drive[0] = 1.0 / r
    for _ in range(2000):
        v = inverse @ (drive + c / step * v)
    return float(v[-1])


@pytest.mark.parametrize("ratio", [0.1, 1 / 3, 1.0])
def test_the_far_end_of_a_line_follows_the_diffusion_equation(ratio: float) -> None:
    """The first mode gives what a ladder of resistors and capacitors reaches in a pulse."""
    crossbar = PROTONIC.crossbar
    delay = float(np.asarray(limits.line_delay_s(crossbar)))
    pulse_s = delay / ratio + float(np.asarray(limits.edge_s(crossbar)))
    slow = changed(PROTONIC, device__pulse_width_s=pulse_s).crossbar
    expected = naive_far_end(2.0 * ratio, 1.0)
    assert float(limits.far_amplitude(slow)) == pytest.approx(expected, abs=0.01)


def test_lines_behind_access_transistors_settle_with_what_hangs_on_them() -> None:
    """0.5 * R * C of the slower line: drains on data lines, gates on those that open transistors."""
    architecture = chip("access transistors", array__spare_rows=16)
    array = architecture.array
    assert array.access is not None
    side = math.sqrt(float(array.cell_pitch_m) ** 2 + float(array.access.area_m2))
    wire_f, r = float(array.wire_capacitance_f_per_m) * side, 6.68e6 * side
    data = 0.5 * r * (wire_f + float(array.access.drain_capacitance_f)) * 272**2
    opening = 0.5 * r * (wire_f + float(array.access.gate_capacitance_f)) * 256**2
    found = limits.settling_ratios(architecture.crossbar)
    assert float(np.asarray(found["forward read"])) == close(data / 80e-9)
    left_s = 5e-9 - float(np.asarray(limits.edge_s(architecture.crossbar)))
    assert float(np.asarray(found["update"])) == close(max(data, opening) / left_s)


@pytest.mark.parametrize(("apart", "conversions"), [(False, 1), (True, 2)])
def test_the_noise_of_a_conversion_is_its_step_over_the_root_of_twelve(
    apart: bool, conversions: int
) -> None:
    """9 bits over +-12 in 255 steps to either side; pairs converted apart take two."""
    crossbar = chip("as shipped", periphery__subtract_before_adc=not apart).crossbar
    expected = 12 / 255 * math.sqrt(conversions / 12)
    assert float(limits.converter_noise(crossbar)) == close(expected)


def test_devices_that_are_only_written_wear_by_what_is_written() -> None:
    """Mixed precision makes no parallel updates, so that no line fires in them."""
    algorithm = MixedPrecision(kind="mixed_precision", written_pulses_per_sample=0.25)
    life = lifetime(changed(PROTONIC, algorithm=algorithm), 1e6, 49.0)
    assert life["pulses_per_device_per_sample"] == 0.25
    endurance = float(np.asarray(PROTONIC.device.endurance_pulses))
    assert life["samples_to_wear_out"] == close(endurance / 0.25)
    assert life["firing_probability"] is None
    assert life["disturb_per_pulse"] is None
