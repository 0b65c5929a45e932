"""Automatic replication against exhaustive search on small cases."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.replication import Stages, balance_bottleneck, minimise_sum

MOST = 6
rows = st.lists(
    st.tuples(
        st.floats(0.1, 50.0),
        st.floats(0.0, 5.0),
        st.sampled_from([0.0, 0.1, 3.0]),
        st.sampled_from([0.0, 5.0]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


def stages_of(table: list[tuple[float, ...]], extra: int) -> Stages:
    shared, fixed, per_copy, once, arrays = (
        np.array([column], dtype=float) for column in zip(*table, strict=True)
    )
    most = np.full(shared.shape, float(MOST))
    budget = np.array([[arrays.sum() + extra]])
    return Stages(shared, fixed, per_copy, once, arrays, most, budget)


def allocations(stages: Stages) -> Iterator[np.ndarray]:
    count = stages.arrays.shape[1]
    for copies in itertools.product(range(1, MOST + 1), repeat=count):
        if (np.array(copies) * stages.arrays[0]).sum() <= stages.budget.item():
            yield np.array([copies], dtype=float)


def bottleneck(stages: Stages, copies: np.ndarray) -> float:
    slowest = (stages.shared_s / copies + stages.fixed_s).max()
    return float(slowest + stages.synchronisation_s(copies)[0])


def total(stages: Stages, copies: np.ndarray) -> float:
    return float((stages.shared_s / copies).sum() + stages.synchronisation_s(copies)[0])


@given(table=rows, extra=st.integers(0, 12))
def test_balanced_copies_come_within_5_percent_of_the_smallest_possible_bottleneck(
    table: list[tuple[float, ...]], extra: int
) -> None:
    stages = stages_of(table, extra)
    copies = balance_bottleneck(stages)
    assert (copies * stages.arrays).sum() <= stages.budget.item()
    best = min(bottleneck(stages, c) for c in allocations(stages))
    assert bottleneck(stages, copies) <= best * 1.05


@given(table=rows, extra=st.integers(0, 12))
def test_without_synchronisation_the_bottleneck_is_the_smallest_possible(
    table: list[tuple[float, ...]], extra: int
) -> None:
    stages = stages_of(table, extra)
    free = replace(stages, per_copy_s=0.0 * stages.per_copy_s, once_s=0.0 * stages.once_s)
    best = min(bottleneck(free, c) for c in allocations(free))
    assert bottleneck(free, balance_bottleneck(free)) <= best * (1 + 1e-9)


@given(table=rows, extra=st.integers(0, 12))
def test_copies_for_a_sum_of_stages_come_within_a_tenth_of_the_best(
    table: list[tuple[float, ...]], extra: int
) -> None:
    stages = stages_of(table, extra)
    # Without a cost that is paid once, however many copies there are.
    stages = replace(stages, once_s=0.0 * stages.once_s)
    copies = minimise_sum(stages)
    assert (copies * stages.arrays).sum() <= stages.budget.item()
    assert (copies >= 1).all()
    assert (copies <= MOST).all()
    best = min(total(stages, c) for c in allocations(stages))
    assert total(stages, copies) <= best * 1.10


@given(table=rows, extra=st.integers(0, 12))
def test_with_a_cost_paid_once_copies_for_a_sum_come_within_a_quarter_of_the_best(
    table: list[tuple[float, ...]], extra: int
) -> None:
    stages = stages_of(table, extra)
    copies = minimise_sum(stages)
    assert (copies * stages.arrays).sum() <= stages.budget.item()
    best = min(total(stages, c) for c in allocations(stages))
    assert total(stages, copies) <= best * 1.25


@pytest.mark.parametrize("allocate", [balance_bottleneck, minimise_sum])
def test_random_stages_are_on_average_allocated_as_well_as_can_be(
    allocate: Callable[[Stages], np.ndarray],
) -> None:
    """Over stages that differ by orders of magnitude: within 5 % each, a thousandth on average."""
    rng = np.random.default_rng(7)
    judge = bottleneck if allocate is balance_bottleneck else total
    ratios = []
    for _ in range(120):
        count = int(rng.integers(1, 5))
        arrays = rng.integers(1, rng.integers(2, 9), (1, count)).astype(float)
        stages = Stages(
            shared_s=np.exp(rng.uniform(-3, 4, (1, count))),
            fixed_s=rng.integers(0, 2) * np.exp(rng.uniform(-4, 2, (1, count))),
            per_copy_s=rng.integers(0, 2) * np.exp(rng.uniform(-6, 1.5, (1, count))),
            once_s=np.zeros((1, count)),
            arrays=arrays,
            most=rng.integers(1, MOST + 1, (1, count)).astype(float),
            budget=arrays.sum(axis=1, keepdims=True) + rng.integers(0, 20),
        )
        best = min(judge(stages, c) for c in allocations(stages) if (c <= stages.most).all())
        ratios.append(judge(stages, allocate(stages)) / best)
    assert max(ratios) <= 1.05
    assert np.mean(ratios) <= 1.001


@given(table=rows, extra=st.integers(0, 12))
def test_copies_are_never_worse_than_none(table: list[tuple[float, ...]], extra: int) -> None:
    stages = stages_of(table, extra)
    none = np.ones_like(stages.arrays)
    assert total(stages, minimise_sum(stages)) <= total(stages, none) * (1 + 1e-12)
    assert bottleneck(stages, balance_bottleneck(stages)) <= bottleneck(stages, none) * (1 + 1e-12)


def test_copies_keep_to_the_budget_where_they_share_next_to_nothing() -> None:
    """A bound on a stage of which a millionth is shared tells copies apart by its last digits."""
    rng = np.random.default_rng(11)
    shape = (2000, 2)
    arrays = rng.integers(1, 40, shape).astype(float)
    stages = Stages(
        shared_s=10.0 ** rng.uniform(-11, -8, shape),
        fixed_s=rng.uniform(1e-5, 1e-4, shape),
        per_copy_s=np.zeros(shape),
        once_s=np.zeros(shape),
        arrays=arrays,
        most=np.full(shape, 20.0),
        budget=arrays.sum(axis=1, keepdims=True) + 5.0,
    )
    for allocate in (minimise_sum, balance_bottleneck):
        assert ((allocate(stages) * arrays).sum(axis=1) <= stages.budget[:, 0]).all()


def test_configurations_are_allocated_independently_of_their_neighbours() -> None:
    rng = np.random.default_rng(1)
    shape = (5, 7)
    together = Stages(
        shared_s=rng.uniform(0.1, 9, shape),
        fixed_s=rng.uniform(0, 1, shape),
        per_copy_s=rng.uniform(0, 0.01, shape),
        once_s=rng.uniform(0, 0.1, shape),
        arrays=rng.integers(1, 5, shape).astype(float),
        most=np.full(shape, 40.0),
        budget=rng.integers(30, 200, (5, 1)).astype(float),
    )
    for allocate in (minimise_sum, balance_bottleneck):
        copies = allocate(together)
        for i in range(5):
            alone = Stages(
                **{name: getattr(together, name)[i : i + 1] for name in Stages.__dataclass_fields__}
            )
            assert (copies[i] == allocate(alone)[0]).all()
