"""What an update rule asks of the arrays and of the digital side, as counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a transfer or refresh waits for: so many vector pairs, or so many minibatches."""

    VECTOR = "vector"
    MINIBATCH = "minibatch"


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one event (a vector pair, a transfer) on one weight matrix.

    `parallel_updates` outer-product updates of whole arrays; `line_reads` one-hot reads of one line
    each, with `conversions` in all; `line_writes` updates of one line each, of at most
    `write_slots` slots; `resets` of single devices at most.  Digital: multiply-adds, comparisons,
    and words moved to and from the digital state.
    """

    parallel_updates: float = 0.0
    line_reads: float = 0.0
    conversions: float = 0.0
    line_writes: float = 0.0
    write_slots: float = 0.0
    resets: float = 0.0
    digital_macs: float = 0.0
    digital_compares: float = 0.0
    words_moved: float = 0.0


@dataclass(frozen=True, slots=True)
class Operations:
    """All that an algorithm asks for, beyond one forward and one transposed read per vector.

    `arrays_per_weight` are the arrays that hold devices for every weight, `arrays_read` those of
    them that forward and transposed reads go through.  `state_words` is the digital state of one
    weight matrix.
    `per_transfer` comes once in `transfer_every` of `transfer_unit`; 0 is never.
    """

    arrays_per_weight: int
    arrays_read: int
    state_words: float
    per_vector: Work
    per_transfer: Work
    transfer_every: float
    transfer_unit: Unit

    def transfers_per_minibatch(self, vectors: float) -> float:
        """Transfers of one minibatch of `vectors` vector pairs."""
        if self.transfer_every == 0:
            return 0.0
        if self.transfer_unit is Unit.MINIBATCH:
            return 1.0 / self.transfer_every
        return vectors / self.transfer_every
