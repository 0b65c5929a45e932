"""`timeline.json`: when every resource works for which task, in the Chrome trace format.

Perfetto and chrome://tracing open it.  Every resource is a track; a span is the time for which it
works for one task of one sample.  Several tasks draw on a power cap at once, and spans of one track
must not cross, so a cap is a counter: the watts that are in use.  Times are microseconds as plain
decimals: readers take a number such as 1e-05 apart at its point and misread it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from archsim.result.cycle import CycleFindings
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.cycle.schedule import Use
from archsim.simulation.cycle.tasks import Indices

PLAIN_NAME: Final = "timeline.json"
PACKED_NAME: Final = "timeline.json.gz"
# Perfetto is quick up to about this many spans.
MOST_SPANS: Final = 200_000
# Above this the file is packed, which Perfetto opens as it is.
MOST_PLAIN_BYTES: Final = 4_000_000
# Packing harder makes the file a tenth smaller in three times the time.
_PACKING = 3
_RESOURCES, _PATH = 1, 2
_FS_PER_US = 10**9


@dataclass(frozen=True, slots=True)
class TimelineFile:
    """A file of the report folder."""

    name: str
    data: bytes


def timeline_file(
    found: CycleFindings, most_spans: int = MOST_SPANS, most_plain_bytes: int = MOST_PLAIN_BYTES
) -> TimelineFile:
    """The timeline of a run: at most `most_spans` spans, packed if it would be large.

    With too many samples the first and the last are shown.  Packing is reproducible.
    """
    text = timeline_json(found, most_spans).encode()
    if len(text) <= most_plain_bytes:
        return TimelineFile(PLAIN_NAME, text)
    return TimelineFile(PACKED_NAME, gzip.compress(text, _PACKING, mtime=0))


def timeline_json(found: CycleFindings, most_spans: int = MOST_SPANS) -> str:
    """The text of `timeline.json`."""
    run = found.run
    use = run.schedule.use()
    chosen, left_out = _chosen(run, use, most_spans)
    path = np.arange(min(len(found.path), most_spans))
    tasks = run.schedule.tasks
    shared = tasks.resources.capacity[tasks.holds.item] > 1
    spans = chosen[~shared[chosen]]
    events = [
        *_tracks(run),
        *_spans(run, use, spans),
        *_counters(run, use, chosen[shared[chosen]]),
        *_path_spans(found, path),
    ]
    about = {
        "makespan_s": run.makespan_s,
        "samples": run.execution.samples,
        "shown": left_out or "everything",
        "spans": int(spans.size),
        "spans_left_out": int((~shared).sum() - spans.size),
        "critical_path_steps": len(found.path),
        "critical_path_steps_left_out": len(found.path) - int(path.size),
    }
    head = json.dumps(about)
    body = ",\n".join(events)
    return f'{{"displayTimeUnit":"ns","otherData":{head},\n"traceEvents":[\n{body}\n]}}\n'


def _chosen(run: CycleRun, use: Use, most: int) -> tuple[Indices, str]:
    """Entries of `Tasks.holds` to show, by resource and time, and which samples those are.

    All, or those of the first and the last samples and what happens once; where even one sample is
    too much, what begins first.
    """
    place = use.place
    if place.size <= most:
        return place, ""
    template = run.lowered.template
    per_sample = int((~template.once[template.holds.row]).sum())
    once = int(template.once[template.holds.row].sum())
    samples = max((most - once) // max(per_sample, 1), 1)
    first, last = (samples + 1) // 2, samples // 2
    sample = run.samples(run.schedule.tasks.holds.row[place])
    shown = place[(sample < first) | (sample >= run.execution.samples - last)]
    words = f"samples 0 to {first - 1}"
    if last:
        words += f" and {run.execution.samples - last} to {run.execution.samples - 1}"
    if shown.size > most:
        shown = shown[np.sort(np.argsort(use.begin[shown], kind="stable")[:most])]
        words += f", the first {shown.size} spans of them"
    return shown, words


def _tracks(run: CycleRun) -> Iterator[str]:
    """Names of the tracks, in the order of the resources."""
    yield _event(name="process_name", ph="M", pid=_RESOURCES, tid=0, args={"name": "resources"})
    yield _event(name="process_name", ph="M", pid=_PATH, tid=0, args={"name": "critical path"})
    yield _event(name="thread_name", ph="M", pid=_PATH, tid=1, args={"name": "critical path"})
    for track, name in enumerate(run.schedule.tasks.resources.names, start=1):
        args = {"name": name}
        yield _event(name="thread_name", ph="M", pid=_RESOURCES, tid=track, args=args)
        args_order = {"sort_index": track}
        yield _event(name="thread_sort_index", ph="M", pid=_RESOURCES, tid=track, args=args_order)


def _event(**fields: Any) -> str:
    return json.dumps(fields)


def _spans(run: CycleRun, use: Use, entries: Indices) -> Iterator[str]:
    """One span for each use of a resource."""
    holds = run.schedule.tasks.holds
    return _written(
        run,
        process=_RESOURCES,
        track=holds.item[entries] + 1,
        instance=holds.row[entries],
        begin=use.begin[entries],
        end=use.end[entries],
    )


def _counters(run: CycleRun, use: Use, entries: Indices) -> Iterator[str]:
    """What is in use of resources of several units, wherever an entry of `entries` begins or ends.

    The values count all tasks, shown or not.
    """
    item, tick_fs = run.schedule.tasks.holds.item, _tick_fs(run)
    for resource in np.unique(item[entries]).tolist():
        mine = entries[item[entries] == resource]
        ticks, units = _in_use(run, use, use.entries(resource))
        shown = np.unique(np.concatenate([[0], use.begin[mine], use.end[mine]]))
        at = np.searchsorted(ticks, shown, side="right") - 1
        news = np.diff(units[at], prepend=-1) != 0
        shown, at = shown[news], at[news]
        name = run.schedule.tasks.resources.names[resource]
        unit, scale = _unit_of(run, resource)
        for tick, amount in zip(shown.tolist(), (units[at] * scale).tolist(), strict=True):
            yield (
                f'{{"ph":"C","pid":{_RESOURCES},"tid":{resource + 1},"name":{json.dumps(name)},'
                f'"ts":{_microseconds(tick, tick_fs)},"args":{{"{unit}":{amount:.9f}}}}}'
            )


def _in_use(run: CycleRun, use: Use, entries: Indices) -> tuple[Indices, Indices]:
    """Ticks at which the units in use of a resource change, from 0 on, and how many are from there."""
    amount = run.schedule.tasks.holds.amount[entries]
    changes = np.concatenate([[0], amount, -amount])
    when = np.concatenate([[0], use.begin[entries], use.end[entries]])
    ticks, place = np.unique(when, return_inverse=True)
    summed = np.zeros(ticks.size, dtype=np.int64)
    np.add.at(summed, place, changes)
    return ticks, np.cumsum(summed)


def _unit_of(run: CycleRun, resource: int) -> tuple[str, float]:
    """What a counter counts, and how much of it one unit of the resource is."""
    resources = run.schedule.tasks.resources
    # Every chip has the cap.
    draw = run.costs.power.get(resources.names[resource].partition(":")[0])
    if draw is None:
        return "in use", 1.0
    return "W", float(np.ravel(draw.cap_w)[0]) / int(resources.capacity[resource])


def _path_spans(found: CycleFindings, steps: Indices) -> Iterator[str]:
    """The critical path on a track of its own."""
    path = found.path
    took = steps[path.end[steps] > path.begin[steps]]
    return _written(
        found.run,
        process=_PATH,
        track=np.ones_like(took),
        instance=path.task[took],
        begin=path.begin[took],
        end=path.end[took],
    )


def _written(
    run: CycleRun,
    *,
    process: int,
    track: Indices,
    instance: Indices,
    begin: Indices,
    end: Indices,
) -> Iterator[str]:
    """Complete events.  Each ends a tick early: a reader that cuts to nanoseconds sees no overlap."""
    names = [json.dumps(name) for name in run.lowered.template.names]
    task, sample = run.template_tasks(instance).tolist(), run.samples(instance).tolist()
    tick_fs = _tick_fs(run)
    columns = (task, sample, track.tolist(), begin.tolist(), (end - begin - 1).tolist())
    for t, s, thread, at, ticks in zip(*columns, strict=True):
        args = f'{{"sample":{s}}}' if s >= 0 else "{}"
        yield (
            f'{{"ph":"X","pid":{process},"tid":{thread},"name":{names[t]},'
            f'"ts":{_microseconds(at, tick_fs)},"dur":{_microseconds(ticks, tick_fs)},"args":{args}}}'
        )


def _tick_fs(run: CycleRun) -> int:
    return round(run.tick_s * 1e15)


def _microseconds(ticks: int, tick_fs: int) -> str:
    """A time in microseconds with all its digits."""
    whole, part = divmod(ticks * tick_fs, _FS_PER_US)
    return f"{whole}.{part:09d}"
