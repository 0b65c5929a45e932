"""When what a backward pass has recorded becomes an update: at once, after several, or late.

What a matrix learns from is a pair of vectors per position: `x` [block, vector, input] and `error`
[block, vector, output].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture.policy import SchedulePolicy
from archsim.cotraining.holders import F32

State: TypeAlias = Mapping[str, NDArray[Any]]

# Names inside a state: what it is, the matrix, and its place in a queue.
_INPUTS, _ERRORS, _COUNT = "x", "error", "count"
_SEPARATOR = "\r"


class Due(NamedTuple):
    """An update of one matrix; `share` of the learning rate is that of each of its vectors."""

    matrix: str
    x: F32
    error: F32
    share: float = 1.0


class Queue(Protocol):
    """What waits between backward passes and updates."""

    def add(self, matrix: str, x: F32, error: F32) -> Iterator[Due]:
        """Take the vectors of one pass; gives the updates of that matrix that are due by now."""

    def end_of_minibatch(self) -> Iterator[Due]:
        """The updates that are due where a minibatch ends."""

    def state(self) -> State:
        """All that waits, as arrays."""

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""


class AtOnce:
    """Every pass is an update."""

    def add(self, matrix: str, x: F32, error: F32) -> Iterator[Due]:
        """That update."""
        yield Due(matrix, x, error)

    def end_of_minibatch(self) -> Iterator[Due]:
        """None."""
        yield from ()

    def state(self) -> State:
        """Nothing waits."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing waits."""


class Gathered:
    """The vectors of `minibatches` join to one update, by the mean of their gradients."""

    def __init__(self, minibatches: int) -> None:
        self._minibatches = minibatches
        self._held: dict[str, list[tuple[F32, F32]]] = {}
        self._count = 0

    def add(self, matrix: str, x: F32, error: F32) -> Iterator[Due]:
        """None; the vectors wait."""
        self._held.setdefault(matrix, []).append((x, error))
        yield from ()

    def end_of_minibatch(self) -> Iterator[Due]:
        """After the last of so many minibatches, the update of every matrix."""
        self._count += 1
        if self._count < self._minibatches:
            return
        held, self._held, self._count = self._held, {}, 0
        for matrix, pairs in held.items():
            x, error = (np.concatenate(parts, axis=1) for parts in zip(*pairs, strict=True))
            yield Due(matrix, x, error, 1.0 / self._minibatches)

    def state(self) -> State:
        """The vectors that wait, and of how many minibatches they are."""
        return {_COUNT: np.array(self._count), **_saved(self._held)}

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""
        self._count = int(state[_COUNT])
        self._held = _restored(state)


class Delayed:
    """Passes of single samples, each an update that comes `staleness` samples late.

    So the gradient of a sample is that of weights which lack the updates of so many samples before.
    The end of a minibatch waits for all.
    """

    def __init__(self, staleness: int) -> None:
        self._staleness = staleness
        self._held: dict[str, list[tuple[F32, F32]]] = {}

    def add(self, matrix: str, x: F32, error: F32) -> Iterator[Due]:
        """The update of the sample so many before this one, if there was one."""
        queue = self._held.setdefault(matrix, [])
        queue.append((x, error))
        if len(queue) > self._staleness:
            yield Due(matrix, *queue.pop(0))

    def end_of_minibatch(self) -> Iterator[Due]:
        """All that wait, in their order."""
        held, self._held = self._held, {}
        for matrix, queue in held.items():
            for x, error in queue:
                yield Due(matrix, x, error)

    def state(self) -> State:
        """Nothing waits between minibatches, which is where states are taken."""
        return _saved(self._held)

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""
        self._held = _restored(state)


def _saved(held: Mapping[str, list[tuple[F32, F32]]]) -> dict[str, NDArray[Any]]:
    return {
        _SEPARATOR.join((kind, str(place), matrix)): array
        for matrix, pairs in held.items()
        for place, pair in enumerate(pairs)
        for kind, array in zip((_INPUTS, _ERRORS), pair, strict=True)
    }


def _restored(state: State) -> dict[str, list[tuple[F32, F32]]]:
    held: dict[str, list[tuple[F32, F32]]] = {}
    for name, x in state.items():
        kind, _, rest = name.partition(_SEPARATOR)
        if kind == _INPUTS:
            matrix = rest.partition(_SEPARATOR)[2]
            error = state[_SEPARATOR.join((_ERRORS, rest))]
            held.setdefault(matrix, []).append((x, error))
    return held


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """When a training learns.

    `minibatches` share one step of the digital optimizer, and with `arrays_wait` one update of the
    matrices.  With a `staleness` samples are passes of their own, and update the matrices that many
    samples late; without (None) a minibatch is one pass.
    """

    minibatches: int = 1
    arrays_wait: bool = True
    staleness: int | None = None

    def queue(self) -> Queue:
        """What waits between passes and updates of the matrices."""
        if self.staleness is not None:
            return Delayed(self.staleness)
        if self.arrays_wait and self.minibatches > 1:
            return Gathered(self.minibatches)
        return AtOnce()


EACH_MINIBATCH = UpdateOrder()


def update_order(
    policy: SchedulePolicy, batch: int, staleness: float | None, *, has_statistics: bool
) -> UpdateOrder:
    """The order of a schedule for minibatches of `batch` samples.

    `staleness` is what the simulation reports for immediate updates, in samples; None if nobody has
    simulated it.  A minibatch stays one pass where all its samples read before the first update,
    and where normalisations gather statistics of it (`has_statistics`).
    """
    minibatches, immediate = int(policy.accumulate), policy.update == "immediate"
    gathers = has_statistics and policy.batchnorm in ("batch", "running")
    whole = staleness is None or staleness >= batch - 1 or gathers
    return UpdateOrder(
        minibatches,
        arrays_wait=not immediate,
        staleness=None if whole or not immediate or staleness is None else round(staleness),
    )
