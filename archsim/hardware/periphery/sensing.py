"""What takes the current of a line: a charge integrator or a transimpedance amplifier."""

from __future__ import annotations

from abc import abstractmethod
from math import log
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
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

    @property
    @abstractmethod
    def device_noise_factor(self) -> Scalar:
        """Johnson noise of the devices over that of their current averaged over the slot."""

    @property
    @abstractmethod
    def own_noise_factor(self) -> Scalar:
        """Its own noise over sqrt(k T C), C a capacitor that holds the largest output at its swing."""


class Integrator(SensingCircuit):
    """Collects the charge of a read; powered while the array integrates."""

    component: ClassVar[str] = "integrators"
    kind: Literal["integrator"]
    power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)]

    def active_power_w(self, line_f: Scalar, slot_s: Scalar) -> Scalar:
        """Power while it integrates."""
        return self.power_w + 0.0 * line_f + 0.0 * slot_s

    @property
    def device_noise_factor(self) -> Scalar:
        """It averages over the slot."""
        return 1.0

    @property
    def own_noise_factor(self) -> Scalar:
        """The reset of its capacitor."""
        return 1.0


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
        transconductance = self._time_constants * line_f / slot_s
        return self.supply_v * transconductance / self.gm_per_current_per_v

    @property
    def device_noise_factor(self) -> Scalar:
        """sqrt(bits * ln 2 / 2): one pole passes 1 / (4 tau), an average over a slot 1 / (2 slot)."""
        return np.sqrt(0.5 * self._time_constants)

    @property
    def own_noise_factor(self) -> Scalar:
        """sqrt(bits * ln 2): k T / (R tau) of the feedback resistor R, the swing over the largest current.

        The amplifier's own transistors are left out, as those of an integrator are.
        """
        return np.sqrt(self._time_constants)

    @property
    def _time_constants(self) -> Scalar:
        """Time constants in a slot."""
        return self.settling_bits * log(2.0)


Sensing: TypeAlias = Annotated[Integrator | TransimpedanceAmplifier, Discriminator("kind")]
