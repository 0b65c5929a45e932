"""Counts against naive scalar loops that count every operation they do."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from onnx import helper

from archsim.workload.graph import OPERATION_CLASSES, DigitalWork
from archsim.workload.onnx_reader import workload_from_model


class Tally:
    """Numbers that count what is done with them."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def number(self, value: float = 1.0) -> Counted:
        return Counted(self, value)

    def total(self, numbers: list[Counted]) -> Counted:
        result = numbers[0]
        for number in numbers[1:]:
            result = result + number
        return result

    def largest(self, numbers: list[Counted]) -> Counted:
        self.done["compare"] += len(numbers) - 1
        return max(numbers, key=lambda number: number.value)

    def apply(self, kind: str, number: Counted) -> Counted:
        self.done[kind] += 1
        return Counted(self, 0.5)


class Counted:
    def __init__(self, tally: Tally, value: float) -> None:
        self.tally, self.value = tally, value

    def _did(self, kind: str) -> Counted:
        self.tally.done[kind] += 1
        return Counted(self.tally, 1.0)

    def __add__(self, other: object) -> Counted:
        return self._did("add")

    def __sub__(self, other: object) -> Counted:
        return self._did("add")

    def __rsub__(self, other: object) -> Counted:
        return self._did("add")

    def __mul__(self, other: object) -> Counted:
        return self._did("mul")

    def __truediv__(self, other: object) -> Counted:
        return self._did("div")

    def __rtruediv__(self, other: object) -> Counted:
        return self._did("div")


def operations(work: DigitalWork) -> dict[str, int]:
    return {name: count for name in OPERATION_CLASSES if (count := getattr(work, name))}


def only_op(network, op_type: str, shape, weights=None, opset=20, **attributes):
    names = ["x", *(weights or {})]
    node = helper.make_node(op_type, names, ["y"], **attributes)
    model = network([node], {"x": shape}, ["y"], weights, opset=opset)
    workload = workload_from_model(model, name="test")
    (op,) = workload.ops
    return workload, op


CONVOLUTIONS = [
    ({"x": (2, 4, 7, 6), "w": (6, 4, 3, 2)}, {}),
    ({"x": (1, 4, 7, 6), "w": (6, 2, 3, 3)}, {"group": 2, "strides": [2, 1], "pads": [1, 1, 1, 1]}),
    ({"x": (1, 4, 9, 9), "w": (8, 1, 3, 3)}, {"group": 4, "dilations": [2, 2]}),
    ({"x": (3, 2, 11), "w": (5, 2, 4)}, {"auto_pad": "SAME_UPPER", "strides": [3]}),
    ({"x": (1, 2, 4, 5, 6), "w": (3, 2, 2, 2, 2)}, {}),
]


@pytest.mark.parametrize(("shapes", "attributes"), CONVOLUTIONS)
def test_convolution_macs_equal_a_loop_over_outputs_and_taps(network, shapes, attributes) -> None:
    workload, op = only_op(network, "Conv", shapes["x"], {"w": shapes["w"]}, **attributes)
    groups = attributes.get("group", 1)
    count = 0
    for _ in itertools.product(*map(range, workload.tensors["y"].shape)):
        for _channel in range(shapes["x"][1] // groups):
            count += math.prod(shapes["w"][2:])
    assert workload.macs(op) == count
    assert workload.matrices["w"].blocks == groups
    assert workload.matrices["w"].elements == math.prod(shapes["w"])


@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        ((2, 4, 5, 5), (4, 3, 3, 2), {"strides": [2, 2]}),
        ((1, 4, 5), (4, 2, 3), {"group": 2, "strides": [2], "output_padding": [1]}),
    ],
)
def test_transposed_convolution_scatters_every_input(network, shape, kernel, attributes) -> None:
    workload, op = only_op(network, "ConvTranspose", shape, {"w": kernel}, **attributes)
    count = 0
    for _ in itertools.product(*map(range, shape)):
        for _tap in itertools.product(*map(range, kernel[1:])):
            count += 1
    assert workload.macs(op) == count


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (1, 6, 4, 5)),
        ((3, 4), (4,)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((4,), (4,)),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_matmul_macs_are_output_elements_times_the_inner_size(
    network, left, right, constant
) -> None:
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    inputs = {"a": left} if constant else {"a": left, "b": right}
    model = network([node], inputs, ["y"], {"b": right} if constant else None)
    workload = workload_from_model(model, name="test")
    result = np.matmul(np.zeros(left), np.zeros(right))
    assert sum(workload.macs(op) for op in workload.ops) == result.size * left[-1]
    if constant:
        assert workload.parameter_count == math.prod(right)


EQUATIONS = [
    ("btd,dhk->bthk", (2, 5, 6), (6, 3, 4)),
    ("bthk,hkd->btd", (2, 5, 3, 4), (3, 4, 6)),
    ("bhtk,hkd->bhtd", (2, 3, 5, 4), (3, 4, 6)),
    ("...i,ij->...j", (2, 5, 6), (6, 3)),
    ("bhtk,bhsk->bhts", (2, 3, 5, 4), (2, 3, 7, 4)),
    ("ij,jk", (3, 4), (4, 5)),
]


@pytest.mark.parametrize(("equation", "left", "right"), EQUATIONS)
@pytest.mark.parametrize("constant", [False, True])
def test_einsum_macs_are_the_product_of_all_label_sizes(
    network, equation, left, right, constant
) -> None:
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    inputs = {"a": left} if constant else {"a": left, "b": right}
    workload = workload_from_model(
        network([node], inputs, ["y"], {"b": right} if constant else None), name="test"
    )
    # numpy states the floating-point operations of the naive contraction: 2 per MAC.
    text = np.einsum_path(equation, np.zeros(left), np.zeros(right), optimize=False)[1]
    line = next(line for line in text.splitlines() if "Naive FLOP count" in line)
    flops = float(line.split(":")[1])
    assert 2 * sum(workload.macs(op) for op in workload.ops) == pytest.approx(flops, rel=1e-3)
    if constant:
        assert sum(m.elements for m in workload.matrices.values()) == math.prod(right)


def window_taps(shape, out, kernel, strides, pads, dilations):
    """Input positions of every window, by a loop; positions in the padding are left out."""
    for place in itertools.product(*map(range, out)):
        inside = []
        for tap in itertools.product(*map(range, kernel)):
            at = tuple(
                p * s - q + t * d
                for p, s, q, t, d in zip(place, strides, pads, tap, dilations, strict=True)
            )
            if all(0 <= a < size for a, size in zip(at, shape, strict=True)):
                inside.append(at)
        yield inside


POOLS = [
    ((7, 7), {"kernel_shape": [3, 3], "strides": [2, 2]}),
    ((7, 6), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 1, 1, 0]}),
    ((9, 9), {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [2, 0, 2, 0]}),
    ((8, 5), {"kernel_shape": [2, 2], "strides": [3, 3]}),
    ((7, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ((10,), {"kernel_shape": [4], "strides": [3], "auto_pad": "SAME_LOWER"}),
    ((10,), {"kernel_shape": [4], "strides": [3], "auto_pad": "SAME_UPPER"}),
]


@pytest.mark.parametrize(("shape", "attributes"), POOLS)
def test_pooling_counts_real_windows(network, shape, attributes) -> None:
    workload, op = only_op(network, "MaxPool", [2, 3, *shape], **attributes)
    _, average = only_op(network, "AveragePool", [2, 3, *shape], **attributes)
    out = workload.tensors["y"].shape[2:]
    rank, kernel = len(shape), attributes["kernel_shape"]
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * (2 * rank))[:rank]
    if "auto_pad" in attributes:
        total = (out[0] - 1) * strides[0] + kernel[0] - shape[0]
        pads = [total // 2 if attributes["auto_pad"] == "SAME_UPPER" else -(-total // 2)]
    found = list(window_taps(shape, out, kernel, strides, pads, dilations))
    comparisons = sum(len(window) - 1 for window in found)
    assert operations(op.forward) == {"compare": 6 * comparisons}
    assert operations(average.forward) == {"add": 6 * comparisons, "mul": 6 * len(found)}
    reached = [at for window in found for at in window]
    accumulated = len(reached) - len(set(reached))
    assert average.backward.add == 6 * accumulated


def test_softmax_counts(network) -> None:
    _, op = only_op(network, "Softmax", [4, 7])
    tally = Tally()
    for _ in range(4):
        row = [tally.number(i) for i in range(7)]
        top = tally.largest(row)
        powers = [tally.apply("exp", x - top) for x in row]
        scale = 1.0 / tally.total(powers)
        for power in powers:
            power * scale
    assert operations(op.forward) == tally.done
    backward = Tally()
    for _ in range(4):
        y, g = ([backward.number() for _ in range(7)] for _ in "yg")
        mean = backward.total([a * b for a, b in zip(g, y, strict=True)])
        for a, b in zip(g, y, strict=True):
            (a - mean) * b
    assert operations(op.backward) == backward.done


def standardise(tally: Tally, group: list[Counted]) -> list[Counted]:
    mean = tally.total(group) * 0.1
    centred = [x - mean for x in group]
    variance = tally.total([x * x for x in centred]) * 0.1
    scale = tally.apply("sqrt", variance + 1e-5)
    # The first term of each sum is not an addition; the model counts it as one.
    tally.done["add"] += 2
    return [x * scale for x in centred]


def test_layer_normalisation_counts(network) -> None:
    _, op = only_op(network, "LayerNormalization", [3, 5], {"s": [5], "b": [5]})
    tally = Tally()
    for _ in range(3):
        for x in standardise(tally, [tally.number() for _ in range(5)]):
            x * tally.number() + tally.number()
    assert operations(op.forward) == tally.done


def test_layer_normalisation_backward_counts(network) -> None:
    _, op = only_op(network, "LayerNormalization", [3, 5], {"s": [5], "b": [5]})
    tally = Tally()
    one = tally.number()
    for _ in range(3):
        hat = [(one - one) * one for _ in range(5)]
        scaled = [one * one for _ in range(5)]
        mean = tally.total(scaled)
        product = tally.total([s * h for s, h in zip(scaled, hat, strict=True)])
        tally.done["add"] += 2  # first terms of the two sums
        for h, s in zip(hat, scaled, strict=True):
            (s - mean - h * product) * one
        for h in hat:  # gradients of scale and shift
            one + one * h
            one + one
    found = operations(op.backward)
    per_row = found.pop("mul") - tally.done.pop("mul")
    assert per_row == 3 * 3  # two means and the deviation of each row
    assert found == tally.done


def test_local_response_normalisation_counts(network) -> None:
    channels, size = 7, 5
    _, op = only_op(network, "LRN", [2, channels, 3], size=size)
    tally = Tally()
    for _ in range(2 * 3):
        squares = [x * x for x in (tally.number() for _ in range(channels))]
        for channel in range(channels):
            low, high = max(0, channel - 2), min(channels, channel + 3)
            d = tally.total(squares[low:high]) * 0.1 + 1.0
            power = tally.apply("exp", tally.apply("log", d) * -0.75)
            tally.number() * power
    assert operations(op.forward) == tally.done


def test_batch_normalisation_is_a_barrier_that_counts_statistics(network) -> None:
    weights = {name: [3] for name in ("s", "b", "mean", "var")}
    workload, op = only_op(network, "BatchNormalization", [4, 3, 5], weights)
    tally = Tally()
    for _ in range(3):
        for x in standardise(tally, [tally.number() for _ in range(20)]):
            x * tally.number() + tally.number()
        for _statistic in range(2):
            tally.number() * 0.9 + tally.number() * 0.1
    assert operations(op.forward) == tally.done
    assert op.batch_barrier
    assert workload.parameter_count == 6
    assert op.backward != op.forward


def test_backward_of_batch_normalisation_is_two_sums_and_one_result(network) -> None:
    weights = {name: [3] for name in ("s", "b", "mean", "var")}
    _, op = only_op(network, "BatchNormalization", [4, 3, 5], weights)
    tally = Tally()
    one = tally.number()
    for _ in range(3):
        hat = [(one - one) * one for _ in range(20)]
        tally.total([one] * 20)
        product = tally.total([one * h for h in hat])
        tally.done["add"] += 2  # first terms of the two sums
        for h in hat:
            (one - one - h * product) * one
        for _factor in range(3):  # two means, and scale times reciprocal deviation
            one * one
    assert operations(op.backward) == tally.done


@pytest.mark.parametrize("bias", [False, True])
def test_lstm_counts(network, bias: bool) -> None:
    steps, samples, inputs, hidden = 5, 2, 3, 4
    weights = {"w": [1, 4 * hidden, inputs], "r": [1, 4 * hidden, hidden]}
    if bias:
        weights["b"] = [1, 8 * hidden]
    node = helper.make_node("LSTM", ["x", *weights], ["y"], hidden_size=hidden, name="cell")
    workload = workload_from_model(
        network([node], {"x": [steps, samples, inputs]}, ["y"], weights), name="test"
    )
    tally = Tally()
    one, macs = tally.number(), 0
    for _ in range(steps * samples * hidden):
        for gate in range(4):
            macs += inputs + hidden
            total = one + one
            if bias:
                total = total + one + one
            tally.apply("special", total)
            del gate
        one * one + one * one  # state
        tally.apply("special", one) * one
    by_name = {op.name: op for op in workload.ops}
    assert list(by_name) == ["cell/W", "cell/R", "cell/gates"]
    assert operations(by_name["cell/gates"].forward) == tally.done
    assert sum(workload.macs(op) for op in workload.ops) == macs
    assert by_name["cell/W"].weight.sequential_steps == 1
    assert by_name["cell/R"].weight.sequential_steps == steps
    assert workload.parameter_count == sum(math.prod(shape) for shape in weights.values())


@pytest.mark.parametrize(
    ("op_type", "gates", "attributes", "names"),
    [
        ("GRU", 3, {"linear_before_reset": 1}, ["W", "R", "gates"]),
        ("GRU", 3, {}, ["W", "R_zr", "R_h", "gates"]),
        ("RNN", 1, {}, ["W", "R", "gates"]),
    ],
)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers_have_the_macs_of_their_cells(
    network, op_type, gates, attributes, names, directions
) -> None:
    steps, samples, inputs, hidden = 7, 3, 16, 8
    weights = {
        "w": [directions, gates * hidden, inputs],
        "r": [directions, gates * hidden, hidden],
        "b": [directions, 2 * gates * hidden],
    }
    direction = "bidirectional" if directions == 2 else "forward"
    node = helper.make_node(
        op_type,
        ["x", *weights],
        ["y"],
        name="n",
        hidden_size=hidden,
        direction=direction,
        **attributes,
    )
    workload = workload_from_model(
        network([node], {"x": [steps, samples, inputs]}, ["y"], weights), name="test"
    )
    cell = gates * hidden * (inputs + hidden)
    assert sum(workload.macs(op) for op in workload.ops) == directions * steps * samples * cell
    assert workload.parameter_count == directions * (cell + 2 * gates * hidden)
    assert workload.parameter_count_untied == workload.parameter_count
    if directions == 1:
        assert [op.name for op in workload.ops] == [f"n/{name}" for name in names]
    else:
        assert len(workload.ops) == 2 * len(names) + 1
        assert workload.ops[-1].outputs == ("y",)
    recurrent = [op for op in workload.ops if "/R" in op.name]
    assert {op.weight.sequential_steps for op in recurrent} == {steps}


def test_attention_with_fewer_key_heads_and_a_past(network) -> None:
    """Grouped queries: every query head multiplies, whatever keys it shares."""
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], q_num_heads=8, kv_num_heads=2)
    inputs = {"q": [2, 5, 8 * 16], "k": [2, 7, 2 * 16], "v": [2, 7, 2 * 32]}
    workload = workload_from_model(network([node], inputs, ["y"], opset=23), name="test")
    (op,) = workload.ops
    scores = 2 * 8 * 5 * 7
    assert workload.macs(op) == scores * 16 + scores * 32
    assert op.forward.exp == scores
