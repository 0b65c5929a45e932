"""A file becomes a validated component, or one message that lists everything wrong with it."""

from __future__ import annotations

import pickle
import time
from typing import Annotated

import pytest
from pydantic import create_model

from archsim.config.loading import Listing, list_names, load
from archsim.errors import InputError
from archsim.fields import Component, Quantity, Scalar


def test_quantities_arrive_in_si(load_toy) -> None:
    """Text with a unit becomes a float whose attribute names the unit."""
    toy = load_toy().value
    assert (toy.device.pulse_s, toy.device.range_siemens) == (5e-9, 222e-9)
    assert (toy.adc.bits, toy.adc.rate_hz, toy.adc.margin_v) == (8, 1e8, 0.5)


def test_the_tree_is_plain_and_resolved(load_toy) -> None:
    """The tree holds what was written, without `extends` and `sources`."""
    assert load_toy().tree == {
        "name": "base",
        "description": "the one that others extend",
        "device": {"kind": "linear", "pulse": "5 ns", "range": 222e-9},
        "adc": {"bits": 8, "rate": "100 MHz"},
    }


def test_a_file_without_a_name_is_named_after_itself(load_toy) -> None:
    """The name of what a file extends is not its own."""
    assert load_toy("mine", "extends: base\n").value.name == "mine"
    assert load_toy("mine", "extends: base\nname: yours\n").value.name == "yours"


def test_paths_and_names_find_the_same_file(folder, load_toy) -> None:
    """A bare name, a relative and an absolute path load equal configurations."""
    model = type(load_toy().value)
    loads = [load(name, model, folder) for name in ("base", "base.yaml", folder / "base.yaml")]
    assert all(loaded == loads[0] for loaded in loads)
    assert {loaded.path for loaded in loads} == {"base.yaml"}


def test_the_digest_is_that_of_the_content(load_toy) -> None:
    """Order, comments, flow style, `extends` and the spelling of a number do not matter."""
    plain = load_toy(
        "one", "name: x\ndevice: {kind: soft, pulse: 1e-6, bound: 2}\nadc: {bits: 8, rate: 1e3}\n"
    )
    other = load_toy(
        "two",
        """\
        # a comment
        adc: {rate: 1_000.0, bits: 8.0}
        device:
          bound: 2
          pulse: 0.000001
          kind: "soft"
        name: x
        sources: {adc: someone}
        """,
    )
    changed = load_toy("three", "extends: two\nname: x\nadc: {bits: 9}\n")
    assert plain.sha256 == other.sha256
    assert changed.sha256 != other.sha256
    assert load_toy("four", "extends: three\nname: x\nadc: {bits: 8}\n").sha256 == other.sha256


def test_a_loaded_configuration_crosses_process_borders(load_toy) -> None:
    """Pickling keeps value, content and sources."""
    loaded = load_toy()
    copy = pickle.loads(pickle.dumps(loaded))
    assert (copy, copy.sha256, copy.sources) == (loaded, loaded.sha256, loaded.sources)


def test_every_mistake_is_listed_with_its_line(refusal) -> None:
    """One message holds all findings, in the order of the file, each with a remedy."""
    message = refusal(
        """\
        extends: base
        device:
          kind: sofft
        adc:
          bts: 9
          rate: 5 kg
          coding: binry
          shared: on
          rate_hz: 5
        dvice: 3
        """
    )
    assert message.splitlines() == [
        "bad.yaml: 6 errors:",
        (
            "  bad.yaml:3:9: device: found kind 'sofft', expected one of: linear, soft. "
            "Did you mean 'soft'?"
        ),
        "  bad.yaml:5:3: adc.bts: unknown key 'bts'. Did you mean 'adc.bits'?",
        (
            "  bad.yaml:6:9: adc.rate: found '5 kg' ('5 kg' has the unit 'kg', but a quantity in Hz is "
            "needed), expected a number in Hz (such as 100 MHz), above 0."
        ),
        (
            "  bad.yaml:7:11: adc.coding: found 'binry', expected one of: binary, thermometer. "
            "Did you mean 'binary'?"
        ),
        "  bad.yaml:9:3: adc.rate_hz: unknown key 'rate_hz'. Did you mean 'adc.rate'?",
        "  bad.yaml:10:1: dvice: unknown key 'dvice'. Did you mean 'device'?",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adc: {bits: 8}", "bad.yaml:1:1: device: missing, expected a mapping with one of the"),
        (
            "device: {kind: soft, pulse: 5 ns}\nadc: {bits: 8, rate: 1 Hz}",
            "bad.yaml:1:1: device.bound: missing, expected a number, at least 0.",
        ),
        (
            "device: {pulse: 5 ns}\nadc: {bits: 8, rate: 1 Hz}",
            "bad.yaml:1:1: device: found no 'kind', expected one of: linear, soft.",
        ),
        (
            "device: soft\nadc: {bits: 8, rate: 1 Hz}",
            "bad.yaml:1:9: device: found 'soft', expected a mapping with one of the kinds: linear",
        ),
        ("extends: base\nadc: 5", "bad.yaml:2:6: adc: found '5', expected a mapping."),
        ("extends: base\nadc: null", "bad.yaml:2:6: adc: found 'null', expected a mapping."),
        ("extends: base\nadc: [1]", "bad.yaml:2:6: adc: found a list, expected a mapping."),
        ("extends: base\nname: 5", "bad.yaml:2:7: name: found '5', expected text (in quotes"),
        (
            "extends: base\nadc: {bits: 0}",
            "bad.yaml:2:13: adc.bits: found '0', expected a whole number, at least 1 and at most",
        ),
        ("extends: base\nadc: {bits: 7.5}", "found '7.5', expected a whole number"),
        ("extends: base\nadc: {bits: true}", "found 'true', expected a whole number"),
        ("extends: base\nadc: {bits: {low: 1}}", "adc.bits: found a mapping, expected a whole"),
        ("extends: base\nadc: {rate: 5 ns/}", "'ns/' is not a unit that archsim knows"),
        ("extends: base\nadc: {rate: 1e400 Hz}", "too large to be represented"),
        ("extends: base\nadc: {shared: yes}", "adc.shared: found 'yes', expected true or false."),
        ("extends: base\nadc: {shared: 1}", "adc.shared: found '1', expected true or false."),
        ("extends: base\nadc: {shared: maybe}", "found 'maybe', expected true or false."),
        (
            "extends: base\nadc: {bits: 13}",
            "bad.yaml:2:13: adc: bits must not be 13: nobody builds such a converter.",
        ),
        ("extends: base\npitches: 5", "pitches: found '5', expected a list."),
        ("extends: base\npitches: [1 um, 2 s]", "bad.yaml:2:17: pitches.1: found '2 s'"),
        ("extends: base\nstages: [{bits: 1}]", "bad.yaml:2:10: stages.0.rate: missing"),
        ("extends: base\nextra: {a: {bts: 1}}", "bad.yaml:2:13: extra.a.bts: unknown key 'bts'"),
        (
            "extends: base\nrate: 5",
            "bad.yaml:2:1: rate: unknown key 'rate'. Did you mean 'adc.rate'",
        ),
        ("extends: base\nzzz: 5", "Known: adc, description, device, extra, name, pitches, stages."),
        (
            "extends: base\nadc: {sources: {bits: a}}",
            "bad.yaml:2:7: adc.sources: unknown key 'sources'",
        ),
    ],
)
def test_each_kind_of_mistake(refusal, text: str, message: str) -> None:
    """Each mistake is placed at the value, or at the block that lacks it."""
    assert message in refusal(text)


def test_a_mistake_in_the_extended_file_is_placed_there(refusal, write) -> None:
    """Inherited values are reported where they were written."""
    write("devices/odd.yaml", "kind: soft\npulse: 5 V\nbound: 1\n")
    message = refusal("extends: base\ndevice: {extends: devices/odd}\n")
    assert message.startswith("devices/odd.yaml:2:8: device.pulse: found '5 V'")


def test_folders_list_their_configurations(folder, write) -> None:
    """Names come with each file's own description, and with the sources of what it extends.

    The bibliography is no configuration.
    """
    write("mine.yaml", "extends: base\nadc: {bits: 7}\n")
    write("references.yaml", "references: {}\n")
    device = ("onen22.g_range", "onen22.pulse_width", "onen22.r_range")
    assert list_names(folder) == (
        Listing("base", "the one that others extend", ("murmann", *device), 1),
        Listing("mine", "", device, 2),
    )
    assert list_names(folder / "nowhere") == ()


def test_an_unknown_name_is_refused(load_toy) -> None:
    """The nearest configuration is offered."""
    with pytest.raises(InputError, match=r"there is no 'bsae'\. Did you mean 'base'\?"):
        load_toy("bsae")


def test_a_file_of_150_lines_loads_fast_enough_for_sweeps(folder, write) -> None:
    """Loading stays in the range of milliseconds (measured: 1.1 ms of processor time)."""
    quantity = (Annotated[Scalar, Quantity("s")], ...)
    part = create_model("Part", __base__=Component, **{f"k{i}_s": quantity for i in range(6)})
    whole = create_model("Whole", __base__=Component, **{f"b{i}": (part, ...) for i in range(21)})
    block = "".join(f"  k{i}: {i}.5 ns  # why\n" for i in range(6))
    write("big.yaml", "".join(f"b{i}:\n{block}" for i in range(21)) + "sources: {b0: assumed}\n")
    times = []
    for _ in range(20):
        start = time.process_time()
        load("big", whole, folder)
        times.append(time.process_time() - start)
    assert min(times) < 10e-3
