"""Stored tensors that lie about their sizes, their types or where their elements are."""

from __future__ import annotations

from collections.abc import Callable

from onnx import ModelProto, SparseTensorProto, TensorProto

from tests.workload.hostile.case import Case
from tests.workload.hostile.making import linear, model, node, weight


def _changed(change: Callable[[TensorProto], object]) -> Callable[[], ModelProto]:
    """A product by a stored matrix [16, 8] without elements, after `change`."""

    def make() -> ModelProto:
        made = linear()
        tensor = made.graph.initializer[0]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        change(tensor)
        return made

    return make


def _sized(*sizes: int) -> Callable[[], ModelProto]:
    def change(tensor: TensorProto) -> None:
        del tensor.dims[:]
        tensor.dims.extend(sizes)

    return _changed(change)


def _located(location: str) -> Callable[[], ModelProto]:
    def change(tensor: TensorProto) -> None:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return _changed(change)


def _unmarked_location(tensor: TensorProto) -> None:
    """Says where its elements are without saying that they are outside."""
    tensor.external_data.add(key="location", value="../../secret")


def _twice(tensor: TensorProto) -> None:
    tensor.raw_data = bytes(16 * 8 * 4)
    tensor.float_data.extend([0.0] * (16 * 8))


def _sparse(*sizes: int, location: str = "") -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        made = linear()
        del made.graph.initializer[:]
        values = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], float_data=[1, 2])
        if location:
            values.ClearField("float_data")
            values.data_location = TensorProto.EXTERNAL
            values.external_data.add(key="location", value=location)
        indices = TensorProto(data_type=TensorProto.INT64, dims=[2], int64_data=[0, 5])
        made.graph.sparse_initializer.append(
            SparseTensorProto(values=values, indices=indices, dims=sizes)
        )
        return made

    return make


def _constant_at(location: str) -> ModelProto:
    return model(
        [node("Constant", [], ["w"], value=_elsewhere(location)), node("Mul", ["x", "w"], ["y"])]
    )


def _fill_at(location: str) -> ModelProto:
    """ConstantOfShape whose one element is said to be in another file."""
    fill = _elsewhere(location)
    del fill.dims[:]
    fill.dims.append(1)
    shape = TensorProto(name="s", data_type=TensorProto.INT64, dims=[2], int64_data=[4, 16])
    nodes = [node("ConstantOfShape", ["s"], ["w"], value=fill), node("Mul", ["x", "w"], ["y"])]
    return model(nodes, stored=[shape])


def _elsewhere(location: str) -> TensorProto:
    tensor = weight("", [4, 16])
    tensor.external_data[0].value = location
    return tensor


_OUTSIDE = ("'w'", "outside the model's folder", "Nothing was opened")

CASES: tuple[Case, ...] = (
    Case("tensor_negative_size", _sized(16, -8), ("'w'", "(16, -8)")),
    Case("tensor_largest_size", _sized(2**63 - 1), ("'w'", "no tensor can have")),
    Case("tensor_beyond_64_bits", _sized(2**32, 2**32), ("'w'", "no tensor can have")),
    Case("tensor_wraps_to_small", _sized(2**62, 4, 16, 8), ("'w'", "no tensor can have")),
    Case("tensor_zero_hides_size", _sized(2**62, 2**62, 0), ("'bad'",)),
    Case("tensor_thousand_dimensions", _sized(*[1] * 1000), ("'w'", "1,000 dimensions")),
    Case(
        "tensor_no_type", _changed(lambda t: t.ClearField("data_type")), ("'w'", "element type 0")
    ),
    Case(
        "tensor_unknown_type",
        _changed(lambda t: setattr(t, "data_type", 99)),
        ("'w'", "element type 99"),
    ),
    Case(
        "tensor_of_texts",
        _changed(lambda t: setattr(t, "data_type", TensorProto.STRING)),
        ("'bad'", "'w'"),
    ),
    Case("tensor_data_twice", _changed(_twice), ("'w'", "twice", "raw_data")),
    Case(
        "tensor_too_little_data",
        _changed(lambda t: setattr(t, "raw_data", bytes(100))),
        ("'w'", "100 bytes", "512"),
    ),
    Case(
        "tensor_too_much_data",
        _changed(lambda t: t.float_data.extend([1.0] * 1000)),
        ("'w'", "1,000 numbers", "128"),
    ),
    Case(
        "tensor_data_of_other_type",
        _changed(lambda t: t.int64_data.extend([1] * 7)),
        ("'w'", "7 numbers"),
    ),
    Case("external_absolute", _located("/etc/passwd"), _OUTSIDE),
    Case("external_above", _located("../../etc/passwd"), _OUTSIDE),
    Case("external_above_inside", _located("data/../../secret.bin"), _OUTSIDE),
    Case("external_drive", _located("C:\\secret.bin"), _OUTSIDE),
    Case("external_backslashes", _located("..\\..\\secret.bin"), _OUTSIDE),
    Case("external_share", _located("\\\\host\\share\\secret.bin"), _OUTSIDE),
    Case("external_not_marked", _changed(_unmarked_location), _OUTSIDE),
    Case("external_sparse", _sparse(16, 8, location="/etc/passwd"), _OUTSIDE),
    Case(
        "external_constant",
        lambda: _constant_at("../secret.bin"),
        ("'bad'", "'value'", "outside the model's folder"),
    ),
    Case(
        "external_fill",
        lambda: _fill_at("/etc/passwd"),
        ("'bad'", "'value'", "outside the model's folder"),
    ),
    Case("sparse_beyond_64_bits", _sparse(2**40, 2**40), ("'w'", "no tensor can have")),
    Case("sparse_negative", _sparse(16, -8), ("'w'", "(16, -8)")),
)
