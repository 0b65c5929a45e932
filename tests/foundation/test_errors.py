"""Refusals are sentences with a place and a remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError, did_you_mean, nearest


@pytest.mark.parametrize(
    ("message", "place", "remedy", "text"),
    [
        ("found x", "", "", "found x"),
        ("found x", "a.yaml:1:2", "", "a.yaml:1:2: found x"),
        ("found x", "a.yaml", "Write y.", "a.yaml: found x. Write y."),
        ("found x.", "", "Write y.", "found x. Write y."),
        ("is it x?", "", "Write y.", "is it x? Write y."),
    ],
)
def test_the_text_is_place_finding_remedy(message: str, place: str, remedy: str, text: str) -> None:
    """The parts are joined into sentences."""
    assert str(InputError(message, place=place, remedy=remedy)) == text


def test_the_nearest_choice_is_offered_or_all_of_them() -> None:
    """One typing error away is close; nothing close lists what there is."""
    assert did_you_mean("rte", ["rate", "bits"]) == "Did you mean 'rate'?"
    assert did_you_mean("zzz", ["rate", "bits", "bits"]) == "Known: bits, rate."
    assert did_you_mean("zzz", []) == ""
    assert nearest("zzz", ["rate"]) is None


@given(st.lists(st.text("abcdef", min_size=3, max_size=8), min_size=1, unique=True), st.data())
def test_a_choice_is_nearest_to_itself(choices: list[str], data: st.DataObject) -> None:
    """What is already right is never corrected to something else."""
    word = data.draw(st.sampled_from(choices))
    assert nearest(word, choices) == word
