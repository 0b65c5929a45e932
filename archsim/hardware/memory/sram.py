"""Energy, area and leakage of low-power SRAM by capacity and node, from CACTI results.

References `sram.cacti22.*`, `sram.cacti32.*`, `sram.cacti45.*` (low-standby-power transistors),
`sram.cacti_area`, `sram.cacti_leak`.  Between the tabulated points energies are interpolated
linearly in the logarithms of energy, capacity and node.  The 32 KiB macros are left out: their 64-bit
port makes a bit of them dearer than one of the 64 KiB macros with 256 bits.

The table ends at 22 nm.  Below it, down to 7 nm, energies follow those of logic at nominal supplies
(`stillmaker.energy`), areas the published bit cells (`sram.cells`), and leakage CACTI's rule for FinFETs,
0.79 times the root of the node (`cacti.finfet_leak`).
"""

from __future__ import annotations

import numpy as np

from archsim.fields import FloatArray, Scalar
from archsim.hardware.digital.scaling import energy_ratio, nominal_supply_v

_NODES_NM = (22.0, 32.0, 45.0)
# Nodes of FinFETs, and the area of a high-density bit cell there and at 22 nm, in um^2.
_FINFET_NM = (7.0, 10.0, 14.0, 16.0)
_CELL_UM2 = (0.027, 0.042, 0.064, 0.070)
_CELL_22_UM2 = 0.092
_FINFET_LEAKAGE = 0.79
_CAPACITIES_KIB = (1.0, 8.0, 64.0, 256.0, 1024.0)
_BITS_PER_KIB = 8192.0
LEAST_BANK_BIT = _CAPACITIES_KIB[0] * _BITS_PER_KIB
LARGEST_BANK_BIT = _CAPACITIES_KIB[-1] * _BITS_PER_KIB
# In fJ/bit, by capacity, at the three nodes.
_READ_FJ = (
    (9.5, 22.0, 41.0),
    (24.9, 54.0, 96.0),
    (53.0, 115.0, 202.0),
    (117.0, 262.0, 487.0),
    (247.0, 549.0, 984.0),
)
_WRITE_FJ = (
    (14.1, 35.0, 65.0),
    (27.7, 67.0, 123.0),
    (56.0, 142.0, 259.0),
    (107.0, 250.0, 461.0),
    (227.0, 526.0, 958.0),
)
# Middles of the published ranges.
_LEAKAGE_W_PER_BIT = (2.5e-11, 6.5e-12, 3.65e-12)
_AREA_UM2_PER_BIT = (0.11, 0.225, 0.4)


# Below 22 nm, relative to 22 nm.
_FINFET_ENERGY = tuple(
    float(energy_ratio(22e-9, nominal_supply_v(22e-9), nm * 1e-9, nominal_supply_v(nm * 1e-9)))
    for nm in _FINFET_NM
)
_FINFET_AREA = tuple(cell / _CELL_22_UM2 for cell in _CELL_UM2)
_FINFET_LEAK = tuple(_FINFET_LEAKAGE * (nm / 22.0) ** 0.5 for nm in _FINFET_NM)


def _over_nodes(node_m: Scalar, values: tuple[float, ...], below: tuple[float, ...]) -> FloatArray:
    """The logarithm of a quantity: `values` from 22 nm on, `below` it relative to that at 22 nm."""
    log_nm = np.log(np.asarray(node_m, dtype=np.float64) * 1e9)
    all_values = (*(values[0] * share for share in below), *values)
    return np.asarray(np.interp(log_nm, np.log((*_FINFET_NM, *_NODES_NM)), np.log(all_values)))


def _energy_j(bank_bit: Scalar, node_m: Scalar, table: tuple[tuple[float, ...], ...]) -> Scalar:
    logs = [_over_nodes(node_m, values, _FINFET_ENERGY) for values in table]
    log_kib = np.log(np.asarray(bank_bit, dtype=np.float64) / _BITS_PER_KIB)
    grid = np.log(_CAPACITIES_KIB)
    total = logs[0]
    for i in range(len(logs) - 1):
        share = np.clip((log_kib - grid[i]) / (grid[i + 1] - grid[i]), 0.0, 1.0)
        total = total + share * (logs[i + 1] - logs[i])
    return np.asarray(np.exp(total) * 1e-15)


def read_energy_j_per_bit(bank_bit: Scalar, node_m: Scalar) -> Scalar:
    """Energy of reading a bit from a bank of 1 KiB to 1 MiB at 7 to 45 nm, in J."""
    return _energy_j(bank_bit, node_m, _READ_FJ)


def write_energy_j_per_bit(bank_bit: Scalar, node_m: Scalar) -> Scalar:
    """Energy of writing a bit to a bank of 1 KiB to 1 MiB at 7 to 45 nm, in J."""
    return _energy_j(bank_bit, node_m, _WRITE_FJ)


def leakage_w_per_bit(node_m: Scalar) -> Scalar:
    """Leakage of a bit, 7 to 45 nm, in W."""
    return np.asarray(np.exp(_over_nodes(node_m, _LEAKAGE_W_PER_BIT, _FINFET_LEAK)))


def area_m2_per_bit(node_m: Scalar) -> Scalar:
    """Area of a bit with its share of the periphery, 7 to 45 nm, in m^2."""
    return np.asarray(np.exp(_over_nodes(node_m, _AREA_UM2_PER_BIT, _FINFET_AREA)) * 1e-12)
