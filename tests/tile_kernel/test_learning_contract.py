"""What every device under every update algorithm must do: all that ship, unasked."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.spread import Spread
from archsim.resources import data_folder
from archsim.tile_kernel.algorithms import KERNELS, Step, create, learn, read_weights
from archsim.tile_kernel.algorithms.buffered import BufferedState
from archsim.tile_kernel.algorithms.contract import LearnReport
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.state import DeviceArray, sample_devices
from archsim.tile_kernel.trains import Disturb, UpdateParameters
from archsim.tile_kernel.update import update
from tests.algorithms import KINDS, algorithm
from tests.tile_kernel.reference_devices import generator, reference_devices

FOLDER = data_folder("arch_configs") / "devices"
DEVICES = names_in(FOLDER)
SHAPE = (1, 6, 5)
# For gaps of the shipped devices: a tenth of spread in everything, no write noise.
UNKNOWN = Spread(
    step_devices=0.1,
    bounds_devices=0.1,
    asymmetry_devices=0.02,
    bounds_cycles=0,
    step_cycles=0.3,
    write_noise=0,
)
Learner = tuple[Any, Any, np.random.Generator]


@cache
def device(name: str) -> Device:
    """A shipped device."""
    return load(name, Device, FOLDER).value


def learner(name: str, kind: str, seed: int = 1, **values: object) -> Learner:
    """A fresh state with its algorithm and generator."""
    rng = generator(seed)
    known = device(name)
    if kind.startswith("tiki_taka") and known.response.kind == "constant":
        # Constant steps have no symmetry point to read the fast array against.
        values = {"reference": "zero", **values}
    rule = algorithm(kind, **values)
    return rule, create(rule, lambda: sample_devices(known, SHAPE, rng, unknown=UNKNOWN)), rng


def arrays_of(state: Any) -> list[DeviceArray]:
    """All device arrays of a state, whatever its type."""
    if isinstance(state, DeviceArray):
        return [state]
    if isinstance(state, (np.ndarray, float, int)):
        return []
    return [found for name in state.__slots__ for found in arrays_of(getattr(state, name))]


def batch(sign: float = 1.0, vectors: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of both signs and errors."""
    rng = np.random.default_rng(6)
    x = rng.uniform(-1, 1, (vectors, SHAPE[1])).astype(np.float32)
    return x, sign * rng.uniform(-1, 1, (vectors, SHAPE[2])).astype(np.float32)


def train(state: Learner, x: Any, error: Any, rate: float, steps: int = 1) -> LearnReport:
    """Some equal minibatches."""
    rule, held, rng = state
    report = LearnReport()
    for _ in range(steps):
        report += learn(rule, held, Step(x, error, rate, UpdateParameters(15), rng))
    return report


def test_every_algorithm_has_a_kernel() -> None:
    """The registry of kernels and the kinds that a configuration may name are the same."""
    assert sorted(KERNELS) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEVICES)
def test_zero_input_leaves_weights_alone(name: str, kind: str) -> None:
    """Without input, or without error, no gradient is taken: arrays that take gradients stay."""
    state = learner(name, kind)
    before = [array.weights.copy() for array in arrays_of(state[1])]
    x, error = batch()
    # An array at its reference has nothing to transfer; it is read against its own weights.
    for inputs, errors in ((0 * x, error), (x, 0 * error)):
        report = train(state, inputs, errors, 0.1, steps=3)
        assert report.update.pulses_up + report.update.pulses_down == 0
    for array, weights in zip(arrays_of(state[1]), before, strict=True):
        np.testing.assert_array_equal(array.weights, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEVICES)
def test_bounds_hold(name: str, kind: str) -> None:
    """However hard it is pulsed, no device leaves its bounds, and all numbers stay finite."""
    state = learner(name, kind)
    for sign in (1.0, -1.0):
        x, error = batch(sign)
        train(state, x, error, 3.0, steps=10)
    for array in arrays_of(state[1]):
        assert np.all(array.stored >= array.lower)
        assert np.all(array.stored <= array.upper)
        assert np.isfinite(array.weights).all()
    assert np.isfinite(read_weights(state[0], state[1])).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEVICES)
def test_weights_move_against_the_gradient(name: str, kind: str) -> None:
    """With one sign of input and error in all samples, the mean weight moves the other way."""
    granular = {"granularity": 20.0} if "taka_v2" in kind or kind == "agad" else {}
    chopped = {"chop_probability": 0.5} if kind == "agad" else {}
    moved = {}
    for sign in (1.0, -1.0):
        state = learner(name, kind, **granular, **chopped)
        rule, held, _ = state
        before = read_weights(rule, held).mean()
        x = np.ones((8, SHAPE[1]), dtype=np.float32)
        error = np.full((8, SHAPE[2]), sign, dtype=np.float32)
        train(state, x, error, 0.05, steps=20)
        moved[sign] = read_weights(rule, held).mean() - before
    assert moved[1.0] < moved[-1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_bits(kind: str) -> None:
    """Two runs from one seed agree to the bit, of two seeds they do not."""
    x, error = batch()
    ends = []
    for seed in (1, 1, 2):
        state = learner("ecram_li", kind, seed)
        train(state, x, error, 0.3, steps=5)
        ends.append([array.weights.tobytes() for array in arrays_of(state[1])])
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


@pytest.mark.parametrize("kind", KINDS)
def test_operations_are_those_that_the_kernel_makes(kind: str) -> None:
    """Arrays, lines read per minibatch and digital words stated equal those of the kernel."""
    state = learner("ideal", kind)
    rule, held, _ = state
    stated = rule.operations(SHAPE[1], SHAPE[2])
    referenced = getattr(rule, "reference", "zero") == "symmetry_point"
    assert len(arrays_of(held)) + referenced == stated.arrays_per_weight
    x, error = batch(vectors=12)
    report = train(state, x, error, 0.1, steps=10)
    transfers = 10 * stated.transfers_per_minibatch(12)
    assert report.lines_read == transfers * stated.per_transfer.line_reads
    if isinstance(held, BufferedState) or hasattr(held, "chi"):
        buffer = held.buffer if isinstance(held, BufferedState) else held.chi
        assert stated.state_words >= buffer.size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "error", "rate", "said"),
    [
        (np.ones((2, 4)), np.ones((2, 5)), 0.1, "x has shape"),
        (np.ones((2, 6)), np.ones((2, 4)), 0.1, "error has shape"),
        (np.ones((2, 6)), np.ones((3, 5)), 0.1, "one error per input"),
        (np.full((2, 6), np.nan), np.ones((2, 5)), 0.1, "x is nan"),
        (np.ones((2, 6)), np.full((2, 5), np.inf), 0.1, "error is inf"),
        (np.ones((2, 6)), np.ones((2, 5)), -1.0, "learning rate"),
        (np.ones((2, 6)), np.ones((2, 5)), np.nan, "learning rate"),
        (np.full((2, 6), "a"), np.ones((2, 5)), 0.1, "numbers are expected"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    kind: str, x: Any, error: Any, rate: float, said: str
) -> None:
    """Wrong shapes and numbers are one sentence, and leave every array as it was."""
    state = learner("ecram_li", kind)
    before = [array.weights.copy() for array in arrays_of(state[1])]
    with pytest.raises(InputError, match=said):
        train(state, x, error, rate)
    for array, weights in zip(arrays_of(state[1]), before, strict=True):
        np.testing.assert_array_equal(array.weights, weights)


@pytest.mark.parametrize("kind", ["tiki_taka", "tiki_taka_v2", "chopped_tiki_taka_v2", "agad"])
def test_reads_through_converters_are_used_for_transfers(kind: str) -> None:
    """An ideal read gives what exact reads give, to the bit of the counters it moves."""
    x, error = batch()
    ends = []
    for read in (None, ReadParameters()):
        rule, held, rng = learner("ecram_li", kind)
        for _ in range(10):
            learn(rule, held, Step(x, error, 0.3, UpdateParameters(15), rng, read))
        ends.append(read_weights(rule, held).copy())
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


@pytest.mark.parametrize("kind", ["tiki_taka", "tiki_taka_v2"])
def test_a_device_without_symmetry_point_is_refused_where_one_is_needed(kind: str) -> None:
    """Constant steps, different up and down, give the fast array nothing to be read against."""
    with pytest.raises(InputError, match="no symmetry point"):
        learner("rpu_spec", kind, reference="symmetry_point")


def test_unknown_spread_is_refused_by_name() -> None:
    """A device whose spread nobody has published is not taken for one without spread."""
    with pytest.raises(InputError, match=r"protonic_onen2022.*step_devices.*write_noise"):
        sample_devices(device("protonic_onen2022"), SHAPE, generator(0))


def test_disturb_is_seen_by_devices_off_the_coincidence() -> None:
    """Half-selects move the device on a fired line whose other line never fires."""
    x = np.array([[1.0, 0.0]], dtype=np.float32)
    error = np.array([[-1.0, 0.0]], dtype=np.float32)
    devices = reference_devices("ConstantStep", (1, 2, 2), noisy=False)
    parameters = UpdateParameters(10, length_management=False, disturb=Disturb(0.1, 0.1))
    report = update(devices, x, error, 0.01, parameters, generator(0))
    pulses = report.pulses_up
    # Row 0 and column 0 fire in every slot, with input positive and error negative: up.
    assert pulses == 10
    expected = np.array([[10.0, 1.0], [1.0, 0.0]]) * 0.001
    np.testing.assert_allclose(devices.weights[0], expected, rtol=1e-5)
    assert devices.pulses.sum() == 10


@pytest.mark.parametrize("merge", ["sample", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_effects_at_once(kind: str, merge: Any) -> None:
    """Two tiles with write noise, disturb and noisy transfers: the weights stored stay in bounds,
    and as many lines are transferred as the algorithm states."""
    rng = generator(4)
    noisy = UNKNOWN.model_copy(update={"write_noise": 0.02})
    shape = (2, SHAPE[1], SHAPE[2])
    known = device("protonic_onen2022")
    rule = algorithm(kind)
    held = create(rule, lambda: sample_devices(known, shape, rng, unknown=noisy))
    parameters = UpdateParameters(15, merge=merge, disturb=Disturb(0.1, 0.1))
    x, error = (np.stack([side, -0.5 * side], axis=1) for side in batch(vectors=8))
    read = ReadParameters(output_noise=0.01)
    report = LearnReport()
    for _ in range(10):
        report += learn(rule, held, Step(x, error, 0.1, parameters, rng, read))
    for array in arrays_of(held):
        assert np.all((array.stored >= array.lower) & (array.stored <= array.upper))
    # Some array shows the noise of its writes; a slow one may have taken none yet.
    assert any(not np.array_equal(array.stored, array.weights) for array in arrays_of(held))
    stated = rule.operations(SHAPE[1], SHAPE[2])
    lines = 10 * stated.transfers_per_minibatch(8) * stated.per_transfer.line_reads
    assert report.lines_read == 2 * lines
