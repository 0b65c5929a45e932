"""The contract of a pattern: what it looks for, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Placed, Structure


@dataclass(frozen=True, slots=True)
class ConePattern:
    """A function of one tensor, told by its values.

    A subgraph that holds one of the operators `anchors` and ends in one of `finals` is handed to
    `recognise`, which says what operator it is, or None; later results are tried first.  Of the
    tensors that a result may be computed from, the nearest counts, or the farthest if `invariant`
    tells that the function is the same of its input less a constant.  `largest` is the most pieces that
    a spelling of it takes.
    """

    name: str
    anchors: frozenset[str]
    finals: frozenset[str]
    recognise: Callable[[Structure, Cone], Operator | None]
    largest: int
    invariant: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Pieces that one piece can stand for."""

    members: frozenset[int]
    placed: Placed


Find: TypeAlias = Callable[[Structure, int], Match | None]


@dataclass(frozen=True, slots=True)
class ChainPattern:
    """A subgraph told by its operators: `find` looks at each piece of one of `anchors`."""

    name: str
    anchors: frozenset[str]
    find: Find
