"""The digitised protonic curve: how well each model fits, and the shipped device."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.config.loading import load
from archsim.fitting.fit import Fits, fit_all
from archsim.fitting.reading import read_curve
from archsim.hardware.device import Device
from archsim.hardware.response import Polarity
from archsim.resources import data_folder

CURVE = Path(__file__).parents[1] / "data" / "fitting" / "onen2022_fig2a.csv"
SHIPPED = load("protonic_onen2022", Device, data_folder("arch_configs") / "devices").value


@pytest.fixture(scope="module")
def fits() -> Fits:
    """The curve over the printed range of 11.4 to 233.6 nS, turning after 1000 pulses."""
    return fit_all(read_curve(CURVE, turn=1000), (11.4e-9, 233.6e-9))


def test_the_protonic_model_describes_the_curve(fits: Fits) -> None:
    """R^2 0.9986 with five parameters; the residual is within the digitisation's 3 nS."""
    assert fits.best.kind == "protonic"
    assert fits.best.r_squared == pytest.approx(0.9986, abs=2e-4)
    assert fits.best.residual_siemens < 3e-9
    others = {fit.kind: fit.r_squared for fit in fits.fits}
    assert others["linear"] < others["protonic"]
    assert others["constant"] < 0.97


def test_what_the_curve_cannot_tell_is_said(fits: Fits) -> None:
    """Nodes where points were left out fit the rest closely and mean nothing: ranked last."""
    piecewise = fits.fit("piecewise")
    assert piecewise.r_squared > fits.best.r_squared
    assert not piecewise.determined


def test_the_shipped_device_holds_the_fitted_numbers(fits: Fits) -> None:
    """The numbers in the device file are those of the fit, as far as they are written."""
    response = SHIPPED.response
    assert response.kind == "protonic"
    for name in ("step_up", "step_down", "mobility", "filling"):
        p = fits.best.parameter(name)
        assert p.low is not None
        assert p.high is not None
        assert p.low <= getattr(response, name) <= p.high
        assert getattr(response, name) == pytest.approx(p.value, rel=0.02)


def test_the_symmetry_point_agrees_with_the_digitised_one(fits: Fits) -> None:
    """51 nS from local slopes, 46.5 nS from the fit: within 3 % of the range of 222 nS."""
    g = SHIPPED.conductance_siemens(fits.best.response.symmetry_point())
    assert float(g) == pytest.approx(51e-9, abs=0.03 * 222e-9)
    up = SHIPPED.step_siemens(g, Polarity.UP)
    assert float(up) == pytest.approx(0.16e-9, abs=0.01e-9), "fact onen22.dw_min_sp"


def test_the_turning_point_is_found(fits: Fits) -> None:
    """Without being told, the polarity changes at the 1000th pulse, give or take a point."""
    assert fits.curve.branches[0].pulses == 1000
    found = read_curve(CURVE).branches
    assert [b.polarity for b in found] == [Polarity.UP, Polarity.DOWN]
    assert found[0].pulses == pytest.approx(1000, abs=33)
