"""Activation functions written out in primitives are one operator, whatever the spelling."""

from __future__ import annotations

import pytest

GELU_ERF = {
    "exporter by tracing": "d=Div(x,root2) e=Erf(d) a=Add(e,one) m=Mul(x,a) y=Mul(m,half)",
    "half on the sum": "d=Mul(x,root_half) e=Erf(d) a=Add(one,e) h=Mul(half,a) y=Mul(h,x)",
    "half on the input": "h=Mul(half,x) d=Div(x,root2) e=Erf(d) a=Add(e,one) y=Mul(h,a)",
    "division by two": "d=Mul(root_half,x) e=Erf(d) a=Add(e,one) m=Mul(a,x) y=Div(m,two)",
}
GELU_TANH = {
    "cube by power": "p=Pow(x,three) q=Mul(cubic,p) s=Add(x,q) t=Mul(c,s) u=Tanh(t) a=Add(u,one)"
    " h=Mul(half,a) y=Mul(x,h)",
    "cube by products": "s=Mul(x,x) p=Mul(x,s) q=Mul(p,cubic) r=Add(q,x) t=Mul(r,c) u=Tanh(t)"
    " a=Add(one,u) m=Mul(x,a) y=Mul(m,half)",
    "written in the model": "h=Mul(half,x) p=Pow(x,three) q=Mul(cubic,p) s=Add(x,q) t=Mul(c,s)"
    " u=Tanh(t) a=Add(one,u) y=Mul(h,a)",
}


def nodes(text: str) -> str:
    """`a=Op(x,y) b=...` as the statements of ONNX's text format."""
    return " ".join(
        f"{name} = {call.replace(',', ', ')}"
        for name, call in (entry.split("=", 1) for entry in text.split())
    )


@pytest.mark.parametrize("text", GELU_ERF.values(), ids=GELU_ERF)
def test_gelu_by_erf_costs_as_the_operator(net, op_of, costs_as, text: str) -> None:
    """Each spelling does the work, and keeps the input, of a Gelu."""
    native = op_of(net("y = Gelu(x)", opset=20))
    found = op_of(net(nodes(text)))
    assert costs_as(found, native)
    assert [item.tensor for item in found.saved] == ["x"]


@pytest.mark.parametrize("text", GELU_TANH.values(), ids=GELU_TANH)
def test_gelu_by_tanh_costs_as_the_operator(net, op_of, costs_as, text: str) -> None:
    """Each spelling does the work of a Gelu by tanh."""
    assert costs_as(
        op_of(net(nodes(text))), op_of(net('y = Gelu<approximate="tanh">(x)', opset=20))
    )


def test_gelu_that_the_model_writes_out_keeps_four_tensors_in_pytorch(net, op_of) -> None:
    """`0.5 x (1 + tanh(...))` in a model's source keeps x, the tanh and both factors."""
    kept = op_of(net(nodes(GELU_TANH["written in the model"]))).framework_saved
    assert [item.tensor for item in kept] == ["x", "u", "h", "a"]
    assert op_of(net(nodes(GELU_TANH["cube by power"]))).framework_saved is None


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("s=Sigmoid(x) y=Mul(x,s)", "Swish"),
        ("s=Sigmoid(x) y=Mul(s,x)", "Swish"),
        ("q=Mul(quick,x) s=Sigmoid(q) y=Mul(x,s)", "Swish"),
        ("n=Neg(x) e=Exp(n) a=Add(one,e) y=Div(x,a)", "Swish"),
        ("a=Add(x,three) r=Clip(a,zero,six) m=Mul(x,r) y=Div(m,six)", "HardSwish"),
        ("a=Add(three,x) r=Clip(a,zero,six) d=Mul(sixth,r) y=Mul(d,x)", "HardSwish"),
        ("a=Add(x,three) r=Relu(a) r6=Min(r,six) d=Div(r6,six) y=Mul(x,d)", "HardSwish"),
        ("p=Softplus(x) t=Tanh(p) y=Mul(x,t)", "Mish"),
    ],
)
def test_other_activations_cost_as_their_operators(net, op_of, text: str, native: str) -> None:
    """SiLU, quick Gelu, HardSwish and Mish are recognised, and keep their input only."""
    found = op_of(net(nodes(text)))
    assert (found.op_type, found.saved[0].tensor, len(found.saved)) == (native, "x", 1)


def test_hard_sigmoid_times_input_is_hard_swish(net, op_of, costs_as) -> None:
    """As exporters below opset 14 write it, it costs as the operator does."""
    text = "s = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, s)"
    assert costs_as(op_of(net(text)), op_of(net("y = HardSwish(x)")))


@pytest.mark.parametrize(
    "text",
    [
        "d=Div(x,two) e=Erf(d) a=Add(e,one) m=Mul(x,a) y=Mul(m,half)",  # another slope
        "d=Div(x,root2) e=Erf(d) a=Add(e,one) m=Mul(x,a) y=Mul(m,two)",  # another factor
        "s=Sigmoid(x) q=Mul(x,two) y=Add(q,s)",
        "a=Add(x,two) r=Clip(a,zero,six) m=Mul(x,r) y=Div(m,six)",
    ],
)
def test_what_computes_something_else_stays_as_it_is(net, text: str) -> None:
    """Numbers decide: the same operators with other constants are no Gelu and no HardSwish."""
    assert len(net(nodes(text)).ops) == len(text.split())


def test_a_value_that_someone_else_reads_prevents_fusing(net) -> None:
    """The erf is an output too, so it must be computed: five operators stay."""
    text = nodes(GELU_ERF["exporter by tracing"])
    assert len(net(text, outputs="y e").ops) == 5


def test_the_reason_names_the_nodes(net, op_of) -> None:
    """A reader finds every fused node in the reason, and the operator under the last one's name."""
    text = "[first] s = Sigmoid(x) [second] y = Mul(x, s)"
    found = op_of(net(text))
    assert found.name == "second"
    assert "'first', 'second'" in found.reason
