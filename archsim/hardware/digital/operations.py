"""Scalar operations by class: their cycles, and their energy entered or from a table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import Discriminator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.scaling import energy_ratio, nominal_supply_v

_Cycles = Quantity(above=0, maximum=10000)
_Energy = Quantity("J", minimum=0, maximum=1e-6)

OPERATIONS: tuple[str, ...] = ("add", "mul", "div", "exp", "log", "sqrt", "special", "compare")


class OperationCosts(Component):
    """One number per class of scalar operation, in the order of `OPERATIONS`."""

    add: Annotated[Scalar, _Cycles]
    mul: Annotated[Scalar, _Cycles]
    div: Annotated[Scalar, _Cycles]
    exp: Annotated[Scalar, _Cycles]
    log: Annotated[Scalar, _Cycles]
    sqrt: Annotated[Scalar, _Cycles]
    special: Annotated[Scalar, _Cycles]
    compare: Annotated[Scalar, _Cycles]


class OperationEnergies(Component):
    """Energy per scalar operation of each class."""

    @abstractmethod
    def by_operation_j(self) -> Mapping[str, Scalar]:
        """Energy of one operation of each of `OPERATIONS`."""


class EnteredEnergies(OperationEnergies):
    """Energy per scalar operation of each class, as given."""

    kind: Literal["entered"]
    add_j: Annotated[Scalar, _Energy]
    mul_j: Annotated[Scalar, _Energy]
    div_j: Annotated[Scalar, _Energy]
    exp_j: Annotated[Scalar, _Energy]
    log_j: Annotated[Scalar, _Energy]
    sqrt_j: Annotated[Scalar, _Energy]
    special_j: Annotated[Scalar, _Energy]
    compare_j: Annotated[Scalar, _Energy]

    def by_operation_j(self) -> Mapping[str, Scalar]:
        """Energy of one operation of each of `OPERATIONS`."""
        return {name: getattr(self, f"{name}_j") for name in OPERATIONS}


Precision: TypeAlias = Literal["int8", "int32", "fp16", "bf16", "fp32"]


class _Published(NamedTuple):
    """Energy in pJ of one addition and one multiplication at 45 and at 7 nm."""

    add_45: float
    add_7: float
    mul_45: float
    mul_7: float


# References `mac.h_*` (45 nm, Horowitz) and `mac.t_*` (7 nm, the TPU table).  bfloat16 is published
# at 7 nm only; at 45 nm it is taken to be to fp16 what it is at 7 nm.
_TABLE: dict[Precision, _Published] = {
    "int8": _Published(0.03, 0.007, 0.2, 0.07),
    "int32": _Published(0.1, 0.03, 3.1, 1.48),
    "fp16": _Published(0.4, 0.16, 1.1, 0.34),
    "bf16": _Published(0.4 * 0.11 / 0.16, 0.11, 1.1 * 0.21 / 0.34, 0.21),
    "fp32": _Published(0.9, 0.38, 3.7, 1.31),
}
_LOG_NODES = (np.log(7.0), np.log(45.0))
# Iterative division and root, two products per table-and-polynomial function (assumed).
_MULTIPLICATIONS = {"div": 4.0, "exp": 2.0, "log": 2.0, "sqrt": 4.0}
# Reference `puma.sigmoid`: a look-up table at 32 nm.
_LUT_J, _LUT_NODE_M = 0.26e-12, 32e-9


class TableEnergies(OperationEnergies):
    """Energies of published arithmetic at 45 and 7 nm, interpolated for the node between them.

    Interpolation is linear in the logarithms of energy and node.  A `supply_v` other than the
    node's nominal one scales them (`archsim.hardware.digital.scaling`).
    """

    kind: Literal["table"]
    precision: Precision
    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=45e-9)]
    supply_v: Annotated[Scalar, Quantity("V", minimum=0.5, maximum=1.3)] | None = None

    def by_operation_j(self) -> Mapping[str, Scalar]:
        """Energy of one operation of each of `OPERATIONS`."""
        published, volts = _TABLE[self.precision], self._voltage_ratio()
        add = volts * self._between(published.add_45, published.add_7)
        mul = volts * self._between(published.mul_45, published.mul_7)
        nominal = nominal_supply_v(self.node_m)
        lut = _LUT_J * energy_ratio(
            _LUT_NODE_M, nominal_supply_v(_LUT_NODE_M), self.node_m, nominal
        )
        return {
            "add": add,
            "mul": mul,
            "compare": add,
            "special": volts * lut,
            **{name: factor * mul for name, factor in _MULTIPLICATIONS.items()},
        }

    def _between(self, at_45: float, at_7: float) -> Scalar:
        log_nm = np.log(np.asarray(self.node_m, dtype=np.float64) * 1e9)
        return np.exp(np.interp(log_nm, _LOG_NODES, (np.log(at_7), np.log(at_45)))) * 1e-12

    def _voltage_ratio(self) -> Scalar:
        if self.supply_v is None:
            return 1.0
        nominal = nominal_supply_v(self.node_m)
        return energy_ratio(self.node_m, nominal, self.node_m, self.supply_v)


OperationEnergy: TypeAlias = Annotated[EnteredEnergies | TableEnergies, Discriminator("kind")]
