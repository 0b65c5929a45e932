"""The bibliography resolves what configurations cite."""

from __future__ import annotations

import re

import pytest

from archsim.config.references import (
    Reference,
    check_references,
    load_references,
    reference,
    reference_keys,
    unknown_references,
)
from archsim.errors import InputError

REFERENCES = load_references()


def faults(key: str, entry: Reference) -> list[str]:
    """What an entry of the bibliography lacks."""
    low, high = entry.minimum, entry.maximum
    checks = {
        "key": re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_.\-]+)*", key),
        "title": entry.title,
        "where": entry.where,
        "value": entry.value is not None or low is not None or high is not None,
        "doi": entry.doi is None or re.fullmatch(r"10\.\d{4,}/\S+", entry.doi),
        "year": entry.year is None or 1950 < entry.year < 2100,
        "range": low is None or high is None or low <= high,
        "machine": not re.search(
            r"(^|[\s'(])/\w+/", f"{entry.where} {entry.note} {entry.condition}"
        ),
    }
    return [f"{key}: {name}" for name, fine in checks.items() if not fine]


def test_every_reference_is_usable() -> None:
    """An entry says what it states and where it was read, and names no path of a machine."""
    assert [fault for key, entry in REFERENCES.items() for fault in faults(key, entry)] == []


def test_the_check_finds_faults() -> None:
    """The rules above are able to fail."""
    good = REFERENCES["onen22.pulse_width"]
    bad = good.model_copy(
        update={"title": "", "where": "", "value": None, "doi": "x", "year": 1, "note": "/a/b"}
    )
    assert len(faults("no key", bad)) == 7
    assert faults("a", good.model_copy(update={"minimum": 2, "maximum": 1})) == ["a: range"]


def test_known_numbers_are_there() -> None:
    """Spot checks against the published figures themselves."""
    pulse = REFERENCES["onen22.pulse_width"]
    assert (pulse.value, pulse.unit, pulse.year, pulse.provenance) == (5, "ns", 2022, "seen")
    assert pulse.doi == "10.1126/science.abp8064"
    conductance = REFERENCES["onen22.g_range"]
    assert (conductance.minimum, conductance.maximum, conductance.unit) == (11.4, 233.6, "nS")
    assert REFERENCES["gpu.H100-SXM5-80GB"].value["tdp_w"] == 700


def test_conductance_and_resistance_of_the_device_agree() -> None:
    """Two entries of one figure are reciprocal: G = 1/R."""
    g, r = REFERENCES["onen22.g_range"], REFERENCES["onen22.r_range"]
    assert g.minimum * 1e-9 == pytest.approx(1 / (r.maximum * 1e6), rel=0.01)
    assert g.maximum * 1e-9 == pytest.approx(1 / (r.minimum * 1e6), rel=0.01)


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("onen22.puls_width", "Did you mean 'onen22.pulse_width'?"),
        ("onnen22.pulse_width", "Did you mean 'onen22.pulse_width'?"),
        ("gpu.H100", "Did you mean 'gpu."),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, remedy: str) -> None:
    """A typing error is answered with the key that was meant."""
    with pytest.raises(InputError) as caught:
        reference(key, REFERENCES)
    assert remedy in str(caught.value)
    assert len(str(caught.value)) < 200


def test_one_key_needs_no_table() -> None:
    """`reference` reads the bibliography itself if it is not given."""
    assert reference("onen22.pulse_width") == REFERENCES["onen22.pulse_width"]


def test_citations_are_checked_on_demand(load_toy) -> None:
    """All keys that lead nowhere are listed with the value that cites them."""
    loaded = load_toy("good", "extends: base\nsources: {adc.bits: isaac.adc}\n")
    known = {**REFERENCES, "isaac.adc": REFERENCES["onen22.pulse_width"]}
    check_references(loaded, known)
    bad = load_toy("bad", "extends: base\nsources: {adc.rate: [onen22.puls_width, nobody.x]}\n")
    with pytest.raises(InputError) as caught:
        check_references(bad)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("bad.yaml: sources: adc.bits: there is no reference 'murmann'")
    assert "Did you mean 'onen22.pulse_width'?" in str(caught.value)


def test_keys_can_be_had_without_the_table() -> None:
    """The quick look at the file finds the same keys as reading all of it."""
    assert reference_keys() == frozenset(REFERENCES)


def test_unknown_keys_are_listed_once(load_toy) -> None:
    """Each key that leads nowhere comes once, with a value that cites it and the nearest key."""
    bad = load_toy(
        "bad",
        "extends: base\n"
        "sources: {adc.rate: [onen22.puls_width, nobody.x], adc.bits: onen22.pulse_width}\n",
    )
    found = {entry.key: entry for entry in unknown_references(bad)}
    assert {"onen22.puls_width", "nobody.x"} <= set(found)
    assert "onen22.pulse_width" not in found
    assert found["onen22.puls_width"].path.startswith("adc.")
    assert found["onen22.puls_width"].hint == "Did you mean 'onen22.pulse_width'?"
    assert found["nobody.x"].hint == ""


def test_the_table_is_read_only() -> None:
    """Nobody can change a published number."""
    with pytest.raises(TypeError):
        REFERENCES["x"] = REFERENCES["onen22.pulse_width"]  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        REFERENCES["onen22.pulse_width"].value = 6
