"""Perceptrons with and without what lies between their products."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from archsim.workload.network_spec import MlpSpec


def test_without_biases_and_activations_a_perceptron_is_the_product_of_its_matrices() -> None:
    model = MlpSpec(widths=(5, 4, 3), activation="none", bias=False).build("plain")
    weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    assert sorted(weights) == ["fc1.weight", "fc2.weight"]
    x = np.linspace(-1.0, 1.0, 10, dtype=np.float32).reshape(2, 5)
    (found,) = ReferenceEvaluator(model).run(None, {"x": x})
    expected = x @ weights["fc1.weight"].T @ weights["fc2.weight"].T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_biases_are_parameters_of_their_own() -> None:
    model = MlpSpec(widths=(5, 4, 3), activation="none").build("biased")
    names = {one.name for one in model.graph.initializer}
    assert names == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
