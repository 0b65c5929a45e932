"""Laws that every operator with numerics obeys, over the cases of `operator_cases`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from archsim.cotraining.numerics.registry import OPERATORS
from tests.cotraining.numerics.operator_case import Array, Case
from tests.cotraining.numerics.operator_cases import CASES

# Central differences of a step of 1e-6 in float64 are exact to about ten digits.
_STEP = 1e-6
_TRAINED = [
    case for case in CASES if any(case.needs) and OPERATORS["", case.op_type].differentiable
]


def test_every_operator_has_cases() -> None:
    """An operator in the registry has at least one case, and two if gradients pass it."""
    counts = Counter(case.op_type for case in CASES)
    assert {
        op.op_type for op in OPERATORS.values() if counts[op.op_type] < 1 + op.differentiable
    } == set()


@pytest.mark.parametrize("case", [case for case in CASES if case.compared], ids=str)
def test_values_are_those_of_the_reference(case: Case) -> None:
    """An operator computes what the ONNX package's reference implementation does."""
    found = case.run().outputs
    expected = case.expected()[: len(found)]
    assert len(found) >= min(case.outputs, 1)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        # The reference computes some functions in single precision.
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def _loss(case: Case, inputs: list[Array | None], weights: list[Array]) -> float:
    outputs = case.run(inputs).outputs
    pairs = zip(outputs, weights, strict=True)
    return float(sum((out * weight).sum() for out, weight in pairs))


@pytest.mark.parametrize("case", _TRAINED, ids=str)
def test_gradients_are_central_differences(case: Case) -> None:
    """The pullback gives the derivative of a random sum of the outputs by each input element."""
    rng = np.random.default_rng(1)
    result = case.run()
    weights = [
        rng.normal(size=out.shape) if out.dtype.kind == "f" else np.zeros(out.shape)
        for out in _differentiated(case, result.outputs)
    ]
    if not any(weight.any() for weight in weights):
        assert result.pullback is None or set(result.pullback(weights)) <= {None}
        return
    assert result.pullback is not None
    found = result.pullback(weights)
    assert len(found) >= len(case.inputs)
    assert all(entry is None for entry in found[len(case.inputs) :])
    for index, needed in enumerate(case.needs):
        if not needed:
            assert found[index] is None
            continue
        own = found[index]
        assert own is not None
        assert own.shape == case.inputs[index].shape
        expected = _differences(case, index, weights)
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(own, expected, rtol=0, atol=2e-8 * scale)


def _differentiated(case: Case, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Outputs beyond the first of a normalisation are statistics that no gradient enters."""
    if case.op_type == "LayerNormalization":
        return (outputs[0], *(np.zeros(out.shape, bool) for out in outputs[1:]))
    return outputs


def _differences(case: Case, index: int, weights: list[Array]) -> Array:
    source = case.inputs[index]
    assert source is not None
    found = np.empty(source.shape)
    for place in np.ndindex(source.shape):
        losses = []
        for sign in (1, -1):
            moved = source.copy()
            moved[place] += sign * _STEP
            inputs = [*case.inputs[:index], moved, *case.inputs[index + 1 :]]
            losses.append(_loss(case, inputs, weights))
        found[place] = (losses[0] - losses[1]) / (2 * _STEP)
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_and_gradients_are_left_as_they_were(case: Case) -> None:
    """Neither forward nor backward writes into what it was given."""
    before = [None if x is None else x.copy() for x in case.inputs]
    result = case.run()
    if result.pullback is not None:
        grads = [np.ones(out.shape) for out in result.outputs]
        result.pullback(grads)
        assert all((grad == 1).all() for grad in grads)
    for now, then in zip(case.inputs, before, strict=True):
        assert (now is None and then is None) or np.array_equal(now, then, equal_nan=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_single_precision_stays_single(case: Case) -> None:
    """In float32 no output and no gradient becomes float64: that would cost twice the time."""
    inputs = [
        x.astype(np.float32) if x is not None and x.dtype.kind == "f" else x for x in case.inputs
    ]
    result = case.run(inputs, np.float32)
    floating = [out for out in result.outputs if out.dtype.kind == "f"]
    if case.op_type == "Cast" or (case.op_type == "ConstantOfShape"):
        floating = [out for out in floating if out.dtype != np.float64]
    assert all(out.dtype == np.float32 for out in floating)
    if result.pullback is not None and floating:
        grads = [np.ones(out.shape, np.float32) for out in result.outputs]
        found = result.pullback(grads)
        assert all(grad is None or grad.dtype == np.float32 for grad in found)
    assert all(np.asarray(value).dtype == np.float32 for value in result.statistics.values())
