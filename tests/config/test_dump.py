"""A resolved configuration is written as YAML that loads to the same thing."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.dumping import ConfigurationDumper, dump
from archsim.config.overriding import override
from archsim.config.reader import read_yaml

CHILD = """\
    extends: base
    description: "off"
    device: {pulse: 6 ns}
    pitches: [0.1 um, 2e-7]
    stages: [{bits: 3, rate: 1 kHz}]
    extra: {"017": {bits: 1, rate: 5, leakage: null}, on: {bits: 2, rate: 1e9}}
    sources:
      adc.bits: {ref: [a, b], note: "two: halves"}
      pitches: assumed
      stages.0.rate: c
      stages.0.bits: "measured: in one run"
      extra.on.bits: measured
    """


def test_a_dump_loads_to_the_same_configuration(load_toy) -> None:
    """Value, content, digest and every source survive; nothing is left to resolve."""
    loaded = load_toy("child", CHILD)
    text = dump(loaded)
    assert "extends" not in text.replace("which extends", "")
    again = load_toy("again", text)
    assert again.value == loaded.value
    assert again.tree == loaded.tree
    assert again.sha256 == loaded.sha256
    assert again.sources == loaded.sources
    assert dump(again) == text


def test_a_dump_of_an_override_loads_to_the_same(load_toy) -> None:
    """What the user set is written down as assumed."""
    loaded = override(load_toy("child", CHILD), {"adc.bits": 5, "pitches": ["3 um"]})
    again = load_toy("again", dump(loaded))
    assert again.sha256 == loaded.sha256
    assert again.sources == loaded.sources


def test_quantities_stay_as_written(load_toy) -> None:
    """A reader of the dump sees `100 MHz`, not 100000000.0."""
    assert "rate: 100 MHz" in dump(load_toy())


def test_equal_sources_of_a_block_are_written_once(load_toy) -> None:
    """A block whose every value has one source gets one line."""
    text = dump(
        load_toy(
            "one",
            "extends: base\ndevice: {extends: devices/soft}\nsources: {adc: x, adc.bits: x, "
            "adc.rate: x, device: y, device.pulse: y}\n",
        )
    )
    assert yaml.safe_load(text)["sources"] == {"adc": "x", "device": "y"}


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20))
def test_any_text_survives(text: str) -> None:
    """A description that looks like a number, a boolean or YAML syntax stays that text."""
    written = yaml.dump({"description": text}, Dumper=ConfigurationDumper, allow_unicode=True)
    assert read_yaml(written, "f.yaml").plain() == {"description": text}


@pytest.mark.parametrize(
    "text", ["1e-9", "017", ".inf", "off", "~", "12:30", "0x1", "1_0", "", " "]
)
def test_text_that_looks_like_something_else_is_quoted(load_toy, text: str) -> None:
    """The dumper knows what this reader, not YAML 1.1, takes for a number."""
    loaded = override(load_toy(), {"description": text})
    assert load_toy("again", dump(loaded)).value.description == text
