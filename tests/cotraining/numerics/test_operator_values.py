"""Values of cases that the reference implementation cannot run, by other means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archsim.cotraining.numerics import convolution, windows
from tests.cotraining.numerics.operator_case import Array, Case
from tests.cotraining.numerics.operator_cases import CASES, NORMALISATION, RECURRENT


def named(op_type: str, label: str) -> Case:
    """The case with this label."""
    (found,) = (c for c in CASES if c.op_type == op_type and str(c).endswith(f"-{label}"))
    return found


def only(case: Case) -> Array:
    """The single output of a case."""
    (found,) = case.run().outputs
    return found


def test_a_mean_of_broadcast_tensors() -> None:
    """Mean divides the broadcast sum by the number of operands."""
    case = named("Mean", "three")
    np.testing.assert_allclose(only(case), sum(case.inputs) / 3)


def test_negative_pads_cut_elements_off() -> None:
    """Pads below zero remove rows and columns, positive ones add the fill value."""
    case = named("Pad", "negative")
    source = case.inputs[0]
    assert source is not None
    expected = np.full((5, 3), 0.5)
    expected[:3, 1:] = source[1:, :2]
    np.testing.assert_array_equal(only(case), expected)


def test_the_largest_of_a_sequence() -> None:
    """GlobalMaxPool takes the largest element of each channel, whatever the rank."""
    case = named("GlobalMaxPool", "2x3x4")
    np.testing.assert_array_equal(only(case)[..., 0], case.inputs[0].max(-1))


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax"])
def test_old_softmax_runs_over_all_axes_from_its_own_on(op_type: str) -> None:
    """Up to opset 12 the tensor is seen as a matrix, whose rows are normalised."""
    case = named(op_type, "old")
    flat = case.inputs[0].reshape(2, -1)
    shares = np.exp(flat) / np.exp(flat).sum(1, keepdims=True)
    expected = shares if op_type == "Softmax" else np.log(shares)
    np.testing.assert_allclose(only(case).reshape(2, -1), expected)


@pytest.mark.parametrize("case", [c for c in CASES if c.op_type == "Swish"], ids=str)
def test_swish(case: Case) -> None:
    """Swish is x / (1 + exp(-alpha x))."""
    (x,) = case.inputs
    alpha = case.attributes.get("alpha", 1.0)
    np.testing.assert_allclose(only(case), x / (1 + np.exp(-alpha * x)))


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.op_type == "ConvTranspose" and not c.attributes.get("auto_pad")],
    ids=str,
)
def test_a_transposed_convolution_is_the_adjoint_of_a_convolution(case: Case) -> None:
    """<y, ConvTranspose(x)> = <Conv(y), x> for the same kernel and windows."""
    x, kernel = case.inputs[:2]
    out = replace(case, inputs=(x, kernel)).run().outputs[0]
    y = np.random.default_rng(5).normal(size=out.shape)
    rank = out.ndim - 2
    attributes = {
        k: v for k, v in case.attributes.items() if k in ("group", "strides", "dilations")
    }
    attributes["pads"] = case.attributes.get("pads", [0] * (2 * rank))
    if "output_shape" in case.attributes:
        # The surplus of 1 on either axis is cut at the beginning, as the standard has it.
        attributes["pads"] = [1, 1, 0, 0]
    conv = Case("Conv", (y, kernel), attributes)
    back = conv.run().outputs[0]
    assert back.shape == x.shape
    assert (y * out).sum() == pytest.approx((back * x).sum(), rel=1e-12)


def _one_direction(case: Case, number: int) -> list[Array]:
    """The reference's answer for one direction alone, a reversed sequence put in front of it."""
    x, *rest = (None if v is None else v.copy() for v in case.inputs)
    reverse = case.attributes["direction"] == "reverse" or number == 1
    own = [None if v is None else v[number : number + 1] for v in rest]
    attributes = {k: v for k, v in case.attributes.items() if k != "direction"}
    single = replace(
        case, inputs=(x[::-1] if reverse else x, *own), attributes=attributes, outputs=2
    )
    hidden, last = single.expected()[:2]
    return [hidden[::-1] if reverse else hidden, last]


@pytest.mark.parametrize("case", [c for c in RECURRENT if c.attributes.get("direction")], ids=str)
def test_directions_run_alone(case: Case) -> None:
    """Each direction is a layer of its own over the sequence in its order."""
    found = case.run().outputs
    for number in range(found[0].shape[1]):
        hidden, last = _one_direction(case, number)
        np.testing.assert_allclose(found[0][:, number], hidden[:, 0], atol=1e-6)
        if len(found) > 1:
            np.testing.assert_allclose(found[1][number], last[0], atol=1e-6)


@pytest.mark.parametrize(
    "case", [c for c in RECURRENT if not c.attributes.get("direction")], ids=str
)
def test_batch_first_only_turns_axes(case: Case) -> None:
    """`layout` 1 gives the same numbers with the batch as the first axis."""
    plain = case.run()
    x, w, r, b, *rest = case.inputs
    states = [None if v is None else v.swapaxes(0, 1) for v in rest]
    turned = replace(
        case,
        inputs=(x.swapaxes(0, 1), w, r, b, *states),
        attributes={**case.attributes, "layout": 1},
    ).run()
    np.testing.assert_allclose(turned.outputs[0].transpose(1, 2, 0, 3), plain.outputs[0])
    grads = [np.cos(np.arange(out.size)).reshape(out.shape) for out in plain.outputs]
    back = [grads[0].transpose(2, 0, 1, 3), *(g.swapaxes(0, 1) for g in grads[1:])]
    before, after = plain.pullback(grads), turned.pullback(back)
    np.testing.assert_allclose(after[0].swapaxes(0, 1), before[0])
    for one, two in zip(before[1:4], after[1:4], strict=True):
        np.testing.assert_allclose(two, one, atol=1e-12)


def test_a_rectified_cell_is_a_loop_of_sums() -> None:
    """RNN with Relu: h = max(0, W x + R h + both biases)."""
    case = named("RNN", "relu")
    x, w, r, b = case.inputs
    hidden = np.zeros((x.shape[1], r.shape[1]))
    for step, inputs in enumerate(x):
        hidden = np.maximum(0, inputs @ w[0].T + hidden @ r[0].T + b[0, :3] + b[0, 3:])
        np.testing.assert_allclose(only(case)[step, 0], hidden)


def test_group_mode_is_a_group_normalisation() -> None:
    """With 4 channels the groups of the `group` mode are single channels."""
    case = named("BatchNormalization", "group")
    x, scale, shift, *_ = case.inputs
    same = Case("InstanceNormalization", (x, scale, shift))
    np.testing.assert_allclose(only(case), same.expected()[0], atol=1e-6)


def test_running_statistics_move_by_the_momentum() -> None:
    """After a minibatch they are those that the reference's training mode gives."""
    case = next(c for c in NORMALISATION if str(c) == "BatchNormalization-batch")
    expected = replace(case, outputs=3).expected()[1:]
    found = case.run().statistics
    np.testing.assert_allclose(found["in3"], expected[0], atol=1e-6)
    np.testing.assert_allclose(found["in4"], expected[1], atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "training", "moved"),
    [
        ("batch", True, True),
        ("running", True, True),
        ("frozen", True, False),
        ("group", True, False),
    ]
    + [(mode, False, False) for mode in ("batch", "running", "frozen", "group")],
)
def test_statistics_move_only_where_they_are_learned(
    mode: str, training: bool, moved: bool
) -> None:
    """Training by minibatch or by running statistics moves them; nothing else does."""
    case = next(c for c in NORMALISATION if str(c) == "BatchNormalization-batch")
    found = replace(case, batchnorm=mode, training=training).run().statistics
    assert set(found) == ({"in3", "in4"} if moved else set())


def test_dropout_keeps_the_mean_and_the_share() -> None:
    """Of many ones a share of 1 - ratio stays, scaled by its inverse; gradients pass the same way."""
    ones = np.ones((200, 500))
    case = Case("Dropout", (ones, np.asarray(0.3)), outputs=2, fixed=frozenset({1}))
    result = case.run()
    out, mask = result.outputs
    # The standard deviation of the share is sqrt(0.21 / 100000) = 0.0014.
    assert mask.mean() == pytest.approx(0.7, abs=0.006)
    np.testing.assert_allclose(out, mask / 0.7)
    np.testing.assert_allclose(result.pullback([ones, None])[0], mask / 0.7)


@pytest.mark.parametrize("case", [c for c in CASES if c.op_type.startswith("Conv")], ids=str)
def test_memory_limits_change_no_number(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns gathered again, and images worked on channel by channel, give the same gradients."""
    ones = [np.cos(np.arange(out.size)).reshape(out.shape) for out in case.run().outputs]
    expected = case.run().pullback(ones)
    monkeypatch.setattr(convolution, "_KEPT_BYTES", 0)
    monkeypatch.setattr(windows, "_CACHED_BYTES", 1)
    found = case.run().pullback(ones)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None and theirs is None) or np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            Case("MaxPool", (np.ones((1, 1, 4)),), {"kernel_shape": [2], "strides": [2]}),
            [1, 0, 1, 0],
        ),
        (Case("MaxPool", (np.ones((1, 1, 4)),), {"kernel_shape": [2]}), [1, 1, 1, 0]),
        (Case("GlobalMaxPool", (np.ones((1, 1, 4)),)), [1, 0, 0, 0]),
        (Case("Max", (np.ones(4), np.asarray([1.0, 0, 2, 1]))), [1, 1, 0, 1]),
        (Case("Min", (np.ones(4), np.asarray([1.0, 0, 2, 1]))), [1, 0, 1, 1]),
        (Case("ReduceMax", (np.ones(4),)), [0.25] * 4),
        (Case("ReduceMin", (np.asarray([0.0, 0, 1, 1]),)), [0.5, 0.5, 0, 0]),
        (Case("Relu", (np.zeros(4),)), [0, 0, 0, 0]),
        (
            Case("Clip", (np.asarray([-1.0, 0, 1, 2]), np.asarray(0.0), np.asarray(1.0))),
            [0, 1, 1, 0],
        ),
    ],
    ids=str,
)
def test_equal_elements_are_treated_as_documented(case: Case, expected: list[float]) -> None:
    """At ties and corners the gradient goes where the page about the numerics says."""
    result = case.run()
    found = result.pullback([np.ones(result.outputs[0].shape)])[0]
    np.testing.assert_array_equal(found.reshape(-1), expected)
