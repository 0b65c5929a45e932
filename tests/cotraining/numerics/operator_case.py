"""A node with inputs, run by our operator and by the ONNX package's reference implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archsim.cotraining.numerics.contract import Call, Result, Setting
from archsim.cotraining.numerics.registry import OPERATORS
from archsim.workload.executable_types import ExecutableNode

Array = NDArray[Any]
OPSET = 22


@dataclass(frozen=True)
class Case:
    """A node: its inputs (None if absent), attributes, number of outputs and opset.

    `fixed` are inputs without a gradient.  `reference` replaces attributes for the reference, which
    is not asked at all if `compared` is False.  `training` and `batchnorm` set the mode.
    """

    op_type: str
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = OPSET
    fixed: frozenset[int] = frozenset()
    reference: Mapping[str, Any] = field(default_factory=dict)
    compared: bool = True
    training: bool = True
    batchnorm: Any = "batch"
    label: str = ""

    def __str__(self) -> str:
        shapes = ",".join("-" if x is None else "x".join(map(str, x.shape)) for x in self.inputs)
        return f"{self.op_type}-{self.label or shapes}"

    @property
    def needs(self) -> tuple[bool, ...]:
        """Floating inputs that are not fixed."""
        return tuple(
            x is not None and x.dtype.kind == "f" and index not in self.fixed
            for index, x in enumerate(self.inputs)
        )

    @property
    def node(self) -> ExecutableNode:
        """The node as the executable graph has it."""
        return ExecutableNode(
            "node",
            self.op_type,
            "",
            self.opset,
            tuple("" if x is None else f"in{i}" for i, x in enumerate(self.inputs)),
            tuple(f"out{i}" for i in range(self.outputs)),
            {k: tuple(v) if isinstance(v, list) else v for k, v in self.attributes.items()},
        )

    def run(self, inputs: Sequence[Array | None] | None = None, dtype: Any = np.float64) -> Result:
        """What our operator makes of `inputs`, by default the case's own."""
        setting = Setting(np.dtype(dtype), self.training, self.batchnorm, np.random.default_rng(3))
        given = tuple(self.inputs if inputs is None else inputs)
        call = Call(self.node, given, self.needs, setting)
        return OPERATORS["", self.op_type].forward(call)

    def expected(self) -> list[Array]:
        """What the reference implementation makes of the case."""
        names = ["" if x is None else f"in{i}" for i, x in enumerate(self.inputs)]
        outputs = [f"out{i}" for i in range(self.outputs)]
        attributes = {
            name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            for name, value in {**self.attributes, **self.reference}.items()
        }
        node = helper.make_node(self.op_type, names, outputs, **attributes)
        feeds = {name: x for name, x in zip(names, self.inputs, strict=True) if x is not None}
        declared = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)
            )
            for name, x in feeds.items()
        ]
        results = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, None) for n in outputs]
        graph = helper.make_graph([node], "case", declared, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        return [np.asarray(x) for x in ReferenceEvaluator(model).run(None, feeds)]
