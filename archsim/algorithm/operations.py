"""What an update rule asks of the arrays and of the digital side, as counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from archsim.fields import Scalar


class Unit(StrEnum):
    """What a transfer or refresh waits for: so many vector pairs, or so many minibatches."""

    VECTOR = "vector"
    MINIBATCH = "minibatch"


class Role(StrEnum):
    """What an array is for: `weight` alone, `fast` and `slow` with a `reference`, `up` and `down`."""

    WEIGHT = "weight"
    FAST = "fast"
    SLOW = "slow"
    REFERENCE = "reference"
    UP = "up"
    DOWN = "down"


class Pulsed(StrEnum):
    """Where the pulses of an array come from.

    `parallel`: from the outer-product updates; `shared`: half of those each, by their sign;
    `written`: line by line, as transfers ask; `never`: set once, before training.
    """

    PARALLEL = "parallel"
    SHARED = "shared"
    WRITTEN = "written"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RoleArray:
    """One array of every weight: its role, what pulses it, and whether reads go through it.

    `read` is 1 where forward and transposed reads go through the array, 0 where they do not.
    """

    role: Role
    pulsed: Pulsed
    read: Scalar


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one event (a vector pair, a transfer) on one weight matrix.

    `parallel_updates` outer-product updates of whole arrays; `line_reads` one-hot reads of one line
    each, with `conversions` in all; `line_writes` updates of one line each, of at most
    `write_slots` slots; `resets` of single devices at most.  Digital: multiply-adds, comparisons,
    and words moved to and from the digital state.
    """

    parallel_updates: Scalar = 0.0
    line_reads: Scalar = 0.0
    conversions: Scalar = 0.0
    line_writes: Scalar = 0.0
    write_slots: Scalar = 0.0
    resets: Scalar = 0.0
    digital_macs: Scalar = 0.0
    digital_compares: Scalar = 0.0
    words_moved: Scalar = 0.0


NO_WORK = Work()


@dataclass(frozen=True, slots=True)
class Refresh:
    """When devices that are only pulsed up are reset: shares of the conductance range.

    A device is reset when it has come `upper` up from the bottom.  Of the difference of a pair, at
    most `upper - lower`, half on average is written again, to one of the two.
    """

    upper: Scalar
    lower: Scalar


@dataclass(frozen=True, slots=True)
class Operations:
    """All that an algorithm asks for, beyond one forward and one transposed read per vector.

    `arrays` are those that hold devices for every weight.  `state_words` is the digital state of
    one weight matrix.
    `per_sample` is work that comes once for all vectors of a sample: the outer products of
    `per_vector` are then one product of matrices.  `per_transfer` comes once in `transfer_every` of `transfer_unit`; 0 is never.
    `written_pulses_per_sample` is how many pulses a device of the array that transfers write takes
    per training sample, on average.  `refresh` is for devices that are reset.
    `transfer_reads_reference`: a line read for a transfer drives the reference array beside the
    fast one.  `copies_alike`: the pulses are computed digitally for all copies of a matrix at once,
    so that these stay equal, and share one state.
    """

    arrays: tuple[RoleArray, ...]
    state_words: Scalar
    per_vector: Work
    per_transfer: Work
    transfer_every: Scalar
    transfer_unit: Unit
    written_pulses_per_sample: Scalar = 0.0
    refresh: Refresh | None = None
    transfer_reads_reference: bool = False
    copies_alike: bool = False
    per_sample: Work = NO_WORK

    @property
    def arrays_per_weight(self) -> int:
        """Arrays that hold devices for every weight."""
        return len(self.arrays)

    @property
    def arrays_read(self) -> Scalar:
        """Those of them that forward and transposed reads go through."""
        total: Scalar = 0
        for array in self.arrays:
            total = total + array.read
        return total

    @property
    def transfers(self) -> bool:
        """Whether anything happens beside the work of each vector pair."""
        return self.per_transfer is not NO_WORK

    def transfers_per_minibatch(self, vectors: Scalar) -> Scalar:
        """Transfers of one minibatch of `vectors` vector pairs."""
        if not self.transfers:
            return 0.0
        if self.transfer_unit is Unit.MINIBATCH:
            return 1.0 / self.transfer_every
        return vectors / self.transfer_every


def read_where(condition: object) -> Scalar:
    """1 where a condition on numbers of an algorithm holds, else 0, for one or many of them."""
    return np.where(np.asarray(condition, dtype=bool), 1.0, 0.0)
