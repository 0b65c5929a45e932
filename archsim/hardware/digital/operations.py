"""Scalar operations by class: their cycles, and their energy entered or from a table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.arithmetic import Arithmetic, Precision
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


# Iterative division and root, two products per table-and-polynomial function (assumed).
_MULTIPLICATIONS = {"div": 4.0, "exp": 2.0, "log": 2.0, "sqrt": 4.0}
# Reference `puma.sigmoid`: a look-up table at 32 nm.
_LUT_J, _LUT_NODE_M = 0.26e-12, 32e-9


class TableEnergies(OperationEnergies):
    """Energies of published arithmetic at 45 and 7 nm, interpolated for the node between them.

    See `archsim.hardware.digital.arithmetic`.  A `supply_v` other than the node's nominal one scales
    them (`archsim.hardware.digital.scaling`).
    """

    kind: Literal["table"]
    precision: Precision
    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=45e-9)]
    supply_v: Annotated[Scalar, Quantity("V", minimum=0.5, maximum=1.3)] | None = None

    def by_operation_j(self) -> Mapping[str, Scalar]:
        """Energy of one operation of each of `OPERATIONS`."""
        unit = Arithmetic(self.precision, self.node_m, self.supply_v)
        add, mul = unit.add_j, unit.mul_j
        nominal = nominal_supply_v(self.node_m)
        supply = nominal if self.supply_v is None else self.supply_v
        lut = _LUT_J * energy_ratio(_LUT_NODE_M, nominal_supply_v(_LUT_NODE_M), self.node_m, supply)
        return {
            "add": add,
            "mul": mul,
            "compare": add,
            "special": lut,
            **{name: factor * mul for name, factor in _MULTIPLICATIONS.items()},
        }


OperationEnergy: TypeAlias = Annotated[EnteredEnergies | TableEnergies, Discriminator("kind")]
