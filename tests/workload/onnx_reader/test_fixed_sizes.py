"""Sizes of the exporter's example that a file has written down."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from archsim.errors import InputError
from archsim.workload.onnx_reader import workload_from_model

make = helper.make_node


def read(model, **options):
    return workload_from_model(model, name="test", **options)


def routed(network, axis: int):
    """Experts that were chosen are found, and taken one by one: three, in the file's example."""
    nodes = [
        make("NonZero", ["x"], ["found"], name="search"),
        make("Transpose", ["found"], ["turned"], perm=[1, 0]),
        make("Split", ["turned", "sizes"], ["a", "b", "c"], axis=axis),
        *(make("Cast", [part], [f"{part}f"], to=TensorProto.FLOAT) for part in "abc"),
    ]
    sizes = np.asarray([1, 1, 1], np.int64)
    shape = [4] if axis == 0 else [4, 2, 3]
    return read(network(nodes, {"x": shape}, ["af", "bf", "cf"], {"sizes": sizes}))


def test_a_search_finds_what_the_split_behind_it_says(network) -> None:
    workload = routed(network, 0)
    assert workload.tensors["found"].shape == (1, 3)
    assert "size_of_example" in {note.code for note in workload.notes}


def test_a_split_by_coordinates_says_nothing_of_how_many_are_found(network) -> None:
    workload = routed(network, 1)
    assert workload.tensors["found"].shape == (3, 24)
    assert "size_depends_on_data" in {note.code for note in workload.notes}


def test_the_size_that_the_file_fixes_is_named_with_the_one_that_fits(network) -> None:
    """Other sizes of the shape are computed, so that only this one keeps the batch from changing."""
    nodes = [
        make("Shape", ["x"], ["all"]),
        make("Slice", ["all", "one", "two"], ["last"]),
        make("Concat", ["fixed", "half", "last"], ["shape"], axis=0),
        make("Reshape", ["x", "shape"], ["y"], name="regroup"),
    ]
    stored = {
        name: np.asarray([value], np.int64)
        for name, value in {"one": 1, "two": 2, "fixed": 4, "half": 2}.items()
    }
    model = network(nodes, {"x": ["batch", 6]}, ["y"], stored)
    assert read(model, dims={"batch": 8}).tensors["y"].shape == (4, 2, 6)
    with pytest.raises(InputError) as caught:
        read(model, dims={"batch": 10})
    message = str(caught.value)
    assert "regroup" in message
    assert "the 4 is stored in the file ('fixed')" in message
    assert "5 would fit" in message
    assert "export the network again" in message
