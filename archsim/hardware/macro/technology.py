"""Unit capacitances, energies and areas of circuits in a node; every macro component uses these."""

from __future__ import annotations

from math import log

import numpy as np

from archsim.hardware.digital.scaling import area_ratio, switching_energy_ratio

BOLTZMANN_J_PER_K = 1.380649e-23
TEMPERATURE_K = 300.0

# Reference `wire.routed`: signal wires as routed, the median of five open process kits from 7 to 180 nm,
# whose values show no trend with the node.  Lines of macros lie several minimum pitches apart, as
# routed wires do; lines at the minimum pitch have 0.2 fF per um (reference `wireC`).
WIRE_F_PER_M = 1.72e-10
# Weste & Harris, CMOS VLSI Design: about 1 fF per um of transistor width at the gate, and as much at
# source or drain, of planar transistors in every node.
TERMINAL_F_PER_M = 1e-9
# The narrowest planar transistor is two features wide, and at least this (assumed).
_LEAST_WIDTH_FEATURES = 2.0
_LEAST_WIDTH_M = 50e-9
# From 16 nm on it is one fin, as wide as it is around, and fins stand closer than that: at 14 nm 42 nm
# high, 8 nm wide, every 42 nm (Natarajan et al., IEDM 2014); at 7 nm 32 nm, 6.5 nm and 27 nm (reference
# `fin.asap7`).
_LARGEST_FIN_NODE_M = 16e-9
_FIN_NODES_M = (7e-9, 14e-9)
_FIN_WIDTHS_M = (2.0 * 32e-9 + 6.5e-9, 2.0 * 42e-9 + 8e-9)
_FIN_PITCHES_M = (27e-9, 42e-9)
# Reference `fin.asap7`: from one inverter of the 7 nm kit to the next a fin adds 0.0625 fF while the
# output rests, which is the gate without what the output's swing adds; over the 70.5 nm around it.
_FIN_TERMINAL_F_PER_M = 0.0625e-15 / 70.5e-9
# A chain of inverters, each four times the one before: gates of the chain add 1/4 + 1/16 + ... = 1/3
# of the load.  Reference `inverter.cells`: in a cycle an inverter takes 0.85 of its input's C V^2 for
# its own drains and for the current straight through it, the median of five open kits from 7 to 180 nm
# (0.56, 0.71, 0.85, 0.98, 1.04; textbooks have 1 for planar transistors).
STAGE_RATIO = 4.0
STAGE_PARASITIC = 0.85
DRIVER_FACTOR = 1.0 + (1.0 + STAGE_PARASITIC) / (STAGE_RATIO - 1.0)
# Transistors are laid out five features deep (gate, two contacts, isolation); half of a block is
# wells and wiring (assumed).
_DEPTH_FEATURES = 5.0
_FILL = 0.5
# Reference `mac.h_int8_add`: 30 fJ for 8 bits at 45 nm, 0.9 V.  Reference `reg.aladdin`: 9 fJ per bit
# at 40 nm.
_ADDER_J, _FLIP_FLOP_J = 30e-15 / 8, 9e-15
# Reference `logic.cells45`: sizes of standard cells, 1.4 um high.  Rows are filled to 70 %, the rest
# is wiring (usual in placement; reference `neurosim.calib` has 1.44 for the wiring of a layout).
_ROW_M = 1.4e-6
UTILISATION = 0.7
_GATE_M2, _ADDER_M2, _FLIP_FLOP_M2 = (
    _ROW_M * width_m / UTILISATION for width_m in (0.57e-6, 3.04e-6, 3.23e-6)
)
# The full adder in NAND2 equivalents.
ADDER_GATES = _ADDER_M2 / _GATE_M2
LOGIC_NODE_M, _LOGIC_SUPPLY_V = 45e-9, 0.9
# Reference `cmp.timely`: 40 um^2 at 65 nm.  Areas of converters go with the first power of the node
# (exponent 0.993 in reference `adc.model`).
_COMPARATOR_M2, _COMPARATOR_NODE_M = 40e-12, 65e-9
# Metal-oxide-metal capacitors over several layers, about 2 fF per um^2 (ADC literature; assumed the
# same in every node), and the least unit that still matches to 8 bits.
CAPACITOR_F_PER_M2 = 2e-3
LEAST_UNIT_F = 1e-15


def _over_fin_nodes(values: tuple[float, ...], node_m: float) -> float:
    return float(np.interp(log(node_m), np.log(_FIN_NODES_M), values))


def terminal_capacitance_f(node_m: float) -> float:
    """Gate, source or drain capacitance of the narrowest transistor of a node, 7 to 130 nm."""
    if node_m <= _LARGEST_FIN_NODE_M:
        return _terminal_f_per_m(node_m) * _over_fin_nodes(_FIN_WIDTHS_M, node_m)
    return _terminal_f_per_m(node_m) * max(_LEAST_WIDTH_FEATURES * node_m, _LEAST_WIDTH_M)


def _terminal_f_per_m(node_m: float) -> float:
    return _FIN_TERMINAL_F_PER_M if node_m <= _LARGEST_FIN_NODE_M else TERMINAL_F_PER_M


def driver_area_m2(load_f: float, node_m: float) -> float:
    """Area of the inverter chain that drives a load: its transistors' width, laid out."""
    return layout_area_m2(load_f / (STAGE_RATIO - 1.0) / _terminal_f_per_m(node_m), node_m)


def layout_area_m2(width_m: float, node_m: float) -> float:
    """Area of transistors of that total (electrical) width."""
    drawn_m = width_m
    if node_m <= _LARGEST_FIN_NODE_M:
        around_m = _over_fin_nodes(_FIN_WIDTHS_M, node_m)
        drawn_m *= _over_fin_nodes(_FIN_PITCHES_M, node_m) / around_m
    return drawn_m * _DEPTH_FEATURES * node_m / _FILL


def _logic_energy_ratio(node_m: float, supply_v: float) -> float:
    return float(switching_energy_ratio(LOGIC_NODE_M, _LOGIC_SUPPLY_V, node_m, supply_v))


def full_adder_energy_j(node_m: float, supply_v: float) -> float:
    """Energy of adding one bit with random operands, 7 to 130 nm."""
    return _ADDER_J * _logic_energy_ratio(node_m, supply_v)


def flip_flop_energy_j(node_m: float, supply_v: float) -> float:
    """Energy of one clock edge of a flip-flop, 7 to 130 nm."""
    return _FLIP_FLOP_J * _logic_energy_ratio(node_m, supply_v)


def full_adder_area_m2(node_m: float) -> float:
    """Area of a one-bit full adder as placed, 7 to 130 nm."""
    return _ADDER_M2 * float(area_ratio(LOGIC_NODE_M, node_m))


def comparator_area_m2(node_m: float) -> float:
    """Area of a clocked comparator: its matching keeps it from shrinking as logic does."""
    return _COMPARATOR_M2 * node_m / _COMPARATOR_NODE_M


def flip_flop_area_m2(node_m: float) -> float:
    """Area of a flip-flop as placed, 7 to 130 nm."""
    return _FLIP_FLOP_M2 * float(area_ratio(LOGIC_NODE_M, node_m))
