"""Analog-to-digital converter: energy and area from resolution, rate and technology node."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from archsim.fields import Component, Quantity, Scalar

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
# The regression's residual falls with bits faster than the figure of merit rises below this.
LEAST_BITS = 4
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
    ceiling = np.asarray(_FOM_MAX_DB)[np.ceil(np.asarray(bits, dtype=np.float64)).astype(np.intp)]
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


class Adc(Component):
    """A converter shared by `outputs_per_adc` lines of one side of an array.

    `survey_factor` is the energy relative to the best fifth of published converters (1 is
    optimistic; the survey's median is about 4 at 9 to 10 bits).
    """

    bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=16)]
    rate_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e10)]
    node_m: Annotated[Scalar, Quantity("m", minimum=5e-9, maximum=250e-9)]
    outputs_per_adc: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    survey_factor: Annotated[Scalar, Quantity(minimum=0.1, maximum=100)]

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion."""
        return self.survey_factor * survey_energy_j(self.bits, self.rate_hz, self.node_m)

    def area_m2(self) -> Scalar:
        """Area of one converter; the survey factor is a design's inefficiency, not its size."""
        best = survey_energy_j(self.bits, self.rate_hz, self.node_m)
        return survey_area_m2(best, self.rate_hz, self.node_m)

    def count(self, outputs: Scalar) -> Scalar:
        """Converters that serve `outputs` lines."""
        return np.ceil(outputs / self.outputs_per_adc)
