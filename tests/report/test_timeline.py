"""`timeline.json`: spans of resources that readers of the Chrome trace format cannot misread."""

from __future__ import annotations

import gzip
import json
import math
import re
from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.report.timeline import PACKED_NAME, PLAIN_NAME, timeline_file, timeline_json
from archsim.resources import data_folder
from archsim.result.cycle import CycleFindings
from archsim.result.evaluate import evaluate
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.networks import Layer, chain

RESOURCES, PATH = 1, 2
LAYERS = [Layer(64, 64, 9, norm=True), Layer(64, 32, 9), Layer(32, 10)]


def found(batch: int = 12, **changes: Any) -> CycleFindings:
    """A small network on the shipped chip."""
    chip = load("protonic_256", Architecture, data_folder("arch_configs"))
    chip = override(chip, {key.replace("__", "."): value for key, value in changes.items()})
    graph = training_graph(chain(LAYERS), TrainingOptions(loss="mse"))
    done = evaluate(graph, lower(graph), chip, batch, fidelity="cycle")
    assert done.cycle is not None
    return done.cycle


def spans(text: str, process: int = RESOURCES) -> dict[int, list[tuple[Decimal, Decimal, Any]]]:
    """Begin and end in microseconds by track, as exact decimals."""
    tracks = defaultdict(list)
    for event in json.loads(text, parse_float=Decimal)["traceEvents"]:
        if event["ph"] == "X" and event["pid"] == process:
            begin = Decimal(event["ts"])
            tracks[event["tid"]].append((begin, begin + Decimal(event["dur"]), event))
    return tracks


def about(text: str) -> Any:
    return json.loads(text)["otherData"]


@pytest.mark.parametrize(
    "changes", [{}, {"schedule__batchnorm": "running", "schedule__update": "immediate"}]
)
def test_spans_of_a_track_do_not_overlap_and_add_up_to_its_busy_time(changes: Any) -> None:
    """Every use of a resource is there, in the step, one after the other; each ends a tick early."""
    cycle = found(**changes)
    text = timeline_json(cycle)
    names = cycle.run.schedule.tasks.resources.names
    makespan_us = Decimal(cycle.run.schedule.makespan).scaleb(-9)
    tick_us = Decimal(1).scaleb(-9)
    assert cycle.run.tick_s == 1e-15
    tracks = spans(text)
    for resource, busy in enumerate(cycle.run.schedule.busy.tolist()):
        track = sorted(tracks.get(resource + 1, []), key=lambda span: span[:2])
        assert sum(end - begin + tick_us for begin, end, _ in track) == Decimal(busy).scaleb(-9)
        for (_, end, _), (begin, _, _) in pairwise(track):
            assert end < begin
        assert all(0 <= begin <= end < makespan_us for begin, end, _ in track)
    assert sum(map(len, tracks.values())) == cycle.run.schedule.tasks.holds.item.size
    assert about(text)["shown"] == "everything"
    assert about(text)["spans_left_out"] == 0
    named = [e for e in json.loads(text)["traceEvents"] if e["name"] == "thread_name"]
    assert {e["args"]["name"] for e in named} == {*names, "critical path"}


# Caps that bind, chips that share a step, arrays that are written in turns, converters shared by
# arrays, averaged copies, every schedule.
_CHOICES: dict[str, list[Any]] = {
    "schedule__mode": ["pipelined", "sequential"],
    "schedule__update": ["deferred", "immediate"],
    "schedule__batchnorm": ["minibatch", "running"],
    "chip__update_power_limit": [None, "0.3 W", "2 W"],
    "chip__power_limit": [None, "60 W", "200 W"],
    "mesh__link": ["64 GB/s", "50 MB/s"],
    "mapping__replication": ["none", "auto"],
    "array__rows": [32, 256],
}


@settings(deadline=None, max_examples=25)
@given(
    changes=st.fixed_dictionaries({key: st.sampled_from(v) for key, v in _CHOICES.items()}),
    batch=st.integers(1, 5),
    most=st.sampled_from([40, 100_000]),
)
def test_no_track_of_any_run_is_crossed(changes: dict[str, Any], batch: int, most: int) -> None:
    """Spans of a track follow each other or nest, times are numbers from 0, and names are given."""
    try:
        cycle = found(batch, **changes)
    except InputError:  # a cap that one array exceeds
        assume(False)
    check_tracks(json.loads(timeline_json(cycle, most)))


@pytest.mark.parametrize(
    ("mesh_side", "overflow"), [(2, "reprogram"), (2, "multi_chip"), (1, "multi_chip")]
)
def test_no_track_is_crossed_with_rounds_or_chips(mesh_side: int, overflow: str) -> None:
    """With power caps of their own on each chip."""
    cycle = found(
        mesh__side=mesh_side,
        mapping__overflow=overflow,
        system={"link": {"extends": "links/ucie"}, "max_chips": 64},
        array__rows=16,
        array__cols=32,
        chip__update_power_limit="0.5 W",
    )
    resources = cycle.run.schedule.tasks.resources
    kept = set(np.array(resources.names)[resources.capacity > 1])
    events = json.loads(timeline_json(cycle))
    check_tracks(events)
    counted = {e["name"] for e in events["traceEvents"] if e["ph"] == "C"}
    assert counted == kept != set()


def check_tracks(trace: Any) -> None:
    """What every reader of the format relies on."""
    events = trace["traceEvents"]
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    threads = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    tracks = defaultdict(list)
    for event in events:
        assert event["pid"] in processes
        if event["ph"] == "M":
            continue
        assert event["ph"] in ("X", "C")
        assert (event["pid"], event["tid"]) in threads
        numbers = [event["ts"], event["dur"]] if event["ph"] == "X" else [event["ts"]]
        numbers += event["args"].values() if event["ph"] == "C" else []
        assert all(type(n) in (int, float) and math.isfinite(n) and n >= 0 for n in numbers)
        tracks[event["ph"], event["pid"], event["tid"]].append(event)
    for (kind, *_), track in tracks.items():
        if kind == "C":
            times = [e["ts"] for e in track]
            assert times == sorted(set(times))
            continue
        open_until: list[float] = []
        for event in sorted(track, key=lambda e: (e["ts"], -e["dur"])):
            begin, end = event["ts"], event["ts"] + event["dur"]
            while open_until and open_until[-1] <= begin:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)
    assert trace["otherData"]["spans"] == sum(
        len(track) for (kind, pid, _), track in tracks.items() if (kind, pid) == ("X", RESOURCES)
    )


# Updates of several layers at once, with pauses.
CAPPED = {
    "chip__update_power_limit": "0.5 W",
    "schedule__update": "immediate",
    "schedule__batchnorm": "running",
}


def test_a_power_cap_is_drawn_as_the_watts_in_use() -> None:
    """At every moment the sum over the tasks that draw, never above the cap, in the end none."""
    cap_w = 0.5
    cycle = found(**CAPPED)
    tasks = cycle.run.schedule.tasks
    resource = tasks.resources.names.index("update_power")
    mine = np.flatnonzero(tasks.holds.item == resource)
    begin = cycle.run.schedule.start[tasks.holds.row[mine]]
    end, amount = begin + tasks.hold_ticks[mine], tasks.holds.amount[mine]
    text = timeline_json(cycle)
    events = [e for e in json.loads(text, parse_float=Decimal)["traceEvents"] if e["ph"] == "C"]
    assert {e["name"] for e in events} == {"update_power"}
    assert not spans(text).get(resource + 1)
    times = [int(e["ts"].scaleb(9)) for e in events]
    watts = [float(e["args"]["W"]) for e in events]
    at_once = 0
    for tick in {0, *begin.tolist(), *end.tolist()}:
        drawing = (begin <= tick) & (tick < end)
        at_once = max(at_once, int(drawing.sum()))
        shown = watts[bisect_right(times, tick) - 1]
        assert shown == pytest.approx(cap_w * amount[drawing].sum() / 1e9, abs=1e-9)
    assert set(times) <= {0, *begin.tolist(), *end.tolist()}
    assert all(one != then for one, then in pairwise(watts))
    assert at_once > 1
    assert max(watts) <= cap_w * (1 + 1e-9)
    assert watts[-1] == 0


def test_a_counter_that_is_cut_short_counts_what_is_not_shown() -> None:
    cycle = found(40, **CAPPED)
    whole, part = (
        {e["ts"]: e["args"]["W"] for e in json.loads(text)["traceEvents"] if e["ph"] == "C"}
        for text in (timeline_json(cycle), timeline_json(cycle, 400))
    )
    assert 1 < len(part) < len(whole)
    times = sorted(whole)
    for moment, watts in part.items():
        assert watts == whole[times[bisect_right(times, moment) - 1]]


def test_spans_carry_the_names_of_tasks_and_samples() -> None:
    cycle = found()
    template = cycle.run.lowered.template
    seen = defaultdict(set)
    for track in spans(timeline_json(cycle)).values():
        for _, _, event in track:
            seen[event["name"]].add(event["args"].get("sample"))
    holders = {int(task) for task in template.holds.row}
    assert set(seen) == {template.names[task] for task in holders}
    for task in holders:
        expected = {None} if template.once[task] else set(range(template.samples))
        assert seen[template.names[task]] == expected


def test_the_critical_path_fills_its_track_from_the_start_to_the_end() -> None:
    cycle = found()
    (track,) = spans(timeline_json(cycle), PATH).values()
    tick_us = Decimal(1).scaleb(-9)
    assert track[0][0] == 0
    assert track[-1][1] + tick_us == Decimal(cycle.run.schedule.makespan).scaleb(-9)
    for (_, end, _), (begin, _, _) in pairwise(track):
        assert end + tick_us == begin


def test_a_reader_that_cuts_times_to_nanoseconds_sees_no_overlap() -> None:
    """As Perfetto does: microseconds as a double times 1000, cut to an integer."""
    tracks = defaultdict(list)
    for event in json.loads(timeline_json(found()))["traceEvents"]:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append(
                (int(event["ts"] * 1000), int(event["dur"] * 1000))
            )
    for track in tracks.values():
        for (begin, dur), (then, _) in pairwise(sorted(track)):
            assert begin + dur <= then


def test_numbers_are_plain_decimals() -> None:
    """`1e-05` is misread by readers that take numbers apart at their point."""
    numbers = re.findall(r'"(?:ts|dur)":([^,}]*)', timeline_json(found()))
    assert len(numbers) > 100
    assert all(re.fullmatch(r"\d+\.\d{9}", number) for number in numbers)


def test_with_too_many_spans_the_first_and_the_last_samples_are_shown() -> None:
    cycle = found(batch=40)
    everything = cycle.run.schedule.tasks.holds.item.size
    most = everything // 4
    text = timeline_json(cycle, most)
    shown = {e["args"].get("sample") for t in spans(text).values() for _, _, e in t} - {None}
    said = about(text)
    match = re.fullmatch(r"samples 0 to (\d+) and (\d+) to 39", said["shown"])
    assert match is not None
    first, last = map(int, match.groups())
    assert shown == {*range(first + 1), *range(last, 40)}
    assert 0.5 * most < said["spans"] <= most
    assert said["spans"] + said["spans_left_out"] == everything
    assert said["spans"] == sum(map(len, spans(text).values()))


def test_where_one_sample_is_too_much_its_first_spans_are_shown() -> None:
    text = timeline_json(found(), most_spans=5)
    shown = [span for track in spans(text).values() for span in track]
    assert 1 <= len(shown) <= 5
    assert "the first" in about(text)["shown"]
    assert min(begin for begin, _, _ in shown) == 0


def test_a_large_file_is_packed_and_the_same_every_time() -> None:
    cycle = found()
    plain = timeline_file(cycle)
    packed = timeline_file(cycle, most_plain_bytes=1000)
    assert (plain.name, packed.name) == (PLAIN_NAME, PACKED_NAME)
    assert gzip.decompress(packed.data) == plain.data
    assert timeline_file(cycle, most_plain_bytes=1000) == packed
    assert len(packed.data) < len(plain.data) / 4
