"""How digital energy and area change with technology node and supply voltage.

Stillmaker & Baas, Integration 58 (2017), references `stillmaker.energy` and `stillmaker.area`: fits
to circuit simulations of inverter chains.  Values between the tabulated nodes are interpolated over
the logarithm of the node.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps

import numpy as np

from archsim.fields import FloatArray, Scalar, lone

# Energy of a node at supply V is proportional to a V^2 + b V + c.
_NODES_NM = (7.0, 10.0, 14.0, 16.0, 20.0, 32.0, 45.0, 65.0, 90.0, 130.0)
_A = (0.1776, 0.2068, 0.2363, 0.2958, 0.373, 0.9559, 1.103, 3.755, 4.762, 7.171)
_B = (-0.09097, -0.09311, -0.09675, -0.1241, -0.1582, -0.7823, -0.362, -4.398, -4.781, -6.709)
_C = (0.02447, 0.02375, 0.02239, 0.03024, 0.04104, 0.471, 0.2767, 1.975, 2.092, 2.904)
# Area relative to 32 nm.
_AREA = (0.13, 0.22, 0.38, 0.41, 0.46, 1.0, 2.2, 3.3, 6.1, 14.0)
_LOG_AREA = tuple(np.log(_AREA).tolist())
# Nominal supply, reference `neurosim.defaults`.
_SUPPLY_NODES_NM = (7.0, 10.0, 14.0, 22.0, 32.0, 45.0, 65.0, 90.0, 130.0)
_SUPPLY_V = (0.7, 0.75, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2, 1.3)
LEAST_NODE_M = 7e-9
LARGEST_NODE_M = 130e-9


def _over_nodes(node_m: Scalar, nodes_nm: tuple[float, ...], values: tuple[float, ...]) -> Scalar:
    if isinstance(node_m, float):
        return _at_node(node_m, nodes_nm, values)
    log_nm = np.log(np.asarray(node_m, dtype=np.float64) * 1e9)
    return np.interp(log_nm, *_table(nodes_nm, values))


# An estimate asks for the same few values hundreds of times.
@lru_cache
def _at_node(node_m: float, nodes_nm: tuple[float, ...], values: tuple[float, ...]) -> float:
    return float(np.interp(np.log(node_m * 1e9), *_table(nodes_nm, values)))


@lru_cache
def _table(nodes_nm: tuple[float, ...], values: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    return np.log(nodes_nm), np.asarray(values)


def per_node(function: Callable[[Scalar], Scalar]) -> Callable[[Scalar], Scalar]:
    """An elementwise function of the node, whose values at single nodes are kept."""

    @lru_cache
    def known(node_m: float) -> float:
        return lone(function(node_m))

    @wraps(function)
    def of_node(node_m: Scalar) -> Scalar:
        if isinstance(node_m, float):
            return known(node_m)
        if node_m.size == 1:
            return np.full(node_m.shape, known(node_m.item()))
        return function(node_m)

    return of_node


@per_node
def nominal_supply_v(node_m: Scalar) -> Scalar:
    """Nominal supply of logic at a node of 7 to 130 nm, in V."""
    return _over_nodes(node_m, _SUPPLY_NODES_NM, _SUPPLY_V)


def _relative_energy(node_m: Scalar, supply_v: Scalar) -> FloatArray:
    a, b, c = (np.asarray(_over_nodes(node_m, _NODES_NM, values)) for values in (_A, _B, _C))
    volts = np.asarray(supply_v, dtype=np.float64)
    return np.asarray(a * volts**2 + b * volts + c)


def energy_ratio(from_m: Scalar, from_v: Scalar, to_m: Scalar, to_v: Scalar) -> Scalar:
    """Energy of a digital circuit at one node and supply over that at another.

    Valid for 7 to 130 nm and about 0.5 to 1.3 V.
    """
    return _relative_energy(to_m, to_v) / _relative_energy(from_m, from_v)


def _switching_energy(node_m: Scalar, supply_v: Scalar) -> FloatArray:
    """The fit down to the supply where energy over V^2 is least, and C * V^2 below."""
    b, c = (np.asarray(_over_nodes(node_m, _NODES_NM, values)) for values in (_B, _C))
    volts = np.asarray(supply_v, dtype=np.float64)
    at = np.maximum(volts, -2.0 * c / b)  # d/dV (a + b / V + c / V^2) = 0
    return np.asarray(_relative_energy(node_m, at) * (volts / at) ** 2)


def switching_energy_ratio(from_m: Scalar, from_v: Scalar, to_m: Scalar, to_v: Scalar) -> Scalar:
    """As `energy_ratio`, for any supply: the switched capacitance does not rise as V falls.

    The fits contain leakage and crowbar current of their inverter chains: their energy over V^2 has
    a minimum (at 0.9 V in 65 nm), below which that capacitance is kept.
    """
    return _switching_energy(to_m, to_v) / _switching_energy(from_m, from_v)


def area_ratio(from_m: Scalar, to_m: Scalar) -> Scalar:
    """Area of a digital circuit at one node over that at another, 7 to 130 nm."""
    difference = np.asarray(_over_nodes(to_m, _NODES_NM, _LOG_AREA)) - np.asarray(
        _over_nodes(from_m, _NODES_NM, _LOG_AREA)
    )
    return np.asarray(np.exp(difference))
