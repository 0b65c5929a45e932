"""LSTM, GRU and RNN layers: all inputs by W at once, then step by step, and back through time.

Inside, sequences are [T, B, width]; a direction that runs backward sees its sequence reversed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archsim.cotraining.numerics.cells import (
    Cell,
    GruCell,
    Kept,
    LateGruCell,
    LstmCell,
    PlainCell,
    State,
    StepBack,
)
from archsim.cotraining.numerics.contract import Array, Call, Grads, Operator, Result, refuse
from archsim.cotraining.numerics.gates import gate_functions, unknown_functions
from archsim.cotraining.numerics.stationary import ArrayMatrix, Stationary
from archsim.workload.executable_types import ExecutableNode


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of layer: its gates, its states, the rows of R that each product takes, in gates."""

    gates: int
    states: int
    products: tuple[tuple[int, int], ...]
    cell: Callable[..., Cell]
    inner_bias: bool = False


_GRU = _Kind(3, 1, ((0, 2), (2, 3)), GruCell)
_LATE_GRU = _Kind(3, 1, ((0, 3),), LateGruCell, inner_bias=True)
_KINDS: Mapping[str, _Kind] = {
    "LSTM": _Kind(4, 2, ((0, 4),), LstmCell),
    "GRU": _GRU,
    "RNN": _Kind(1, 1, ((0, 1),), PlainCell),
}


@dataclass(frozen=True, slots=True)
class _Direction:
    """One direction: its cell, the matrix W, and what its forward pass left for the backward."""

    cell: Cell
    by_inputs: Stationary
    reverse: bool
    sequence: Array
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class _Errors:
    """Gradients of one direction: by its inputs [T, B, I], W, R, its biases, and its first state."""

    sequence: Array
    weights: tuple[Array | None, Array | None]
    bias: Array
    state: State


def _layer(call: Call) -> Result:
    kind = _kind(call)
    _check(call)
    batch_first = bool(call.node.integer("layout", 0))
    x = call[0].swapaxes(0, 1) if batch_first else call[0]
    names = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    reverses = names[call.node.text("direction", "forward")]
    runs = [_run(call, kind, x, number, reverse=reverse) for number, reverse in enumerate(reverses)]
    outputs = np.stack([hidden for _, hidden, _ in runs], axis=1)
    last = [np.stack([state[i] for _, _, state in runs]) for i in range(kind.states)]
    if batch_first:
        outputs = outputs.transpose(2, 0, 1, 3)
        last = [state.swapaxes(0, 1) for state in last]
    directions = [direction for direction, _, _ in runs]
    shapes = [None if entry is None else entry.shape for entry in call.inputs]
    weights = [call.optional(1) is not None, call.optional(2) is not None]

    def pullback(grads: Grads) -> Sequence[Array | None]:
        arrived = [_turned_back(g, batch_first) for g in grads]
        found = [
            _back(direction, kind, arrived, number) for number, direction in enumerate(directions)
        ]
        into = np.sum([errors.sequence for errors in found], axis=0)
        result: list[Array | None] = [None] * len(shapes)
        result[0] = into.swapaxes(0, 1) if batch_first else into
        for slot in (1, 2):
            parts = [errors.weights[slot - 1] for errors in found]
            if weights[slot - 1]:
                result[slot] = np.stack([part for part in parts if part is not None])
        if len(shapes) > 3 and shapes[3] is not None:
            result[3] = np.stack([errors.bias for errors in found])
        for index in range(kind.states):
            if len(shapes) > 5 + index and shapes[5 + index] is not None:
                state = np.stack([errors.state[index] for errors in found])
                result[5 + index] = state.swapaxes(0, 1) if batch_first else state
        return result

    return Result((outputs, *last)[: len(call.node.outputs)], pullback)


def _turned_back(grad: Array | None, batch_first: bool) -> Array | None:  # noqa: FBT001
    """A gradient of an output with time, or direction, first."""
    if grad is None or not batch_first:
        return grad
    return grad.transpose(1, 2, 0, 3) if grad.ndim == 4 else grad.swapaxes(0, 1)


def _kind(call: Call) -> _Kind:
    late = call.node.op_type == "GRU" and call.node.integer("linear_before_reset", 0)
    return _LATE_GRU if late else _KINDS[call.node.op_type]


def _check(call: Call) -> None:
    """Refuse what the values of inputs decide: peepholes that are not zero, ragged batches."""
    lengths, peepholes = call.optional(4), call.optional(7)
    steps = call[0].shape[1 if call.node.integer("layout", 0) else 0]
    if lengths is not None and bool((lengths != steps).any()):
        raise refuse(call, "sequences of different lengths in one batch have no numerics here.")
    if peepholes is not None and bool(peepholes.any()):
        raise refuse(call, "peephole connections have no numerics here.")


def _matrices(call: Call, kind: _Kind, number: int) -> tuple[Stationary, list[Stationary]]:
    """W and the recurrent matrices of a direction, held by the backend or arrays."""
    if call.weights:
        own = 1 + len(kind.products)
        first, *rest = call.weights[number * own : (number + 1) * own]
        return first, rest
    w, r = call[1][number], call[2][number]
    width = r.shape[1]
    parts = [r[first * width : last * width] for first, last in kind.products]
    return (
        ArrayMatrix(w.T[None], w.shape, trains=call.wanted(1)),
        [ArrayMatrix(part.T[None], part.shape, trains=call.wanted(2)) for part in parts],
    )


def _run(
    call: Call, kind: _Kind, x: Array, number: int, *, reverse: bool
) -> tuple[_Direction, Array, State]:
    """One direction: what its backward needs, hidden states [T, B, H], and the last state."""
    by_inputs, recurrent = _matrices(call, kind, number)
    sequence = x[::-1] if reverse else x
    steps, batch, inputs = sequence.shape
    a = by_inputs.times(sequence.reshape(1, -1, inputs))[0].reshape(steps, batch, -1)
    width = a.shape[2] // kind.gates
    bias, inner = _biases(call, kind, number, width)
    if bias is not None:
        a += bias
    cell = kind.cell(gate_functions(call.node, number), recurrent, inner)
    state = tuple(_start(call, 5 + i, number, (batch, width)) for i in range(kind.states))
    hidden = np.empty((steps, batch, width), a.dtype)
    kept = []
    for step in range(steps):
        state, saved = cell.step(a[step], state)
        hidden[step] = state[0]
        kept.append(saved)
    direction = _Direction(cell, by_inputs, reverse, sequence, tuple(kept))
    return direction, hidden[::-1] if reverse else hidden, state


def _start(call: Call, slot: int, number: int, shape: tuple[int, int]) -> Array:
    given = call.optional(slot)
    if given is None:
        return np.zeros(shape, call[0].dtype)
    start = given[:, number] if call.node.integer("layout", 0) else given[number]
    if start.shape != shape:
        raise refuse(call, f"its initial state has the shape {start.shape}, and needs {shape}.")
    return start


def _biases(call: Call, kind: _Kind, number: int, width: int) -> tuple[Array | None, Array | None]:
    """What is added before the gates [G*H], and the bias that a late GRU adds to its product."""
    given = call.optional(3)
    if given is None:
        return None, None
    into, recurrent = np.split(given[number], 2)
    if not kind.inner_bias:
        return into + recurrent, None
    before = into.copy()
    before[: 2 * width] += recurrent[: 2 * width]
    return before, recurrent[2 * width :]


def _back(direction: _Direction, kind: _Kind, grads: Grads, number: int) -> _Errors:
    steps, batch, inputs = direction.sequence.shape
    width = direction.kept[0][0].shape[1]
    dtype = direction.sequence.dtype
    by_step = None
    if grads[0] is not None:
        by_step = grads[0][:, number][:: -1 if direction.reverse else 1]
    state = tuple(
        np.zeros((batch, width), dtype)
        if index >= len(grads) or (last := grads[index]) is None
        else last[number]
        for index in range(1, 1 + kind.states)
    )
    done: list[StepBack] = []
    for step in reversed(range(steps)):
        first = state[0] if by_step is None else state[0] + by_step[step]
        made = direction.cell.back(direction.kept[step], (first, *state[1:]))
        state = made.state
        done.append(made)
    done.reverse()
    before = np.stack([made.before for made in done]).reshape(1, steps * batch, -1)
    flat = direction.sequence.reshape(1, -1, inputs)
    into = direction.by_inputs.back(before)[0].reshape(steps, batch, inputs)
    weight = _record(direction.by_inputs, flat, before)
    parts = []
    for index, matrix in enumerate(direction.cell.matrices):
        vectors = np.concatenate([made.products[index][0] for made in done])[None]
        errors = np.concatenate([made.products[index][1] for made in done])[None]
        parts.append(_record(matrix, vectors, errors))
    known = [part for part in parts if part is not None]
    recurrent = np.concatenate(known) if known else None
    total = before[0].sum(0)
    second = total.copy()
    inner = [made.inner_bias for made in done if made.inner_bias is not None]
    if inner:
        second[2 * width :] = np.sum(inner, axis=0)
    return _Errors(
        into[::-1] if direction.reverse else into,
        (weight, recurrent),
        np.concatenate((total, second)),
        state,
    )


def _record(matrix: Stationary, vectors: Array, errors: Array) -> Array | None:
    """The gradient [N, K] of an array, as W and R are stored; None where a backend has it."""
    if not matrix.trains:
        return None
    gradient = matrix.record(vectors, errors)
    return None if gradient is None else gradient[0].T


def _missing(node: ExecutableNode) -> str:
    unknown = unknown_functions(node)
    if unknown:
        return f"the gate function {unknown[0]}"
    return (
        "clipped gates"
        if node.real("clip", 0.0)
        else ("coupled gates" if node.integer("input_forget", 0) else "")
    )


OPERATORS = tuple(Operator(name, _layer, missing=_missing) for name in _KINDS)
