"""`sources` say where numbers come from, through any number of files."""

from __future__ import annotations

import pytest

from archsim.config.nodes import Source


def test_each_form_of_a_source(load_toy) -> None:
    """A key, several keys, assumed or measured with and without a note, and keys with a note."""
    loaded = load_toy(
        "all",
        """\
        device: {kind: linear, pulse: 5 ns, range: 1e-7}
        adc: {bits: 8, rate: 1 MHz, leakage: 1 uW, margin: 1 V}
        stages: [{bits: 3, rate: 1 kHz, margin: 2 V}]
        sources:
          stages.0.bits: measured
          stages.0.rate: "measured: in a run: of mine"
          stages.0.margin: {measured: in another}
          device.pulse: a.b
          device.range: [a.b, c]
          adc.bits: assumed
          adc.rate: "assumed: because: reasons"
          adc.leakage: {assumed: a guess}
          adc.margin: {ref: a, note: half of it}
        """,
    )
    assert dict(loaded.sources) == {
        "device.pulse": Source(("a.b",)),
        "device.range": Source(("a.b", "c")),
        "adc.bits": Source(),
        "adc.rate": Source(note="because: reasons"),
        "adc.leakage": Source(note="a guess"),
        "adc.margin": Source(("a",), "half of it"),
        "stages.0.bits": Source(measured=True),
        "stages.0.rate": Source(note="in a run: of mine", measured=True),
        "stages.0.margin": Source(note="in another", measured=True),
    }
    assert [p for p, s in loaded.sources.items() if s.assumed] == [
        "adc.bits",
        "adc.rate",
        "adc.leakage",
    ]


def test_sources_of_a_nested_file_speak_of_its_block(load_toy) -> None:
    """A device file cites `pulse`; in the architecture that is `device.pulse`."""
    sources = load_toy().sources
    assert sources["device.pulse"] == Source(("onen22.pulse_width",))
    assert sources["device.range"].references == ("onen22.g_range", "onen22.r_range")
    assert sources["adc.bits"] == Source(("murmann",))
    assert "device.kind" not in sources


def test_a_changed_number_loses_the_source_of_the_old_one(load_toy) -> None:
    """A new number without a source of its own is assumed; a restated one keeps its source."""
    sources = load_toy(
        "child",
        """\
        extends: base
        device: {pulse: 6 ns, range: 222e-9}
        adc: {bits: 9, rate: 200 MHz}
        sources: {adc.bits: mine}
        """,
    ).sources
    assert sources["device.pulse"] == Source(note="set in child.yaml, which extends base.yaml")
    assert sources["device.range"].references == ("onen22.g_range", "onen22.r_range")
    assert sources["adc.bits"] == Source(("mine",))
    assert sources["adc.rate"].assumed


def test_a_change_beside_a_nested_extends_is_assumed(load_toy) -> None:
    """The same holds where a block starts from a file and changes a value of it."""
    sources = load_toy(
        "top",
        """\
        device: {extends: devices/linear, pulse: 7 ns}
        adc: {bits: 1, rate: 1 Hz}
        """,
    ).sources
    assert sources["device.pulse"] == Source(
        note="set in top.yaml, which extends devices/linear.yaml"
    )


def test_another_kind_brings_no_sources_along(load_toy) -> None:
    """A replaced block has only the sources of the file that wrote it."""
    sources = load_toy(
        "child", "extends: base\ndevice: {kind: soft, pulse: 5 ns, bound: 1}\n"
    ).sources
    assert not any(path.startswith("device") for path in sources)


def test_the_most_specific_citation_wins_and_then_the_extending_file(load_toy) -> None:
    """A block's citation covers what nothing more specific covers, inherited values included."""
    sources = load_toy(
        "child",
        """\
        extends: base
        adc: {margin: 1 V, rate: 5 MHz}
        sources: {adc: catalogue, device: [paper], device.pulse: newer}
        """,
    ).sources
    assert sources["adc.margin"] == Source(("catalogue",))
    assert sources["adc.rate"] == Source(("catalogue",))
    assert sources["adc.bits"] == Source(("murmann",)), "the parent's own entry is more specific"
    assert sources["device.pulse"] == Source(("newer",)), "equally specific: the child's"
    assert sources["device.range"].references == ("onen22.g_range", "onen22.r_range")
    assert sources["device.kind"] == Source(("paper",))


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("{adc.bts: a}", "bad.yaml:3:11: sources: there is no value 'adc.bts'"),
        ("{adc.bts: a}", "Did you mean 'adc.bits'?"),
        ("{adc.bits.x: a}", "there is no value 'adc.bits.x'"),
        ("{adc.bits: 5}", "bad.yaml:3:21: sources: found '5', expected a reference key"),
        ("{adc.bits: []}", "found an empty list"),
        ("{adc.bits: ''}", "found ''"),
        ("{adc.bits: [a, [b]]}", "found a list or mapping"),
        ("{adc.bits: {reff: a}}", "found another mapping, expected a reference key"),
        ("{adc.bits: {ref: a, note: [x]}}", "found a list or mapping"),
        ("[a]", "bad.yaml:3:10: 'sources' is not a mapping"),
    ],
)
def test_wrong_sources_are_refused(refusal, sources: str, message: str) -> None:
    """A citation of nothing, or one that is none, is an error with a place."""
    assert message in refusal(f"extends: base\nadc: {{bits: 8}}\nsources: {sources}\n")


def test_all_wrong_sources_are_listed(refusal) -> None:
    """One run shows every mistake."""
    message = refusal("extends: base\nsources:\n  adc.bts: a\n  adc.rate: 7\n  dvice: b\n")
    assert [line.split(": ")[0] for line in message.splitlines()] == [
        "bad.yaml:3:3",
        "bad.yaml:4:13",
        "bad.yaml:5:3",
    ]
