"""Folded values agree with the reference implementation that ships with the onnx package."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from archsim.workload.onnx_reader import workload_from_model

A = np.arange(1, 7, dtype=np.int64).reshape(2, 3)
B = np.array([[2, -1, 4]], np.int64)
F = np.array([[1.5, -2.0, 4.0]], np.float32)


def ints(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


CASES = {
    "Add": ([A, B], {}),
    "Sub": ([A, B], {}),
    "Mul": ([A, B], {}),
    "Div": ([A - 4, B], {}),
    "Mod": ([A, B], {}),
    "Mod fmod": ([A - 4, B], {"fmod": 1}),
    "Pow": ([A, ints(2)], {}),
    "Neg": ([A], {}),
    "Abs": ([B], {}),
    "Floor": ([F], {}),
    "Ceil": ([F], {}),
    "Sqrt": ([np.abs(F)], {}),
    "Reciprocal": ([F], {}),
    "Min": ([A, B], {}),
    "Max": ([A, B], {}),
    "Sum": ([F, F + 1], {}),
    "Equal": ([A, B], {}),
    "Greater": ([A, B], {}),
    "GreaterOrEqual": ([A, B], {}),
    "Less": ([A, B], {}),
    "LessOrEqual": ([A, B], {}),
    "And": ([A > 2, B > 0], {}),
    "Or": ([A > 2, B > 0], {}),
    "Not": ([A > 2], {}),
    "Where": ([A > 2, A, B], {}),
    "Cast": ([F], {"to": TensorProto.INT64}),
    "Identity": ([A], {}),
    "Shape": ([A], {}),
    "Shape part": ([A], {"start": -1}),
    "Size": ([A], {}),
    "NonZero": ([A % 2], {}),
    "ConstantOfShape": ([ints(2, 2)], {"value": helper.make_tensor("v", 7, [1], [5])}),
    "Reshape": ([A, ints(3, -1)], {}),
    "Reshape keep": ([A, ints(0, 3, 1)], {}),
    "Flatten": ([A[None]], {"axis": 2}),
    "Squeeze": ([B, ints(0)], {}),
    "Unsqueeze": ([B, ints(0, 3)], {}),
    "Transpose": ([A], {}),
    "Transpose perm": ([A[None]], {"perm": [1, 0, 2]}),
    "Concat": ([A, B], {"axis": 0}),
    "Gather": ([A, ints(2, 0)], {"axis": 1}),
    "Gather negative": ([A, np.asarray(-1, np.int64)], {"axis": 0}),
    "GatherElements": ([A, ints(2, 0, 1, -1).reshape(2, 2)], {"axis": 1}),
    "ScatterElements": ([A, ints(2, 0).reshape(2, 1), ints(8, 9).reshape(2, 1)], {"axis": 1}),
    "ScatterElements back": ([ints(4, 5, 6), ints(-1), ints(9)], {}),
    "ScatterElements add": ([ints(4, 5, 6), ints(1, 1), ints(2, 3)], {"reduction": "add"}),
    "ScatterND": ([A, ints(1, 2, 0, 0).reshape(2, 2), ints(8, 9)], {}),
    "ScatterND rows": ([A, ints(1).reshape(1, 1), ints(7, 8, 9).reshape(1, 3)], {}),
    "Slice": ([A, ints(1), ints(99), ints(1)], {}),
    "Slice back": ([A, ints(-1), ints(-99), ints(1), ints(-1)], {}),
    "Slice all": ([A, ints(0, 1), ints(1, 3)], {}),
    "Range": ([ints(2)[0], ints(11)[0], ints(3)[0]], {}),
    "Expand": ([B, ints(2, 1)], {}),
    "Tile": ([B, ints(2, 2)], {}),
    "ReduceProd": ([A, ints(1)], {"keepdims": 0}),
    "ReduceSum": ([A], {}),
    "ReduceSum none": ([A], {"noop_with_empty_axes": 1}),
    "ReduceMax": ([A, ints(0)], {}),
    "ReduceMin": ([A, ints(0)], {}),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_value_decides_a_shape_as_the_reference_says(network, case: str) -> None:
    """The folded value becomes the trailing size of a Tile-like Expand, so its value is seen."""
    operands, attributes = CASES[case]
    names = [f"c{i}" for i in range(len(operands))]
    node = helper.make_node(case.split(maxsplit=1)[0], names, ["value"], **attributes)
    stored = dict(zip(names, (np.asarray(o) for o in operands), strict=True))
    value = ReferenceEvaluator(network([node], {}, ["value"], stored)).run(None, {})[0]
    # Sizes must be positive whole numbers: shift the folded value into that range.
    low = min(float(value.min()), 0.0)
    shift = np.asarray(1 - low)
    nodes = [
        node,
        helper.make_node("Cast", ["value"], ["real"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["real", "shift"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    stored |= {"shift": shift, "flat": ints(-1)}
    workload = workload_from_model(network(nodes, {"x": [1]}, ["y"], stored), name="test")
    expected = (value.astype(np.float64) + shift).astype(np.int64).ravel()
    assert workload.tensors["y"].shape == tuple(expected)


@pytest.mark.parametrize("sizes", [None, ints(1, 2)])
def test_split_gives_all_its_parts(network, sizes) -> None:
    inputs = ["c"] if sizes is None else ["c", "sizes"]
    attributes = {"num_outputs": 2} if sizes is None else {}
    nodes = [
        helper.make_node("Split", inputs, ["a", "b"], axis=0, **attributes),
        helper.make_node("Concat", ["b", "a"], ["shape"], axis=0),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    stored = {"c": ints(3, 4, 5)} | ({} if sizes is None else {"sizes": sizes})
    workload = workload_from_model(network(nodes, {"x": [1]}, ["y"], stored), name="test")
    assert workload.tensors["y"].shape == ((5, 3, 4) if sizes is None else (4, 5, 3))


def test_old_opsets_with_attributes_instead_of_inputs(network) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Slice", ["s"], ["part"], starts=[1], ends=[2], axes=[0]),
        helper.make_node("Squeeze", ["part"], ["scalar"], axes=[0]),
        helper.make_node("Unsqueeze", ["scalar"], ["again"], axes=[0]),
        helper.make_node("Concat", ["again", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    model = network(nodes, {"x": [2, 3, 4]}, ["y"], {"rest": ints(-1)}, opset=9)
    assert workload_from_model(model, name="test").tensors["y"].shape == (3, 8)
