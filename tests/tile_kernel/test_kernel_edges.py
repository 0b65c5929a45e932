"""What the kernel does at its edges: absurd numbers, nothing at all, and steps that grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.hardware.response import PowerStep
from archsim.tile_kernel.algorithms import Step, learn
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.read import read_forward
from archsim.tile_kernel.state import make_devices
from archsim.tile_kernel.step_law import CurvedLaw, straight_law
from archsim.tile_kernel.trains import UpdateParameters
from archsim.tile_kernel.update import update
from tests.tile_kernel.reference_devices import generator, one, reference_devices
from tests.tile_kernel.test_analog_matrix import INPUTS, OUTPUTS, matrix
from tests.tile_kernel.test_learning_contract import KINDS, SHAPE, arrays_of, learner


@pytest.mark.parametrize("name", ["ecram_li", "protonic_onen2022"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "rate"),
    [(1.0, 1e14), (1e14, 1e14), (1e-30, 1e30), (1e-44, 1.0), (1.0, 1e-300), (1e15, 0.1)],
)
def test_numbers_at_the_ends_of_the_range(kind: str, name: str, size: float, rate: float) -> None:
    """A diverging or dying network ends at the bounds, or is refused before anything changes."""
    rule, held, rng = learner(name, kind)
    x = np.full((3, SHAPE[1]), size, dtype=np.float32)
    error = np.full((3, SHAPE[2]), -size, dtype=np.float32)
    before = [array.weights.copy() for array in arrays_of(held)]
    try:
        learn(rule, held, Step(x, error, rate, UpdateParameters(15), rng))
    except InputError:
        for array, weights in zip(arrays_of(held), before, strict=True):
            np.testing.assert_array_equal(array.weights, weights)
    for array in arrays_of(held):
        assert np.all((array.stored >= array.lower) & (array.stored <= array.upper))


@pytest.mark.parametrize("pulses", [500.0, 2000.0, 1e6])
def test_steps_that_grow_end_at_the_bound_they_go_to(pulses: float) -> None:
    """Steps that grow on their way carry every device to the bound ahead, however many are merged:
    their noise grows with them, but not beyond the range."""
    step, fall = one(0.004), one(-0.0028)
    law = straight_law(step, fall, step, fall)
    devices = make_devices((1, 1, 5000), law, (one(-1), one(1)), 0.004, cycle_noise=0.3)
    taken = np.full(5000, pulses, dtype=np.float32)
    apply_pulses(devices, slice(0, 5000), taken, np.zeros_like(taken), generator(1))
    np.testing.assert_array_equal(devices.weights, 1)


def test_any_number_of_pulses_takes_a_bounded_time() -> None:
    """A curved device under 1e30 pulses is at its bound after a bounded number of stretches."""
    response = PowerStep(
        kind="power", step_up=0.01, step_down=0.01, exponent_up=0.5, exponent_down=0.5
    )
    devices = make_devices((1, 1, 4), CurvedLaw(response, one(1), one(1)), (one(-1), one(1)), 0.01)
    taken = np.full(4, 1e30, dtype=np.float32)
    apply_pulses(devices, slice(0, 4), taken, np.zeros_like(taken), generator(1))
    np.testing.assert_allclose(devices.weights, 1, atol=1e-3)


def test_mixed_precision_keeps_what_one_transfer_cannot_write() -> None:
    """A device takes at most a million pulses at once, and chi keeps the rest."""
    rule, held, rng = learner("ecram_li", "mixed_precision")
    x, error = np.ones((1, SHAPE[1])), -np.ones((1, SHAPE[2]))
    report = learn(rule, held, Step(x, error, 1e9, UpdateParameters(15), rng))
    assert report.written_pulses == 1e6 * SHAPE[1] * SHAPE[2]
    assert np.all(held.chi > 1e8)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_put_in_gives_nothing(kind: str) -> None:
    """No vectors: reads give no outputs, and no gradient is taken."""
    made = matrix(kind)
    assert made.forward(np.ones((0, INPUTS))).shape == (0, OUTPUTS)
    assert made.backward(np.ones((0, OUTPUTS))).shape == (0, INPUTS)
    report = made.update(np.ones((0, INPUTS)), np.ones((0, OUTPUTS)), 0.1)
    assert report.update.pulses_up + report.update.pulses_down == 0


@pytest.mark.parametrize("kernel", ["pulsed", "counts", "events"])
@pytest.mark.parametrize("length", [1, 31, 300])
def test_one_device_is_an_array(kernel: Any, length: int) -> None:
    """One row and one column: trains longer than a byte counts, and certain lines, give exactly
    the pulses that were asked for."""
    devices = reference_devices("ConstantStep", (1, 1, 1), noisy=False)
    parameters = UpdateParameters(length, kernel=kernel)
    one_by_one = np.ones((1, 1), dtype=np.float32)
    report = update(devices, one_by_one, -one_by_one, length * 0.001, parameters, generator(0))
    assert report.pulses_up == length
    assert devices.weights[0, 0, 0] == pytest.approx(length * 0.001, rel=1e-5)


def test_tiki_taka_reads_lines_in_the_published_order() -> None:
    """With `merge: sample` a line that is due after the first vector does not see the second: the
    slow array gets nothing from gradients that come later, and with one minibatch it does."""
    x = np.zeros((2, SHAPE[1]), dtype=np.float32)
    x[1, 0] = 1.0  # Line 0, the first one due, gets its gradient from the second vector only.
    error = -np.ones((2, SHAPE[2]), dtype=np.float32)
    moved = {}
    for merge in ("sample", "minibatch"):
        rule, held, rng = learner(
            "ecram_li", "tiki_taka", transfer_unit="vector", reference="zero", transfer_rate=50.0
        )
        parameters = UpdateParameters(15, merge=merge)  # type: ignore[arg-type]
        learn(rule, held, Step(x, error, 0.05, parameters, rng))
        moved[merge] = float(np.abs(held.slow.weights[0, 0]).max())
    assert moved["sample"] == 0
    assert moved["minibatch"] > 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: UpdateParameters(3, kernel="count"), "kernel is 'count'.*counts"),  # type: ignore[arg-type]
        (lambda: UpdateParameters(3, merge="batch"), "merge is 'batch'"),  # type: ignore[arg-type]
        (lambda: UpdateParameters(1.5), "train_length is 1.5"),  # type: ignore[arg-type]
        (lambda: UpdateParameters(3, dense_from=np.nan), "dense_from is nan"),
        (
            lambda: read_forward(
                np.ones((2, 2), np.float32), [[1.0, 1e300]], ReadParameters(), generator(0)
            ),
            r"x is 1e\+300 at index \[0, 1\]",
        ),
        (
            lambda: read_forward(
                np.ones((2, 2), np.float32), [[1.0, 2.0], [1.0]], ReadParameters(), generator(0)
            ),
            "rows that differ in length",
        ),
        (
            lambda: matrix().update(np.full((1, INPUTS), 1e20), np.ones((1, OUTPUTS)), 0.1),
            r"x is as large as 1e\+20",
        ),
        (
            lambda: matrix("mixed_precision").update(
                np.full((1, INPUTS), 1e10), np.ones((1, OUTPUTS)), 1e10
            ),
            "smaller learning rate",
        ),
        (
            lambda: update(
                reference_devices("SoftBounds", (1, 1, 1)),
                [[1.0]],
                [[1.0]],
                None,  # type: ignore[arg-type]
                UpdateParameters(3),
                generator(0),
            ),
            "learning rate is None",
        ),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], said: str) -> None:
    """Names, lengths and numbers that cannot be are one sentence."""
    with pytest.raises(InputError, match=said):
        call()


@pytest.mark.parametrize("name", ["generator", "bounded_share", "age_s"])
def test_an_incomplete_checkpoint_is_refused(name: str) -> None:
    """A part missing, or a generator that is none: one sentence, and nothing has moved."""
    made = matrix()
    state = made.state()
    part = {key: value for key, value in state.items() if key != name}
    with pytest.raises(InputError, match=f"no '{name}'"):
        made.restore(part)
    with pytest.raises(InputError, match="no state of a generator"):
        made.restore({**state, "generator": np.frombuffer(b"junk", np.uint8)})
    for key, value in made.state().items():
        np.testing.assert_array_equal(value, state[key])
