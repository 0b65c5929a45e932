"""Reads of arrays: limits, bounds, variances and repeats that every read obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.tile_kernel.ir_drop import IrDrop, effective_weights
from archsim.tile_kernel.parameters import NOISE_MANAGEMENTS, NoiseManagement, ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.read import ReadOutput, read_forward, read_transposed

F32 = NDArray[np.float32]
DAC, ADC = Quantiser.of_bits(1.0, 7), Quantiser.of_bits(12.0, 9)
TYPICAL = ReadParameters(
    dac=DAC,
    adc=ADC,
    noise_management="abs_max",
    bound_management="iterative",
    output_noise=0.06,
)


def seeded(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def operands(
    batch: int, rows: int, cols: int, seed: int = 2, tiles: int | None = None
) -> tuple[F32, F32]:
    rng = np.random.default_rng(seed)
    stack = () if tiles is None else (tiles,)
    w = rng.uniform(-0.5, 0.5, (*stack, rows, cols)).astype(np.float32)
    x = rng.uniform(-1, 1, (batch, *stack, rows)) * rng.uniform(0.1, 3, (batch, *stack, 1))
    return w, x.astype(np.float32)


def z_of_variance(samples: NDArray[np.floating], variance: float) -> float:
    """Standard score of the mean square of Gaussian samples of known mean zero."""
    ratio = float(np.mean(np.square(samples, dtype=np.float64))) / variance
    return (ratio - 1.0) / np.sqrt(2.0 / samples.size)


@pytest.mark.parametrize("management", NOISE_MANAGEMENTS)
def test_an_ideal_array_is_a_matrix_product(management: NoiseManagement) -> None:
    """Without noise, steps and bounds, forward and transposed reads are products in float32."""
    w, x = operands(50, 30, 20)
    ideal = ReadParameters(noise_management=management, constant_scale=0.3)
    exact = x.astype(np.float64) @ w
    forward = read_forward(w, x, ideal, seeded())
    np.testing.assert_allclose(forward.y, exact, atol=2e-5)
    d = operands(50, 20, 5)[1]
    transposed = read_transposed(w, d, ideal, seeded()).y
    np.testing.assert_allclose(transposed, d.astype(np.float64) @ w.T, atol=2e-5)
    assert forward.y.dtype == transposed.dtype == np.float32
    assert (forward.repeats == 1).all()
    assert forward.clipped_share == forward.clipped_input_share == 0


def naive_read(w: F32, x: F32, p: ReadParameters) -> tuple[F32, list[int]]:
    """Quiet reads, number by number, in double precision."""
    rows, repeats = [], []
    for vector in x.astype(np.float64):
        scale = max(abs(v) for v in vector) if p.noise_management == "abs_max" else 1.0
        division, reads = 1.0, 0
        while True:
            reads += 1
            fed = [
                min(max(round(v / (scale * division) / p.dac.step) * p.dac.step, -1), 1)
                for v in vector
            ]
            out = [sum(a * b for a, b in zip(fed, column, strict=True)) for column in w.T]
            if max(map(abs, out)) <= p.adc.bound or 2 * division > p.most_divided:
                break
            division *= 2
        codes = [round(min(max(o, -p.adc.bound), p.adc.bound) / p.adc.step) for o in out]
        rows.append([c * p.adc.step * scale * division for c in codes])
        repeats.append(reads)
    return np.array(rows, np.float32), repeats


@pytest.mark.parametrize("management", ["abs_max", "none"])
def test_quiet_reads_equal_a_naive_loop(management: NoiseManagement) -> None:
    """Scaling, both converters and repeats, against plain Python over single numbers."""
    w, x = operands(40, 24, 11)
    adc = Quantiser.of_bits(1.5, 8)
    p = replace(TYPICAL, output_noise=0.0, noise_management=management, adc=adc)
    found, (expected, repeats) = read_forward(w, x, p, seeded()), naive_read(w, x, p)
    # Where rounding in float32 meets a half step, single codes may differ.
    step = (
        p.adc.step * np.abs(x).max(axis=1, keepdims=True) * 2.0 ** (np.array(repeats) - 1)[:, None]
    )
    differing = np.abs(found.y - expected) > 1e-3 * step
    assert differing.mean() < 0.03
    assert (np.abs(found.y - expected) <= 1.001 * step).all()
    np.testing.assert_array_equal(found.repeats, repeats)
    assert max(repeats) > min(repeats)


@settings(max_examples=60, deadline=None)
@given(
    bits_in=st.integers(2, 12),
    bits_out=st.integers(2, 12),
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 40),
    stochastic=st.booleans(),
)
def test_quantisation_errors_stay_within_their_bound(
    bits_in: int, bits_out: int, seed: int, rows: int, stochastic: bool
) -> None:
    """Half a step (a whole one if stochastic) of each input times |w|, and of the output."""
    w, x = operands(7, rows, 5, seed)
    bound = float(rows)
    p = ReadParameters(
        dac=Quantiser.of_bits(1.0, bits_in, stochastic=stochastic),
        adc=Quantiser.of_bits(bound, bits_out, stochastic=stochastic),
        noise_management="abs_max",
    )
    found = read_forward(w, x, p, seeded(seed)).y
    scale = np.abs(x).max(axis=1, keepdims=True)
    step = 1.0 if stochastic else 0.5
    allowed = step * scale * (p.dac.step * np.abs(w).sum(axis=0) + p.adc.step)
    assert (np.abs(found - x.astype(np.float64) @ w) <= allowed * (1 + 1e-5) + 1e-5).all()


def test_stochastic_rounding_keeps_the_mean() -> None:
    """Over many reads the mean is the product; rounding to nearest has a bias there."""
    w, x = operands(3, 16, 4)
    p = ReadParameters(
        dac=Quantiser.of_bits(1.0, 4, stochastic=True),
        adc=Quantiser.of_bits(8.0, 4, stochastic=True),
        noise_management="abs_max",
    )
    many = np.repeat(x, 4000, axis=0)
    y = read_forward(w, many, p, seeded()).y.reshape(3, 4000, 4).astype(np.float64)
    error = np.abs(y.mean(axis=1) - x.astype(np.float64) @ w)
    assert (error < 4.5 * y.std(axis=1) / np.sqrt(4000)).all()
    nearest = replace(p, dac=replace(p.dac, stochastic=False), adc=replace(p.adc, stochastic=False))
    bias = np.abs(read_forward(w, x, nearest, seeded()).y - x @ w)
    assert (bias > 4.5 * y.std(axis=1) / np.sqrt(4000)).mean() > 0.5


def test_output_noise_has_the_stated_variance() -> None:
    """(output noise * scale)^2 for every vector, whatever its size."""
    w, x = operands(4, 10, 50)
    p = ReadParameters(noise_management="abs_max", output_noise=0.06)
    many = np.repeat(x, 1000, axis=0)
    noise = (read_forward(w, many, p, seeded()).y - many @ w).reshape(4, -1)
    for row, scale in zip(noise, np.abs(x).max(axis=1), strict=True):
        assert abs(z_of_variance(row, (0.06 * scale) ** 2)) < 4
    assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size)


@pytest.mark.parametrize("direction", ["forward", "transposed"])
def test_weight_noise_equals_weights_drawn_anew(direction: str) -> None:
    """Output-referred noise has the variance that noisy weights give, and no correlation
    between outputs or vectors."""
    w, x = operands(2, 12, 12)
    p = ReadParameters(weight_noise=0.02)
    many = np.repeat(x, 6000, axis=0)
    read = read_forward if direction == "forward" else read_transposed
    exact = many @ (w if direction == "forward" else w.T)
    noise = (read(w, many, p, seeded()).y - exact).reshape(2, 6000, 12)
    rng = seeded(5)
    for vector, referred in zip(x, noise, strict=True):
        drawn = vector @ (0.02 * rng.standard_normal((6000, 12, 12), dtype=np.float32))
        variance = 0.02**2 * float(np.square(vector).sum())
        assert abs(z_of_variance(drawn, variance)) < 4
        assert abs(z_of_variance(referred, variance)) < 4
        correlation = np.corrcoef(referred.T) - np.eye(12)
        assert np.abs(correlation).max() < 4.5 / np.sqrt(6000)


def test_input_noise_is_shared_by_all_outputs() -> None:
    """Noise of an input reaches every output through its weights: covariance sigma^2 W^T W."""
    w, x = operands(1, 8, 3)
    p = ReadParameters(input_noise=0.05)
    noise = read_forward(w, np.repeat(x, 40_000, axis=0), p, seeded()).y - x @ w
    expected = 0.05**2 * w.T.astype(np.float64) @ w
    np.testing.assert_allclose(np.cov(noise.T), expected, atol=4 * expected.max() / 200)


def test_noise_of_weights_and_outputs_add_in_quadrature() -> None:
    """Variance output^2 + weight^2 |x|^2, with inputs in steps of the DAC."""
    w, x = operands(1, 40, 60)
    p = ReadParameters(dac=DAC, noise_management="abs_max", weight_noise=0.02, output_noise=0.06)
    quiet = read_forward(w, x, replace(p, weight_noise=0.0, output_noise=0.0), seeded()).y
    noise = read_forward(w, np.repeat(x, 500, axis=0), p, seeded()).y - quiet
    scale = float(np.abs(x).max())
    fed = np.rint(x / scale / DAC.step) * DAC.step
    variance = scale**2 * (0.06**2 + 0.02**2 * float(np.square(fed).sum()))
    assert abs(z_of_variance(noise, variance)) < 4


def test_zero_reads_as_exactly_zero_with_scaling() -> None:
    """max|x| of 0 scales noise and all to 0; the other rows of the batch are read as usual."""
    w, x = operands(4, 10, 6)
    x[2] = 0.0
    y = read_forward(w, x, TYPICAL, seeded()).y
    assert (y[2] == 0).all()
    assert (np.abs(y[[0, 1, 3]]).max(axis=1) > 0).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), bound=st.floats(0.05, 5.0), most=st.integers(1, 64))
def test_bound_management_returns_no_clipped_value_before_it_is_used_up(
    seed: int, bound: float, most: int
) -> None:
    """A vector with fewer repeats than allowed is unclipped; one that repeats was clipped before."""
    w, x = operands(20, 30, 12, seed)
    p = replace(TYPICAL, adc=Quantiser.of_bits(bound, 9), largest_division=float(most))
    found = read_forward(w, x, p, seeded(seed))
    limit = bound * np.abs(x).max(axis=1) * 2.0 ** (found.repeats - 1)
    at_bound = (np.abs(found.y) >= limit[:, None] * (1 - 1e-6)).any(axis=1)
    used_up = found.repeats == 1 + np.log2(p.most_divided)
    # A value within half a step of the bound may be rounded to it without having been clipped.
    far_off = np.abs(x @ w).max(axis=1) > limit + 6 * 0.06 * limit / bound
    assert not (far_off & ~used_up).any()
    assert (found.clipped_share > 0) <= bool((at_bound & used_up).any())
    assert found.repeats.max() <= 1 + np.log2(p.most_divided)


def test_each_halving_is_counted_and_scales_the_noise() -> None:
    """Outputs of 40 with a bound of 12 take 3 reads, and then carry 4 times the noise."""
    w = np.full((40, 30), 1.0, np.float32)
    x = np.ones((300, 40), np.float32)
    p = ReadParameters(
        adc=Quantiser(12.0), noise_management="abs_max", bound_management="iterative",
        output_noise=0.06,
    )  # fmt: skip
    found = read_forward(w, x, p, seeded())
    assert (found.repeats == 3).all()
    assert abs(z_of_variance(found.y - 40.0, (4 * 0.06) ** 2)) < 4


def test_worst_case_management_reads_at_most_twice() -> None:
    """The second read is scaled by the larger one-sided sum: it cannot clip if |w| is as assumed."""
    w, x = operands(60, 50, 20)
    p = replace(
        TYPICAL, adc=Quantiser.of_bits(2.0, 9), bound_management="worst_case", assumed_weight=0.5,
        output_noise=0.0,
    )  # fmt: skip
    found = read_forward(w, x, p, seeded())
    clipped_once = read_forward(w, x, replace(p, bound_management="none"), seeded())
    assert set(np.unique(found.repeats)) == {1, 2}
    assert found.clipped_share == 0 < clipped_once.clipped_share
    sums = np.maximum(np.maximum(x, 0).sum(axis=1), np.maximum(-x, 0).sum(axis=1))
    steps = np.where(found.repeats == 2, sums * 0.5 / 2.0, np.abs(x).max(axis=1))
    on_grid = found.y / (p.adc.step * steps[:, None])
    np.testing.assert_allclose(on_grid, np.rint(on_grid), atol=2e-3)


def test_bound_management_ends_where_inputs_have_no_steps_left() -> None:
    """At 7 bits a division by 16 leaves a step of an eighth of the range; 32 would be a quarter."""
    assert TYPICAL.most_divided == 16
    assert replace(TYPICAL, largest_division=5.0).most_divided == 4
    assert replace(TYPICAL, dac=Quantiser(1.0)).most_divided == 512
    w, x = np.ones((1000, 2), np.float32), np.ones((3, 1000), np.float32)
    found = read_forward(w, x, replace(TYPICAL, output_noise=0.0), seeded())
    assert (found.y == np.float32(16 * 12)).all()
    assert (found.repeats == 5).all()
    assert found.clipped_share == 1


def test_transposed_reads_equal_forward_reads_of_the_transpose() -> None:
    """With the same settings and the same seed, to rounding of the product."""
    w, _ = operands(1, 33, 21)
    d = operands(70, 21, 4)[1]
    there = read_transposed(w, d, replace(TYPICAL, adc=Quantiser(1.0)), seeded(4))
    back = read_forward(
        np.ascontiguousarray(w.T), d, replace(TYPICAL, adc=Quantiser(1.0)), seeded(4)
    )
    np.testing.assert_allclose(there.y, back.y, atol=1e-4)
    np.testing.assert_array_equal(there.repeats, back.repeats)


def test_the_same_seed_gives_the_same_bits() -> None:
    """Equal in every bit for a seed, different for another, and inputs stay as they were."""
    w, x = operands(300, 64, 600)
    p = replace(TYPICAL, adc=Quantiser.of_bits(2.0, 9))
    w_before, x_before = w.copy(), x.copy()
    first, second = (read_forward(w, x, p, seeded(9)) for _ in range(2))
    np.testing.assert_array_equal(first.y, second.y)
    assert (first.y != read_forward(w, x, p, seeded(10)).y).any()
    np.testing.assert_array_equal(w, w_before)
    np.testing.assert_array_equal(x, x_before)


def test_tiles_are_read_on_their_own() -> None:
    """A stack of tiles gives what each tile gives alone; repeats are counted by tile."""
    w, x = operands(30, 20, 15, tiles=4)
    w[1] *= 4
    quiet = replace(TYPICAL, output_noise=0.0, adc=Quantiser.of_bits(3.0, 9))
    together = read_forward(w, x, quiet, seeded())
    assert together.y.shape == (30, 4, 15)
    for k in range(4):
        alone = read_forward(w[k], x[:, k], quiet, seeded())
        np.testing.assert_array_equal(together.y[:, k], alone.y)
        np.testing.assert_array_equal(together.repeats[:, k], alone.repeats)
    assert together.repeats[:, 1].mean() > together.repeats[:, 0].mean()


def test_blocks_do_not_change_quiet_reads() -> None:
    """Batches and stacks beyond the size of a block equal the reads of their parts."""
    w, x = operands(700, 300, 400)
    quiet = replace(TYPICAL, output_noise=0.0)
    whole = read_forward(w, x, quiet, seeded()).y
    parts = [read_forward(w, part, quiet, seeded()).y for part in np.array_split(x, 9)]
    different = np.abs(whole - np.concatenate(parts)) > 1e-4
    assert different.mean() < 1e-3


def test_bit_serial_inputs_give_the_same_product() -> None:
    """Without noise and ADC steps, shift-and-add restores the product of the quantised inputs."""
    w, x = operands(20, 18, 7)
    parallel = ReadParameters(dac=DAC, noise_management="abs_max")
    serial = replace(parallel, serial_bits=True)
    np.testing.assert_allclose(
        read_forward(w, x, serial, seeded()).y, read_forward(w, x, parallel, seeded()).y, atol=3e-5
    )


def test_noise_of_bit_serial_reads_is_weighted_by_the_bits() -> None:
    """One draw per bit: variance sigma^2 * sum of 4^k / (2^bits - 1)^2, with 6 bits behind 7."""
    w, x = operands(1, 18, 50)
    p = ReadParameters(dac=DAC, noise_management="abs_max", serial_bits=True)
    quiet = read_forward(w, x, p, seeded()).y
    noise = read_forward(w, np.repeat(x, 600, axis=0), replace(p, output_noise=0.1), seeded()).y
    weights = sum(4.0**k for k in range(6)) * DAC.step**2
    variance = (0.1 * float(np.abs(x).max())) ** 2 * weights
    assert abs(z_of_variance(noise - quiet, variance)) < 4


def test_wire_resistance_is_that_of_the_effective_weights() -> None:
    """A read with IR drop is a read of the effective weights without."""
    w, x = operands(20, 30, 25)
    drop = IrDrop(1e-4, 2e-4, 0.6)
    with_drop = replace(TYPICAL, ir_drop=drop)
    d = operands(20, 25, 3)[1]
    for read, v in ((read_forward, x), (read_transposed, d)):
        found = read(w, v, with_drop, seeded(3)).y
        seen = read(effective_weights(w, drop), v, with_drop.without_ir_drop(), seeded(3)).y
        np.testing.assert_array_equal(found, seen)
        assert np.abs(found - read(w, v, TYPICAL, seeded(3)).y).max() > 0


def test_clipped_inputs_are_counted() -> None:
    """Without scaling, inputs beyond the DAC's bound are clipped and counted."""
    w = np.eye(4, dtype=np.float32)
    x = np.array([[0.5, -2.0, 1.0, 3.0]], np.float32)
    found = read_forward(w, x, ReadParameters(dac=Quantiser(1.0)), seeded())
    np.testing.assert_array_equal(found.y, [[0.5, -1.0, 1.0, 1.0]])
    assert found.clipped_input_share == 0.5
    capped = ReadParameters(dac=Quantiser(1.0), noise_management="abs_max", largest_scale=2.0)
    np.testing.assert_array_equal(read_forward(w, x, capped, seeded()).y, [[0.5, -2.0, 1.0, 2.0]])


def test_an_empty_batch_gives_an_empty_result() -> None:
    """No vectors, no outputs, no division by nothing."""
    found = read_forward(
        np.ones((3, 2), np.float32), np.zeros((0, 3), np.float32), TYPICAL, seeded()
    )
    assert found.y.shape == (0, 2)
    assert found.clipped_share == 0


def read_with(**changes: object) -> ReadOutput:
    given: dict[str, object] = {"weights": np.ones((3, 2), np.float32), "x": np.ones((1, 3))}
    given |= changes
    return read_forward(given["weights"], given["x"], TYPICAL, seeded())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": np.ones((1, 4))}, r"x has shape \[1, 4\].* expected shape \[batch, 3\]"),
        ({"x": np.ones(3)}, r"x has shape \[3\]"),
        ({"x": np.full((1, 3), np.nan)}, r"x is nan at index \[0, 0\]"),
        ({"x": np.full((1, 3), -np.inf)}, r"x is -inf at index \[0, 0\]"),
        ({"x": np.full((1, 3), 1e20)}, "x is as large as 1e.20; expected at most 1e.15"),
        ({"weights": np.ones(3, np.float32)}, r"weights have shape \[3\]; expected \[row, col\]"),
        ({"weights": np.ones((0, 2), np.float32)}, "at least one cell"),
        ({"weights": np.full((3, 2), np.inf, np.float32)}, r"weights is inf at index \[0, 0\]"),
    ],
)
def test_bad_operands_are_refused_in_a_sentence(changes: dict[str, object], said: str) -> None:
    """Shapes that do not match and numbers that are not finite."""
    with pytest.raises(InputError, match=said):
        read_with(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output_noise": -1.0}, "output_noise is -1, expected a standard deviation"),
        ({"weight_noise": np.nan}, "weight_noise is not a number"),
        ({"noise_management": "absmax"}, "Did you mean 'abs_max'"),
        ({"bound_management": "iterativ"}, "Did you mean 'iterative'"),
        ({"constant_scale": 0.0}, "constant_scale is 0, expected a number above 0"),
        ({"largest_division": 0.5}, "largest_division is 0.5, expected at least 1"),
        ({"serial_bits": True}, "cannot help bit-serial inputs"),
        ({"serial_bits": True, "dac": Quantiser()}, "serial_bits needs a dac with a step"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(changes: dict[str, object], said: str) -> None:
    """Values outside their range, and combinations that mean nothing."""
    with pytest.raises(InputError, match=said):
        replace(TYPICAL, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bound", "step", "said"),
    [(0.0, 0.0, "bound .* is 0"), (1.0, -1.0, "step .* is -1"), (1.0, 2.0, "step 2 .* exceeds")],
)
def test_impossible_converters_are_refused(bound: float, step: float, said: str) -> None:
    """A converter needs a bound above 0 and a step below it."""
    with pytest.raises(InputError, match=said):
        Quantiser(bound, step)
