"""Contract of every device that ships, and laws of drives, field laws and retention."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.architecture import Architecture
from archsim.config.assumptions import unsourced
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.config.references import check_references
from archsim.errors import InputError
from archsim.fields import stack
from archsim.hardware.device import Device
from archsim.hardware.field_law import HoppingLaw, LinearLaw, ThresholdLaw
from archsim.hardware.response import Polarity
from archsim.hardware.retention import (
    ExponentialRetention,
    LogarithmicRetention,
    PowerLawRetention,
)
from archsim.resources import data_folder
from tests.closeness import close

FOLDER = data_folder("arch_configs") / "devices"
NAMES = names_in(FOLDER)
DEVICES = {name: load(name, Device, FOLDER) for name in NAMES}
ONEN = DEVICES["protonic_onen2022"].value
devices = pytest.mark.parametrize("name", NAMES)


def with_drive(device: Device, **drive: object) -> Device:
    return Device.model_validate({**device.model_dump(by_alias=True), "drive": drive})


@devices
def test_every_number_has_a_source(name: str) -> None:
    """Numbers with a unit cite the bibliography or say that they are assumed."""
    assert unsourced(DEVICES[name]) == ()
    check_references(DEVICES[name])
    own = DEVICES[name].sources
    for key in ("response", "spread", "retention", "field_law", "endurance_pulses"):
        assert any(path.split(".")[0] == key for path in own), key


@devices
def test_the_reference_is_where_alternating_pulses_lead(name: str) -> None:
    """The reference conductance is the symmetry point of the response, to 5 % of the range."""
    device = DEVICES[name].value
    point = device.response.symmetry_point()
    assert float(device.state(device.conductance_reference_siemens)) == pytest.approx(
        point, abs=0.1
    )


@devices
def test_the_range_is_crossed_in_about_the_stated_pulses(name: str) -> None:
    """From the bottom, the pulses of the full range reach most of it, and a tenth does not."""
    device = DEVICES[name].value
    pulses = round(float(device.pulses_full_range))
    response = device.response
    assert float(response.after_pulses(-1.0, pulses, Polarity.UP)) > 0.7
    small = float(response.step(-1.0, Polarity.UP)) < 0.05
    if small:
        assert float(response.after_pulses(-1.0, pulses // 10, Polarity.UP)) < 0.0


@devices
@given(fraction=st.floats(0, 1))
def test_half_select_is_a_share_of_a_step(name: str, fraction: float) -> None:
    """No step without voltage, a whole one at full voltage, never more than linear in between."""
    device = DEVICES[name].value
    assert float(device.half_select_step_fraction(0.0)) == pytest.approx(0.0, abs=1e-15)
    assert float(device.half_select_step_fraction(1.0)) == pytest.approx(1.0, rel=1e-12)
    assert -1e-15 <= float(device.half_select_step_fraction(fraction)) <= fraction + 1e-12


@devices
def test_states_and_conductances_are_inverse(name: str) -> None:
    """The normalisation maps the range to [-1, 1] and back, and steps carry over."""
    device = DEVICES[name].value
    low, high = device.conductance_min_siemens, device.conductance_max_siemens
    g = np.linspace(low, high, 9)
    np.testing.assert_allclose(device.conductance_siemens(device.state(g)), g, rtol=1e-12)
    np.testing.assert_allclose(device.state([low, high]), [-1, 1], atol=1e-12)
    up = device.step_siemens(g, Polarity.UP)
    assert np.all(up >= 0)
    assert np.all(g + up <= high * (1 + 1e-12))


@devices
def test_two_endurance_units_agree(name: str) -> None:
    """Where cycles were published, they are the pulses."""
    device = DEVICES[name].value
    if device.endurance_published == "cycles":
        cycles = float(device.endurance_cycles or 0) * float(device.endurance_cycle_pulses or 0)
        assert device.endurance_pulses == pytest.approx(cycles)


def test_published_steps_of_the_protonic_device_are_reproduced() -> None:
    """Facts `onen22.step_up` and `step_down`: local slopes digitised from Fig. 2A, in nS per pulse.

    The digitisation is good to about 3 nS over the 33 pulses between two points, that is 0.09 nS
    per pulse for one slope; their root mean square deviation is held to half of that.
    """
    up = {26: 0.180, 46: 0.140, 66: 0.183, 90: 0.194, 118: 0.208, 145: 0.278, 216: 0.317}
    down = {
        205: 0.456,
        163: 0.378,
        130: 0.367,
        102: 0.309,
        71: 0.248,
        48: 0.141,
        33: 0.093,
        23: 0.064,
        16: 0.038,
    }
    for published, way, sign in ((up, Polarity.UP, 1), (down, Polarity.DOWN, -1)):
        g = np.asarray(list(published)) * 1e-9
        deviation = sign * ONEN.step_siemens(g, way) * 1e9 - np.asarray(list(published.values()))
        assert np.abs(deviation).max() < 0.05
        assert np.sqrt(np.mean(deviation**2)) < 0.025


def test_asymmetry_of_the_protonic_device_is_the_published_one() -> None:
    """Fact `onen22.asym_ratio`: down over up from 0.3 at the bottom to 1.5 at the top."""
    g = np.asarray([16e-9, 205e-9])
    ratio = -ONEN.step_siemens(g, Polarity.DOWN) / ONEN.step_siemens(g, Polarity.UP)
    assert ratio == pytest.approx([0.3, 1.5], abs=0.12)


def test_half_select_of_the_protonic_device_is_the_published_check() -> None:
    """Fact `check.half_select`: 7.1 and 18.2 full steps per half step at 10 V over 10 nm."""
    for hop_m, ratio in ((0.2e-9, 7.1), (0.3e-9, 18.2)):
        law = HoppingLaw(kind="sinh", hop_distance_m=hop_m, thickness_m=10e-9)
        assert 1 / float(law.step_fraction(0.5, 10.0, 300.0)) == pytest.approx(ratio, rel=0.02)


@given(st.floats(0.01, 0.99), st.floats(1e-11, 1e-9), st.floats(0.1, 100))
def test_the_hopping_law_is_the_textbook_formula(f: float, hop_m: float, volts: float) -> None:
    """sinh(x f) / sinh(x), wherever that can be computed directly."""
    law = HoppingLaw(kind="sinh", hop_distance_m=hop_m, thickness_m=10e-9)
    x = 1.602176634e-19 * hop_m * volts / (2 * 1.380649e-23 * 300.0 * 10e-9)
    if 1e-3 < x < 600:
        expected = math.sinh(x * f) / math.sinh(x)
        assert float(law.step_fraction(f, volts, 300.0)) == close(expected, rel=1e-9)


@given(st.floats(0.0, 1.0), st.sampled_from([0.0, 1e-300, 1e-20, 1e-6]))
def test_the_hopping_law_is_linear_where_the_field_vanishes(f: float, volts: float) -> None:
    law = HoppingLaw(kind="sinh", hop_distance_m=0.25e-9, thickness_m=10e-9)
    assert float(law.step_fraction(f, volts, 300.0)) == pytest.approx(f, rel=1e-6)


def test_field_laws_without_a_field() -> None:
    """Below its threshold a device does not move; a linear one has no protection."""
    threshold = ThresholdLaw(kind="threshold", threshold=0.5)
    assert [float(threshold.step_fraction(f, 1.0, 300.0)) for f in (0.5, 0.75)] == [0.0, 0.5]
    assert float(LinearLaw(kind="linear").step_fraction(0.5, 1.0, 300.0)) == 0.5


def test_the_drive_shows_in_asymmetry_energy_and_area() -> None:
    """Current and compensated drive are nearly symmetric, and neither is free."""
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    found = {
        kind: override(loaded, {"device.drive": f"drives/{kind}"}).value.device
        for kind in ("voltage", "current", "compensated")
    }
    voltage = found.pop("voltage")
    assert voltage.effective_response is voltage.response
    assert (voltage.drive.energy_j, voltage.drive.area_m2) == (0.0, 0.0)
    measured = voltage.effective_response.mean_asymmetry()
    assert measured > 0.3
    for device in found.values():
        left = device.effective_response.mean_asymmetry()
        assert left < 0.1 * measured
        assert left > 0
        assert device.drive.energy_j > 0
        assert device.drive.area_m2 > 0
    perfect = with_drive(ONEN, kind="current", energy=0, area=0, residual_asymmetry=0)
    assert perfect.effective_response.mean_asymmetry() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", ["current", "compensated"])
def test_two_terminals_take_voltage_only(kind: str) -> None:
    """Without a gate there is nothing to drive by current or to compensate."""
    with pytest.raises(ValidationError, match="a two_terminal device takes 'voltage'"):
        with_drive(DEVICES["rpu_spec"].value, kind=kind, energy=0, area=0, residual_asymmetry=0.05)


def test_cycles_need_their_pulses() -> None:
    """A number of cycles without the pulses of a cycle is no endurance."""
    values = ONEN.model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="both, or neither"):
        Device.model_validate(values | {"endurance_cycles": None})
    with pytest.raises(ValidationError, match="are needed"):
        Device.model_validate(values | {"endurance_cycles": None, "endurance_cycle_pulses": None})


RETENTIONS = (
    ExponentialRetention(kind="exponential", time_constant_s=0.2),
    PowerLawRetention(kind="power_law", exponent=0.05, start_s=20.0),
    LogarithmicRetention(kind="logarithmic", per_decade=0.015, start_s=1.0),
)


@pytest.mark.parametrize("retention", RETENTIONS, ids=lambda r: r.kind)
@given(times=st.lists(st.floats(0, 1e9), min_size=2, max_size=2).map(sorted))
def test_drift_starts_at_zero_and_grows(
    retention: ExponentialRetention, times: list[float]
) -> None:
    """Nothing is lost at once, more is lost later, and never more than all."""
    early, late = (float(retention.relative_drift(t)) for t in times)
    assert float(retention.relative_drift(0.0)) == 0.0
    assert 0 <= early <= late <= 1


def test_drift_has_its_closed_values() -> None:
    """A time constant loses 1 - 1/e; the published hold of 100 s loses 3 %; PCM halves its nu."""
    assert float(RETENTIONS[0].relative_drift(0.2)) == pytest.approx(1 - 1 / math.e)
    assert ONEN.retention is not None
    assert float(ONEN.retention.relative_drift(100.0)) == pytest.approx(0.03, rel=0.01)
    assert float(RETENTIONS[1].relative_drift(380.0)) == pytest.approx(1 - 20**-0.05)


@devices
def test_devices_stack(name: str) -> None:
    """Two configurations of one device price like each alone."""
    device = DEVICES[name].value
    other = device.model_copy(update={"pulse_up_v": 2 * float(device.pulse_up_v)})
    together = stack([device, other])
    for row, alone in enumerate((device, other)):
        for both, single in (
            (together.half_select_step_fraction(0.5), alone.half_select_step_fraction(0.5)),
            (together.half_range_siemens, alone.half_range_siemens),
        ):
            shown = np.broadcast_to(both, (2, 1))[row, 0]
            assert float(shown) == close(float(single), rel=1e-12)
        states = np.linspace(-1, 1, 5)
        found = together.effective_response.step(states, Polarity.UP)
        expected = alone.effective_response.step(states, Polarity.UP)
        np.testing.assert_allclose(np.broadcast_to(found, (2, 5))[row], expected, rtol=1e-12)


LINE_MAPS = {"three_terminal": "cells/three_terminal", "two_terminal": "cells/two_terminal"}


@devices
def test_a_device_is_changed_in_two_keys(name: str) -> None:
    """`device` and the line map of its terminals are all that a swap takes."""
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    wanted = LINE_MAPS[DEVICES[name].value.terminals]
    changed = override(loaded, {"device": f"devices/{name}", "array.line_map": wanted}).value
    assert changed.device == DEVICES[name].value


def test_the_wrong_line_map_is_refused_with_the_remedy() -> None:
    """A two-terminal device on lines with a gate, and the other way round."""
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    with pytest.raises(InputError, match="cells/two_terminal"):
        override(loaded, {"device": "devices/pcm"})
    with pytest.raises(InputError, match="cells/three_terminal"):
        override(loaded, {"array.line_map": "cells/two_terminal"})


def test_a_device_without_a_pulse_down_is_refused() -> None:
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    with pytest.raises(InputError, match="pulse_down is 0 V"):
        override(loaded, {"device.pulse_down": "0 V"})
