"""Unit capacitances, energies and areas of circuits in a node; every macro component uses these."""

from __future__ import annotations

from archsim.hardware.digital.scaling import area_ratio, switching_energy_ratio

BOLTZMANN_J_PER_K = 1.380649e-23
TEMPERATURE_K = 300.0

# Reference `wireC`: 0.2 fF per um of a minimum-pitch wire, in every node.
WIRE_F_PER_M = 2e-10
# Weste & Harris, CMOS VLSI Design: about 1 fF per um of transistor width at the gate, and as much at
# source or drain, in every node.
TERMINAL_F_PER_M = 1e-9
# Two features is the narrowest planar transistor; a single fin acts as about 50 nm.
_LEAST_WIDTH_FEATURES = 2.0
_LEAST_WIDTH_M = 50e-9
# A chain of inverters, each four times the one before: gates of the chain add 1/4 + 1/16 + ... = 1/3
# of the load, drains as much again.
STAGE_RATIO = 4.0
DRIVER_FACTOR = 1.0 + 2.0 / (STAGE_RATIO - 1.0)
# Transistors are laid out five features deep (gate, two contacts, isolation); half of a block is
# wells and wiring (assumed).
_DEPTH_FEATURES = 5.0
_FILL = 0.5
# From 16 nm on fins stand closer than they are wide all around: at 14 nm 42 nm high, 8 nm wide, every
# 42 nm (Natarajan et al., IEDM 2014), that is (2 * 42 + 8) / 42 of their pitch.
_LARGEST_FIN_NODE_M = 16e-9
_FIN_WIDTH_SHARE = (2.0 * 42.0 + 8.0) / 42.0
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


def terminal_capacitance_f(node_m: float) -> float:
    """Gate, source or drain capacitance of the narrowest transistor of a node."""
    width_m = max(_LEAST_WIDTH_FEATURES * node_m, _LEAST_WIDTH_M)
    return TERMINAL_F_PER_M * width_m


def driver_area_m2(load_f: float, node_m: float) -> float:
    """Area of the inverter chain that drives a load: its transistors' width, laid out."""
    return layout_area_m2(load_f / (STAGE_RATIO - 1.0) / TERMINAL_F_PER_M, node_m)


def layout_area_m2(width_m: float, node_m: float) -> float:
    """Area of transistors of that total (electrical) width."""
    drawn_m = width_m / _FIN_WIDTH_SHARE if node_m <= _LARGEST_FIN_NODE_M else width_m
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
