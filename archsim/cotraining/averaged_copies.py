"""Copies of a matrix that learn from shares of the vectors and are averaged now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from archsim.cotraining.holders import F32, MatrixHolder, State
from archsim.tile_kernel.matrix_statistics import MatrixStatistics

# What the arrays of a matrix hold, block by block and by role.
Contents: TypeAlias = Sequence[Mapping[str, F32]]

# Between the number of a copy and a name inside its state; and the names of the holder's own state.
_COPY = "|"
_CLOCK = "clock"
_TURN = "turn"


class Copy(MatrixHolder, Protocol):
    """A holder whose arrays can be read out and moved, row by row."""

    def read_out(self) -> Contents:
        """The weights of every array that reads go through, as reads of single rows give them."""

    def move(self, changes: Contents) -> None:
        """Write `changes` of these weights into the arrays."""


class AveragedCopies:
    """Copies that share the vectors of reads and updates, as `mapping.sync: average` says.

    Vectors are dealt to the copies in turn, going on after each update where the last one ended, so
    that single vectors go to all of them.  Each copy learns from its share at a rate as many times
    larger as there are copies, so that their mean learns as one array would.  After every `period`
    minibatches all are read out, averaged digitally, and each is written the difference.
    """

    def __init__(self, copies: Sequence[Copy], period: int) -> None:
        self.copies = tuple(copies)
        self.period = period
        self._minibatches = 0
        self._turn = 0

    def forward(self, x: F32) -> F32:
        """Each vector through its copy."""
        parts = [copy.forward(part) for copy, part in self._dealt(x)]
        return _joined(parts, x.shape[1])

    def backward(self, error: F32) -> F32:
        """Each vector through its copy, transposed."""
        parts = [copy.backward(part) for copy, part in self._dealt(error)]
        return _joined(parts, error.shape[1])

    def _dealt(self, vectors: F32) -> list[tuple[Copy, F32]]:
        """The copies that get vectors [block, vector, line], with their shares."""
        number = len(self.copies)
        return [
            (self.copies[(self._turn + k) % number], np.ascontiguousarray(vectors[:, k::number]))
            for k in range(min(number, vectors.shape[1]))
        ]

    def update(self, x: F32, error: F32, rate: float) -> None:
        """Each copy learns from its share."""
        larger = rate * len(self.copies)
        shares = zip(self._dealt(x), self._dealt(error), strict=True)
        for (copy, inputs), (_, errors) in shares:
            copy.update(inputs, errors, larger)
        self._turn = (self._turn + x.shape[1]) % len(self.copies)

    def end_of_minibatch(self, elapsed_s: float) -> None:
        """Average, if it is time; then let time pass."""
        self._minibatches += 1
        if self._minibatches % self.period == 0:
            self._average()
        for copy in self.copies:
            copy.end_of_minibatch(elapsed_s)

    def _average(self) -> None:
        read = [copy.read_out() for copy in self.copies]
        mean = [
            {role: _mean([one[block][role] for one in read]) for role in roles}
            for block, roles in enumerate(read[0])
        ]
        for copy, own in zip(self.copies, read, strict=True):
            copy.move(
                [
                    {role: value - found[role] for role, value in wanted.items()}
                    for wanted, found in zip(mean, own, strict=True)
                ]
            )

    def weights(self) -> F32:
        """The mean of what exact reads of the copies would give."""
        return _mean([copy.weights() for copy in self.copies])

    def statistics(self) -> tuple[MatrixStatistics, ...]:
        """Those of all copies."""
        return tuple(one for copy in self.copies for one in copy.statistics())

    def state(self) -> State:
        """The states of all copies, the minibatches so far, and whose turn it is."""
        held = {
            f"{k}{_COPY}{name}": array
            for k, copy in enumerate(self.copies)
            for name, array in copy.state().items()
        }
        return {_CLOCK: np.array(self._minibatches), _TURN: np.array(self._turn), **held}

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""
        self._minibatches = int(state[_CLOCK])
        self._turn = int(state[_TURN])
        for k, copy in enumerate(self.copies):
            start = f"{k}{_COPY}"
            copy.restore(
                {n.removeprefix(start): a for n, a in state.items() if n.startswith(start)}
            )


def _joined(parts: Sequence[F32], vectors: int) -> F32:
    """What the copies gave, in the order in which vectors were dealt."""
    if len(parts) == 1:
        return parts[0]
    blocks, _, lines = parts[0].shape
    joined = np.empty((blocks, vectors, lines), dtype=parts[0].dtype)
    for k, part in enumerate(parts):
        joined[:, k :: len(parts)] = part
    return joined


def _mean(values: Sequence[F32]) -> F32:
    """The mean, summed in double precision as it would be digitally with words that are wide enough."""
    total = values[0].astype(np.float64)
    for value in values[1:]:
        total += value
    return (total / len(values)).astype(np.float32)
