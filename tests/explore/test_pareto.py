"""The Pareto front agrees with its definition."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.explore.pareto import near_mask, pareto_mask

# Few distinct values make ties and duplicates common.
COST = st.one_of(
    st.integers(0, 4).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
)


@st.composite
def cost_tables(draw: st.DrawFn) -> np.ndarray:
    """A table of up to 40 points in one to four objectives."""
    objectives = draw(st.integers(1, 4))
    row = st.lists(COST, min_size=objectives, max_size=objectives)
    return np.asarray(draw(st.lists(row, max_size=40)), dtype=float).reshape(-1, objectives)


def by_definition(costs: np.ndarray) -> list[bool]:
    """The definition, word for word: two nested loops over plain Python numbers."""
    rows = [list(map(float, row)) for row in costs]
    usable = [all(np.isfinite(row)) for row in rows]

    def dominates(a: list[float], b: list[float]) -> bool:
        no_worse = all(x <= y for x, y in zip(a, b, strict=True))
        better = any(x < y for x, y in zip(a, b, strict=True))
        return no_worse and better

    return [
        usable[i]
        and not any(usable[j] and dominates(rows[j], rows[i]) for j in range(len(rows)) if j != i)
        for i in range(len(rows))
    ]


@given(cost_tables())
def test_front_is_what_nothing_dominates(costs: np.ndarray) -> None:
    """A point is on the front if and only if no other usable point dominates it."""
    assert pareto_mask(costs).tolist() == by_definition(costs)


@given(cost_tables(), st.floats(0.0, 3.0))
def test_what_a_better_number_would_bring_to_the_front_is_near_it(
    costs: np.ndarray, better: float
) -> None:
    """By the definition: each point in turn with its hoped numbers among all others as they are."""
    hoped = costs - better
    expected = []
    for i in range(len(costs)):
        changed = costs.copy()
        changed[i] = hoped[i]
        expected.append(by_definition(changed)[i])
    found = near_mask(costs, hoped)
    assert found.tolist() == expected
    assert (found | ~pareto_mask(costs)).all()


@given(cost_tables(), st.randoms(use_true_random=False))
def test_front_does_not_depend_on_order(costs: np.ndarray, random: object) -> None:
    """Shuffling the points shuffles the mask with them."""
    order = list(range(len(costs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert pareto_mask(costs[order]).tolist() == pareto_mask(costs)[order].tolist()


def test_large_sets_are_split_without_change() -> None:
    """Beyond one block of points the front is that of a sweep along the first objective."""
    rng = np.random.default_rng(7)
    costs = rng.integers(0, 3000, size=(9000, 2)).astype(float)
    best = float("inf")
    front: set[tuple[float, float]] = set()
    for first, second in sorted(map(tuple, costs)):
        if second < best:
            best = second
            front.add((first, second))
    found = {tuple(row) for row in costs[pareto_mask(costs)]}
    assert found == front


def test_hundred_thousand_points_take_seconds() -> None:
    """A sweep of 1e5 points in three objectives is marked without quadratic cost."""
    costs = np.random.default_rng(3).random((100_000, 3))
    start = time.process_time()
    mask = pareto_mask(costs)
    assert 0 < mask.sum() < 5000
    assert time.process_time() - start < 10.0


def test_a_table_without_objectives_is_refused() -> None:
    """There is no front without an objective."""
    with pytest.raises(ValueError, match="at least one objective"):
        pareto_mask(np.zeros((3, 0)))
