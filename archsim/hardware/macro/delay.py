"""Gate delay against supply voltage."""

from __future__ import annotations

# Sakurai & Newton, IEEE JSSC 25:584 (1990): drive current ~ (V - Vth)^1.3 in short channels.
VELOCITY_SATURATION = 1.3


def delay_ratio(supply_v: float, from_supply_v: float, threshold_v: float) -> float:
    """Gate delay at a supply over that at another: V / (V - Vth)^1.3, both above the threshold.

    Source: alpha-power law (Sakurai & Newton 1990).  Raises `ValueError` at or below threshold.
    """
    if min(supply_v, from_supply_v) <= threshold_v:
        raise ValueError("the alpha-power law holds above the threshold voltage")
    overdrive = (from_supply_v - threshold_v) / (supply_v - threshold_v)
    return supply_v / from_supply_v * float(overdrive**VELOCITY_SATURATION)
