"""Which dimension counts samples, in front of recurrent operators; shapes by onnx itself."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from archsim.errors import InputError
from archsim.workload.onnx_reader import workload_from_model

make = helper.make_node
HIDDEN, FEATURES = 5, 12
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def cell(kind: str, source: str, layout: int | None = 0, hidden: int = HIDDEN):
    """A recurrent node; `layout` None leaves the attribute out, as exporters do."""
    given = {} if layout is None else {"layout": layout}
    return make(kind, [source, "W", "R"], ["y"], name="cell", hidden_size=hidden, **given)


def weights(kind: str, features: int = FEATURES) -> dict[str, np.ndarray]:
    rows = GATES[kind] * HIDDEN
    return {
        "W": np.full((1, rows, features), 0.1, np.float32),
        "R": np.full((1, rows, HIDDEN), 0.1, np.float32),
    }


def read(model: onnx.ModelProto, **options):
    return workload_from_model(model, name="test", **options)


def uses(workload) -> list[tuple[int, int]]:
    """Vectors and dependent steps of every use of a weight matrix."""
    return [(op.weight.vectors, op.weight.sequential_steps) for op in workload.ops if op.weight]


@pytest.mark.parametrize("kind", sorted(GATES))
@pytest.mark.parametrize("layout", [None, 0])
def test_a_raw_cell_takes_time_first_and_samples_second(network, kind, layout) -> None:
    model = network([cell(kind, "x", layout)], {"x": [7, 3, FEATURES]}, ["y"], weights(kind))
    workload = read(model)
    assert workload.samples == 3
    assert uses(workload)[0] == (21, 1)
    assert all(steps == 7 for _, steps in uses(workload)[1:])
    # onnx's own evaluator: states are [time, directions, samples, hidden].
    (states,) = ReferenceEvaluator(model).run(None, {"x": np.ones((7, 3, FEATURES), np.float32)})
    assert states.shape == (7, 1, workload.samples, HIDDEN)


def test_the_samples_of_the_second_layout_come_first(network) -> None:
    stored = weights("LSTM")
    workload = read(network([cell("LSTM", "x", 1)], {"x": [7, 3, FEATURES]}, ["y"], stored))
    assert workload.samples == 7
    assert uses(workload) == [(21, 1), (21, 3)]


def test_one_sample_of_seven_time_steps_is_not_seven_samples(network) -> None:
    model = network([cell("LSTM", "x")], {"x": [7, 1, FEATURES]}, ["y"], weights("LSTM"))
    workload = read(model)
    assert workload.samples == 1
    assert uses(workload) == [(7, 1), (7, 7)]
    found = {note.code: note.message for note in workload.notes}
    assert "Dimension 1 of the input 'x' (7x1x12)" in found["samples_not_leading"]


BEFORE = {
    "transpose": (
        [make("Transpose", ["x"], ["s"], perm=[1, 0, 2])],
        [4, 9, FEATURES],
        {},
    ),
    "two transposes": (
        [
            make("Transpose", ["x"], ["t"], perm=[2, 0, 1]),
            make("Transpose", ["t"], ["s"], perm=[2, 1, 0]),
        ],
        [4, 9, FEATURES],
        {},
    ),
    "product, sum and function": (
        [
            make("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
            make("MatMul", ["t", "P"], ["p"]),
            make("Add", ["b", "p"], ["a"]),
            make("Tanh", ["a"], ["s"]),
        ],
        [4, 9, 8],
        {"P": np.ones((8, FEATURES), np.float32), "b": np.ones(FEATURES, np.float32)},
    ),
    "axes added and taken": (
        [
            make("Unsqueeze", ["x", "two"], ["u"]),
            make("Transpose", ["u"], ["t"], perm=[1, 2, 0, 3]),
            make("Squeeze", ["t", "one"], ["s"]),
        ],
        [4, 9, FEATURES],
        {"two": np.array([2], np.int64), "one": np.array([1], np.int64)},
    ),
    "convolution": (
        [
            make("Conv", ["x", "K"], ["c"]),
            make("Transpose", ["c"], ["s"], perm=[2, 0, 1]),
        ],
        [4, 2, 9],
        {"K": np.ones((FEATURES, 2, 1), np.float32)},
    ),
    "another cell": (
        [
            make("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
            make("LSTM", ["t", "W0", "R0"], ["h"], hidden_size=FEATURES, name="below"),
            make("Squeeze", ["h", "one"], ["s"]),
        ],
        [4, 9, 6],
        {
            "W0": np.ones((1, 4 * FEATURES, 6), np.float32),
            "R0": np.ones((1, 4 * FEATURES, FEATURES), np.float32),
            "one": np.array([1], np.int64),
        },
    ),
}


@pytest.mark.parametrize("before", sorted(BEFORE))
def test_samples_are_followed_back_to_the_input(network, before) -> None:
    nodes, shape, stored = BEFORE[before]
    model = network([*nodes, cell("LSTM", "s")], {"x": shape}, ["y"], {**stored, **weights("LSTM")})
    workload = read(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    sequence = next(info for info in inferred if info.name == "s").type.tensor_type.shape
    assert [d.dim_value for d in sequence.dim] == [9, workload.samples, FEATURES]
    assert workload.samples == 4
    assert uses(workload)[-1] == (36, 9)


def test_indices_of_a_table_say_which_axis_counts_samples(network) -> None:
    nodes = [make("Gather", ["table", "x"], ["s"]), cell("LSTM", "s")]
    stored = {"table": np.ones((50, FEATURES), np.float32), **weights("LSTM")}
    workload = read(network(nodes, {"x": [9, 4]}, ["y"], stored, integers=["x"]))
    assert workload.samples == 4
    assert uses(workload)[-1] == (36, 9)


def test_a_leading_symbol_is_not_the_batch_where_it_is_time(network) -> None:
    model = network([cell("LSTM", "x")], {"x": ["frames", 2, FEATURES]}, ["y"], weights("LSTM"))
    with pytest.raises(InputError, match=r"'frames' is not bound.*--dim frames="):
        read(model)
    workload = read(model, dims={"frames": 7})
    assert (workload.samples, uses(workload)[-1]) == (2, (14, 7))


def test_a_symbol_of_any_name_is_the_batch_where_samples_are_counted(network) -> None:
    model = network([cell("LSTM", "x")], {"x": [7, "many", FEATURES]}, ["y"], weights("LSTM"))
    workload = read(model, batch=6)
    assert (workload.samples, uses(workload)[-1]) == (6, (42, 7))


def test_another_batch_than_the_file_fixes_names_the_dimension(network) -> None:
    model = network([cell("LSTM", "x")], {"x": [7, 2, FEATURES]}, ["y"], weights("LSTM"))
    with pytest.raises(InputError, match=r"dimension 1 of input 'x'.*'cell'.*at 2") as caught:
        read(model, batch=7)
    assert "--batch 2" in str(caught.value)


def unclear(network):
    """The axes of the sequence are made anew, so that nothing can be followed."""
    nodes = [make("Reshape", ["x", "shape"], ["s"]), cell("LSTM", "s")]
    stored = {"shape": np.array([9, 4, FEATURES], np.int64), **weights("LSTM")}
    return network(nodes, {"x": [9, 4, FEATURES]}, ["y"], stored)


def test_where_samples_cannot_be_followed_the_leading_dimension_is_taken_and_said(network) -> None:
    workload = read(unclear(network))
    assert workload.samples == 9
    (note,) = [note.message for note in workload.notes if note.code == "samples_unclear"]
    assert "dimension 0 of the input (9x4x12)" in note
    assert "--batch" in note


def test_where_samples_cannot_be_followed_a_batch_chooses_the_dimension(network) -> None:
    workload = read(unclear(network), batch=4)
    assert workload.samples == 4
    assert "samples_unclear" not in {note.code for note in workload.notes}
    with pytest.raises(InputError, match="--batch 5"):
        read(unclear(network), batch=5)


def test_cells_that_contradict_each_other_are_named(network) -> None:
    nodes = [
        cell("LSTM", "x"),
        make("LSTM", ["x", "W", "R"], ["z"], name="other", hidden_size=HIDDEN, layout=1),
    ]
    workload = read(network(nodes, {"x": [7, 3, FEATURES]}, ["y", "z"], weights("LSTM")))
    assert workload.samples == 3
    (note,) = [note.message for note in workload.notes if note.code == "samples_unclear"]
    assert "dimension 1" in note
    assert "'other'" in note


def test_cells_behind_another_need_not_be_followed(network) -> None:
    nodes = [
        make("LSTM", ["x", "W", "R"], ["h"], name="first", hidden_size=HIDDEN),
        make("Reshape", ["h", "shape"], ["s"]),
        make("LSTM", ["s", "W1", "R"], ["y"], name="second", hidden_size=HIDDEN),
    ]
    stored = {
        "shape": np.array([7, 3, HIDDEN], np.int64),
        "W1": np.ones((1, 4 * HIDDEN, HIDDEN), np.float32),
        **weights("LSTM"),
    }
    workload = read(network(nodes, {"x": [7, 3, FEATURES]}, ["y"], stored))
    assert workload.samples == 3
    assert "samples_unclear" not in {note.code for note in workload.notes}


def test_networks_without_recurrence_count_samples_first(network) -> None:
    model = network(
        [make("MatMul", ["x", "P"], ["y"])], {"x": [7, 1, FEATURES]}, ["y"], {"P": [FEATURES, 3]}
    )
    assert read(model).samples == 7
