"""A claim, its verdict, and the figures behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# The source of a figure that archsim computes from the shipped configurations.
COMPUTED = "computed"


class Verdict(StrEnum):
    """What became of a claim."""

    HOLDS = "holds"
    CONDITIONS = "holds under conditions"
    FAILS = "does not hold"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number behind a verdict, in the SI unit `unit`; `source` names its file or computation."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim in one sentence, its verdict, why in one or two, and the figures."""

    id: str
    statement: str
    verdict: Verdict
    reason: str
    figures: tuple[Figure, ...]


def verdict(conditions: Sequence[bool]) -> Verdict:
    """`holds` if every condition is met, `does not hold` if none is, else under conditions."""
    if all(conditions):
        return Verdict.HOLDS
    return Verdict.CONDITIONS if any(conditions) else Verdict.FAILS
