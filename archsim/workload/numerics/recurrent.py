"""LSTM, GRU and RNN: one product of all inputs by W, then one product by R after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archsim.errors import InputError
from archsim.workload.numerics.functions import sigmoid, softplus
from archsim.workload.numerics.kernel import Array, Call, Kernel

_Function: TypeAlias = Callable[[Array], Array]
_Maker: TypeAlias = Callable[[float, float], _Function]


def _plain(function: _Function) -> _Maker:
    return lambda alpha, beta: function


# Name -> (function of alpha and beta, default alpha, default beta).
_ACTIVATIONS: Mapping[str, tuple[_Maker, float, float]] = {
    "sigmoid": (_plain(sigmoid), 0.0, 0.0),
    "tanh": (_plain(np.tanh), 0.0, 0.0),
    "relu": (_plain(lambda x: np.maximum(x, 0)), 0.0, 0.0),
    "softsign": (_plain(lambda x: x / (1 + np.abs(x))), 0.0, 0.0),
    "softplus": (_plain(softplus), 0.0, 0.0),
    "affine": (lambda a, b: lambda x: a * x + b, 1.0, 0.0),
    "leakyrelu": (lambda a, b: lambda x: np.where(x >= 0, x, a * x), 0.01, 0.0),
    "thresholdedrelu": (lambda a, b: lambda x: np.where(x >= a, x, 0), 1.0, 0.0),
    "scaledtanh": (lambda a, b: lambda x: a * np.tanh(b * x), 1.0, 1.0),
    "hardsigmoid": (lambda a, b: lambda x: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda a, b: lambda x: np.where(x >= 0, x, a * np.expm1(x)), 1.0, 0.0),
}
_DEFAULT_ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """One direction: `by_inputs` [T, B, G*H] with all biases that are added before the gates.

    `matrix` is R transposed, [1, H, G*H]; `recurrent_bias` [G*H] is kept apart for the GRU that
    resets after its product.
    """

    call: Call
    prefix: str
    functions: tuple[_Function, ...]
    by_inputs: Array
    matrices: tuple[Array, ...]
    bias: Array
    recurrent_bias: Array
    peepholes: Array
    clip: float

    def recur(self, hidden: Array, index: int, label: str) -> Array:
        """The product of the hidden state [B, H] by a part of R: one dependent step."""
        products = self.call.products
        found = products.weight(hidden[None], self.matrices[index], self.prefix + label)
        return found.reshape(found.shape[1:])

    def limited(self, x: Array) -> Array:
        """`x` within the cell's clipping threshold, if it has one."""
        return np.clip(x, -self.clip, self.clip) if self.clip else x


_Step: TypeAlias = Callable[[_Cell, Array, tuple[Array, Array]], tuple[Array, Array]]


def _lstm(cell: _Cell, inputs: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """Gates in the order i, o, f, c; peepholes in the order i, o, f."""
    hidden, memory = state
    gate, inner, outer = cell.functions
    total = inputs + cell.recur(hidden, 0, "R") + cell.bias + cell.recurrent_bias
    i, o, f, c = np.split(total, 4, -1)
    to_i, to_o, to_f = np.split(cell.peepholes, 3)
    i = gate(cell.limited(i + to_i * memory))
    if cell.call.node.integer("input_forget", 0):
        f = 1 - i
    else:
        f = gate(cell.limited(f + to_f * memory))
    memory = f * memory + i * inner(cell.limited(c))
    o = gate(cell.limited(o + to_o * memory))
    return o * outer(memory), memory


def _gru_after(cell: _Cell, inputs: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """Gates z, r, h; the reset gate scales the product (`linear_before_reset`)."""
    hidden, memory = state
    gate, inner = cell.functions
    own_z, own_r, own_h = np.split(inputs + cell.bias, 3, -1)
    z, r, h = np.split(cell.recur(hidden, 0, "R") + cell.recurrent_bias, 3, -1)
    z, r = gate(cell.limited(own_z + z)), gate(cell.limited(own_r + r))
    candidate = inner(cell.limited(own_h + r * h))
    return (1 - z) * candidate + z * hidden, memory


def _gru_before(cell: _Cell, inputs: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """Gates z, r, h; the reset gate scales the hidden state, which takes a second product."""
    hidden, memory = state
    gate, inner = cell.functions
    own_z, own_r, own_h = np.split(inputs + cell.bias + cell.recurrent_bias, 3, -1)
    z, r = np.split(cell.recur(hidden, 0, "R_zr"), 2, -1)
    z, r = gate(cell.limited(own_z + z)), gate(cell.limited(own_r + r))
    candidate = inner(cell.limited(own_h + cell.recur(r * hidden, 1, "R_h")))
    return (1 - z) * candidate + z * hidden, memory


def _rnn(cell: _Cell, inputs: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    hidden, memory = state
    (function,) = cell.functions
    total = inputs + cell.recur(hidden, 0, "R") + cell.bias + cell.recurrent_bias
    return function(cell.limited(total)), memory


def _functions(call: Call, directions: int) -> list[tuple[_Function, ...]]:
    attributes = call.node.attributes
    default = _DEFAULT_ACTIVATIONS[call.node.op_type] * directions
    names = list(default)
    if "activations" in attributes:
        names = [name.decode() for name in attributes["activations"].strings]
    alphas = list(attributes["activation_alpha"].floats) if "activation_alpha" in attributes else []
    betas = list(attributes["activation_beta"].floats) if "activation_beta" in attributes else []
    made = []
    for name in names:
        known = _ACTIVATIONS.get(name.lower())
        if known is None:
            raise InputError(f"the activation '{name}' is not known.", place=call.node.place)
        maker, alpha, beta = known
        # Values are given for those functions only that take any, in their order.
        takes_alpha = name.lower() not in {"sigmoid", "tanh", "relu", "softsign", "softplus"}
        takes_beta = name.lower() in {"affine", "scaledtanh", "hardsigmoid"}
        alpha = alphas.pop(0) if takes_alpha and alphas else alpha
        beta = betas.pop(0) if takes_beta and betas else beta
        made.append(maker(alpha, beta))
    each = len(made) // directions
    return [tuple(made[index * each : (index + 1) * each]) for index in range(directions)]


def _cell(
    call: Call, sequence: Array, direction: int, prefix: str, functions: tuple[_Function, ...]
) -> tuple[_Cell, _Step]:
    """Multiply the sequence [T, B, I] by W, and gather what the steps need."""
    steps, samples, size = sequence.shape
    weights, recurrent = call[1][direction], call[2][direction]
    width, hidden = recurrent.shape
    op_type, step = call.node.op_type, _rnn
    parts: Sequence[Array] = (recurrent,)
    if op_type == "GRU" and not call.node.integer("linear_before_reset", 0):
        parts, step = (recurrent[: 2 * hidden], recurrent[2 * hidden :]), _gru_before
    elif op_type != "RNN":
        step = _gru_after if op_type == "GRU" else _lstm
    product = call.products.weight(
        sequence.reshape(1, steps * samples, size), weights.T[None], prefix + "W"
    )
    biases = call.optional(3)
    both = np.zeros(2 * width, sequence.dtype) if biases is None else biases[direction]
    peepholes = call.optional(7)
    cell = _Cell(
        call=call,
        prefix=prefix,
        functions=functions,
        by_inputs=product.reshape(steps, samples, width),
        matrices=tuple(part.T[None] for part in parts),
        bias=both[:width],
        recurrent_bias=both[width:],
        peepholes=np.zeros(3 * hidden, sequence.dtype)
        if peepholes is None
        else peepholes[direction],
        clip=call.node.real("clip", 0.0),
    )
    return cell, step


def _run(
    cell: _Cell, step: _Step, state: tuple[Array, Array], active: Array
) -> tuple[Array, tuple[Array, Array]]:
    """All steps in order; `active` [T, B] tells which samples still have input."""
    outputs = []
    for inputs, going in zip(cell.by_inputs, active, strict=True):
        new = step(cell, inputs, state)
        keep = going[:, None]
        state = (np.where(keep, new[0], state[0]), np.where(keep, new[1], state[1]))
        outputs.append(np.where(keep, new[0], 0))
    return np.stack(outputs), state


def _order(lengths: Array, steps: int) -> Array:
    """[T, B]: the step to read at each place, so that every sample runs from its end."""
    places = np.arange(steps)[:, None]
    return np.where(places < lengths, lengths - 1 - places, places)


def _recurrent(call: Call) -> list[Array]:
    node = call.node
    batch_first = bool(node.integer("layout", 0))
    sequence = call[0].swapaxes(0, 1) if batch_first else call[0]
    steps, samples, _ = sequence.shape
    directions, _, hidden = call[2].shape
    given = call.optional(4)
    lengths = np.full(samples, steps) if given is None else given.astype(np.int64)
    active = np.arange(steps)[:, None] < lengths
    backwards = [node.text("direction", "forward") == "reverse", True]
    collected, final = [], []
    for index, functions in enumerate(_functions(call, directions)):
        prefix = f"{index}/" if directions == 2 else ""
        order = _order(lengths, steps)[..., None] if backwards[index] else None
        own = sequence if order is None else np.take_along_axis(sequence, order, 0)
        cell, step = _cell(call, own, index, prefix, functions)
        start = (
            _initial(call, 5, index, samples, hidden),
            _initial(call, 6, index, samples, hidden),
        )
        outputs, state = _run(cell, step, start, active)
        collected.append(outputs if order is None else np.take_along_axis(outputs, order, 0))
        final.append(state)
    result = np.stack(collected, 1)
    states = [np.stack([state[which] for state in final]) for which in (0, 1)]
    if batch_first:
        result = result.transpose(2, 0, 1, 3)
        states = [state.swapaxes(0, 1) for state in states]
    found = [part.astype(call[0].dtype, copy=False) for part in (result, *states)]
    return found[: len(node.outputs)]


def _initial(call: Call, index: int, direction: int, samples: int, hidden: int) -> Array:
    given = call.optional(index)
    if given is None:
        return np.zeros((samples, hidden), call[0].dtype)
    batch_first = bool(call.node.integer("layout", 0))
    return given[:, direction] if batch_first else given[direction]


KERNELS = tuple(Kernel(op_type, _recurrent) for op_type in ("LSTM", "GRU", "RNN"))
