"""The contract of an operator: from a node and its inputs to outputs and a pullback.

    forward(call) -> Result(outputs, pullback)
    pullback(grads) -> gradients of the inputs

The pullback gets one gradient per output, None where none arrived, and returns one entry per input
that the operator may have, None where there is no gradient (integers, absent inputs, weights that a backend holds, inputs for
which `call.needs` is False).  A gradient has the shape of its input.  What the backward needs is
kept by the pullback itself, and freed with it.  Neither inputs nor gradients are changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.numerics.stationary import Stationary
from archsim.errors import InputError
from archsim.workload.executable_types import ExecutableNode

Array: TypeAlias = NDArray[Any]
Grads: TypeAlias = Sequence["Array | None"]
Pullback: TypeAlias = Callable[[Grads], Sequence["Array | None"]]
BatchNormMode: TypeAlias = Literal["batch", "running", "frozen", "group"]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a network is run: the element type, training or inference, and where chance comes from.

    `batchnorm` is the mode of `SchedulePolicy`; it counts in training only.
    """

    dtype: np.dtype[Any]
    training: bool = True
    batchnorm: BatchNormMode = "batch"
    rng: np.random.Generator | None = None

    def generator(self, node: ExecutableNode) -> np.random.Generator:
        """The generator for a node that draws numbers."""
        if self.rng is None:
            raise InputError(
                "the operator draws random numbers, and no generator is given.", place=node.place
            )
        return self.rng


@dataclass(frozen=True, slots=True)
class Call:
    """A node with its inputs: arrays, or None where absent or held by the backend.

    `needs` tells for which inputs a gradient is wanted; `weights` are the matrices of the node's
    uses, in their order.
    """

    node: ExecutableNode
    inputs: tuple[Array | None, ...]
    needs: tuple[bool, ...]
    setting: Setting
    weights: tuple[Stationary, ...] = ()

    def __getitem__(self, index: int) -> Array:
        found = self.optional(index)
        if found is None:
            raise InputError(f"its input {index} is absent.", place=self.node.place)
        return found

    def optional(self, index: int) -> Array | None:
        """The input at `index`, or None if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def wanted(self, index: int) -> bool:
        """Whether the input at `index` is there and gets a gradient."""
        return index < len(self.needs) and self.needs[index]

    def axes(self, index: int, attribute: str = "axes") -> tuple[int, ...] | None:
        """Axes from an attribute (older opsets) or from the input at `index` (newer ones)."""
        if self.node.has(attribute):
            return self.node.integers(attribute)
        found = self.optional(index)
        return None if found is None else integers(found)

    def wants(self, count: int) -> tuple[bool, ...]:
        """`wanted` of the first `count` inputs, for a pullback: it must not keep the call."""
        return tuple(self.wanted(index) for index in range(count))


@dataclass(frozen=True, slots=True)
class Result:
    """What a node gives: one array per output, the pullback, and new running statistics by tensor.

    An operator that nothing can be differentiated through has no pullback.
    """

    outputs: tuple[Array, ...]
    pullback: Pullback | None = None
    statistics: Mapping[str, Array] = field(default_factory=dict)


Forward: TypeAlias = Callable[[Call], Result]


def nothing_missing(node: ExecutableNode) -> str:
    """Every node of the operator has numerics."""
    return ""


@dataclass(frozen=True, slots=True)
class Operator:
    """The numbers of one operator; `differentiable` is False if gradients never pass it.

    `missing` says what of a node has no numerics, in a few words, or is empty.
    """

    op_type: str
    forward: Forward
    domain: str = ""
    differentiable: bool = True
    missing: Callable[[ExecutableNode], str] = nothing_missing


def single(call: Call, output: Array, *pulls: Callable[[Array], Array] | None) -> Result:
    """The result of an operator with one output: a function of its gradient for each input.

    A None among `pulls`, and inputs beyond them, get no gradient.
    """
    wanted = [
        pull if pull is not None and call.wanted(index) else None
        for index, pull in enumerate(pulls)
    ]
    count = len(call.inputs)

    def pullback(grads: Grads) -> Sequence[Array | None]:
        found: list[Array | None] = [None] * count
        grad = grads[0]
        if grad is not None:
            for index, pull in enumerate(wanted):
                if pull is not None:
                    found[index] = pull(grad)
        return found

    return Result((output,), pullback)


def fixed(function: Callable[[Call], Array]) -> Forward:
    """The forward of an operator with one output that nothing is differentiated through."""
    return lambda call: Result((np.asarray(function(call)),))


def integers(values: Array) -> tuple[int, ...]:
    """The elements of an integer tensor."""
    return tuple(int(value) for value in np.ravel(values))


def fitted(grad: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of a tensor of `shape` that was broadcast: summed over what was repeated."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    repeated = tuple(
        axis
        for axis in range(grad.ndim)
        if axis < extra or (shape[axis - extra] == 1 and grad.shape[axis] != 1)
    )
    return np.asarray(grad.sum(repeated)).reshape(shape)


def refuse(call: Call, message: str, remedy: str = "") -> InputError:
    """An error about a node that its operator cannot evaluate."""
    return InputError(message, place=call.node.place, remedy=remedy)
