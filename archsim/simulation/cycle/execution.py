"""How a minibatch is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.simulation.program import IntArray


@dataclass(frozen=True, slots=True)
class Move:
    """The weights of one matrix on their way, once for all samples.

    The arrays of `matrix` are taken for `array_s` (0: nothing happens on them), and each of `streams`
    (resource, seconds) serves it.
    """

    matrix: int
    array_s: float
    streams: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens between two phases of a step: weights come off the arrays, then others come on.

    `back` and `written` are work on arrays; `moved` is traffic of memory and mesh beside it.
    """

    back: tuple[Move, ...]
    written: tuple[Move, ...]
    moved: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Turns:
    """Arrays that are written anew within a step: the phase of each task, [T], and what is before each.

    `before` has one entry per phase (nothing before the first), `segment` the segment that each begins
    with.
    """

    phase: IntArray
    before: tuple[Turn, ...]
    segment: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """How a minibatch of `samples` is carried out.

    `mode` and `update` are those of the architecture's schedule; `barriers` says whether
    normalisations need the whole minibatch.  `in_flight` bounds the samples on their way at once
    in a pipeline without such barriers (None: no bound), `in_segment` those in each segment between
    them (no entries: no bounds).  `waiting_outputs` are (task, those that take its output, for how many
    samples it may wait at once).  `row_blocks` is in how many blocks of rows a sample's images are
    made.  `wake_s` is what a segment in which arrays work waits for them to
    be switched on.  `turns` cut the step into phases that have the arrays one after the other (None:
    there is but one phase).
    """

    samples: int
    mode: Literal["pipelined", "sequential"]
    update: Literal["immediate", "deferred"]
    barriers: bool
    in_flight: int | None = None
    wake_s: float = 0.0
    in_segment: tuple[int, ...] = ()
    row_blocks: int = 1
    waiting_outputs: tuple[tuple[int, tuple[int, ...], int], ...] = ()
    turns: Turns | None = None
