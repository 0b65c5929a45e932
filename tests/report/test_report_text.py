"""Numbers and names as readers see them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.report.text import (
    capital,
    count,
    faster,
    gpu_name,
    interval,
    less_energy,
    percent,
    quantity,
    quantity_by_name,
    safe,
    shorten,
    signed_percent,
    times,
    words,
)


def plain(text: str) -> str:
    """`text` with ordinary spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


@given(st.floats(1e-6, 1e9))
def test_a_factor_is_shown_to_two_significant_digits(ratio: float) -> None:
    """The text reads back within half of the second digit, and has no exponent."""
    text = plain(times(ratio)).removesuffix(" ×")
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(ratio, rel=0.0501)
    digits = text.replace(",", "").replace(".", "").strip("0")
    assert len(digits) <= 2


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(14.2, "14 ×"), (9.96, "10 ×"), (1.04, "1.0 ×"), (0.996, "1.0 ×"), (1634, "1,600 ×")],
)
def test_factors_round_across_a_decade(ratio: float, text: str) -> None:
    """A factor that rounds up to the next decade gains no digit."""
    assert plain(times(ratio)) == text


@given(st.floats(1.01, 1e6))
def test_slower_by_a_factor_is_the_inverse_of_faster(ratio: float) -> None:
    """A ratio and its inverse say the same factor with opposite words."""
    assert faster(ratio).replace("faster", "slower") == faster(1 / ratio)
    assert less_energy(ratio).replace("less", "more") == less_energy(1 / ratio)


def test_equal_machines_are_called_equal() -> None:
    """Within half a per cent, nobody is faster."""
    assert faster(1.0) == faster(1.004) == "as fast"
    assert "faster" in faster(1.02)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5e-6, "J", "2.5 µJ"),
        (4.12e-4, "m^2", "412 mm²"),
        (1.234e-3, "m^2", "1234 mm²"),
        (3e-13, "m^2", "0.3 um²".replace("u", "µ")),
        (1.12e6, "W/m^2", "1.12 W/mm²"),
        (124e3, "/s", "124,000 /s"),
        (0.0, "J", "0 J"),
        (None, "J", "–"),
    ],
)
def test_quantities_are_set_as_in_print(value: float | None, unit: str, text: str) -> None:
    """Prefix, micro sign, superscript; a dash for what is not known."""
    assert plain(quantity(value, unit)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (4e-4, "< 0.1 %"), (0.0123, "1.2 %"), (0.0996, "10 %"), (1.0, "100 %")],
)
def test_only_nothing_is_zero_per_cent(share: float, text: str) -> None:
    """A small share is never shown as none."""
    assert plain(percent(share)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1043, "1,043"), (124444.4, "124,444"), (41.26, "41.3"), (25557032, "25.6 M")],
)
def test_counts_have_no_exponent(value: float, text: str) -> None:
    """Counts are grouped digits, and from a million on have a prefix."""
    assert plain(count(value)) == text


def test_units_come_from_names() -> None:
    """A name's suffix says its unit, and a word has none."""
    assert [plain(t) for t in quantity_by_name("line_energy_j", 3.1e-9)] == [
        "Line energy",
        "3.1 nJ",
    ]
    assert quantity_by_name("scheme", "half_bias") == ("Scheme", "half bias")
    assert quantity_by_name("enabled", value=True)[1] == "True"


@given(st.text(max_size=200), st.integers(8, 80))
def test_a_shortened_name_fits_and_keeps_both_ends(name: str, limit: int) -> None:
    """The cut is in the middle, and a name that fits is left as it is."""
    short = shorten(name, limit)
    assert len(short) <= limit
    if len(safe(name)) > limit:
        head, tail = short.split("…")[0], short.split("…")[-1]
        assert safe(name).startswith(head)
        assert safe(name).endswith(tail)
    else:
        assert short == safe(name)


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "L"])))
def test_no_character_can_hide_or_reorder_text(name: str) -> None:
    """What is left can be encoded, and has no control or direction characters."""
    shown = safe(name)
    assert len(shown) == len(name)
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert shown.isprintable()


def test_keys_become_words() -> None:
    """Underscores become spaces and acronyms capitals."""
    assert words("input_gradient") == "input gradient"
    assert words("adc_read") == "ADC read"
    assert capital("aDC") == "ADC"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("h100", "H100"), ("a100-sxm", "A100-SXM"), ("my/gpu.yaml", "my/gpu.yaml"), ("toy", "toy")],
)
def test_gpu_models_are_capital(name: str, shown: str) -> None:
    """A model number is set in capitals, a path or a word is not."""
    assert gpu_name(name) == shown


def test_an_interval_needs_both_ends() -> None:
    """Without ranges there is no interval to show."""
    assert interval(None, 2.0) == interval(1.0, None) == ""
    assert plain(interval(9.8, 17.0)) == "9.8 to 17 ×"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.41, "+41 %"), (-0.034, "−3.4 %"), (0.0, "="), (-0.0004, "< 0.1 %"), (None, "–")],
)
def test_changes_carry_their_sign(share: float | None, said: str) -> None:
    """A relative change has a sign unless it is nothing, or next to nothing."""
    assert signed_percent(share).replace("\N{NO-BREAK SPACE}", " ") == said
