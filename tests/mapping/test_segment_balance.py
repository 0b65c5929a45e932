"""Copies for a pipeline cut into segments, against exhaustive search on small cases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from archsim.mapping.replication import Stages, minimise_sum
from archsim.mapping.segment_balance import Segmented, minimise_segments

MOST = 6


def random_problem(rng: np.random.Generator, rows: int = 1) -> Segmented:
    """Two to four matrices in one to three segments, each with a floor, for `rows` budgets."""
    matrices, segments = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    pairs = sorted(
        (s, m) for s in range(segments) for m in range(matrices) if s == 0 or rng.random() < 0.6
    )
    segment = np.array([*(s for s, _ in pairs), *range(segments)])
    matrix = np.array([*(m for _, m in pairs), *[0] * segments])
    order = np.argsort(segment, kind="stable")
    vectors = rng.integers(1, 300, matrices).astype(float)
    shared = np.exp(rng.uniform(-2, 3, (rows, len(pairs))))
    fixed = rng.choice([0.0, 0.3], (rows, len(pairs)))
    floor = np.exp(rng.uniform(-4, 0, (rows, segments)))
    none = np.zeros((rows, segments))
    arrays = np.tile(rng.integers(1, 6, matrices).astype(float), (rows, 1))
    shape = arrays.shape
    return Segmented(
        limits=Stages(
            shared_s=np.zeros(shape),
            fixed_s=np.zeros(shape),
            per_copy_s=np.full(shape, float(rng.choice([0.0, 0.02]))),
            once_s=np.tile(rng.choice([0.0, 0.5], matrices), (rows, 1)),
            arrays=arrays,
            most=np.minimum(np.tile(vectors, (rows, 1)), MOST),
            budget=arrays.sum(axis=1, keepdims=True) + rng.integers(0, 15, (rows, 1)),
        ),
        alone_s=np.hstack([shared, none])[:, order],
        shared_s=np.hstack([shared * rng.choice([1.0, 1.2]), none])[:, order],
        fixed_s=np.hstack([fixed, floor])[:, order],
        vectors=np.concatenate([vectors[matrix[: len(pairs)]], np.ones(segments)])[order],
        matrix=matrix[order],
        segment=segment[order],
        overlapped=np.full((rows, 1), float(rng.choice([0.9, 0.99]))),
    )


def row_of(problem: Segmented, row: int) -> Segmented:
    own = slice(row, row + 1)
    limits = Stages(*(getattr(problem.limits, field.name)[own] for field in fields(Stages)))
    return replace(
        problem,
        limits=limits,
        alone_s=problem.alone_s[own],
        shared_s=problem.shared_s[own],
        fixed_s=problem.fixed_s[own],
        overlapped=problem.overlapped[own],
    )


def allocations(limits: Stages) -> Iterator[np.ndarray]:
    ranges = [range(1, int(most) + 1) for most in limits.most[0]]
    for copies in itertools.product(*ranges):
        if np.dot(copies, limits.arrays[0]) <= limits.budget.item():
            yield np.array([copies], dtype=float)


def time_s(problem: Segmented, copies: np.ndarray) -> float:
    """Time per sample of one configuration, by plain loops over pairs."""
    longest: dict[int, float] = {}
    everything = 0.0
    for pair, (segment, matrix) in enumerate(zip(problem.segment, problem.matrix, strict=True)):
        number, vectors = int(copies[0, matrix]), int(problem.vectors[pair])
        whole = problem.shared_s[0, pair] * -(-vectors // number) / vectors
        taken = (whole if number > 1 else problem.alone_s[0, pair]) + problem.fixed_s[0, pair]
        longest[int(segment)] = max(longest.get(int(segment), 0.0), float(taken))
        everything += float(taken)
    share = problem.overlapped.item()
    equal = float(problem.limits.synchronisation_s(copies)[0])
    return share * sum(longest.values()) + (1.0 - share) * everything + equal


def test_copies_by_segment_come_within_5_percent_of_the_best_and_on_average_within_half() -> None:
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(150):
        problem = random_problem(rng)
        copies = minimise_segments(problem, np.ones_like(problem.limits.arrays))
        assert (copies * problem.limits.arrays).sum() <= problem.limits.budget.item()
        assert (copies >= 1).all()
        assert (copies <= problem.limits.most).all()
        best = min(time_s(problem, c) for c in allocations(problem.limits))
        ratios.append(time_s(problem, copies) / best)
    assert max(ratios) <= 1.05
    assert np.mean(ratios) <= 1.005


def test_copies_by_segment_are_never_slower_than_those_they_start_from() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        problem = random_problem(rng)
        start = minimise_sum(problem.weighted(np.ones_like(problem.shared_s)))
        copies = minimise_segments(problem, start)
        assert time_s(problem, copies) <= time_s(problem, start) * (1 + 1e-12)


def test_copies_by_segment_do_not_depend_on_other_configurations() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        together = random_problem(rng, rows=4)
        found = minimise_segments(together, np.ones_like(together.limits.arrays))
        for row in range(4):
            alone = row_of(together, row)
            one = minimise_segments(alone, np.ones_like(alone.limits.arrays))
            assert found[row].tolist() == one[0].tolist()
