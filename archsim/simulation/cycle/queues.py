"""When resources begin and end with each of their claims, recovered from a schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.cycle.pools import Pool
from archsim.simulation.cycle.ticks import TickArray


@dataclass(frozen=True, slots=True)
class Queue:
    """The claims on one resource in the order in which it serves them, one entry each.

    `ticks` is how long the resource is held; what is not `streamed` is held from `start` on.
    """

    claim: TickArray
    start: TickArray
    ticks: TickArray
    amount: TickArray
    streamed: NDArray[np.bool_]


def served(queue: Queue, capacity: int) -> tuple[TickArray, TickArray]:
    """When the resource grants each claim, and when it has it back.

    On a single server `end[i] = max(claim[i], end[i-1]) + ticks[i]` for streams, and what is kept
    ends at a known time, so all are one running maximum.
    """
    if capacity > 1:
        return _served_by_units(queue, capacity)
    grown = np.cumsum(np.where(queue.streamed, queue.ticks, 0))
    known = np.where(queue.streamed, queue.claim, queue.start) + queue.ticks
    end = np.maximum.accumulate(known - grown) + grown
    granted = queue.claim.copy()
    np.maximum(granted[1:], end[:-1], out=granted[1:])
    return granted, end


def _served_by_units(queue: Queue, capacity: int) -> tuple[TickArray, TickArray]:
    pool = Pool(capacity)
    granted, ends = np.zeros_like(queue.claim), np.zeros_like(queue.claim)
    for i, (claim, start, ticks, amount, streamed) in enumerate(
        zip(
            queue.claim.tolist(),
            queue.start.tolist(),
            queue.ticks.tolist(),
            queue.amount.tolist(),
            queue.streamed.tolist(),
            strict=True,
        )
    ):
        granted[i] = pool.grant(amount, claim)
        ends[i] = (int(granted[i]) if streamed else start) + ticks
        pool.hold(amount, int(ends[i]))
    return granted, ends
