"""Automatic replication against exhaustive search on small cases."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.replication import balance_bottleneck, minimise_sum

stages = st.lists(
    st.tuples(st.floats(0.1, 50.0), st.floats(0.0, 5.0), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)
MOST = 6


def unpack(rows, extra: int):
    shared, fixed, arrays = (np.array([column], dtype=float) for column in zip(*rows, strict=True))
    budget = np.array([[arrays.sum() + extra]])
    return shared, fixed, arrays, np.full(shared.shape, float(MOST)), budget


def allocations(arrays: np.ndarray, budget: float):
    for copies in itertools.product(range(1, MOST + 1), repeat=arrays.shape[1]):
        if (np.array(copies) * arrays[0]).sum() <= budget:
            yield np.array(copies)


@given(rows=stages, extra=st.integers(0, 12))
def test_balanced_copies_reach_the_smallest_possible_bottleneck(rows, extra: int) -> None:
    shared, fixed, arrays, most, budget = unpack(rows, extra)
    copies = balance_bottleneck(shared, fixed, arrays, most, budget)
    assert (copies * arrays).sum() <= budget.item()
    found = (shared / copies + fixed).max()
    best = min((shared[0] / c + fixed[0]).max() for c in allocations(arrays, budget.item()))
    assert found <= best * (1 + 1e-9)


@given(rows=stages, extra=st.integers(0, 12))
def test_copies_for_a_sum_of_stages_are_within_a_tenth_of_the_best(rows, extra: int) -> None:
    shared, _, arrays, most, budget = unpack(rows, extra)
    copies = minimise_sum(shared, arrays, most, budget)
    assert (copies * arrays).sum() <= budget.item()
    assert (copies >= 1).all()
    assert (copies <= MOST).all()
    found = (shared / copies).sum()
    best = min((shared[0] / c).sum() for c in allocations(arrays, budget.item()))
    assert found <= best * 1.10


def test_configurations_are_allocated_independently_of_their_neighbours() -> None:
    rng = np.random.default_rng(1)
    shared, arrays = rng.uniform(0.1, 9, (5, 7)), rng.integers(1, 5, (5, 7)).astype(float)
    most, budget = np.full((5, 7), 40.0), rng.integers(30, 200, (5, 1)).astype(float)
    together = minimise_sum(shared, arrays, most, budget)
    for i in range(5):
        alone = minimise_sum(*(x[i : i + 1] for x in (shared, arrays, most, budget)))
        assert (together[i] == alone[0]).all()
