"""Recurrent cells: one step forward, and one step back.

A cell works on arrays [B, H] of one direction: `a` is the input's product with all biases that are
added before the gates, [B, G*H] in the order of gates that the standard has.  What a step keeps goes
to its backward, which returns the gradient of `a`, of the state before, and of what each recurrent
product gave.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from archsim.cotraining.numerics.contract import Array
from archsim.cotraining.numerics.gates import GateFunction
from archsim.cotraining.numerics.stationary import Stationary

State: TypeAlias = tuple[Array, ...]
Kept: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StepBack:
    """Gradients of one step: of `a`, of the state before, and per product its vectors and errors."""

    before: Array
    state: State
    products: tuple[tuple[Array, Array], ...]
    inner_bias: Array | None = None


class Cell(ABC):
    """One direction of a recurrent layer; `matrices` are its recurrent ones, `inner` [H] a bias."""

    def __init__(
        self,
        functions: Sequence[GateFunction],
        matrices: Sequence[Stationary],
        inner: Array | None,
    ) -> None:
        self.functions = tuple(functions)
        self.matrices = tuple(matrices)
        self.inner = inner

    @abstractmethod
    def step(self, a: Array, state: State) -> tuple[State, Kept]:
        """The state after a step, and what its backward needs."""

    @abstractmethod
    def back(self, kept: Kept, grad: State) -> StepBack:
        """The gradients from those of the state after the step."""

    def read(self, index: int, hidden: Array) -> Array:
        """The product of [B, H] by a recurrent matrix."""
        return np.asarray(self.matrices[index].times(hidden[None])[0])

    def read_back(self, index: int, errors: Array) -> Array:
        """The product of errors by the transpose of a recurrent matrix."""
        return np.asarray(self.matrices[index].back(errors[None])[0])


class PlainCell(Cell):
    """RNN: h = f(a + h R)."""

    def step(self, a: Array, state: State) -> tuple[State, Kept]:
        """See `Cell`."""
        (hidden,) = state
        out = self.functions[0].value(a + self.read(0, hidden))
        return (out,), (hidden, out)

    def back(self, kept: Kept, grad: State) -> StepBack:
        """See `Cell`."""
        hidden, out = kept
        d = grad[0] * self.functions[0].slope(out)
        return StepBack(d, (self.read_back(0, d),), ((hidden, d),))


class LstmCell(Cell):
    """LSTM, gates i, o, f, c: c' = f*c + i*c~, h = o * g(c')."""

    def step(self, a: Array, state: State) -> tuple[State, Kept]:
        """See `Cell`."""
        hidden, memory = state
        gate, inner, outer = self.functions
        total = a + self.read(0, hidden)
        width = hidden.shape[1]
        opened = gate.value(total[:, : 3 * width])
        i, o, f = (opened[:, n * width : (n + 1) * width] for n in range(3))
        candidate = inner.value(total[:, 3 * width :])
        new = f * memory + i * candidate
        bent = outer.value(new)
        return (o * bent, new), (hidden, memory, i, o, f, candidate, bent)

    def back(self, kept: Kept, grad: State) -> StepBack:
        """See `Cell`."""
        hidden, memory, i, o, f, candidate, bent = kept
        gate, inner, outer = self.functions
        d_hidden, d_memory = grad
        d_new = d_memory + d_hidden * o * outer.slope(bent)
        d = np.concatenate(
            (
                d_new * candidate * gate.slope(i),
                d_hidden * bent * gate.slope(o),
                d_new * memory * gate.slope(f),
                d_new * i * inner.slope(candidate),
            ),
            axis=1,
        )
        return StepBack(d, (self.read_back(0, d), d_new * f), ((hidden, d),))


class GruCell(Cell):
    """GRU, gates z, r, h, that resets before its product: h' = (1-z)*f(a + (r*h) R_h) + z*h."""

    def step(self, a: Array, state: State) -> tuple[State, Kept]:
        """See `Cell`."""
        (hidden,) = state
        width = hidden.shape[1]
        gate, inner = self.functions
        opened = gate.value(a[:, : 2 * width] + self.read(0, hidden))
        z, r = opened[:, :width], opened[:, width:]
        reset = r * hidden
        candidate = inner.value(a[:, 2 * width :] + self.read(1, reset))
        return ((1 - z) * candidate + z * hidden,), (hidden, z, r, reset, candidate)

    def back(self, kept: Kept, grad: State) -> StepBack:
        """See `Cell`."""
        hidden, z, r, reset, candidate = kept
        gate, inner = self.functions
        d_out = grad[0]
        d_candidate = d_out * (1 - z) * inner.slope(candidate)
        d_reset = self.read_back(1, d_candidate)
        d_gates = np.concatenate(
            (d_out * (hidden - candidate) * gate.slope(z), d_reset * hidden * gate.slope(r)),
            axis=1,
        )
        d_hidden = d_out * z + d_reset * r + self.read_back(0, d_gates)
        before = np.concatenate((d_gates, d_candidate), axis=1)
        return StepBack(before, (d_hidden,), ((hidden, d_gates), (reset, d_candidate)))


class LateGruCell(Cell):
    """GRU that resets after its product: h' = (1-z)*f(a + r*(h R_h + b)) + z*h."""

    def step(self, a: Array, state: State) -> tuple[State, Kept]:
        """See `Cell`."""
        (hidden,) = state
        width = hidden.shape[1]
        gate, inner = self.functions
        product = self.read(0, hidden)
        opened = gate.value(a[:, : 2 * width] + product[:, : 2 * width])
        z, r = opened[:, :width], opened[:, width:]
        recalled = product[:, 2 * width :]
        recalled = recalled if self.inner is None else recalled + self.inner
        candidate = inner.value(a[:, 2 * width :] + r * recalled)
        return ((1 - z) * candidate + z * hidden,), (hidden, z, r, recalled, candidate)

    def back(self, kept: Kept, grad: State) -> StepBack:
        """See `Cell`."""
        hidden, z, r, recalled, candidate = kept
        gate, inner = self.functions
        d_out = grad[0]
        d_candidate = d_out * (1 - z) * inner.slope(candidate)
        d_gates = np.concatenate(
            (d_out * (hidden - candidate) * gate.slope(z), d_candidate * recalled * gate.slope(r)),
            axis=1,
        )
        d_recalled = d_candidate * r
        errors = np.concatenate((d_gates, d_recalled), axis=1)
        d_hidden = d_out * z + self.read_back(0, errors)
        before = np.concatenate((d_gates, d_candidate), axis=1)
        return StepBack(before, (d_hidden,), ((hidden, errors),), d_recalled.sum(0))
