"""Every number of a configuration is listed with its source."""

from __future__ import annotations

import numbers

from archsim.config.assumptions import assumptions, unsourced


def test_every_number_appears_once_with_its_source(load_toy) -> None:
    """Numbers of the file as written, lists as one entry, defaults as assumptions; no text."""
    loaded = load_toy("child", "extends: base\npitches: [0.1 um, 2e-7]\nadc: {shared: true}\n")
    rows = {(a.path, a.value, a.unit, a.source, a.note) for a in assumptions(loaded)}
    assert rows == {
        ("device.pulse", "5 ns", "s", "onen22.pulse_width", ""),
        (
            "device.range",
            "222e-9",
            "S",
            "onen22.g_range, onen22.r_range",
            "difference of the bounds",
        ),
        ("adc.bits", "8", "", "murmann", ""),
        ("adc.rate", "100 MHz", "Hz", "assumed", "a round number"),
        ("adc.margin", "500 mV", "V", "assumed", "default of the schema, not in the file"),
        ("pitches", "0.1 um, 2e-7", "m", "assumed", "no source given"),
    }


def test_a_measured_number_is_neither_cited_nor_assumed(load_toy) -> None:
    """It says `measured`, with the note that names the run; and somebody vouches for it."""
    loaded = load_toy(
        "child", 'extends: base\nsources: {adc.rate: "measured: of net, seeds 0 to 2"}\n'
    )
    row = next(a for a in assumptions(loaded) if a.path == "adc.rate")
    assert (row.source, row.note, row.references) == ("measured", "of net, seeds 0 to 2", ())
    assert "adc.rate" not in unsourced(loaded)


def test_unsourced_lists_dimensioned_numbers_that_nobody_vouches_for(load_toy) -> None:
    """`assumed` is an answer, silence is not; plain numbers and defaults are not asked for."""
    loaded = load_toy(
        "bare",
        """\
        device: {kind: linear, pulse: 5 ns, range: 2e-7}
        adc: {bits: 8, rate: 1 GHz}
        stages: [{bits: 3, rate: 1 kHz}]
        extra: {a: {bits: 3, rate: 1 kHz, leakage: 1 W}}
        sources: {adc.rate: assumed, extra.a.leakage: x}
        """,
    )
    assert unsourced(loaded) == ("device.pulse", "device.range", "stages.0.rate", "extra.a.rate")


def test_no_number_is_missed(load_toy) -> None:
    """As many entries as a plain walk over the model's own dump finds numbers."""
    loaded = load_toy(
        "many",
        "extends: base\nstages: [{bits: 3, rate: 1 kHz}, {bits: 4, rate: 1 Hz, leakage: 1 W}]\n"
        "extra: {a: {bits: 3, rate: 5}}\n",
    )

    def count(value: object) -> int:
        if isinstance(value, dict):
            return sum(count(inner) for inner in value.values())
        if isinstance(value, (list, tuple)):
            return sum(count(inner) for inner in value)
        return isinstance(value, numbers.Real) and not isinstance(value, bool)

    assert len(assumptions(loaded)) == count(loaded.value.model_dump()) == 15
