"""A weight matrix on the arrays of an architecture: reads, updates, bookkeeping, checkpoints."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.placement import Direction
from archsim.hardware.response import Polarity
from archsim.hardware.retention import ExponentialRetention
from archsim.hardware.spread import Spread
from archsim.resources import data_folder
from archsim.tile_kernel.algorithms import arrays_of, arrays_read, create, program, read_weights
from archsim.tile_kernel.analog_matrix import AnalogMatrix, MatrixParameters
from archsim.tile_kernel.matrix_statistics import MatrixTotals
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import read_forward
from archsim.tile_kernel.state import NO_SPREAD, sample_devices
from archsim.tile_kernel.tiling import Tiling
from archsim.tile_kernel.trains import UpdateParameters
from tests.algorithms import KINDS, algorithm
from tests.closeness import close
from tests.tile_kernel.reference_devices import generator

FOLDER = data_folder("arch_configs")
INPUTS, OUTPUTS = 23, 14
SPREAD = Spread(
    step_devices=0.1,
    bounds_devices=0.05,
    asymmetry_devices=0.02,
    bounds_cycles=0,
    step_cycles=0.3,
    write_noise=0.01,
)
IDEAL = MatrixParameters(
    ReadParameters(), ReadParameters(), None, UpdateParameters(31), weight_scale=2.0
)


@cache
def chip(**changes: object) -> Architecture:
    loaded = load("protonic_256", Architecture, FOLDER)
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return override(loaded, dotted).value if dotted else loaded.value


@cache
def device(name: str) -> Device:
    return load(name, Device, FOLDER / "devices").value


def weights() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).uniform(-0.6, 0.6, (INPUTS, OUTPUTS)).astype(np.float32)


def batch(vectors: int = 6) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (vectors, INPUTS)).astype(np.float32)
    return x, 0.3 * rng.standard_normal((vectors, OUTPUTS)).astype(np.float32)


def matrix(
    kind: str = "sgd",
    parameters: MatrixParameters = IDEAL,
    seed: int = 1,
    known: str = "ecram_li",
    rows: int = 10,
) -> AnalogMatrix:
    """On 3 x 2 arrays of a known device, programmed."""
    tiling = Tiling(INPUTS, OUTPUTS, rows, 8)
    made = AnalogMatrix(
        algorithm(kind), device(known), tiling, parameters, generator(seed), unknown=SPREAD
    )
    made.program(weights())
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_ideal_reads_of_a_programmed_matrix_are_its_products(kind: str) -> None:
    """Under every algorithm: what was programmed is what forward and backward multiply by."""
    made = matrix(kind)
    x, error = batch()
    assert made.shape == (INPUTS, OUTPUTS)
    assert made.statistics().bounded_share == 0
    np.testing.assert_allclose(made.weights(), weights(), atol=1e-6)
    np.testing.assert_allclose(made.forward(x), x @ weights(), atol=2e-5)
    np.testing.assert_allclose(made.backward(error), error @ weights().T, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_those_that_the_algorithm_states(kind: str) -> None:
    """Arrays that reads go through are as many as the algorithm is priced for, and have roles."""
    rule = algorithm(kind)
    rng = generator(1)
    state = create(rule, lambda: sample_devices(device("ecram_li"), (1, 4, 3), rng, unknown=SPREAD))
    stated = rule.operations(4, 3)
    referenced = getattr(rule, "reference", "zero") == "symmetry_point"
    assert len(arrays_read(rule, state)) == stated.arrays_read
    assert len(arrays_of(rule, state)) + referenced == stated.arrays_per_weight


@pytest.mark.parametrize("kind", ["tiki_taka"])
def test_a_share_of_the_fast_array_counts_as_weight(kind: str) -> None:
    """With fast_share both arrays are read, and programming makes their sum the target."""
    rule = algorithm(kind).model_copy(update={"fast_share": 0.5})
    rng = generator(1)
    state = create(rule, lambda: sample_devices(device("ecram_li"), (1, 4, 3), rng, unknown=SPREAD))
    assert len(arrays_read(rule, state)) == rule.operations(4, 3).arrays_read == 2
    state.fast.weights[...] += 0.1
    target = np.full((1, 4, 3), 0.2, dtype=np.float32)
    assert program(rule, state, target, rng) == 0
    np.testing.assert_allclose(read_weights(rule, state), target, atol=1e-6)


def test_weight_scale_is_a_unit_only() -> None:
    """Weights, reads and updates in units of the network do not depend on the scale of devices
    whose steps are small: the change stays -rate * x^T error."""
    x, error = batch(64)
    wanted = -0.01 * x.T @ error
    for scale in (1.0, 4.0):
        made = matrix("sgd", replace(IDEAL, weight_scale=scale), known="ideal")
        before = made.weights()
        report = made.update(x, error, 0.01)
        change = made.weights() - before
        along = float(np.sum(change * wanted) / np.sum(wanted**2))
        assert along == pytest.approx(1.0, abs=0.1)
        pulses = report.update.pulses_up + report.update.pulses_down
        step = float(made.device.response.step_size(0.0, Polarity.UP)) * scale
        asked = 0.01 * float(np.sum(np.abs(x).T @ np.abs(error))) / step
        assert pulses == pytest.approx(asked, rel=0.05)


@pytest.mark.parametrize("merge", ["minibatch", "sample"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumed_from_a_saved_state_is_the_same_to_the_bit(kind: str, merge: Any) -> None:
    """Saved as a file without pickled objects, restored into a matrix drawn from another seed."""
    parameters = replace(
        MatrixParameters.from_architecture(chip(), 1.5), update=UpdateParameters(15, merge=merge)
    )
    x, error = batch()
    first = matrix(kind, parameters)
    for _ in range(3):
        first.update(x, error, 0.2)
    file = io.BytesIO()
    np.savez(file, **first.state())
    file.seek(0)
    second = matrix(kind, parameters, seed=99)
    second.forward(x)
    with np.load(file, allow_pickle=False) as held:
        second.restore(held)
    for made in (first, second):
        for _ in range(3):
            made.forward(x)
            made.backward(error)
            made.update(x, error, 0.2)
    assert first.weights().tobytes() == second.weights().tobytes()
    assert first.forward(x).tobytes() == second.forward(x).tobytes()
    assert first.statistics() == second.statistics()
    for one, other in zip(first.state().items(), second.state().items(), strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1])


def test_a_state_of_another_matrix_is_refused_before_anything_changes() -> None:
    """Another algorithm, another size, a part missing: one sentence, and nothing has moved."""
    made = matrix("agad")
    before = made.state()
    with pytest.raises(InputError, match="algorithm 'sgd', but this matrix is under 'agad'"):
        made.restore(matrix("sgd").state())
    with pytest.raises(InputError, match=r"shape \[8, 6, 7\], but .*shape \[6, 8, 7\]"):
        made.restore(matrix("agad", rows=6).state())
    part = made.state()
    del part["arrays.base.buffer"]
    with pytest.raises(InputError, match=r"has no 'arrays\.base\.buffer'"):
        made.restore(part)
    other = {**made.state(), "generator": np.frombuffer(b'{"bit_generator": "PCG64"}', np.uint8)}
    with pytest.raises(InputError, match="generator 'PCG64', but this one is 'SFC64'"):
        made.restore(other)
    for name, value in made.state().items():
        np.testing.assert_array_equal(value, before[name])


CHANGES: dict[str, Callable[[AnalogMatrix], object]] = {
    "update": lambda m: m.update(*batch(), 0.5),
    "program": lambda m: m.program(0.5 * weights()),
    "restore": lambda m: m.restore(matrix(m.algorithm.kind, m.parameters, seed=5).state()),
    "drift": lambda m: m.end_of_minibatch(0.1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_kept_weights_are_never_stale(kind: str, change: str) -> None:
    """After every kind of change a read sees the weights as they are then, and wires included."""
    wires = ReadParameters.from_architecture(chip(), noise_management="none")
    quiet = replace(wires, output_noise=0.0)
    back = ReadParameters.from_architecture(chip(), Direction.TRANSPOSED, noise_management="none")
    parameters = replace(IDEAL, forward=quiet, transposed=replace(back, output_noise=0.0))
    made = matrix(kind, parameters, known="capacitor")
    x = batch()[0]
    first = made.forward(x)
    np.testing.assert_array_equal(first, made.forward(x))
    for _ in range(20):
        CHANGES[change](made)
    fresh = matrix(kind, parameters, known="capacitor", seed=9)
    fresh.restore(made.state())
    now = made.forward(x)
    np.testing.assert_array_equal(now, fresh.forward(x))
    held = read_weights(made.algorithm, made._state)
    parts = made.tiling.inputs_of(x, Direction.FORWARD).swapaxes(0, 1)
    direct = read_forward(held, parts, quiet, generator(0)).y.swapaxes(0, 1)
    np.testing.assert_array_equal(now, 2.0 * made.tiling.sum_of(direct, Direction.FORWARD))


def test_reads_of_unchanged_weights_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two forward and two backward reads between updates look at the wires once each."""
    import archsim.tile_kernel.analog_matrix as module

    calls = []
    real = module.seen_by_read
    monkeypatch.setattr(module, "seen_by_read", lambda *a: calls.append(a[2]) or real(*a))
    made = matrix("sgd", replace(IDEAL, forward=ReadParameters.from_architecture(chip())))
    x, error = batch()
    for _ in range(2):
        made.forward(x), made.forward(x), made.backward(error), made.backward(error)
        made.update(x, error, 0.1)
    assert calls == [Direction.FORWARD, Direction.TRANSPOSED] * 2


def test_activities_are_those_of_the_vectors_put_in() -> None:
    """Means of |x| and x^2 relative to the largest input of each array's part, by hand."""
    read = replace(IDEAL.forward, noise_management="abs_max")
    made = matrix("sgd", replace(IDEAL, forward=read))
    x = batch()[0]
    made.forward(x)
    totals = made.totals.forward
    parts = [x[:, k : k + 8] for k in (0, 8, 16)]
    # 23 inputs on three arrays of 8: the last line is fed with zero.
    relative = [np.abs(p) / np.abs(p).max(axis=1, keepdims=True) for p in parts]
    assert totals.vectors == 6
    assert totals.array_vectors == totals.array_reads == 6 * 6
    assert totals.mean_abs_input == close(sum(r.sum() for r in relative) / (6 * 24), rel=1e-5)
    squares = sum(np.square(r).sum() for r in relative) / (6 * 24)
    assert totals.mean_square_input == close(squares, rel=1e-5)


def test_repeats_feed_half_the_input() -> None:
    """A vector whose outputs clip is read twice, the second time at half of full scale."""
    adc = ReadParameters.from_architecture(chip()).adc
    read = replace(IDEAL.forward, noise_management="abs_max", bound_management="iterative", adc=adc)
    tiling = Tiling(40, 3, 40, 8)
    made = AnalogMatrix(
        algorithm("sgd"), device("ideal"), tiling, replace(IDEAL, forward=read), generator(1)
    )
    made.program(np.ones((40, 3)))
    made.forward(np.ones((2, 40)))
    totals = made.totals.forward
    # An output of 20 exceeds the bound of 12, half of it does not.
    assert totals.repeats == 2
    assert totals.mean_abs_input == close(0.75, rel=1e-6)
    assert totals.mean_square_input == close(0.625, rel=1e-6)
    assert totals.clipped_share == 0


def test_totals_add_over_matrices() -> None:
    """The sum over two layers has the mean pulses of both, by their devices."""
    x, error = batch()
    first, second = matrix(), matrix(seed=2)
    first.update(x, error, 0.1)
    for _ in range(2):
        second.update(x, error, 0.2)
    both = first.totals + second.totals
    pulses = [m.totals.pulses_per_vector * m.totals.device_vectors for m in (first, second)]
    assert both.minibatches == 3
    assert both.update_vectors == 18
    assert both.pulses_per_vector == close(sum(pulses) / (18 * INPUTS * OUTPUTS), rel=1e-12)
    assert MatrixTotals().pulses_per_vector == 0
    assert MatrixTotals().forward.repeats == 1


def test_wear_and_saturation_are_of_the_devices_that_hold_weights() -> None:
    """Driven to its bounds every device is saturated, and the worst one sets the wear."""
    made = matrix("sgd", known="protonic_onen2022")
    assert made.statistics().devices["weights"].saturated_share < 0.1
    ones = np.ones((4, INPUTS)), -np.ones((4, OUTPUTS))
    for _ in range(60):
        made.update(*ones, 1.0)
    found = made.statistics().devices["weights"]
    assert found.devices == INPUTS * OUTPUTS
    assert found.saturated_share > 0.95
    totals = made.totals
    assert found.pulses_mean * found.devices == pytest.approx(
        totals.pulses_per_vector * totals.device_vectors, rel=1e-6
    )
    assert found.pulses_most >= found.pulses_mean
    assert found.wear == close(found.pulses_most / made.device.endurance_pulses, rel=1e-12)


def test_time_between_minibatches_is_retention() -> None:
    """One time constant takes 1/e of the weights, in one pause or in two."""
    for pauses in (1, 2):
        made = matrix("sgd", known="capacitor")
        before = made.weights()
        retention = made.device.retention
        assert isinstance(retention, ExponentialRetention)
        for _ in range(pauses):
            made.end_of_minibatch(float(retention.time_constant_s) / pauses)
        np.testing.assert_allclose(made.weights(), before * np.exp(-1), rtol=1e-4, atol=1e-6)
    unknown = matrix("sgd", known="ecram_li")
    unknown.end_of_minibatch()
    with pytest.raises(InputError, match="retention of device 'ecram_li' is unknown"):
        unknown.end_of_minibatch(1.0)


def test_matrix_of_an_architecture() -> None:
    """Split by the array's rows and weight columns; noise of the reads is that of its parts."""
    wide = np.random.default_rng(1).uniform(-0.3, 0.3, (300, 140)).astype(np.float32)
    made = AnalogMatrix.from_architecture(chip(), wide, generator(1), unknown=NO_SPREAD)
    assert made.tiling.shape == (4, 150, 70)
    x = np.random.default_rng(2).uniform(-1, 1, (50, 300)).astype(np.float32)
    error = made.forward(x) - x @ made.weights()
    assert 0.05 < error.std() / (x @ wide).std() < 0.15
    with pytest.raises(InputError, match="spread of device"):
        AnalogMatrix.from_architecture(chip(), wide, generator(1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.forward(np.ones((2, 3))), r"x has shape \[2, 3\]; expected \[batch, 23\]"),
        (lambda m: m.backward(np.ones(14)), r"x has shape \[14\]; expected \[batch, 14\]"),
        (lambda m: m.forward(np.full((1, 23), np.nan)), "x is nan"),
        (lambda m: m.update(np.ones((2, 23)), np.ones((2, 3)), 0.1), "error has shape"),
        (lambda m: m.update(np.ones((2, 23)), np.ones((3, 14)), 0.1), "one error per input"),
        (lambda m: m.update(np.ones((2, 23)), np.full((2, 14), np.inf), 0.1), "error is inf"),
        (lambda m: m.update(np.ones((2, 23)), np.ones((2, 14)), -1.0), "learning rate"),
        (lambda m: m.program(np.ones((3, 3))), r"matrix has shape \[3, 3\]"),
        (lambda m: m.program(np.full((23, 14), np.nan)), "weights is nan"),
        (lambda m: m.end_of_minibatch(-1.0), "at least 0 s"),
        (lambda m: replace(m.parameters, weight_scale=0.0), "weight_scale is 0"),
        (
            lambda m: AnalogMatrix.from_architecture(chip(), np.ones(3), generator(1)),
            r"weights have shape \[3\]",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    call: Callable[[AnalogMatrix], object], said: str
) -> None:
    """Shapes, numbers and times that cannot be."""
    made = matrix("sgd", known="capacitor")
    before = made.state()
    with pytest.raises(InputError, match=said):
        call(made)
    for name, value in made.state().items():
        np.testing.assert_array_equal(value, before[name])
