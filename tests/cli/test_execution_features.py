"""Power caps, finite buffers, a host link and blocks of rows on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., Any]
RUN = ("run", "lenet", "--batch", "8", "--out", "here", "--json")


def test_a_step_with_everything_is_timed_by_both_fidelities(
    archsim_here: Runner, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: protonic_256\nhost_link: {extends: links/pcie5}\n"
        "chip: {update_power_limit: 100 mW, power_limit: 120 W}\n"
        "schedule: {row_blocks: 4, accumulate: 2}\n"
        "activation_buffer: {capacity: 4 KiB}\n",
        encoding="utf-8",
    )
    results = {}
    for mode in ("analytic", "cycle"):
        found = archsim_here(*RUN, "--arch", own, "--fidelity", mode)
        assert found.code == 0
        results[mode] = found.json
    for result in results.values():
        busy = result["accelerator"]["latency_by_resource_s"]
        step_s = result["accelerator"]["step_latency_s"]
        assert {"host_link", "chip_power", "update_power"} <= set(busy)
        assert max(busy.values()) <= step_s * (1 + 1e-9)
        assert sum(result["accelerator"]["latency_by_limit_s"].values()) == pytest.approx(step_s)
        assert result["accelerator"]["energy_by_component_j"]["host_link"] > 0
        assert result["evaluation"]["samples_per_s"] > 8 / step_s
    buffer = results["cycle"]["cycle"]["activation_buffer"]
    assert buffer["queued_bytes"] <= buffer["room_bytes"] * (1 + 1e-9)
    assert buffer["room_bytes"] == 4096


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("chip.update_power_limit=1 uW", "one array of 'fc1' takes"),
        ("chip.power_limit=1 W", "static power alone is"),
        ("tile.buffer.capacity=64 B", "a tile must hold"),
        ("schedule.row_blocks=0", "at least 1"),
        ("schedule.accumulate=1.5", "a whole number"),
    ],
)
def test_what_cannot_run_is_refused_in_a_sentence(
    archsim_here: Runner, setting: str, words: str
) -> None:
    for mode in ("analytic", "cycle"):
        found = archsim_here(*RUN, "--arch", "protonic_256", "--fidelity", mode, "--set", setting)
        assert found.code == 2
        assert words in " ".join(found.err.split())
        assert setting.partition("=")[0] in found.err
        assert "Traceback" not in found.err
