"""Traffic between matrices: conserved through digital tasks and through copies."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.layout import lay_out
from archsim.mapping.traffic import Traffic, copy_traffic, overlaps, task_traffic


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[bool], list[tuple[int, int]], list[float], list[float]]:
    count = draw(st.integers(2, 12))
    on = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20))
    bits = st.floats(1.0, 100.0)
    output = draw(st.lists(bits, min_size=count, max_size=count))
    wanted = draw(st.lists(bits, min_size=count, max_size=count))
    return on, edges, output, wanted


def traffic_of(
    on: list[bool], edges: list[tuple[int, int]], output: list[float], wanted: list[float]
) -> Traffic:
    return task_traffic(
        np.array(on),
        np.array([a for a, _ in edges], dtype=np.int64),
        np.array([b for _, b in edges], dtype=np.int64),
        np.array(output),
        np.array(wanted),
    )


@given(graph=graphs())
def test_a_task_takes_in_its_input_less_what_no_task_on_arrays_has_made(
    graph: tuple[list[bool], list[tuple[int, int]], list[float], list[float]],
) -> None:
    on, edges, _, wanted = graph
    found = traffic_of(*graph)
    inside = np.bincount(found.target, weights=found.bits, minlength=len(on))
    reached = [False] * len(on)
    only = [True] * len(on)  # all of the operands stem from tasks on arrays
    for task in range(len(on)):
        needs = [a for a, b in edges if b == task]
        stems = [on[a] or reached[a] for a in needs]
        reached[task] = any(stems)
        only[task] = bool(needs) and all(on[a] or only[a] for a in needs)
        if not on[task]:
            assert inside[task] == 0.0
        elif only[task]:
            assert inside[task] == pytest.approx(wanted[task])
        elif not reached[task]:
            assert inside[task] == 0.0
        else:
            # Shares below 1/64 are counted to the others.
            assert -1e-9 <= inside[task] <= wanted[task] * (1 + 1e-12)
    assert all(on[a] and on[b] and a < b for a, b in zip(found.source, found.target, strict=True))


def test_an_addition_counts_its_operands_in_proportion_to_their_sizes() -> None:
    # Two matrices make 30 and 10 bits, which are joined digitally; a third takes in 8.
    found = traffic_of(
        [True, True, False, True], [(0, 2), (1, 2), (2, 3)], [30.0, 10.0, 40.0, 1.0], [1, 1, 1, 8.0]
    )
    assert list(zip(found.source, found.target, found.bits, strict=True)) == [(0, 3, 6), (1, 3, 2)]


@given(sizes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4))
def test_common_pieces_of_two_cuts_are_those_of_comparing_every_pair(
    sizes: list[tuple[int, int]],
) -> None:
    a, b = (np.array(column) for column in zip(*sizes, strict=True))
    edge, part_a, part_b, share = overlaps(a, b)
    found = {
        (e, i, j): s
        for e, i, j, s in zip(
            edge.tolist(), part_a.tolist(), part_b.tolist(), share.tolist(), strict=True
        )
    }
    expected = {}
    for e, (m, n) in enumerate(sizes):
        for i in range(m):
            for j in range(n):
                common = min(Fraction(i + 1, m), Fraction(j + 1, n)) - max(
                    Fraction(i, m), Fraction(j, n)
                )
                if common > 0:
                    expected[e, i, j] = float(common)
    assert found == pytest.approx(expected)
    assert np.bincount(edge, weights=share) == pytest.approx(np.ones(len(sizes)))


@given(copies=st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_copies_share_the_traffic_of_their_matrices(copies: list[int]) -> None:
    layout = lay_out(np.array([3.0, 1.0, 20.0]), np.array(copies, dtype=float), 4, 100)
    traffic = Traffic(np.array([0, 1, 2]), np.array([1, 2, 0]), np.array([6.0, 9.0, 5.0]))
    between = copy_traffic(layout, traffic)
    total: dict[tuple[int, int], float] = defaultdict(float)
    into: dict[int, float] = defaultdict(float)
    for source, target, bits in zip(between.source, between.target, between.bits, strict=True):
        total[int(layout.copy_matrix[source]), int(layout.copy_matrix[target])] += bits
        into[int(target)] += bits
    for source, target, bits in zip(traffic.source, traffic.target, traffic.bits, strict=True):
        if copies[source] and copies[target]:
            assert total[int(source), int(target)] == pytest.approx(bits)
    for copy, bits in into.items():
        matrix = int(layout.copy_matrix[copy])
        whole = sum(b for (_, t), b in total.items() if t == matrix)
        assert bits == pytest.approx(whole / copies[matrix])
