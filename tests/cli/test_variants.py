"""An architecture that `--set` changed never passes for the one that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli.pricing import file_name
from archsim.cli.variants import LONGEST, variant_description, variant_name

Runner = Callable[..., Any]
names = st.text("abcdefghij.", min_size=1, max_size=12)
values = st.one_of(st.integers(), st.booleans(), st.none(), st.text("abc 123", max_size=8))
settings = st.dictionaries(names, values, min_size=1, max_size=8)


def test_the_name_says_what_was_set() -> None:
    """Paths and values stand behind the name of the base, without blanks."""
    changed = {"array.rows": 512, "read.voltage": "0.4 V", "periphery.shared": True}
    assert variant_name("p256", changed) == (
        "p256+array.rows=512,read.voltage=0.4V,periphery.shared=true"
    )
    assert variant_description("A chip", {"adc.bits": 5}) == "A chip, with adc.bits = 5"
    assert variant_description("", {"dram.capacity": None}) == "With dram.capacity = null"


def spelled(changed: dict[str, Any]) -> str:
    """The settings as the command line writes them, blanks in values left out."""
    words = {"None": "null", "True": "true", "False": "false"}
    texts = {path: "".join(str(value).split()) for path, value in changed.items()}
    return ",".join(f"{path}={words.get(text, text)}" for path, text in texts.items())


@given(settings, settings)
def test_different_settings_have_different_names(one: dict[str, Any], two: dict[str, Any]) -> None:
    """However long the list is: the name is bounded, and no two lists share one."""
    found = [variant_name("base", changed) for changed in (one, two)]
    assert (found[0] == found[1]) == (spelled(one) == spelled(two))
    assert all(len(name) <= len("base+") + LONGEST for name in found)


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_long_names_of_files_stay_different(one: str, two: str) -> None:
    """A name that had to be cut ends in a digest of the whole."""
    cut = [file_name(f"{text}{'x' * 120}") for text in (one, two)]
    assert (cut[0] == cut[1]) == (one == two)
    assert all(len(name) <= 100 for name in cut)


@pytest.mark.parametrize(
    ("text", "name"), [("a b/c", "a_b_c"), ("../..", "unnamed"), ("", "unnamed")]
)
def test_names_of_files_are_harmless(text: str, name: str) -> None:
    """No separator and no leading dot gets into a path."""
    assert file_name(text) == name


def test_a_variant_has_its_own_name_folder_and_description(
    archsim_here: Runner, tmp_path: Path
) -> None:
    """Run after the base, a variant leaves the base's report as it was."""
    base = archsim_here("run", "mlp", "--arch", "protonic_256", "--json").json
    before = (tmp_path / "reports" / "mlp-protonic_256" / "result.json").read_bytes()
    found = archsim_here(
        *("run", "mlp", "--arch", "protonic_256", "--set", "adc.bits=5"),
        *("--set", "array.rows=512", "--json"),
    ).json
    name = "protonic_256+adc.bits=5,array.rows=512"
    assert found["architecture"]["name"] == name
    assert found["architecture"]["description"].endswith("with adc.bits = 5, array.rows = 512")
    assert found["architecture"]["sha256"] != base["architecture"]["sha256"]
    folders = {p.name for p in (tmp_path / "reports").iterdir()}
    assert folders == {"mlp-protonic_256", f"mlp-{name}"}
    assert (tmp_path / "reports" / "mlp-protonic_256" / "result.json").read_bytes() == before


def test_a_name_that_the_user_sets_is_kept(archsim_here: Runner) -> None:
    """`--set name=...` names the variant."""
    found = archsim_here(
        *("run", "mlp", "--arch", "protonic_256", "--set", "adc.bits=5"),
        *("--set", "name=mine", "--json"),
    ).json
    assert found["architecture"]["name"] == "mine"
