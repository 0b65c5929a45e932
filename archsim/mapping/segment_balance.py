"""Automatic replication where barriers may cut a step into segments.

A pipeline with barriers takes the largest stage of every segment, one after the other:

    J(copies) = sum over segments of max over stages t(copies) + keeping copies equal.

That lies between the largest of all stages and their sum.  The largest stage of a segment is the
weighted mean of its stages for the least favourable weights, so J is the largest of many weighted
sums, each of which `least_linear_sum` minimises.  The weights are found by multiplicative updates
(Arora, Hazan and Kale, Theory of Computing 8, 2012): a stage longer than others of its segment
counts for more next time.  The best copies met on the way are taken.

Weights as the longest stages and their arrays suggest them give a lower bound of J at once; copies that
come near to it are kept as they are.

A sum knows no whole vectors: three of them take two copies as long as two vectors take one.  So
matrices whose copies share unevenly are at last tried with the next numbers that matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.replication import Stages, exchanged, least_linear_sum, once_bounds

# More rounds hardly better the copies of random networks of a few layers.
_ROUNDS = 8
# At this power a stage a tenth shorter than the longest loses a fifth of its weight in a round.
_SHARPNESS = 2.0
# A stage of little weight may become the longest again.
_LEAST_WEIGHT = 1e-3
# How many matrices whose copies share vectors unevenly are looked at.
_UNEVEN = 4
# Copies are good enough this near above the lower bound, and searched for where they are not.
_NEAR = 0.04
# At this power weights go to stages within a few percent of the longest.
_LONGEST_ONLY = 8.0
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Segmented:
    """Stages of a step that is cut into S segments.

    P pairs of a segment and a matrix, sorted by segment: `alone_s`, `shared_s` and `fixed_s`
    [C, P] are times per sample: of one copy, what several copies share among them (more than one
    takes where their tiles feed them in turns), and what they do not share.  `vectors` [P] is how
    many vectors copies share, `matrix` and `segment` [P] are indices, all segments from 0 on.  What
    else a segment takes at least is a pair that shares nothing.  `overlapped` [C, 1] is the share
    of samples that follow another in the pipeline; the others take the sum of all stages.
    `limits` are the arrays, the budget and the costs of equal copies.
    """

    limits: Stages
    alone_s: FloatArray
    shared_s: FloatArray
    fixed_s: FloatArray
    vectors: FloatArray
    matrix: NDArray[np.intp]
    segment: NDArray[np.intp]
    overlapped: FloatArray

    def stage_s(self, copies: FloatArray) -> FloatArray:
        """Time of each pair with `copies` [C, M], [C, P]: a copy takes whole vectors."""
        number = copies[:, self.matrix]
        shared_s = self.shared_s * (np.ceil(self.vectors / number) / self.vectors)
        return np.asarray(np.where(number > 1, shared_s, self.alone_s) + self.fixed_s)

    def longest_s(self, stage_s: FloatArray) -> FloatArray:
        """The longest stage of each pair's segment, [C, P]."""
        longest = np.maximum.reduceat(stage_s, self._starts, axis=1)
        return np.asarray(longest[:, self.segment])

    def total_s(self, copies: FloatArray) -> FloatArray:
        """Time per sample of `copies` [C, M], [C]."""
        stage = self.stage_s(copies)
        longest = self.longest_s(stage)[:, self._starts].sum(axis=1)
        share = self.overlapped[:, 0]
        pipelined = share * longest + (1.0 - share) * stage.sum(axis=1)
        return np.asarray(pipelined + self.limits.synchronisation_s(copies))

    def shares(self, weights: FloatArray) -> FloatArray:
        """`weights` [C, P], all positive, scaled so that those of each segment add up to one."""
        sums = np.add.reduceat(weights, self._starts, axis=1)
        return np.asarray(weights / sums[:, self.segment])

    def weighted(self, weights: FloatArray) -> Stages:
        """One stage per matrix: its pairs added up by `weights` [C, P]."""
        shared = np.zeros(self.limits.arrays.shape)
        rows = np.arange(len(shared))[:, None]
        np.add.at(shared, (rows, self.matrix[None, :]), weights * self.shared_s)
        return replace(self.limits, shared_s=shared, fixed_s=np.zeros_like(shared))

    @property
    def vectors_of_matrix(self) -> FloatArray:
        """The most vectors that share the copies of each matrix at once, [M]."""
        most = np.ones(self.limits.arrays.shape[1])
        np.maximum.at(most, self.matrix, self.vectors)
        return most

    @property
    def _starts(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.diff(self.segment, prepend=-1))


def minimise_segments(problem: Segmented, start: FloatArray) -> FloatArray:
    """Copies [C, M] that nearly minimise the sum of the segments' largest stages.

    `start` are copies [C, M] within the budget; what is found is never worse, by `total_s`.
    """
    near = problem.total_s(start) <= _lower_bound(problem, start) * (1.0 + _NEAR)
    if near.all():
        return start
    found = _searched(problem, start)
    return np.asarray(np.where(near[:, None], start, found))


def _lower_bound(problem: Segmented, copies: FloatArray) -> FloatArray:
    """What no copies undercut, [C].

    Where all stages of a segment take equally long, arrays are worth the same to each, so that its
    weight grows with the arrays that it has.
    """
    stage = problem.stage_s(copies)
    relative = stage / np.maximum(problem.longest_s(stage), _TINY)
    arrays = (copies * problem.limits.arrays)[:, problem.matrix]
    weights = problem.shares(np.maximum(arrays * relative**_LONGEST_ONLY, _TINY))
    counted = problem.overlapped * weights + (1.0 - problem.overlapped)
    # One copy may take less than several share.
    least_s = replace(problem, shared_s=np.minimum(problem.shared_s, problem.alone_s))
    _, least = least_linear_sum(least_s.weighted(counted))
    return np.asarray(least + (counted * problem.fixed_s).sum(axis=1))


def _searched(problem: Segmented, start: FloatArray) -> FloatArray:
    best = _Best(problem, start)
    copies, weights = start, problem.shares(np.ones_like(problem.shared_s))
    stages = problem.limits
    for _ in range(_ROUNDS):
        stage = problem.stage_s(copies)
        relative = stage / np.maximum(problem.longest_s(stage), _TINY)
        weights = problem.shares(np.maximum(weights * relative**_SHARPNESS, _LEAST_WEIGHT))
        counted = problem.overlapped * weights + (1.0 - problem.overlapped)
        stages = problem.weighted(counted)
        copies, _ = least_linear_sum(stages)
        best.improve(copies)
    for bound in once_bounds(stages):
        few = replace(stages, most=np.where(stages.once_s <= bound, stages.most, 1.0))
        best.improve(least_linear_sum(few)[0])
    _even(problem, stages, best)
    return best.copies


class _Best:
    """The best copies [C, M] so far, and their time per sample [C]."""

    def __init__(self, problem: Segmented, copies: FloatArray) -> None:
        self.copies = copies
        self._problem = problem
        self._total_s = problem.total_s(copies)

    def improve(self, copies: FloatArray) -> None:
        """Take `copies` [C, M] for the configurations that they fit and make faster."""
        limits, total_s = self._problem.limits, self._problem.total_s(copies)
        fits = (copies * limits.arrays).sum(axis=1) <= limits.budget[:, 0]
        better = fits & (total_s < self._total_s)
        self.copies = np.where(better[:, None], copies, self.copies)
        self._total_s = np.where(better, total_s, self._total_s)


def _even(problem: Segmented, stages: Stages, best: _Best) -> None:
    """Try one vector more or less per copy for the matrices that lose most by uneven shares.

    `stages` [C, M] say what that loses, and where the other matrices give and take arrays.
    """
    vectors = problem.vectors_of_matrix
    uneven = np.ceil(vectors / best.copies) * best.copies / vectors - 1.0
    loss_s = uneven * stages.shared_s / best.copies
    rows: NDArray[np.intp] = np.arange(loss_s.shape[0])
    for matrix in np.argsort(-loss_s, axis=1, kind="stable").T[:_UNEVEN]:
        for change in (-1.0, 1.0):
            now = best.copies[rows, matrix]
            each = np.maximum(np.ceil(vectors[matrix] / now) + change, 1.0)
            wanted = np.ceil(vectors[matrix] / each)
            best.improve(exchanged(best.copies, stages, matrix, wanted))
