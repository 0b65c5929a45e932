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


class Constants:
    """The tensors that do not depend on the network's inputs, computed when they are asked for."""

    def __init__(self, network: Network, flat: Flat) -> None:
        self.network = network
        self._flat = flat
        self._known: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        """Raises `InputError` if the file has no elements for it."""
        if name not in self._known:
            if name in self._flat.stored:
                self._known[name] = elements(self._flat.stored[name])
            elif self._is_implied(name):
                self._known[name] = self._flat.implied[name]
            else:
                for node in self._needed(name):
                    self._known.update(run(node, self.network, self, _FOLDED))
        return self._known[name]

    def _needed(self, name: str) -> list[Node]:
        """The nodes that compute the constant `name` and have not run yet, in order."""
        order: list[Node] = []
        seen: set[str] = set()
        stack: list[tuple[Node, bool]] = [(self.network.producer[name], False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
                continue
            if node.outputs[0] in seen:
                continue
            seen.add(node.outputs[0])
            stack.append((node, True))
            stack += [(source, False) for source in self._sources(node)]
        return order

    def _is_implied(self, name: str) -> bool:
        """Whether the reader knows a value that no node computes, or that is a mere shape.

        Shapes need no second computation: the shape of every tensor is compared in a run.
        """
        node = self.network.producer.get(name)
        return node is None or (node.op_type in SHAPE_ONLY and not node.domain)

    def _sources(self, node: Node) -> list[Node]:
        """The nodes that must run before `node`."""
        return [
            self.network.producer[name]
            for name in filter(None, node.inputs)
            if name not in self._known
            and name not in self._flat.stored
            and not self._is_implied(name)
        ]


class Values:
    """The tensors of one evaluation."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._known: dict[str, Array] = {}

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
        return found if found is not None else self._constants[name]

    def run(self, node: Node, products: Products) -> dict[str, Array]:
        """The outputs of one node, by name."""
        return run(node, self._constants.network, self, products)


def run(
    node: Node, network: Network, values: Constants | Values, products: Products
) -> dict[str, Array]:
    """The outputs of one node, by name; its inputs are taken from `values`."""
    operands = tuple(values[name] if name else None for name in node.inputs)
    constant = tuple(network.is_stationary(name) for name in node.inputs)
    result = kernel_of(node).forward(Call(node, operands, constant, products))
    parts = list(result) if isinstance(result, (list, tuple)) else [np.asarray(result)]
    return {name: np.asarray(part) for name, part in zip(node.outputs, parts, strict=False) if name}
