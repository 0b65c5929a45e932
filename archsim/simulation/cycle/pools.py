"""A resource of several units: who has how many, and when the next claim can be granted."""

from __future__ import annotations

import heapq


class Pool:
    """Units of one resource, granted strictly in the order of claims.

    A claim is granted at the first tick at which enough units are free, and not before any earlier
    claim.  Every grant must be followed by `hold`, which says when its units come back.
    """

    __slots__ = ("free", "last", "releases")

    def __init__(self, capacity: int) -> None:
        self.free = capacity
        self.last = 0
        self.releases: list[tuple[int, int]] = []

    def can_grant(self, amount: int) -> bool:
        """Whether the units are free or will be, by what is known so far."""
        return self.free + sum(units for _, units in self.releases) >= amount

    def grant(self, amount: int, now: int) -> int:
        """Take `amount` units, claimed at `now`; gives the tick at which all are there."""
        when = max(now, self.last)
        while self.free < amount:
            end, units = heapq.heappop(self.releases)
            self.free += units
            when = max(when, end)
        self.free -= amount
        self.last = when
        return when

    def hold(self, amount: int, end: int) -> None:
        """The units just granted come back at `end`."""
        heapq.heappush(self.releases, (end, amount))
