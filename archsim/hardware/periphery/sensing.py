"""What takes the current of a line: a charge integrator or a transimpedance amplifier."""

from __future__ import annotations

from abc import abstractmethod
from math import log
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Discriminator

from archsim.fields import Quantity, Scalar
from archsim.hardware.periphery.circuit import Circuit


class SensingCircuit(Circuit):
    """The circuit at the end of one sensed line; `component` is its name in the breakdown."""

    component: ClassVar[str]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

    @abstractmethod
    def active_power_w(self, line_f: Scalar, slot_s: Scalar) -> Scalar:
        """Power while it takes the current of a line of `line_f` for slots of `slot_s`."""


class Integrator(SensingCircuit):
    """Collects the charge of a read; powered while the array integrates."""

    component: ClassVar[str] = "integrators"
    kind: Literal["integrator"]
    power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)]

    def active_power_w(self, line_f: Scalar, slot_s: Scalar) -> Scalar:
        """Power while it integrates."""
        return self.power_w + 0.0 * line_f + 0.0 * slot_s


class TransimpedanceAmplifier(SensingCircuit):
    """Turns the current into a voltage at once: it must settle, with the line at its input.

    Settling to 2^-bits within the slot takes `bits` * ln 2 time constants of C_line / gm, so that
    gm = bits * ln 2 * C_line / slot; the bias current is gm over `gm_per_current_per_v` (gm/Id).
    """

    component: ClassVar[str] = "transimpedance_amplifiers"
    kind: Literal["transimpedance"]
    supply_v: Annotated[Scalar, Quantity("V", above=0, maximum=5.0)]
    gm_per_current_per_v: Annotated[Scalar, Quantity("1/V", above=0, maximum=40.0)]
    settling_bits: Annotated[Scalar, Quantity(above=0, maximum=20)]

    def active_power_w(self, line_f: Scalar, slot_s: Scalar) -> Scalar:
        """Bias power while the array is read."""
        transconductance = self.settling_bits * log(2.0) * line_f / slot_s
        return self.supply_v * transconductance / self.gm_per_current_per_v


Sensing: TypeAlias = Annotated[Integrator | TransimpedanceAmplifier, Discriminator("kind")]
