"""Reads agree with the statistics that aihwkit produced with the same parameters."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.tile_kernel.aihwkit.io import import_read
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.read import ReadOutput, read_forward, read_transposed

DATA = Path(__file__).parents[1] / "data" / "aihwkit"
STATS: dict[str, Any] = json.loads((DATA / "read_stats.json").read_text(encoding="utf-8"))
CHECKS: dict[str, Any] = json.loads((DATA / "read_checks.json").read_text(encoding="utf-8"))
RANDOM = [
    r for r in STATS["results"] if "ir_drop" not in r["config"] and r["repeats"] > 3
]  # fmt: skip
F32 = NDArray[np.float32]


def operands() -> dict[str, tuple[F32, F32]]:
    """Weights [row, col] and inputs of both patterns, as the recipe of the statistics says."""
    rng = np.random.default_rng(11)
    w = rng.uniform(-0.3, 0.3, (256, 256)).astype("float32")
    x = rng.uniform(-1, 1, (256, 256)).astype("float32")
    s = rng.uniform(0.2, 2.0, (256, 1)).astype("float32")
    shifted = (w + np.float32(0.2)).astype("float32")
    found = {
        "plain": (w, (x * s).astype("float32")),
        "large": (shifted, (np.abs(x) * s).astype("float32")),
    }
    for pattern, pair in found.items():
        for name, array in zip("wx", pair, strict=True):
            told = STATS[f"inputs_{pattern}"][f"sha256_{name}"]
            assert hashlib.sha256(array.tobytes()).hexdigest() == told
    return {pattern: (np.ascontiguousarray(w.T), x) for pattern, (w, x) in found.items()}


OPERANDS = operands()


def read(pattern: str, config: str, direction: str, seed: int) -> ReadOutput:
    """One read of the whole batch; their transposed read has no bound management."""
    w, x = OPERANDS[pattern]
    parameters = import_read(STATS["io_parameters"][config]).parameters
    rng = np.random.Generator(np.random.SFC64(seed))
    if direction == "forward":
        return read_forward(w, x, parameters, rng)
    return read_transposed(w, x, replace(parameters, bound_management="none"), rng)


def test_deterministic_reads_agree_output_by_output() -> None:
    """All quiet configurations, both patterns and directions: equal but for isolated codes that
    float rounding moves by one step."""
    with np.load(DATA / "read_outputs_quiet_256.npz") as outputs:
        stored = {key: outputs[key] for key in outputs.files}
    assert len(stored) == 24
    for key, expected in stored.items():
        pattern, config, direction = key.split(".")
        found = read(pattern, config, direction, 1)
        scale = np.abs(OPERANDS[pattern][1][: len(expected)]).max(axis=1, keepdims=True)
        division = 2.0 ** (found.repeats[: len(expected), None] - 1)
        step = 2 * STATS["io_parameters"][config]["out_bound"] / 510 * scale * division
        moved = np.abs(found.y[: len(expected)] - expected) / step
        assert moved.max() < 1.01, key
        assert (moved > 1e-2).mean() < 0.005, key


@pytest.mark.parametrize("direction", ["forward", "transposed"])
@pytest.mark.parametrize("stored", RANDOM, ids=lambda r: f"{r['config']}-{r['pattern']}")
def test_random_reads_have_the_same_deviations(stored: dict[str, Any], direction: str) -> None:
    """Random deviation within 2 %, systematic error within 5 %, and the same halvings."""
    told, pattern = stored[direction], stored["pattern"]
    reads = [read(pattern, stored["config"], direction, seed) for seed in range(8)]
    w, x = OPERANDS[pattern]
    y = np.stack([r.y for r in reads]).astype(np.float64)
    exact = x.astype(np.float64) @ (w if direction == "forward" else w.T)
    variance = y.var(axis=0, ddof=1).mean()
    # A spread of 0.002 is that of a few outputs at the edge of the bound.
    assert np.sqrt(variance) == pytest.approx(told["random_std"], rel=0.02, abs=5e-4)
    noise_floor = variance / len(reads)
    systematic = np.sqrt(max(np.square(y.mean(axis=0) - exact).mean() - noise_floor, 0.0))
    floor = np.sqrt(noise_floor)
    assert systematic == pytest.approx(told["systematic_rms_error"], rel=0.05, abs=0.25 * floor)
    clipped = np.mean([r.clipped_share for r in reads])
    if "fraction_outputs_at_adc_bound" in told:
        assert clipped == pytest.approx(told["fraction_outputs_at_adc_bound"], abs=0.002)
    histogram = told.get("bm_halvings_histogram", {})
    halvings = np.concatenate([r.repeats for r in reads]) - 1
    if set(histogram) - {"-1"}:
        total = sum(histogram.values())
        for number, count in histogram.items():
            assert (halvings == int(number)).mean() == pytest.approx(count / total, abs=0.01)
    elif histogram:
        # Their scale is then no power of two: the worst-case read followed the first.
        assert (halvings == 1).all()


def test_converters_round_ties_to_even_then_clip() -> None:
    """The measured codes of half steps, of both converters."""
    identity = np.eye(1, dtype=np.float32)
    rng = np.random.Generator(np.random.SFC64(0))
    for halves, exact in (
        ("dac_halves", Quantiser(32.0, 1.0)),
        ("adc_halves", Quantiser(256.0, 1.0)),
    ):
        given = np.array(CHECKS[halves]["input_in_steps"], np.float32)[:, None]
        for parameters in (ReadParameters(dac=exact), ReadParameters(adc=exact)):
            found = read_forward(identity, given, parameters, rng).y[:, 0]
            np.testing.assert_array_equal(found, CHECKS[halves]["output_in_steps"])
    default = import_read({}).parameters
    assert default.dac.step == pytest.approx(CHECKS["dac_step"], rel=1e-6)
    assert default.adc.step == pytest.approx(CHECKS["adc_step"], rel=1e-6)
    assert default.dac == Quantiser.of_bits(1.0, 7)
    assert default.adc == Quantiser.of_bits(12.0, 9)


def test_ones_through_ones_halve_as_often() -> None:
    """Iterative management: the same outputs up to one step of the DAC, and the same end."""
    parameters = import_read({"out_res": -1.0, "out_noise": 0.0}).parameters
    rng = np.random.Generator(np.random.SFC64(0))
    for size, told in CHECKS["ones_through_ones"]["rows"]:
        ones = np.ones((size, 1), np.float32)
        found = read_forward(ones, ones.T, parameters, rng)
        division = 2.0 ** (int(found.repeats[0]) - 1)
        assert found.y[0, 0] == pytest.approx(told, abs=1.01 * size * division / 63)
        if size >= 200:
            assert found.y[0, 0] == told
            assert found.repeats[0] == 5
