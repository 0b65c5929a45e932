"""The loss can be taken on some of a network's outputs only."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from archsim.errors import InputError
from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TrainingOptions, training_graph


@pytest.fixture(scope="module")
def two_heads() -> Workload:
    """A trunk with a main head, an auxiliary head, and an output of integers."""
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18]>
        net (float[3,8] x) => (float[3,4] main, float[3,4] aux_1, int64[3,1] best) {
            h = MatMul(x, trunk)
            main = MatMul(h, head)
            aux_1 = MatMul(h, side)
            best = ArgMax<axis=-1>(main)
        }"""
    )
    shapes = {"trunk": (8, 8), "head": (8, 4), "side": (8, 4)}
    rng = np.random.default_rng(0)
    model.graph.initializer.extend(
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    )
    return workload_from_model(model, name="heads")


@pytest.mark.parametrize(
    ("globs", "trained"),
    [
        ((), {"trunk", "head", "side"}),
        (("main",), {"trunk", "head"}),
        (("aux_*",), {"trunk", "side"}),
        (("aux_*", "main"), {"trunk", "head", "side"}),
    ],
)
def test_only_what_leads_to_the_chosen_outputs_is_trained(
    two_heads: Workload, globs: tuple[str, ...], trained: set[str]
) -> None:
    """A head without a loss gets no gradient; without a choice every floating output counts."""
    graph = training_graph(two_heads, TrainingOptions(loss_outputs=globs))
    assert set(graph.trained) == trained


@pytest.mark.parametrize(
    ("glob", "says"),
    [("mian", "Did you mean 'main'"), ("best", "has integers only"), ("z*", "matches no output")],
)
def test_an_output_that_cannot_carry_the_loss_is_refused(
    two_heads: Workload, glob: str, says: str
) -> None:
    """Unknown outputs and integers are refused by name."""
    with pytest.raises(InputError, match=says):
        training_graph(two_heads, TrainingOptions(loss_outputs=(glob,)))
