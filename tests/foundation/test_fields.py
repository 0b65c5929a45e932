"""Components read numbers with units and ranges, and stack into arrays of configurations."""

from __future__ import annotations

import math
import pickle
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim import fields
from archsim.fields import Component, NotStackable, Quantity, Scalar, signature, stack, yaml_key


class Part(Component):
    name: str = "part"
    kind: Literal["a", "b"] = "a"
    width_m: Annotated[Scalar, Quantity("m", above=0)] = 1.0
    leak_w: Annotated[Scalar, Quantity("W", minimum=0)] | None = None


class Whole(Component):
    name: str = "whole"
    count: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=10**6)]
    energy_j: Annotated[Scalar, Quantity("J", minimum=-1, maximum=1)]
    part: Part = Part()


def whole(**values: object) -> Whole:
    return Whole.model_validate({"count": 1, "energy": 0, **values})


@pytest.mark.parametrize(
    ("attribute", "key"),
    [
        ("rate_hz", "rate"),
        ("area_m2", "area"),
        ("bandwidth_bit_per_s", "bandwidth"),
        ("wire_f_per_m", "wire"),
        ("hop_j_per_bit", "hop"),
        ("size_bit", "size"),
        ("bits", "bits"),
        ("columns", "columns"),
    ],
)
def test_yaml_keys_have_no_unit(attribute: str, key: str) -> None:
    """The unit is in the Python name and in the YAML value, not in the YAML key."""
    assert yaml_key(attribute) == key


def test_no_suffix_hides_a_longer_one() -> None:
    """A suffix that ends with another one comes before it."""
    suffixes = fields._SUFFIXES
    for index, suffix in enumerate(suffixes):
        assert not any(later.endswith(suffix) for later in suffixes[index + 1 :])


def test_two_fields_with_one_key_are_refused_at_definition() -> None:
    """`pulse_s` and `pulse_v` would both be `pulse`, and one of them would be lost."""
    with pytest.raises(TypeError, match="two fields with the YAML key 'pulse'"):
        type("Bad", (Component,), {"__annotations__": {"pulse_s": float, "pulse_v": float}})
    with pytest.raises(TypeError, match="belongs to the configuration language"):
        type("Bad", (Component,), {"__annotations__": {"sources": str}})


def test_quantities_are_read_from_text_and_numbers() -> None:
    """Text has its unit, a bare number is SI, an integer stays an integer."""
    found = whole(count="12", energy="2.5 mJ", part={"width": 3})
    assert (found.count, found.energy_j, found.part.width_m) == (12, 2.5e-3, 3.0)
    assert type(found.count) is int
    assert type(found.part.width_m) is float
    assert whole(energy=np.float64(0.5)).energy_j == 0.5


@pytest.mark.parametrize(
    "values",
    [
        {"count": 0},
        {"count": 1.5},
        {"count": True},
        {"count": None},
        {"count": "1 J"},
        {"count": [1]},
        {"count": 10**400},
        {"count": 10**7},
        {"energy": -1.1},
        {"energy": math.nan},
        {"energy": math.inf},
        {"energy": "-1001 mJ"},
        {"energy": "1 s"},
        {"part": {"width": 0}},
        {"part": {"width": "0 m"}},
        {"part": {"leak": -1}},
        {"other": 1},
    ],
)
def test_values_outside_the_range_are_refused(values: dict[str, object]) -> None:
    """Wrong type, dimension or range is an error of validation, with one finding."""
    with pytest.raises(ValidationError) as caught:
        whole(**values)
    assert caught.value.error_count() == 1


@given(st.floats(allow_nan=True))
def test_exactly_the_range_is_accepted(value: float) -> None:
    """A closed range holds its bounds."""
    if -1 <= value <= 1:
        assert whole(energy=value).energy_j == value
    else:
        with pytest.raises(ValidationError, match="at least -1 J and at most 1 J"):
            whole(energy=value)


def test_an_expectation_is_a_sentence_part() -> None:
    """Messages say what kind of number, in which unit and range, with an example."""
    assert Quantity("s", above=0, maximum=1).expected() == (
        "expected a number in s (such as 5 ns), above 0 and at most 1 s"
    )
    assert Quantity(integer=True, minimum=2).expected() == "expected a whole number, at least 2"


def test_components_are_frozen_and_cross_processes() -> None:
    """Nobody changes a component; a copy in another process is equal."""
    found = whole()
    with pytest.raises(ValidationError):
        found.count = 2
    assert pickle.loads(pickle.dumps(found)) == found


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(-1, 1)), min_size=1, max_size=5))
def test_a_stack_holds_each_configuration_in_its_row(rows: list[tuple[int, float]]) -> None:
    """Numbers become arrays of shape [C, 1]; labels, kinds and None stay."""
    wholes = [whole(count=n, energy=e, name=f"w{n}") for n, e in rows]
    stacked = stack(wholes)
    assert stacked.count.shape == stacked.part.width_m.shape == (len(rows), 1)
    assert stacked.energy_j[:, 0].tolist() == [e for _, e in rows]
    assert stacked.part.leak_w is None
    assert stacked.part.kind == "a"


@pytest.mark.parametrize(
    "other", [{"part": {"kind": "b"}}, {"part": {"leak": 1}}], ids=["kind", "presence"]
)
def test_components_that_differ_in_more_than_numbers_do_not_stack(other: dict) -> None:
    """Kinds and the presence of a number must agree; `signature` tells so beforehand."""
    one, two = whole(), whole(**other)
    assert signature(one) != signature(two)
    with pytest.raises(NotStackable):
        stack([one, two])


def test_equal_signatures_stack() -> None:
    """Names and numbers do not enter the signature."""
    one, two = whole(name="x", count=1), whole(name="y", count=9)
    assert signature(one) == signature(two)
    assert stack([one, two]).count.tolist() == [[1.0], [9.0]]
