"""Pass gates that carry the current of a line of resistive cells."""

from __future__ import annotations

from archsim.hardware.macro.technology import layout_area_m2

# An n-channel transistor has about 1 kOhm over 1 um of width when on, in every node (Weste & Harris,
# CMOS VLSI Design: resistance of a unit transistor is about constant).
_ON_OHM_M = 1e3 * 1e-6
# A transmission gate has an n- and a p-channel transistor.
_TRANSISTORS = 2.0


def pass_gate_area_m2(cell_on_ohm: float, cells: float, drop_share: float, node_m: float) -> float:
    """Area of a transmission gate in series with `cells` parallel cells of `cell_on_ohm`.

    Its resistance is `drop_share` (> 0) of that of the cells together, so that it takes about that
    share of the voltage.
    """
    resistance_ohm = drop_share * cell_on_ohm / cells
    return _TRANSISTORS * layout_area_m2(_ON_OHM_M / resistance_ohm, node_m)
