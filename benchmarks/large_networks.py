"""Networks of any size, written as exporters write them: what the importer is measured with.

Weights are external tensors in a file that does not exist: their shapes are all that a cost estimate
needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_OPSET = 17


@dataclass(frozen=True)
class Llama:
    """Sizes of a decoder with grouped-query attention, rotary embeddings and a gated MLP."""

    layers: int
    hidden: int
    inner: int
    heads: int
    groups: int
    vocabulary: int

    @property
    def head(self) -> int:
        """Elements of one head."""
        return self.hidden // self.heads

    @property
    def parameters(self) -> int:
        """All weights, norm scales and both tables of the vocabulary."""
        attention = 2 * self.hidden**2 + 2 * self.hidden * self.groups * self.head
        layer = attention + 3 * self.hidden * self.inner + 2 * self.hidden
        return self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden

    def macs(self, tokens: int) -> tuple[int, int]:
        """Multiply-accumulates by weights and of two activations, for one sequence of `tokens`."""
        norms = (2 * self.layers + 1) * self.hidden
        weights = self.parameters - norms - self.vocabulary * self.hidden
        return weights * tokens, 2 * self.layers * self.hidden * tokens**2


LLAMA_1B = Llama(22, 2048, 5632, 32, 4, 32_000)
LLAMA_70B = Llama(80, 8192, 28_672, 64, 8, 32_000)


def external(name: str, *shape: int) -> TensorProto:
    """A stored tensor whose elements are elsewhere."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


class _Writer:
    """Collects nodes and stored tensors; every method gives the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []

    def node(self, op_type: str, *inputs: str, count: int = 1, **attributes: object) -> str:
        name = f"/{op_type}_{len(self.nodes)}"
        outputs = [f"{name}_output_{i}" for i in range(count)]
        made = helper.make_node(op_type, list(inputs), outputs, name=name, **attributes)
        self.nodes.append(made)
        return outputs[0]

    def weight(self, name: str, *shape: int) -> str:
        self.stored.append(external(name, *shape))
        return name

    def integers(self, *values: int) -> str:
        return self._constant(np.asarray(values, np.int64))

    def integer(self, value: int) -> str:
        return self._constant(np.asarray(value, np.int64))

    def real(self, value: float) -> str:
        return self._constant(np.asarray(value, np.float32))

    def _constant(self, value: np.ndarray) -> str:
        """Exporters write each constant as a node of its own, where it is used."""
        name = f"/Constant_{len(self.nodes)}"
        tensor = numpy_helper.from_array(value)
        made = helper.make_node("Constant", [], [f"{name}_output_0"], name=name, value=tensor)
        self.nodes.append(made)
        return made.output[0]

    def size(self, tensor: str, axis: int) -> str:
        """One dimension of a tensor as a vector of one, taken from its shape at run time."""
        one = self.node("Gather", self.node("Shape", tensor), self.integer(axis), axis=0)
        return self.node("Unsqueeze", one, self.integers(0))

    def reshaped(self, tensor: str, like: str, *sizes: int) -> str:
        """Batch and tokens of `like`, then `sizes`."""
        parts = [self.size(like, 0), self.size(like, 1), *(self.integers(s) for s in sizes)]
        return self.node("Reshape", tensor, self.node("Concat", *parts, axis=0))

    def rms_norm(self, x: str, name: str, width: int) -> str:
        square = self.node("Pow", x, self.real(2.0))
        mean = self.node("ReduceMean", square, axes=[-1], keepdims=1)
        root = self.node("Sqrt", self.node("Add", mean, self.real(1e-5)))
        normal = self.node("Mul", x, self.node("Div", self.real(1.0), root))
        return self.node("Mul", self.weight(name, width), normal)

    def rotated(self, x: str, cosine: str, sine: str, head: int) -> str:
        first = self.node("Slice", x, self.integers(0), self.integers(head // 2), self.integers(3))
        second = self.node(
            "Slice", x, self.integers(head // 2), self.integers(2**63 - 1), self.integers(3)
        )
        turned = self.node("Concat", self.node("Neg", second), first, axis=-1)
        return self.node("Add", self.node("Mul", x, cosine), self.node("Mul", turned, sine))


def llama(sizes: Llama) -> ModelProto:
    """A decoder of these sizes with all its functions split into primitives; batch and seq are open."""
    w, head = _Writer(), sizes.head
    w.weight("embed_tokens.weight", sizes.vocabulary, sizes.hidden)
    x = w.node("Gather", "embed_tokens.weight", "input_ids")
    # Rotary tables are functions of the position, computed once.
    last = w.node("Squeeze", w.size("input_ids", 1), w.integers(0))
    positions = w.node("Range", w.integer(0), last, w.integer(1))
    column = w.node("Unsqueeze", w.node("Cast", positions, to=TensorProto.FLOAT), w.integers(1))
    angles = w.node("Mul", column, w.weight("rotary.frequencies", head))
    cosine, sine = w.node("Cos", angles), w.node("Sin", angles)
    for layer in range(sizes.layers):
        x = _attention(w, sizes, f"layers.{layer}", x, cosine, sine)
        x = _mlp(w, sizes, f"layers.{layer}", x)
    x = w.rms_norm(x, "norm.weight", sizes.hidden)
    logits = w.node("MatMul", x, w.weight("lm_head.weight", sizes.hidden, sizes.vocabulary))
    graph = helper.make_graph(
        w.nodes,
        "llama",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"])],
        [helper.make_tensor_value_info(logits, TensorProto.FLOAT, None)],
        w.stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


def _attention(w: _Writer, s: Llama, name: str, x: str, cosine: str, sine: str) -> str:
    normal, head = w.rms_norm(x, f"{name}.input_norm.weight", s.hidden), s.head

    def projected(letter: str, heads: int) -> str:
        matrix = w.weight(f"{name}.{letter}_proj.weight", s.hidden, heads * head)
        split = w.reshaped(w.node("MatMul", normal, matrix), x, heads, head)
        return w.node("Transpose", split, perm=[0, 2, 1, 3])

    def repeated(heads: str) -> str:
        """Each group's key or value for all the heads of the group."""
        wide = w.node("Unsqueeze", heads, w.integers(2))
        ones = [w.integers(1), w.integers(1), w.integers(s.heads // s.groups), w.integers(1, 1)]
        many = w.node("Expand", wide, w.node("Concat", *ones, axis=0))
        sizes = [w.size(heads, 0), w.integers(s.heads), w.size(heads, 2), w.integers(head)]
        return w.node("Reshape", many, w.node("Concat", *sizes, axis=0))

    query = w.rotated(projected("q", s.heads), cosine, sine, head)
    key = repeated(w.rotated(projected("k", s.groups), cosine, sine, head))
    value = repeated(projected("v", s.groups))
    scores = w.node("MatMul", query, w.node("Transpose", key, perm=[0, 1, 3, 2]))
    weights = w.node("Softmax", w.node("Div", scores, w.real(head**0.5)), axis=-1)
    mixed = w.node("Transpose", w.node("MatMul", weights, value), perm=[0, 2, 1, 3])
    flat = w.reshaped(mixed, x, s.hidden)
    out = w.weight(f"{name}.o_proj.weight", s.hidden, s.hidden)
    return w.node("Add", x, w.node("MatMul", flat, out))


def _mlp(w: _Writer, s: Llama, name: str, x: str) -> str:
    normal = w.rms_norm(x, f"{name}.post_norm.weight", s.hidden)
    gate = w.node("MatMul", normal, w.weight(f"{name}.gate_proj.weight", s.hidden, s.inner))
    up = w.node("MatMul", normal, w.weight(f"{name}.up_proj.weight", s.hidden, s.inner))
    mixed = w.node("Mul", w.node("Mul", gate, w.node("Sigmoid", gate)), up)
    down = w.node("MatMul", mixed, w.weight(f"{name}.down_proj.weight", s.inner, s.hidden))
    return w.node("Add", x, down)


def chain(nodes: int, width: int = 64) -> ModelProto:
    """A chain of elementwise functions with a matrix product at every tenth place."""
    w = _Writer()
    x = "x"
    for index in range(nodes):
        if index % 10 == 0:
            x = w.node("MatMul", x, w.weight(f"w{index}", width, width))
        else:
            x = w.node("Relu" if index % 2 else "Tanh", x)
    graph = helper.make_graph(
        w.nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        w.stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
