"""`accuracy` of a run that did not train: signal over noise of reads and updates, per matrix.

These are proxies.  They say where noise is large beside the signal, not what accuracy follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archsim.architecture import Architecture
from archsim.result.disturb import disturb_where_most_pulsed
from archsim.simulation.estimate import Estimate

_LABEL = "proxies: signal over noise, not an accuracy; `archsim accuracy` trains the network"


def proxies_section(
    estimate: Estimate, architecture: Architecture, limits: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Read and update SNR of every matrix on arrays, and the worst of each; None without arrays.

    `limits` are the rows of `limit_rows`.  Ratios are of root mean squares, not in decibels.
    """
    if not limits:
        return None
    table = estimate.program.matrices
    index = {name: i for i, name in enumerate(table.names)}
    disturb = disturb_where_most_pulsed(estimate, architecture)[0]
    rows = []
    for limit in limits:
        i = index[limit["matrix"]]
        splits = math.ceil(float(table.inputs[i]) / float(limit["rows"]))
        rows.append(
            {
                "matrix": limit["matrix"],
                "read_snr": read_snr(architecture, float(limit["read_noise"]), splits),
                "update_snr": update_snr(architecture, {**limit, "disturb_per_pulse": disturb[i]}),
            }
        )
    worst_read = min(rows, key=lambda row: row["read_snr"])
    updated = [row for row in rows if row["update_snr"] is not None]
    worst_update = min(updated, key=lambda row: row["update_snr"], default=None)
    return {
        "kind": "proxies",
        "label": _LABEL,
        "worst_read_snr": worst_read["read_snr"],
        "worst_read_layer": worst_read["matrix"],
        "worst_update_snr": None if worst_update is None else worst_update["update_snr"],
        "worst_update_layer": None if worst_update is None else worst_update["matrix"],
        "spread_known": step_noise(architecture) is not None,
        "layers": rows,
    }


def read_snr(architecture: Architecture, noise: float, splits: int) -> float:
    """Root mean square of an output over that of its noise.

    `noise` is that of one conversion, in units of weight 1 times input 1, and adds up over the
    `splits` arrays whose partial sums make an output.  K inputs of mean square E[x^2] and weights of
    variance 1/K, as fresh weights have, make an output of mean square E[x^2], whatever K is.
    """
    signal = math.sqrt(float(np.asarray(architecture.read.mean_square_input)))
    return signal / (noise * math.sqrt(splits))


def step_noise(architecture: Architecture) -> float | None:
    """Deviation of one step from pulse to pulse, relative to the step; None if not published."""
    spread = architecture.device.spread
    known = None if spread is None else spread.step_cycles
    return None if known is None else float(np.asarray(known))


def update_snr(architecture: Architecture, limit: Mapping[str, Any]) -> float | None:
    """Steps of a device in a minibatch over what it does besides; None if it takes none.

    N wanted pulses are counted at random (variance N), each step varies by its noise s (variance
    N s^2), and half-selects move the device by d steps per wanted pulse, which are taken to go one
    way, since they draw each device to its symmetry point: N / sqrt(N (1 + s^2) + (N d)^2).  Both are
    those of the array of a weight that takes most pulses.  All
    wanted steps are taken to have one sign; an unpublished s counts as none.
    """
    pulses = limit["pulses_per_device_per_step"]
    if not pulses:
        return None
    wanted, disturb = float(pulses), float(limit["disturb_per_pulse"] or 0.0)
    noise = step_noise(architecture) or 0.0
    return wanted / math.sqrt(wanted * (1.0 + noise**2) + (wanted * disturb) ** 2)
