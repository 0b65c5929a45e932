"""Normalisations written out in primitives are one operator, whatever the spelling."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.workload.graph import ParameterRole

CENTRED = "m = ReduceMean(x, last) d = Sub(x, m) "
VARIANCE = {
    "power": "s = Pow(d, two) v = ReduceMean(s, last) ",
    "product": "s = Mul(d, d) v = ReduceMean(s, last) ",
    "sum over width": "s = Mul(d, d) w = ReduceSum(s, last) v = Div(w, width) ",
}
DEVIATION = {
    "division by root": "e = Add(v, eps) r = Sqrt(e) n = Div(d, r) ",
    "reciprocal": "e = Add(eps, v) r = Sqrt(e) i = Reciprocal(r) n = Mul(i, d) ",
    "one over root": "e = Add(v, eps) r = Sqrt(e) i = Div(one, r) n = Mul(d, i) ",
    "power of minus one half": "e = Add(v, eps) i = Pow(e, minus_half) n = Mul(d, i) ",
}
AFFINE = "a = Mul(n, scale) y = Add(a, shift)"
# tf.nn.batch_normalization, which Keras uses for layer normalisation too.
TENSORFLOW = (
    "m = ReduceMean(x, last) d = Sub(x, m) s = Mul(d, d) v = ReduceMean(s, last) e = Add(v, eps)"
    " r = Sqrt(e) i = Reciprocal(r) g = Mul(i, scale) p = Mul(x, g) q = Mul(m, g)"
    " b = Sub(shift, q) y = Add(p, b)"
)


@pytest.mark.parametrize("variance", VARIANCE.values(), ids=VARIANCE)
@pytest.mark.parametrize("deviation", DEVIATION.values(), ids=DEVIATION)
def test_layer_norm_costs_as_the_operator(net, op_of, costs_as, variance, deviation) -> None:
    """Each spelling does the work of LayerNormalization and keeps the input, as that does."""
    native = op_of(net("y = LayerNormalization<axis=-1>(x, scale, shift)"))
    found = op_of(net(CENTRED + variance + deviation + AFFINE))
    assert costs_as(found, native)
    assert [item.tensor for item in found.saved] == ["x"]
    assert found.parameters == ("scale", "shift")


def test_tensorflows_layer_norm_costs_as_the_operator(net, op_of, costs_as) -> None:
    """Scale and shift folded into one product and one sum are found."""
    workload = net(TENSORFLOW)
    assert costs_as(op_of(workload), op_of(net("y = LayerNormalization(x, scale, shift)")))
    roles = {name: p.role for name, p in workload.parameters.items()}
    assert roles == {"scale": ParameterRole.NORM, "shift": ParameterRole.NORM}


def test_layer_norm_over_channels_in_the_middle(net, op_of) -> None:
    """Normalising axis 1 of an image takes one mean per position."""
    body = (
        "m = ReduceMean(x, channel) d = Sub(x, m) s = Pow(d, two) v = ReduceMean(s, channel)"
        " e = Add(v, eps) r = Sqrt(e) n = Div(d, r) a = Mul(scale, n) y = Add(a, shift)"
    )
    vectors = {"scale": (6, 1, 1), "shift": (6, 1, 1)}
    found = op_of(net(body, (2, 6, 4, 5), vectors=vectors))
    assert (found.op_type, found.forward.sqrt) == ("LayerNormalization", 2 * 4 * 5)


def test_statistics_by_channel_are_an_instance_norm(net, op_of, costs_as) -> None:
    """Mean and variance over all positions, scale and shift by channel."""
    body = (
        "m = ReduceMean(x, space) d = Sub(x, m) s = Mul(d, d) v = ReduceMean(s, space)"
        " e = Add(v, eps) r = Sqrt(e) n = Div(d, r) a = Mul(n, scale) y = Add(a, shift)"
    )
    shape = (2, 6, 4, 5)
    column = {"scale": (6, 1, 1), "shift": (6, 1, 1)}
    native = net(
        "y = InstanceNormalization(x, scale, shift)", shape, vectors={"scale": (6,), "shift": (6,)}
    )
    assert costs_as(op_of(net(body, shape, vectors=column)), op_of(native))


def test_statistics_over_the_minibatch_are_a_batch_norm(net, op_of) -> None:
    """Means over all axes but the channels are a barrier over the minibatch."""
    axes = np.asarray([0, 2, 3])
    body = (
        "m = ReduceMean(x, all) d = Sub(x, m) s = Mul(d, d) v = ReduceMean(s, all)"
        " e = Add(v, eps) r = Sqrt(e) n = Div(d, r) a = Mul(n, scale) y = Add(a, shift)"
    )
    vectors = {"scale": (6, 1, 1), "shift": (6, 1, 1)}
    found = op_of(net(body, (2, 6, 4, 5), vectors=vectors, loose={"all": axes}))
    assert (found.op_type, found.batch_barrier) == ("BatchNormalization", True)


RMS = {
    "torch": "s = Pow(x, two) v = ReduceMean(s, last) e = Add(v, eps) r = Sqrt(e)"
    " i = Reciprocal(r) n = Mul(x, i) y = Mul(n, scale)",
    "division": "s = Mul(x, x) v = ReduceMean(s, last) e = Add(v, eps) r = Sqrt(e)"
    " n = Div(x, r) y = Mul(n, scale)",
    "weight first": "s = Pow(x, two) v = ReduceMean(s, last) e = Add(v, eps) r = Sqrt(e)"
    " i = Div(one, r) n = Mul(x, i) y = Mul(scale, n)",
    "by length": "l = ReduceL2(x, last) n = Div(x, l) k = Mul(n, root_width) y = Mul(k, scale)",
}


@pytest.mark.parametrize("body", RMS.values(), ids=RMS)
def test_rms_norm_costs_as_the_operator(net, op_of, costs_as, body: str) -> None:
    """Each spelling does the work of RMSNormalization and keeps the input."""
    native = op_of(net("y = RMSNormalization<axis=-1>(x, scale)", opset=23))
    assert costs_as(op_of(net(body)), native)


def test_a_scale_in_the_source_keeps_the_normalised_vector_in_pytorch(net, op_of) -> None:
    """`weight * x` needs x for the weight's gradient; torch's own operator does not."""
    by_hand = op_of(net(RMS["weight first"])).framework_saved
    fused = op_of(net(RMS["torch"])).framework_saved
    assert [item.elements for item in by_hand] == [256, 16, 256]
    assert [item.elements for item in fused] == [256, 16]


@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 8, 4, 5), 4), ((2, 8, 4, 5), 1), ((2, 8, 30), 2), ((2, 8, 30), 8)]
)
def test_group_norm_through_reshape_costs_as_the_operator(
    net, op_of, costs_as, shape: tuple[int, ...], groups: int
) -> None:
    """The ones and zeros of the inner normalisation are no parameters."""
    column = (8,) + (1,) * (len(shape) - 2)
    loose = {
        "folded": np.asarray([0, groups, -1]),
        "whole": np.asarray(shape),
        "ones": np.ones(groups, np.float32),
        "zeros": np.zeros(groups, np.float32),
    }
    body = (
        "f = Reshape(x, folded) i = InstanceNormalization(f, ones, zeros) u = Reshape(i, whole)"
        " a = Mul(u, scale) y = Add(a, shift)"
    )
    workload = net(body, shape, vectors={"scale": column, "shift": column}, loose=loose)
    native = net(
        f"y = GroupNormalization<num_groups={groups}>(x, scale, shift)",
        shape, opset=21, vectors={"scale": (8,), "shift": (8,)},
    )  # fmt: skip
    assert costs_as(op_of(workload), op_of(native))
    assert set(workload.parameters) == {"scale", "shift"}


def test_scale_of_an_instance_norm_stays_a_parameter(net) -> None:
    """With as many groups as channels only ones, zeros and another scale tell a group norm."""
    loose = {"folded": np.asarray([0, 8, -1]), "whole": np.asarray((2, 8, 4, 5))}
    body = (
        "f = Reshape(x, folded) i = InstanceNormalization(f, g, b) u = Reshape(i, whole)"
        " a = Mul(u, scale) y = Add(a, shift)"
    )
    column = (8, 1, 1)
    vectors = {"scale": column, "shift": column, "g": (8,), "b": (8,)}
    assert set(net(body, (2, 8, 4, 5), vectors=vectors, loose=loose).parameters) == set(vectors)


def test_softmax_written_out_costs_as_the_operator(net, op_of, costs_as) -> None:
    """Maximum, difference, exponential, sum and quotient are a softmax over that axis."""
    body = "m = ReduceMax(x, last) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, last) y = Div(e, s)"
    assert costs_as(op_of(net(body)), op_of(net("y = Softmax(x)")))


def test_log_softmax_written_out_costs_as_the_operator(net, op_of, costs_as) -> None:
    """The difference to the log-sum-exp is the logarithm of a softmax."""
    body = "l = ReduceLogSumExp(x, last) y = Sub(x, l)"
    assert costs_as(op_of(net(body)), op_of(net("y = LogSoftmax(x)")))


def test_a_normalised_tensor_that_is_also_read_elsewhere_keeps_its_affine_apart(net) -> None:
    """The core is fused, the scale stays an operator of its own: both of its inputs are read."""
    body = (
        CENTRED
        + VARIANCE["power"]
        + DEVIATION["division by root"]
        + "y = Mul(n, scale) z = Relu(n)"
    )
    types = [op.op_type for op in net(body, outputs="y z").ops]
    assert sorted(types) == ["LayerNormalization", "Mul", "Relu"]


def test_statistics_that_are_read_elsewhere_prevent_fusing(net) -> None:
    """The variance is an output: nothing is fused."""
    body = CENTRED + VARIANCE["power"] + DEVIATION["division by root"] + AFFINE
    assert len(net(body.replace("y =", "y ="), outputs="y v").ops) == 9


def test_mixed_precision_casts_belong_to_the_norm(net) -> None:
    """A cast before the statistics, and one between core and scale, disappear."""
    body = (
        "w = Cast<to=1>(x) s = Pow(w, two) v = ReduceMean(s, last) e = Add(v, eps) r = Sqrt(e)"
        " i = Reciprocal(r) n = Mul(w, i) k = Cast<to=1>(n) y = Mul(scale, k)"
    )
    (found,) = net(body).ops
    assert (found.op_type, found.inputs) == ("RMSNormalization", ("x",))
