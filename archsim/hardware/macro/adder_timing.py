"""Delays of adders and registers in a node and at a supply."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from archsim.hardware.macro.delay import delay_ratio
from archsim.hardware.macro.technology import LOGIC_NODE_M

# Reference `logic.timing45`: typical process, 1.1 V, edges of 17 ps, an adder input (3.76 fF) as load;
# the slower edge each, since a clock waits for it.  Full adder: carry to carry, operand to sum;
# flip-flop: clock to output and setup.
_CARRY_S, _SUM_S, _REGISTER_S = 75e-12, 120e-12, 134e-12
# Reference `inverter.delay`: an inverter that drives four of its kind, in open process kits at 7, 45 and
# 130 nm and at their supplies; mean of both edges, which follow each other along a chain.
_KIT_LOG_NODES = tuple(log(node_m) for node_m in (7e-9, 45e-9, 130e-9))
_KIT_SUPPLIES_V = (0.7, 1.1, 1.2)
_KIT_LOG_DELAYS = tuple(log(delay_s) for delay_s in (19.5e-12, 21.2e-12, 56.0e-12))


@dataclass(frozen=True, slots=True)
class AdderTiming:
    """From the inputs of a full adder to its carry and to its sum; what a register takes."""

    carry_s: float
    sum_s: float
    register_s: float


def adder_timing(node_m: float, supply_v: float, threshold_v: float) -> AdderTiming:
    """Delays at a node of 7 to 130 nm.

    They go with that of an inverter: over the logarithm of the node between the kits, whose supplies
    are interpolated alike, and from there to another supply with the alpha-power law.  Raises
    `ValueError` at or below the threshold.
    """
    kit_v = float(np.interp(log(node_m), _KIT_LOG_NODES, _KIT_SUPPLIES_V))
    inverters = _log_inverter_s(node_m) - _log_inverter_s(LOGIC_NODE_M)
    scale = float(np.exp(inverters)) * delay_ratio(supply_v, kit_v, threshold_v)
    return AdderTiming(_CARRY_S * scale, _SUM_S * scale, _REGISTER_S * scale)


def _log_inverter_s(node_m: float) -> float:
    return float(np.interp(log(node_m), _KIT_LOG_NODES, _KIT_LOG_DELAYS))
