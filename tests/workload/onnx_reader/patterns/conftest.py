"""Networks written as text, read with and without the patterns' help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from archsim.workload.graph import Op, Workload
from archsim.workload.onnx_reader import workload_from_model

Read = Callable[..., Workload]

# Numbers that the texts may name, and vectors of the width of the last axis or of the channels.
NUMBERS = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "six": 6.0, "zero": 0.0, "eps": 1e-5,
    "root2": 1.4142135, "root_half": 0.70710677, "cubic": 0.044715, "c": 0.7978846,
    "quick": 1.702, "sixth": 1 / 6, "minus_half": -0.5, "width": 16.0, "root_width": 4.0,
    "minus_one": -1.0, "big": -1e9,
}  # fmt: skip
AXES = {"last": [-1], "channel": [1], "space": [2, 3], "group": [2, 3, 4]}


def read(
    body: str,
    shape: tuple[int, ...] = (2, 8, 16),
    *,
    opset: int = 18,
    outputs: str = "y",
    inputs: str = "",
    vectors: dict[str, tuple[int, ...]] | None = None,
    loose: dict[str, np.ndarray] | None = None,
) -> Workload:
    """The network of the nodes in `body` from `x` of `shape` to `outputs`."""
    sizes = ",".join(map(str, shape))
    results = ", ".join(f"float[{','.join('abcdefgh'[: len(shape)])}] {o}" for o in outputs.split())
    text = f'<ir_version: 9, opset_import: ["" : {opset}]>\n'
    text += f"net (float[{sizes}] x{', ' + inputs if inputs else ''}) => ({results})\n{{ {body} }}"
    model = onnx.parser.parse_model(text)
    used = {name for node in model.graph.node for name in node.input}
    rng = np.random.default_rng(0)
    stored: dict[str, np.ndarray] = {
        **{name: np.asarray(value, np.float32) for name, value in NUMBERS.items()},
        **{name: np.asarray(value, np.int64) for name, value in AXES.items()},
        **{
            name: rng.normal(size=size).astype(np.float32)
            for name, size in (vectors or {"scale": (16,), "shift": (16,)}).items()
        },
        **(loose or {}),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in stored.items() if name in used
    )
    return workload_from_model(model, name="network")


def only(workload: Workload) -> Op:
    """The single operator of a network."""
    (op,) = workload.ops
    return op


def same_cost(op: Op, wanted: Op) -> bool:
    """Whether two operators do the same work and keep the same amount."""
    kept = [(item.elements, item.form) for item in op.saved]
    return (
        (op.op_type, op.kind, op.forward, op.backward) ==
        (wanted.op_type, wanted.kind, wanted.forward, wanted.backward)
        and kept == [(item.elements, item.form) for item in wanted.saved]
    )  # fmt: skip


@pytest.fixture
def net() -> Read:
    return read


@pytest.fixture
def op_of() -> Callable[[Workload], Op]:
    return only


@pytest.fixture
def costs_as() -> Callable[[Op, Op], bool]:
    return same_cost
