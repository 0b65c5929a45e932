"""Constants that are small in the file and would be enormous if anyone computed them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.workload.hostile.case import Case
from tests.workload.hostile.making import integers, model, node, scalar

_NAMED = ("'bad'",)
HUGE = 2**62
_LEAST = -(2**63)


def _shaped(op_type: str, *sizes: int) -> Callable[[], ModelProto]:
    """The operator on x [4, 16] with a stored shape."""
    return lambda: model([node(op_type, ["x", "s"], ["y"])], stored=[integers("s", *sizes)])


def _folded(nodes: list[NodeProto], *stored: TensorProto) -> Callable[[], ModelProto]:
    """Nodes that make a constant c, which multiplies x."""
    return lambda: model([*nodes, helper.make_node("Mul", ["x", "c"], ["y"])], stored=stored)


def _filled(*sizes: int) -> Callable[[], ModelProto]:
    return _folded([node("ConstantOfShape", ["s"], ["c"])], integers("s", *sizes))


def _range(start: float, limit: float, delta: float) -> Callable[[], ModelProto]:
    stored = [scalar("a", start), scalar("b", limit), scalar("d", delta)]
    return _folded([node("Range", ["a", "b", "d"], ["c"])], *stored)


def _doubled(levels: int) -> ModelProto:
    """Each part is two of the one before: as many elements, and as long a name, as 2 ** levels."""
    nodes = [
        helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], name="bad", axis=0)
        for i in range(levels)
    ]
    first = helper.make_node("Identity", ["w"], ["c0"])
    last = helper.make_node("Mul", ["x", f"c{levels}"], ["y"])
    weight = numpy_helper.from_array(np.ones(1, np.float32), "w")
    return model([first, *nodes, last], stored=[weight])


def _made_of_thousands() -> ModelProto:
    """A sum of ten thousand stored scalars: each partial sum is made of all before it."""
    count = 10_000
    stored = [numpy_helper.from_array(np.ones(3, np.float32), f"w{i}") for i in range(count)]
    nodes = [
        helper.make_node("Add", ["w0" if i == 1 else f"c{i - 1}", f"w{i}"], [f"c{i}"], name="bad")
        for i in range(1, count)
    ]
    last = helper.make_node("Mul", ["x", f"c{count - 1}"], ["y"])
    return model([*nodes, last], {"x": [3]}, stored=stored)


def _slices(count: int) -> ModelProto:
    """Parts of parts of parts of a weight, whose names say so."""
    stored = [
        numpy_helper.from_array(np.ones((2, 8), np.float32), "c0"),
        integers("from", 0),
        integers("to", 1),
    ]
    nodes = []
    for i in range(count):
        whole = helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"d{i}"], name="bad", axis=0)
        part = helper.make_node("Slice", [f"d{i}", "from", "to"], [f"c{i + 1}"], name="bad")
        nodes += [whole, part]
    last = helper.make_node("MatMul", ["x", f"c{count}"], ["y"], name="last")
    return model([*nodes, last], stored=stored)


def _broadcast() -> ModelProto:
    """Ten vectors, each along an axis of its own: 1000 ** 10 elements when they meet."""
    shapes = [[1000 if axis == i else 1 for axis in range(10)] for i in range(10)]
    stored = [
        numpy_helper.from_array(np.ones(s, np.float32), f"w{i}") for i, s in enumerate(shapes)
    ]
    nodes = [node("Max", [f"w{i}" for i in range(10)], ["c"])]
    return _folded(nodes, *stored)()


CASES: tuple[Case, ...] = (
    Case("reshape_huge", _shaped("Reshape", HUGE, 4), _NAMED),
    Case("reshape_two_unknown", _shaped("Reshape", -1, -1), _NAMED),
    Case("reshape_negative", _shaped("Reshape", -7, 4), _NAMED),
    Case("reshape_other_count", _shaped("Reshape", 5, 5), _NAMED),
    Case("reshape_to_nothing", _shaped("Reshape", 0, 0, 0, 0), _NAMED),
    Case("reshape_wraps", _shaped("Reshape", 2**32, 2**32, 64), _NAMED),
    Case("expand_huge", _shaped("Expand", 2**40, 2**40, 4, 16), (*_NAMED, "more elements")),
    Case("expand_negative", _shaped("Expand", -4, 4, 16), _NAMED),
    Case("tile_huge", _shaped("Tile", 2**40, 2**40), (*_NAMED, "more elements")),
    Case("tile_negative", _shaped("Tile", -1, 1), _NAMED),
    Case("tile_to_nothing", _shaped("Tile", 0, 0), _NAMED),
    Case("pad_huge", _shaped("Pad", 0, 0, 2**50, 2**50), (*_NAMED, "more elements")),
    Case("pad_overflow", _shaped("Pad", HUGE, HUGE, HUGE, HUGE), _NAMED),
    Case("pad_to_less_than_nothing", _shaped("Pad", 0, 0, -100, -100), _NAMED),
    Case("unsqueeze_outside", _shaped("Unsqueeze", HUGE), _NAMED),
    Case("unsqueeze_twice", _shaped("Unsqueeze", 0, 0), _NAMED),
    Case("squeeze_of_four", _shaped("Squeeze", 0), _NAMED),
    Case(
        "top_k_huge",
        lambda: model([node("TopK", ["x", "s"], ["y", "i"])], stored=[integers("s", HUGE)]),
        _NAMED,
    ),
    Case("filled_huge", _filled(2**31, 2**31), _NAMED),
    Case("filled_beyond_64_bits", _filled(2**62, 2**62), _NAMED),
    Case("filled_negative", _filled(-5), _NAMED),
    Case("filled_billion", _filled(2**50), _NAMED),
    Case("filled_thousand_dimensions", _filled(*[1] * 1000), _NAMED),
    Case("range_huge", _range(0, HUGE, 1), _NAMED),
    Case("range_all_integers", _range(_LEAST, 2**63 - 1, 1), ("'c'",)),
    Case("range_without_step", _range(0, 10, 0), _NAMED),
    Case("range_infinite", _range(0.0, float("inf"), 1.0), _NAMED),
    Case("range_not_a_number", _range(0.0, float("nan"), 1.0), _NAMED),
    Case("range_tiny_step", _range(0.0, 1e30, 1e-30), ("'c'",)),
    Case("concat_doubles", lambda: _doubled(60), ("'bad_49'", "more elements")),
    Case("sum_of_thousands", _made_of_thousands, ("'bad_2048'", "2,048 stored tensors")),
    Case("names_of_parts", lambda: _slices(2000), ("'last'",)),
    Case("broadcast_huge", _broadcast, _NAMED),
    Case(
        "slice_step_zero",
        lambda: model(
            [node("Slice", ["x", "a", "b", "axes", "steps"], ["y"])],
            stored=[integers("a", 0), integers("b", 4), integers("axes", 0), integers("steps", 0)],
        ),
        _NAMED,
    ),
    Case(
        "split_negative",
        lambda: model([node("Split", ["x", "s"], ["y", "z"])], stored=[integers("s", -4, 8)]),
        _NAMED,
    ),
    Case(
        "split_other_sum",
        lambda: model([node("Split", ["x", "s"], ["y", "z"])], stored=[integers("s", 40, 80)]),
        _NAMED,
    ),
    Case(
        "shape_from_division_by_zero",
        lambda: model(
            [node("Div", ["s", "zero"], ["t"]), node("Reshape", ["x", "t"], ["y"])],
            stored=[integers("s", 4, 16), integers("zero", 0, 0)],
        ),
        ("'bad_2'",),
    ),
    Case(
        "shape_from_overflow",
        lambda: model(
            [node("Mul", ["s", "s"], ["t"]), node("Expand", ["x", "t"], ["y"])],
            stored=[integers("s", 2**40, 1)],
        ),
        ("'bad_2'",),
    ),
    Case(
        "gather_outside",
        lambda: model(
            [node("Gather", ["s", "i"], ["t"]), node("Reshape", ["x", "t"], ["y"])],
            stored=[integers("s", 4, 16), integers("i", 0, 99)],
        ),
        ("'bad_2'",),
    ),
)
