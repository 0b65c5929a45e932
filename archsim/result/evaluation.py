"""What a result says of evaluation passes."""

from __future__ import annotations

from typing import Any

from archsim.simulation.evaluation import ForwardPass


def evaluation_section(found: ForwardPass | None) -> dict[str, Any] | None:
    """The result's `evaluation`; None where a pass is not priced apart from the step."""
    if found is None:
        return None
    return {
        "latency_s": found.latency_s,
        "samples_per_s": 1.0 / found.interval_s,
        "energy_per_sample_j": found.energy_j,
        "bottleneck": found.bottleneck,
        "bottleneck_busy": min(found.bottleneck_s / found.interval_s, 1.0),
        "samples_in_flight": found.samples_in_flight,
    }
