"""How a minibatch is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Execution:
    """How a minibatch of `samples` is carried out.

    `mode` and `update` are those of the architecture's schedule; `barriers` says whether
    normalisations need the whole minibatch.  `in_flight` bounds the samples on their way at once
    in a pipeline without such barriers (None: no bound), `in_segment` those in each segment between
    them (no entries: no bounds).  `waiting_outputs` are (task, those that take its output, for how many
    samples it may wait at once).  `row_blocks` is in how many blocks of rows a sample's images are
    made.  `wake_s` is what a segment in which arrays work waits for them to
    be switched on.
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
