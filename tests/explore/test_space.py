"""The axes of a study and their grid."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.explore.space import Axis, grid, grid_size, read_axis
from archsim.units import parse_quantity
from tests.closeness import close


def test_a_list_is_a_set_of_choices() -> None:
    """A list keeps its values and their order, words and numbers alike."""
    assert read_axis("a.b", [64, "10 ns", None]) == Axis("a.b", (64, "10 ns", None))


def test_an_integer_range_holds_both_ends() -> None:
    """`integer` counts from end to end; with a step, every n-th."""
    assert read_axis("n", {"integer": [5, 8]}).values == (5, 6, 7, 8)
    assert read_axis("n", {"integer": [5, 10], "step": 2}).values == (5, 7, 9)


@given(
    low=st.floats(1e-3, 1e3),
    factor=st.floats(1.5, 1e6),
    points=st.integers(2, 30),
)
def test_a_log_range_has_equal_ratios(low: float, factor: float, points: int) -> None:
    """Every ratio of neighbours is the same, and the ends are those that were asked for."""
    high = low * factor
    axis = read_axis("t", {"log": [f"{low!r} ns", f"{high!r} ns"], "points": points})
    numbers = [parse_quantity(str(value), "s") for value in axis.values]
    assert len(numbers) == points
    ratio = factor ** (1 / (points - 1))
    for i, number in enumerate(numbers):
        assert number == close(low * 1e-9 * ratio**i, rel=1e-9)


@given(low=st.integers(-100, 100), width=st.integers(1, 1000), points=st.integers(2, 30))
def test_a_linear_range_has_equal_distances(low: int, width: int, points: int) -> None:
    """Every difference of neighbours is the same, both ends included."""
    axis = read_axis("x", {"linear": [low, low + width], "points": points})
    for i, value in enumerate(axis.values):
        assert value == pytest.approx(low + i * width / (points - 1), abs=1e-9)


def test_ends_may_differ_in_prefix() -> None:
    """1 us is 1000 ns, whatever the low end is written in."""
    values = read_axis("t", {"log": ["10 ns", "1 us"], "points": 3}).values
    assert values == ("10 ns", "100 ns", "1000 ns")


@given(st.lists(st.integers(1, 5), max_size=5))
def test_the_grid_is_the_full_product(sizes: list[int]) -> None:
    """The grid has the product of the axis lengths, all different, the last axis fastest."""
    axes = [Axis(f"p{i}", tuple(range(n))) for i, n in enumerate(sizes)]
    points = [tuple(point.values()) for point in grid(axes)]
    assert len(points) == len(set(points)) == grid_size(axes) == math.prod(sizes)
    assert points == sorted(points)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (5, "one value"),
        ("10 ns", "one value"),
        ([], "empty"),
        ([1, 1], "twice"),
        ([[1, 2]], "neither a number nor a word"),
        ({}, "found the keys none"),
        ({"cubic": [1, 2]}, "'cubic'"),
        ({"log": [1, 2], "integer": [1, 2]}, "'log', 'integer'"),
        ({"log": [1, 10]}, "'points' must be a whole number, at least 2; it is missing"),
        ({"log": [1, 10], "points": 1}, "found 1"),
        ({"log": [1, 10], "points": 3, "base": 2}, "'base' does not belong"),
        ({"log": [0, 10], "points": 3}, "above zero"),
        ({"log": ["10 ns", "1 V"], "points": 3}, "'V'"),
        ({"log": ["10 ns", 100], "points": 3}, "lacks a unit"),
        ({"log": ["ten", 100], "points": 3}, "not a number"),
        ({"linear": [5, 5], "points": 3}, "rising order"),
        ({"linear": [1], "points": 3}, "two ends"),
        ({"linear": 7, "points": 3}, "two ends"),
        ({"integer": [1.5, 3]}, "whole ends"),
        ({"integer": ["1 ns", "3 ns"]}, "plain numbers"),
        ({"integer": [1, 3], "points": 3}, "'points' does not belong"),
        ({"integer": [0, 10**12]}, "more than"),
    ],
)
def test_a_bad_axis_is_refused_in_words(written: object, says: str) -> None:
    """The message names the path, what was found and what is expected."""
    with pytest.raises(InputError) as caught:
        read_axis("adc.bits", written)
    assert says in str(caught.value)
    assert "space.adc.bits" in str(caught.value)
    assert "{integer: [a, b]}" in str(caught.value)


def test_an_absurd_grid_is_refused_before_it_is_built() -> None:
    """Too many combinations are an error at once, not a machine out of memory."""
    axes = [Axis(f"p{i}", tuple(range(1000))) for i in range(4)]
    with pytest.raises(InputError, match="1,000,000,000,000 points"):
        next(grid(axes))
