"""A network that does not fit: spread over chips as a pipeline, or written to one chip in rounds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray, Scalar
from archsim.mapping.does_not_fit import DoesNotFit
from archsim.mapping.packing import Shareable, units
from archsim.mapping.sequence import LayerSequence, Pieces, cut_large_layers, merged

IntArray: TypeAlias = NDArray[np.int64]

# More chips than any system has: no number of them is enough.
NO_CHIPS: Final = np.iinfo(np.int32).max
# What shares arrays is sought in parts of the network of this share of a chip, but no fewer arrays
# than follow: the smaller they are, the more freely are chips filled.
_WINDOW_OF_CHIP: Final = 0.125
_LEAST_WINDOW: Final = 8.0
# Halvings of the interval of the bottleneck, down to the last bits of a double.
_BISECTIONS = 60
# Sums of the same numbers in another order differ by less.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class ChipPlan:
    """Pieces of layers on S chips in a row: chip s holds pieces `first[s]` to `first[s + 1]` - 1.

    `first` is [S + 1]; `arrays` and `load_s` are sums over a chip's pieces, [S]; `cut_bits` are the
    bits per sample from each chip to the next and back, [S - 1].  `bottleneck_s` is the largest
    load or the longest transfer.  Chips of one `kind`, [S], are equal: their pieces, and what
    crosses between and after these, are the same, so that one of them stands for all.
    """

    pieces: Pieces
    first: IntArray
    arrays: IntArray
    load_s: FloatArray
    cut_bits: FloatArray
    bottleneck_s: float
    kind: IntArray

    @property
    def chips(self) -> int:
        """Number of chips."""
        return self.first.size - 1


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """Pieces of layers in n rounds that have the arrays one after the other.

    Round r holds pieces `first[r]` to `first[r + 1]` - 1.  A step passes forward through all rounds
    and backward through them in reverse.  `written_bits` and `read_back_bits` are of weights, per
    minibatch; `cut_bits` [n - 1] are the bits per sample that wait for a later round.
    """

    pieces: Pieces
    first: IntArray
    arrays: IntArray
    cut_bits: FloatArray
    written_bits: float
    read_back_bits: float

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return self.first.size - 1


def chips_needed(
    arrays: FloatArray, arrays_per_chip: Scalar, array_of: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Chips that hold layers of `arrays` ([C, L], whole numbers) in order, [C]; at least one.

    A layer larger than a chip is cut into equal pieces, any other is on one chip.  `array_of` [C, L]
    is the first of the layers that share an array with each (None: none do): these are on one chip,
    with all between them.  `NO_CHIPS` are needed where they do not fit on one.
    """
    count = arrays.shape[0]
    capacity = np.broadcast_to(np.asarray(arrays_per_chip, dtype=np.float64).reshape(-1), (count,))
    found = np.ones(count, dtype=np.intp)
    # What fits in all on one chip needs no search.
    for c in np.flatnonzero(arrays.sum(axis=1) > capacity):
        nothing = np.zeros(arrays.shape[1])
        whole = np.asarray(np.rint(arrays[c]), dtype=np.int64)
        sequence = LayerSequence(whole, nothing, nothing, np.append(nothing, 0.0))
        if array_of is not None:
            unit = units(array_of[c])
            sequence = merged(sequence, unit)
            if (sequence.arrays[np.bincount(unit) > 1] > capacity[c]).any():
                found[c] = NO_CHIPS
                continue
        pieces = cut_large_layers(sequence, int(capacity[c])).sequence
        found[c] = len(_Cuts(pieces, int(capacity[c]), 1.0).within(np.inf)) - 1
    return found


def shared_on_chips(
    arrays: FloatArray, arrays_per_chip: float, shareable: Shareable
) -> NDArray[np.intp]:
    """The first of the layers that share an array with each, [L], where the network is cut to chips.

    `arrays` [L] is what each layer takes alone.  Only layers that follow each other closely share, so
    that they, and what is between them, fit on a chip.
    """
    size = min(max(_WINDOW_OF_CHIP * arrays_per_chip, _LEAST_WINDOW), arrays_per_chip)
    begin = np.cumsum(arrays) - arrays
    return shareable.within(np.asarray(begin // size, dtype=np.intp))


def multi_chip(
    sequence: LayerSequence,
    arrays_per_chip: int,
    link_bit_per_s: float,
    chips: int | None = None,
) -> ChipPlan:
    """Cut the sequence into consecutive parts, one per chip, so that the slowest stage is fastest.

    A stage is a chip, which takes the sum of its loads per sample, or a link between chips.  At most
    `chips` are used (None: as few as hold the network).  The optimum is exact: for a bound on the
    stages, going from cut to cut as far as the bound allows needs the fewest chips, and the bound
    is bisected.  Raises `DoesNotFit` if `chips` are too few.
    """
    pieces = cut_large_layers(sequence, arrays_per_chip)
    search = _Cuts(pieces.sequence, arrays_per_chip, link_bit_per_s)
    fewest = search.within(np.inf)
    needed = len(fewest) - 1
    allowed = needed if chips is None else chips
    if needed > allowed:
        raise DoesNotFit(
            f"the network needs {needed:,} chips of {arrays_per_chip:,} arrays, but {allowed:,} "
            "are allowed.",
            remedy="Allow more chips, or enlarge mesh.side, tile.arrays or the arrays.",
        )
    return _chip_plan(pieces, search, search.least(allowed, fewest))


def reprogram(sequence: LayerSequence, arrays: int) -> RoundPlan:
    """Cut the sequence into as few rounds as the arrays allow, and of these into the cheapest.

    What the first and the last round hold need not be written twice: the last works forward and
    backward at once, and the first is still there when the next step begins.  All others are
    written once forward and once backward.  Every round is read back once, after its updates,
    unless there is one round only.
    """
    pieces = cut_large_layers(sequence, arrays)
    held = pieces.sequence
    total = np.concatenate([[0], np.cumsum(held.arrays)])
    bits = np.concatenate([[0.0], np.cumsum(held.weight_bits)])
    count = held.arrays.size
    first = [0]
    while first[-1] < count:
        first.append(int(np.searchsorted(total, total[first[-1]] + arrays, side="right")) - 1)
    if len(first) > 2:
        # The largest last round: a suffix that fits.  The rounds between only become smaller.
        first[-2] = int(np.searchsorted(total, total[-1] - arrays, side="left"))
    cuts = np.array(first, dtype=np.int64)
    weights = np.diff(bits[cuts])
    several = cuts.size > 2
    return RoundPlan(
        pieces=pieces,
        first=cuts,
        arrays=np.asarray(np.diff(total[cuts])),
        cut_bits=held.crossing_bits[cuts[1:-1]],
        written_bits=float(2 * weights.sum() - weights[0] - weights[-1]) if several else 0.0,
        read_back_bits=float(weights.sum()) if several else 0.0,
    )


class _Cuts:
    """The search for the cuts of one sequence."""

    def __init__(self, sequence: LayerSequence, arrays: int, link_bit_per_s: float) -> None:
        self.count = sequence.arrays.size
        self.arrays = np.concatenate([[0], np.cumsum(sequence.arrays)])
        self.load_s = np.concatenate([[0.0], np.cumsum(sequence.load_s)])
        # Nothing needs to pass a link at either end.
        self.link_s = sequence.crossing_bits / link_bit_per_s
        self.link_s[[0, -1]] = 0.0
        self.by_arrays = np.searchsorted(self.arrays, self.arrays + arrays, side="right") - 1

    def within(self, bound_s: float) -> list[int]:
        """The fewest cuts (both ends included) with all stages within the bound; [] if impossible."""
        slack = bound_s * (1.0 + _ROUNDING)
        by_load = np.searchsorted(self.load_s, self.load_s + slack, side="right") - 1
        reach = np.minimum(self.by_arrays, by_load)
        # The last place at or before the reach at which the link is fast enough for a cut.
        places = np.where(self.link_s <= slack, np.arange(self.count + 1), 0)
        following = np.maximum.accumulate(places)[reach].tolist()
        cuts = [0]
        while cuts[-1] < self.count:
            to = following[cuts[-1]]
            if to <= cuts[-1]:
                return []
            cuts.append(to)
        return cuts

    def slowest_s(self, cuts: list[int]) -> float:
        """The longest stage between these cuts."""
        loads = np.diff(self.load_s[cuts])
        return float(max(loads.max(initial=0.0), self.link_s[cuts].max(initial=0.0)))

    def least(self, chips: int, best: list[int]) -> list[int]:
        """Cuts into at most `chips` parts whose slowest stage is as fast as can be."""
        low, high = 0.0, self.slowest_s(best)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            cuts = self.within(middle)
            if cuts and len(cuts) - 1 <= chips:
                best, high = cuts, min(middle, self.slowest_s(cuts))
            else:
                low = middle
        return best


def _chip_plan(pieces: Pieces, search: _Cuts, cuts: list[int]) -> ChipPlan:
    first = np.array(cuts, dtype=np.int64)
    return ChipPlan(
        pieces=pieces,
        first=first,
        arrays=np.asarray(np.diff(search.arrays[first])),
        load_s=np.asarray(np.diff(search.load_s[first])),
        cut_bits=pieces.sequence.crossing_bits[first[1:-1]],
        bottleneck_s=search.slowest_s(cuts),
        kind=_kinds(pieces.sequence, cuts),
    )


def _kinds(sequence: LayerSequence, cuts: list[int]) -> IntArray:
    """The number of the first chip that is equal to each chip, numbered without gaps."""
    columns = [sequence.arrays, sequence.load_s, sequence.weight_bits, sequence.crossing_bits[1:]]
    rows = np.column_stack(columns) if sequence.arrays.size else np.zeros((0, len(columns)))
    _, piece_kind = np.unique(rows, axis=0, return_inverse=True)
    known: dict[tuple[int, ...], int] = {}
    listed = piece_kind.reshape(-1).tolist()
    return np.array(
        [known.setdefault(tuple(listed[a:b]), len(known)) for a, b in pairwise(cuts)],
        dtype=np.int64,
    )
