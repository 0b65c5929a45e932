"""Energy, area and leakage of low-power SRAM by capacity and node, from CACTI results.

References `sram.cacti22.*`, `sram.cacti32.*`, `sram.cacti45.*` (low-standby-power transistors),
`sram.cacti_area`, `sram.cacti_leak`.  Between the tabulated points energies are interpolated
linearly in the logarithms of energy, capacity and node.  The 32 KiB macros are left out: their 64-bit
port makes a bit of them dearer than one of the 64 KiB macros with 256 bits.
"""

from __future__ import annotations

import numpy as np

from archsim.fields import FloatArray, Scalar

_NODES_NM = (22.0, 32.0, 45.0)
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


def _over_nodes(node_m: Scalar, values: tuple[float, ...]) -> FloatArray:
    log_nm = np.log(np.asarray(node_m, dtype=np.float64) * 1e9)
    return np.asarray(np.interp(log_nm, np.log(_NODES_NM), np.log(values)))


def _energy_j(bank_bit: Scalar, node_m: Scalar, table: tuple[tuple[float, ...], ...]) -> Scalar:
    logs = [_over_nodes(node_m, values) for values in table]
    log_kib = np.log(np.asarray(bank_bit, dtype=np.float64) / _BITS_PER_KIB)
    grid = np.log(_CAPACITIES_KIB)
    total = logs[0]
    for i in range(len(logs) - 1):
        share = np.clip((log_kib - grid[i]) / (grid[i + 1] - grid[i]), 0.0, 1.0)
        total = total + share * (logs[i + 1] - logs[i])
    return np.asarray(np.exp(total) * 1e-15)


def read_energy_j_per_bit(bank_bit: Scalar, node_m: Scalar) -> Scalar:
    """Energy of reading a bit from a bank of 1 KiB to 1 MiB at 22 to 45 nm, in J."""
    return _energy_j(bank_bit, node_m, _READ_FJ)


def write_energy_j_per_bit(bank_bit: Scalar, node_m: Scalar) -> Scalar:
    """Energy of writing a bit to a bank of 1 KiB to 1 MiB at 22 to 45 nm, in J."""
    return _energy_j(bank_bit, node_m, _WRITE_FJ)


def leakage_w_per_bit(node_m: Scalar) -> Scalar:
    """Leakage of a bit, 22 to 45 nm, in W."""
    return np.asarray(np.exp(_over_nodes(node_m, _LEAKAGE_W_PER_BIT)))


def area_m2_per_bit(node_m: Scalar) -> Scalar:
    """Area of a bit with its share of the periphery, 22 to 45 nm, in m^2."""
    return np.asarray(np.exp(_over_nodes(node_m, _AREA_UM2_PER_BIT)) * 1e-12)
