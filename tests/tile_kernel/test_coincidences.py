"""Three kernels and a plain loop draw from one distribution, per device and along lines."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from archsim.tile_kernel.trains import Disturb, UpdateParameters, pulse_trains
from archsim.tile_kernel.update import update
from tests.tile_kernel.naive_update import naive_update
from tests.tile_kernel.reference_devices import REFERENCES, generator, reference_devices

ROWS, COLS, BATCH = 6, 5, 4
# Largest allowed deviation in standard errors: with some 200 comparisons of fixed seeds one of
# them would exceed it by chance with probability 1e-4.
LARGEST_Z = 5.0

Draws = np.ndarray


def pair() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and errors of both signs, with a zero on either side."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (BATCH, ROWS)).astype(np.float32)
    error = rng.uniform(-0.5, 0.5, (BATCH, COLS)).astype(np.float32)
    x[0, 0] = error[1, 2] = 0
    return x, error


def start() -> np.ndarray:
    """Weights away from zero, so that steps up and down differ."""
    return np.linspace(-0.3, 0.3, ROWS * COLS, dtype=np.float32).reshape(ROWS, COLS)


def kernel_draws(
    name: str,
    kernel: Literal["pulsed", "counts", "events"],
    rate: float,
    repeats: int,
    *,
    merge: Literal["sample", "minibatch"] = "minibatch",
    length: int = 15,
    disturb: Disturb | None = None,
) -> Draws:
    """Weight changes [repeat, row, col]; many tiles of equal inputs are many repeats."""
    x, error = pair()
    devices = reference_devices(name, (repeats, ROWS, COLS))
    devices.weights[...] = start()
    parameters = UpdateParameters(
        length, kernel=kernel, merge=merge, length_management=False, disturb=disturb
    )
    tiled_x = np.repeat(x[:, np.newaxis], repeats, axis=1)
    tiled_error = np.repeat(error[:, np.newaxis], repeats, axis=1)
    update(devices, tiled_x, tiled_error, rate, parameters, generator(11))
    return devices.weights.astype(np.float64) - start()


def naive_draws(name: str, rate: float, repeats: int, length: int = 15) -> Draws:
    """The same from the plain loop."""
    lower, upper, step, noise, up_fall, down_fall = REFERENCES[name]
    x, error = pair()
    devices = reference_devices(name, (1, ROWS, COLS))
    parameters = UpdateParameters(length, length_management=False)
    trains = pulse_trains(devices, x, error, rate, parameters)

    def step_at(weight: float, way: int) -> float:
        fall = up_fall * weight if way > 0 else -down_fall * weight
        return way * step * (1 - fall)

    rng = np.random.default_rng(5)
    return np.array(
        [
            naive_update(start(), trains, step_at, (lower, upper), noise, rng) - start()
            for _ in range(repeats)
        ]
    )


def projections(draws: Draws) -> dict[str, np.ndarray]:
    """Per device, along the input, along the error, and both, [repeat, ...]."""
    x, error = pair()
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    v = error / np.linalg.norm(error, axis=1, keepdims=True)
    along_x = np.einsum("rij,bi->rbj", draws, u)
    return {
        "device": draws,
        "input": along_x,
        "error": np.einsum("rij,bj->rbi", draws, v),
        "both": np.einsum("rbj,bj->rb", along_x, v),
    }


def worst_z(some: Draws, other: Draws) -> dict[str, float]:
    """Deviation in standard errors, of means (the largest) and of variances, by projection.

    A variance is the mean over entries of squared deviations; one such mean per repeat gives its
    standard error, whatever the correlations between the entries are.
    """
    found = {}
    others = projections(other)
    for name, one in projections(some).items():
        two = others[name]
        variance = one.var(axis=0) / len(one) + two.var(axis=0) / len(two)
        difference = np.abs(one.mean(axis=0) - two.mean(axis=0))
        found[f"mean of {name}"] = float(
            np.max(difference[variance > 0] / np.sqrt(variance[variance > 0]))
        )
        squares = []
        for values in (one, two):
            deviation = np.square(values - values.mean(axis=0)).reshape(len(values), -1)
            squares.append(deviation.mean(axis=1) * len(values) / (len(values) - 1))
        error = sum(each.var() / len(each) for each in squares)
        found[f"variance of {name}"] = float(
            abs(squares[0].mean() - squares[1].mean()) / np.sqrt(error)
        )
    return found


@pytest.fixture(scope="module")
def loop() -> dict[str, Draws]:
    """The plain loop on two devices, at about ten and one pulses per device."""
    return {
        f"{name}.{rate}": naive_draws(name, rate, 400)
        for name in ("ConstantStep", "SoftBounds")
        for rate in (0.02, 0.002)
    }


@pytest.mark.parametrize("rate", [0.02, 0.002])
@pytest.mark.parametrize("name", ["ConstantStep", "SoftBounds"])
@pytest.mark.parametrize("kernel", ["pulsed", "counts", "events"])
def test_kernels_agree_with_a_plain_loop(
    loop: dict[str, Draws],
    kernel: Literal["pulsed", "counts", "events"],
    name: str,
    rate: float,
) -> None:
    """Mean and variance per device, along input and error, agree with pulse-by-pulse updates."""
    ours = kernel_draws(name, kernel, rate, 1500, merge="sample")
    assert max(worst_z(ours, loop[f"{name}.{rate}"]).values()) < LARGEST_Z


@pytest.mark.parametrize("kernel", ["counts", "events"])
def test_fast_kernels_agree_with_bit_matrices(kernel: Literal["counts", "events"]) -> None:
    """With many more draws, and all samples merged, the three kernels still cannot be told apart."""
    exact = kernel_draws("ConstantStep", "pulsed", 0.01, 5000)
    fast = kernel_draws("ConstantStep", kernel, 0.01, 5000)
    assert max(worst_z(exact, fast).values()) < LARGEST_Z


@pytest.mark.parametrize("disturb", [Disturb(0.1, 0.13), Disturb(0.1, 0.13, 0.05, 0.04)])
@pytest.mark.parametrize("rate", [0.002, 0.02])
@pytest.mark.parametrize("kernel", ["counts", "events"])
def test_fast_kernels_agree_under_disturb(
    kernel: Literal["counts", "events"], rate: float, disturb: Disturb
) -> None:
    """A coincidence more is a half-select less of either line, so that counts, whose coincidences
    are random about a mean, must not be noisier than the bits are."""
    exact = kernel_draws("ConstantStep", "pulsed", rate, 1500, length=31, disturb=disturb)
    fast = kernel_draws("ConstantStep", kernel, rate, 1500, length=31, disturb=disturb)
    assert max(worst_z(exact, fast).values()) < LARGEST_Z


def test_merging_a_minibatch_is_within_its_stated_tolerance() -> None:
    """Below ten pulses per device one call with all samples equals one call per sample; at about a
    hundred, means move by at most an eighth of the largest change, variances by a tenth."""
    for rate, length in ((0.02, 15), (0.2, 100)):
        apart, merged = (
            kernel_draws("SoftBounds", "pulsed", rate, 2000, merge=merge, length=length)
            for merge in ("sample", "minibatch")
        )
        if rate < 0.1:
            assert max(worst_z(apart, merged).values()) < LARGEST_Z
            continue
        means = apart.mean(axis=0), merged.mean(axis=0)
        assert np.abs(means[1] - means[0]).max() < 0.125 * np.abs(means[0]).max()
        for name, values in projections(merged).items():
            ratio = values.var(axis=0).sum() / projections(apart)[name].var(axis=0).sum()
            assert 0.9 < ratio < 1.1, name


def test_trains_shared_along_a_line_make_its_projection_noisier() -> None:
    """The check above can fail: noise drawn per device has the variance per device, and far less
    along the input."""
    shared = kernel_draws("ConstantStep", "pulsed", 0.02, 3000)
    rng = np.random.default_rng(9)
    independent = shared.mean(axis=0) + shared.std(axis=0) * rng.standard_normal(shared.shape)
    z = worst_z(shared, independent)
    assert z["mean of device"] < LARGEST_Z
    assert z["variance of device"] < LARGEST_Z
    assert z["variance of input"] > 2 * LARGEST_Z


@pytest.mark.parametrize("kernel", ["pulsed", "counts", "events"])
def test_counts_add_up_to_what_probabilities_say(
    kernel: Literal["pulsed", "counts", "events"],
) -> None:
    """The mean number of pulses of a device is the sum of length * p_x * p_error, within 5
    standard errors of the draws."""
    x, error = pair()
    tiles = 1000
    devices = reference_devices("ConstantStep", (tiles, ROWS, COLS))
    parameters = UpdateParameters(15, kernel=kernel, length_management=False)
    tiled = [np.repeat(side[:, np.newaxis], tiles, axis=1) for side in (x, error)]
    trains = pulse_trains(devices, *tiled, 0.01, parameters)
    update(devices, *tiled, 0.01, parameters, generator(2))
    tile = trains.tiles[0]
    expected = np.einsum("b,bi,bj->ij", tile.length, tile.p_x, tile.p_error)
    deviation = devices.pulses.mean(axis=0) - expected
    scale = devices.pulses.std(axis=0) / np.sqrt(tiles)
    assert np.all(np.abs(deviation) <= LARGEST_Z * scale + 1e-12)


def test_one_slot_fires_with_certainty_at_probability_one() -> None:
    """Largest input and error at a rate of one step make exactly one pulse."""
    devices = reference_devices("ConstantStep", (1, 3, 2), noisy=False)
    x, error = np.ones((1, 3), dtype=np.float32), -np.ones((1, 2), dtype=np.float32)
    report = update(devices, x, error, 0.001, UpdateParameters(1), generator(0))
    np.testing.assert_allclose(devices.weights, 0.001, rtol=1e-6)
    assert report.pulses_up == 6
    assert report.pulses_down == 0
