"""Convolutions, grouped ones and recurrent cells train on tiles, and end where they began exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from archsim.cotraining.holders import ExactMatrix
from archsim.cotraining.tiles import TiledMatrix, matrix_parameters
from archsim.cotraining.training import Training
from archsim.workload.builders.layers import conv, gemm
from archsim.workload.builders.writer import GraphWriter, kaiming
from archsim.workload.executable import executable
from tests.cotraining.plans import architecture, small_plan


def small_cnn(groups: int) -> onnx.ModelProto:
    """Two convolutions on 8 x 8 images, the second in groups, and a linear layer."""
    g = GraphWriter("cnn")
    x = g.input("x", ["batch", 1, 8, 8])
    x = g.node("Tanh", [conv(g, x, "conv1", (1, 4), 3, padding=1, bias=True)], "act1")
    x = g.node("MaxPool", [x], "pool1", kernel_shape=[2, 2], strides=[2, 2])
    weight = g.parameter("conv2.weight", (8, 4 // groups, 3, 3), kaiming(36 // groups))
    x = g.node("Conv", [x, weight], "conv2", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=groups)
    x = g.node("Tanh", [x], "act2")
    x = g.node("Flatten", [x], "flatten", axis=1)
    g.output("logits", gemm(g, x, "fc", 8 * 4 * 4, 10), ["batch", 10])
    return g.model()


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolutional_network_learns_on_tiles(groups: int) -> None:
    """The loss falls on tiles as in float32; each group has arrays of its own."""
    graph = executable(small_cnn(groups))
    plan = small_plan(
        ("device", "devices/ideal"),
        ("read.voltage", "1 V"),
        graph=graph,
        train_samples=400,
        epochs=3,
        initial="uniform",
    )
    curves = {}
    for kind in ("float32", "analog"):
        training = Training(plan, kind, 0)  # type: ignore[arg-type]
        training.run()
        curves[kind] = [point.test_loss for point in training.curve]
    holder = training.machine.holders["conv2.weight"]
    assert isinstance(holder, TiledMatrix)
    assert len(holder.blocks) == groups
    assert curves["float32"][-1] < 0.8 * curves["float32"][0]
    assert curves["analog"][-1] < 0.85 * curves["analog"][0]


def test_matrices_that_the_mapping_keeps_digital_stay_exact() -> None:
    """Only what lies on arrays goes through tiles."""
    plan = small_plan()
    names = sorted(plan.on_tiles)
    mixed = replace(plan, on_tiles=frozenset(names[:1]))
    training = Training(mixed, "analog", 0)
    kinds = {name: type(holder) for name, holder in training.machine.holders.items()}
    assert kinds == {names[0]: TiledMatrix, names[1]: ExactMatrix}


def test_the_recipe_decides_how_tiles_are_managed() -> None:
    """Management and scale are the recipe's; noise and converters stay the hardware's."""
    plan = small_plan(tiles={"noise_management": "none", "merge": "sample", "weight_scale": 0.5})
    found = matrix_parameters(plan.architecture, plan.recipe.tiles)
    plain = matrix_parameters(architecture(), small_plan().recipe.tiles)
    assert (found.forward.noise_management, found.update.merge) == ("none", "sample")
    assert found.weight_scale == 0.5
    assert found.forward.output_noise == plain.forward.output_noise
    assert np.isclose(found.forward.adc.step, plain.forward.adc.step)
