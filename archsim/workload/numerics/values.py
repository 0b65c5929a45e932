"""Values of tensors: what the file stores, folded constants, and what ops have computed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archsim.workload.numerics.covers import SHAPE_ONLY, Network
from archsim.workload.numerics.flattening import Flat, elements
from archsim.workload.numerics.kernel import Array, Call
from archsim.workload.numerics.products import Products, Uncounted
from archsim.workload.numerics.registry import kernel_of
from archsim.workload.onnx_reader.nodes import Node

_FOLDED = Uncounted()


class Values:
    """The tensors of one evaluation; constants are computed when they are asked for."""

    def __init__(self, network: Network, flat: Flat) -> None:
        self._network = network
        self._flat = flat
        self._known: dict[str, Array] = {}
        self._constants: dict[str, Array] = {}

    def define(self, name: str, value: Array) -> None:
        """An activation: an input of the network, or what an op computed."""
        self._known[name] = value

    def forget(self, names: Iterable[str]) -> None:
        """Free activations that nothing will read again."""
        for name in names:
            self._known.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> Array:
        found = self._known.get(name)
        return found if found is not None else self.constant(name)

    def constant(self, name: str) -> Array:
        """A tensor that does not depend on the inputs; raises `InputError` if it has no value."""
        if name not in self._constants:
            if name in self._flat.stored:
                self._constants[name] = elements(self._flat.stored[name])
            elif name not in self._network.producer:
                self._constants[name] = self._flat.implied[name]
            else:
                for node in self._needed(name):
                    self._constants.update(self.run(node, _FOLDED))
        return self._constants[name]

    def _needed(self, name: str) -> list[Node]:
        """The nodes that compute the constant `name` and have not run yet, in order."""
        order: list[Node] = []
        seen: set[str] = set()
        stack: list[tuple[Node, bool]] = [(self._network.producer[name], False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
                continue
            if node.outputs[0] in seen:
                continue
            seen.add(node.outputs[0])
            stack.append((node, True))
            if self._stand_in(node) is None:
                stack += [(source, False) for source in self._sources(node)]
        return order

    def _sources(self, node: Node) -> list[Node]:
        """The nodes that must run before `node`."""
        known = (self._constants, self._known, self._flat.stored)
        return [
            self._network.producer[name]
            for name in node.inputs
            if name in self._network.producer and not any(name in table for table in known)
        ]

    def _stand_in(self, node: Node) -> Array | None:
        """Something of the shape of the activation whose shape `node` asks for, where that is known."""
        if node.op_type not in SHAPE_ONLY or node.domain:
            return None
        info = self._network.workload.tensors.get(node.inputs[0])
        return None if info is None else np.broadcast_to(np.float32(0), info.shape)

    def run(self, node: Node, products: Products) -> dict[str, Array]:
        """The outputs of one node, by name."""
        stand_in = self._stand_in(node)
        operands: tuple[Array | None, ...] = (stand_in,)
        if stand_in is None:
            operands = tuple(self[name] if name else None for name in node.inputs)
        constant = tuple(self._network.is_stationary(name) for name in node.inputs)
        result = kernel_of(node).forward(Call(node, operands, constant, products))
        parts = list(result) if isinstance(result, (list, tuple)) else [np.asarray(result)]
        return {
            name: np.asarray(part) for name, part in zip(node.outputs, parts, strict=False) if name
        }
