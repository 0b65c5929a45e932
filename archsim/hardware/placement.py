"""What a cost of an array is asked for, and what the answer holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from archsim.fields import Scalar


class Direction(StrEnum):
    """Which way a vector passes through an array."""

    FORWARD = "forward"
    TRANSPOSED = "transposed"


@dataclass(frozen=True, slots=True)
class Placement:
    """A weight matrix on arrays: all fields are scalars or arrays of one broadcastable shape.

    `inputs` rows (bias row included) and `outputs` weight columns per block; `blocks` blocks, of
    which `blocks_per_array` share an array; `row_splits` * `col_splits` arrays hold one block (or
    one group of packed blocks).  `at_once` arrays side by side are read at the same moment, other
    copies included (None: those of this placement alone).
    """

    inputs: Scalar
    outputs: Scalar
    blocks: Scalar
    blocks_per_array: Scalar
    row_splits: Scalar
    col_splits: Scalar
    at_once: Scalar | None = None

    @property
    def arrays(self) -> Scalar:
        """Arrays that hold the matrix."""
        groups = np.ceil(self.blocks / self.blocks_per_array)
        return groups * self.row_splits * self.col_splits

    @property
    def arrays_at_once(self) -> Scalar:
        """Arrays that are read at the same moment."""
        return self.arrays if self.at_once is None else self.at_once


@dataclass(frozen=True, slots=True)
class Bystanders:
    """Lines beside those of an update that never fire: `rows` and `cols` for each block of an array.

    Their cells hold weights of the same arrays (the other rows while one row is written), and see
    what fires past them.
    """

    rows: Scalar = 0.0
    cols: Scalar = 0.0


@dataclass(frozen=True, slots=True)
class PulseStatistics:
    """Mean firing probabilities per slot and number of signs of input and error (1 or 2)."""

    probability_x: Scalar
    probability_error: Scalar
    input_signs: Scalar
    error_signs: Scalar


@dataclass(frozen=True, slots=True)
class Firing:
    """How often lines fire per slot position of a train, over all `phases` of one update.

    `row` and `column` count one line of its kind, `both` a row and a column in the same slot.
    """

    row: Scalar
    column: Scalar
    both: Scalar
    phases: Scalar

    @property
    def one_line(self) -> Scalar:
        """How often exactly one of a row and a column fires."""
        return self.row + self.column - 2.0 * self.both

    @property
    def no_line(self) -> Scalar:
        """How often neither of them fires."""
        return np.maximum(self.phases - self.row - self.column + self.both, 0.0)


@dataclass(frozen=True, slots=True)
class ReadCost:
    """Cost of one vector: initiation interval, latency, energy by component.

    `conversion_s` is how long the arrays of one set of converters take at it, one after the other;
    `converters_s` how long each array has the set, over all repeats of the read.
    """

    interval_s: Scalar
    latency_s: Scalar
    integration_s: Scalar
    conversion_s: Scalar
    converters_s: Scalar
    energy_j: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class UpdateCost:
    """Cost of one vector pair: duration, energy by component."""

    duration_s: Scalar
    energy_j: Mapping[str, Scalar]
