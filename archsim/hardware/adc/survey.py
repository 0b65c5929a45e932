"""Energy and area of published converters, from resolution, rate and technology node."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from archsim.fields import Scalar

# Regression of the Murmann ADC survey as published with the CiMLoop ADC plug-in (reference
# `adc.model`): Schreier figure of merit limited by rate and by resolution, energy residual in node
# and bits at the 20 % quantile, area from node, rate and energy.
_FOM_INTERCEPT_DB = 213.7806687348118
_FOM_SLOPE_DB = 2.8719030399529957
_FOM_MAX_DB = (
    128.3068287398817,
    131.52734025085925,
    134.7478517618368,
    137.96836327281437,
    141.18887478379193,
    144.4093862947695,
    147.62989780574708,
    150.85040931672464,
    154.0709208277022,
    157.29143233867975,
    160.5119438496573,
    163.73245536063487,
    166.95296687161243,
    170.17347838259,
    173.39398989356755,
    176.61450140454514,
    179.83501291552267,
    183.05552442650026,
    186.27603593747781,
    189.49654744845537,
    192.71705895943293,
)
_FOM_CEILING_DB = np.asarray(_FOM_MAX_DB)
# The regression's residual falls with bits faster than the figure of merit rises below this.
LEAST_BITS = 4
# Below this node the survey holds too few designs for the regression to be more than a guess.
LEAST_NODE_M = 22e-9
_ENERGY_LOG = (26.0496215686518, 1.8800369206815004, -2.8291256050594527, -1.4702022133784405)
_AREA_LOG = (0.9932794744745022, 0.18071538424508238, 0.29912426192653485, 1.3461916439910742)


def survey_energy_j(bits: Scalar, rate_hz: Scalar, node_m: Scalar) -> Scalar:
    """Energy per conversion of a good published converter (best fifth of the survey), in J.

    Valid for 4 to 20 bits, up to 10 GS/s, about 22 to 180 nm; below 22 nm it extrapolates.  Below
    4 bits, where the regression turns upwards, the value at 4 bits is an upper bound and taken.
    Source: reference `adc.model`.
    """
    bits = np.maximum(bits, LEAST_BITS)
    node_nm = np.asarray(node_m) * 1e9
    sndr_db = 6.02 * np.asarray(bits) + 1.76
    ceiling = _FOM_CEILING_DB[np.ceil(np.asarray(bits, dtype=np.float64)).astype(np.intp)]
    fom_db = np.minimum(_FOM_INTERCEPT_DB - _FOM_SLOPE_DB * np.log(rate_hz), ceiling)
    a, b, c, d = _ENERGY_LOG
    residual = np.exp(a + b * np.log(node_nm) + c * np.log(bits) + d)
    return np.asarray(1e-12 * 0.5 * 10.0 ** ((sndr_db - fom_db) / 10.0) * residual)


def survey_area_m2(energy_j: Scalar, rate_hz: Scalar, node_m: Scalar) -> Scalar:
    """Area of a converter of that energy per conversion and rate, in m^2 (`adc.model`)."""
    a, b, c, d = _AREA_LOG
    log_um2 = (
        a * np.log(np.asarray(node_m) * 1e9)
        + b * np.log(rate_hz)
        + c * np.log(np.asarray(energy_j) * 1e12)
        + d
    )
    return np.asarray(1e-12 * np.exp(log_um2))


Spread: TypeAlias = Literal["low", "typical", "high"]


class SpreadPoint(NamedTuple):
    """Energy over the regression's, and the node below which it stops falling."""

    factor: float
    held_node_m: float


# Reference `adc.survey_residuals`: published energies over the regression.  Designs below 28 nm take
# no less than the regression asks of 28 nm; with that node held, the residuals of old and new nodes
# agree (medians 2.0 at 65 nm and above, 2.3 at 28 to 45 nm, 2.6 below 28 nm).  The high point is
# the 9-bit converter that reference `haensch19.adc_energy` plans with, at 12.65 times the regression
# about the worst tenth of the survey.
SPREADS: dict[Spread, SpreadPoint] = {
    "low": SpreadPoint(1.0, 0.0),
    "typical": SpreadPoint(2.23, 28e-9),
    "high": SpreadPoint(12.65, 28e-9),
}


def spread_energy_j(bits: Scalar, rate_hz: Scalar, node_m: Scalar, spread: Spread) -> Scalar:
    """Energy per conversion at one point of the spread of published converters, in J.

    `low` is the best fifth (`survey_energy_j`), `typical` the median, `high` about the worst tenth.
    Range of `survey_energy_j`; `low` extrapolates below 22 nm, the others do not fall below 28 nm.
    """
    point = SPREADS[spread]
    return point.factor * survey_energy_j(bits, rate_hz, np.maximum(node_m, point.held_node_m))
