"""A writer of ONNX graphs: names, parameters, nodes; the file format is handled here only.

Networks of at most `REAL_WEIGHTS` learned elements carry seeded random initializers (a trainer can
start from them).  Larger ones carry each parameter as a ConstantOfShape node of the right shape and
of the initializer's standard deviation, as the `light` models inside the onnx package do: the files
stay small, and a cost model has no use for the values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 9
REAL_WEIGHTS = 1_000_000

Dims: TypeAlias = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Init:
    """How a parameter starts: normal with `mean` and standard deviation `std`."""

    mean: float = 0.0
    std: float = 0.0

    @property
    def stand_in(self) -> float:
        """The one value that stands for the parameter in a file without real weights."""
        return self.std or self.mean


ZEROS = Init()
ONES = Init(mean=1.0)


def kaiming(fan_in: int) -> Init:
    """He et al. 2015 (arXiv:1502.01852): keeps the variance through ReLU layers."""
    return Init(std=math.sqrt(2.0 / fan_in))


def glorot(fan_in: int, fan_out: int) -> Init:
    """Glorot and Bengio 2010: keeps the variance through linear and tanh layers, both ways."""
    return Init(std=math.sqrt(2.0 / (fan_in + fan_out)))


@dataclass(frozen=True, slots=True)
class _Declared:
    name: str
    shape: tuple[int, ...]
    init: Init


class GraphWriter:
    """Collects one ONNX graph; `model()` returns it.

    Every method that makes a tensor returns the tensor's name.  A node called `a.b` writes the
    tensor `a.b_out` (or `a.b_out0`, `a.b_out1`, ... if it has several outputs).
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self._name = name
        self._seed = seed
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._parameters: dict[str, _Declared] = {}

    def input(self, name: str, shape: Dims, elem_type: int = TensorProto.FLOAT) -> str:
        """A network input; symbolic dimensions are given by name."""
        self._inputs.append(helper.make_tensor_value_info(name, elem_type, list(shape)))
        return name

    def output(self, name: str, tensor: str, shape: Dims) -> None:
        """Make the node output `tensor` a float network output, and rename it to `name`."""
        for node in self._nodes:
            for tensors in (node.input, node.output):
                for index, used in enumerate(tensors):
                    if used == tensor:
                        tensors[index] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def parameter(self, name: str, shape: Sequence[int], init: Init) -> str:
        """A learned tensor (or a running statistic); asking twice by one name ties the uses."""
        self._parameters.setdefault(name, _Declared(name, tuple(shape), init))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """A constant that is not learned: a shape, an index, a scale."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def integers(self, name: str, *values: int) -> str:
        """A constant vector of int64."""
        return self.constant(name, np.asarray(values, dtype=np.int64))

    def scalar(self, name: str, value: float) -> str:
        """A constant float32 scalar."""
        return self.constant(name, np.asarray(value, dtype=np.float32))

    def node(self, op_type: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node with one output."""
        out = f"{name}_out"
        self._nodes.append(helper.make_node(op_type, inputs, [out], name=name, **attributes))
        return out

    def node_with_outputs(
        self, op_type: str, inputs: Sequence[str], name: str, count: int, **attributes: Any
    ) -> tuple[str, ...]:
        """A node with `count` outputs."""
        outs = tuple(f"{name}_out{i}" for i in range(count))
        self._nodes.append(helper.make_node(op_type, inputs, outs, name=name, **attributes))
        return outs

    def model(self) -> onnx.ModelProto:
        """The finished model; the same calls give the same bytes."""
        total = sum(math.prod(p.shape) for p in self._parameters.values())
        initializers = list(self._constants.values())
        fillers: list[onnx.NodeProto] = []
        if total <= REAL_WEIGHTS:
            initializers += self._random_parameters()
        else:
            for declared in self._parameters.values():
                shape, filler = _filled(declared)
                initializers.append(shape)
                fillers.append(filler)
        graph = helper.make_graph(
            fillers + self._nodes, self._name, self._inputs, self._outputs, initializers
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="archsim",
        )

    def _random_parameters(self) -> list[onnx.TensorProto]:
        generator = np.random.Generator(np.random.SFC64(self._seed))
        return [
            numpy_helper.from_array(
                generator.normal(p.init.mean, p.init.std, p.shape).astype(np.float32), p.name
            )
            for p in self._parameters.values()
        ]


def _filled(declared: _Declared) -> tuple[onnx.TensorProto, onnx.NodeProto]:
    """The shape initializer and the ConstantOfShape node that stand for a large parameter."""
    shape_name = f"{declared.name}.shape"
    shape = numpy_helper.from_array(np.asarray(declared.shape, dtype=np.int64), shape_name)
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [declared.init.stand_in])
    node = helper.make_node(
        "ConstantOfShape", [shape_name], [declared.name], name=declared.name, value=value
    )
    return shape, node
