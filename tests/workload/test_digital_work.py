"""Work adds up and repeats field by field."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from archsim.workload.graph import DigitalWork

_NAMES = tuple(field.name for field in fields(DigitalWork))
_COUNTS = st.lists(st.integers(0, 2**70), min_size=len(_NAMES), max_size=len(_NAMES))


@given(_COUNTS, _COUNTS, st.integers(0, 2**40))
def test_sum_and_multiple_are_those_of_each_field(
    left: list[int], right: list[int], factor: int
) -> None:
    one, other = DigitalWork(*left), DigitalWork(*right)
    for name in _NAMES:
        assert getattr(one + other, name) == getattr(one, name) + getattr(other, name)
        assert getattr(one.scaled(factor), name) == getattr(one, name) * factor
