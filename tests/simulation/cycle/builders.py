"""Task sets and templates for tests: by hand, and at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archsim.simulation.cycle.checking import checked
from archsim.simulation.cycle.tasks import Buffers, Resources, Rows, Tasks, rows
from archsim.simulation.cycle.template import Template, Window

# A hold is (resource, units, ticks), and True as a fourth if it streams; a space is (buffer, amount).
Hold = tuple[int, int, int] | tuple[int, int, int, bool]
Space = tuple[int, int]


def ints(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def table(lists: Sequence[Sequence[Sequence[int]]]) -> Rows:
    row = [i for i, entries in enumerate(lists) for _ in entries]
    entries = [entry for found in lists for entry in found]
    return rows(len(lists), row, ints([e[0] for e in entries]), ints([e[1] for e in entries]))


def resources(capacity: Sequence[int]) -> Resources:
    names = tuple(f"r{i}" for i in range(len(capacity)))
    return Resources(names, ints(capacity), ("unit",) * len(names))


def raw_tasks(
    duration: Sequence[int],
    needs: Sequence[Sequence[int]] | None = None,
    holds: Sequence[Sequence[Hold]] | None = None,
    capacity: Sequence[int] = (),
    *,
    takes: Sequence[Sequence[Space]] | None = None,
    frees: Sequence[Sequence[Space]] | None = None,
    space: Sequence[int] = (),
    order: Sequence[int] = (),
) -> Tasks:
    none: list[Any] = [[] for _ in duration]
    held = holds or none
    return Tasks(
        tick_s=1e-9,
        names=tuple(f"t{i}" for i in range(len(duration))),
        duration=ints(duration),
        order=ints(order),
        predecessors=table([[(p, 1) for p in found] for found in (needs or none)]),
        holds=table([[h[:2] for h in found] for found in held]),
        hold_ticks=ints([h[2] for found in held for h in found]),
        streamed=np.array([h[3:] == (True,) for found in held for h in found], bool),
        takes=table(takes or none),
        frees=table(frees or none),
        resources=resources(capacity),
        buffers=Buffers(tuple(f"b{i}" for i in range(len(space))), ints(space)),
    )


def task_set(*args: Any, **kwargs: Any) -> Tasks:
    return checked(raw_tasks(*args, **kwargs))


def template(
    duration: Sequence[int],
    edges: Sequence[tuple[int, int, int]],
    holds: Sequence[Sequence[Hold]],
    capacity: Sequence[int],
    *,
    samples: int,
    once: Sequence[int] = (),
    windows: Sequence[tuple[int, int, int]] = (),
) -> Template:
    return Template(
        tick_s=1e-9,
        samples=samples,
        names=tuple(f"t{i}" for i in range(len(duration))),
        duration=ints(duration),
        once=np.isin(np.arange(len(duration)), list(once)),
        source=ints([e[0] for e in edges]),
        target=ints([e[1] for e in edges]),
        lag=ints([e[2] for e in edges]),
        holds=table([[h[:2] for h in found] for found in holds]),
        hold_ticks=ints([h[2] for found in holds for h in found]),
        streamed=np.array([h[3:] == (True,) for found in holds for h in found], bool),
        resources=resources(capacity),
        windows=tuple(Window(f"w{i}", *w) for i, w in enumerate(windows)),
    )


@st.composite
def task_sets(
    draw: st.DrawFn, *, buffers: bool = True, longest: int = 9, servers: int = 3
) -> Tasks:
    """Random graphs with ties, tasks of no duration, shared resources and finite buffers."""
    size = draw(st.integers(1, 14))
    times = st.integers(0, longest)
    capacity = draw(st.lists(st.integers(1, servers), min_size=0, max_size=4))
    space = draw(st.lists(st.integers(1, 3), max_size=2 if buffers else 0))
    needs = [
        sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else [] for i in range(size)
    ]
    holds: list[list[Hold]] = []
    takes: list[list[Space]] = [[] for _ in range(size)]
    frees: list[list[Space]] = [[] for _ in range(size)]
    for _ in range(size):
        used = (
            sorted(draw(st.sets(st.integers(0, len(capacity) - 1), max_size=2))) if capacity else []
        )
        holds.append(
            [(r, draw(st.integers(1, capacity[r])), draw(times), draw(st.booleans())) for r in used]
        )
    for buffer, most in enumerate(space):
        for taker in draw(st.sets(st.integers(0, size - 1), max_size=5)):
            amount = draw(st.integers(1, most))
            takes[taker].append((buffer, amount))
            freer = draw(st.integers(taker, size - 1))
            frees[freer].append((buffer, amount))
    frees = [_merged(found, space) for found in frees]
    frees = [[(b, min(a, space[b])) for b, a in found] for found in frees]
    duration = draw(st.lists(times, min_size=size, max_size=size))
    return task_set(
        [max(ticks, int(bool(freed))) for ticks, freed in zip(duration, frees, strict=True)],
        needs,
        holds,
        capacity,
        takes=takes,
        frees=frees,
        space=space,
    )


def _merged(found: list[Space], space: Sequence[int]) -> list[Space]:
    """One entry per buffer, and never more than it holds."""
    total: dict[int, int] = {}
    for buffer, amount in found:
        total[buffer] = total.get(buffer, 0) + amount
    return [(b, min(a, space[b])) for b, a in sorted(total.items())]


@st.composite
def templates(draw: st.DrawFn, *, single: bool = False) -> Template:
    """Random templates: lags, barriers, windows, shared resources; durations that tie."""
    size = draw(st.integers(1, 9))
    samples = draw(st.integers(1, 12))
    times = st.integers(0, 6)
    once = {t for t in range(size) if draw(st.integers(0, 7)) == 0}
    edges = {
        (draw(st.integers(0, t - 1)), t, 0)
        for t in range(1, size)
        for _ in range(draw(st.integers(0, 2)))
    }
    repeated = [t for t in range(size) if t not in once]
    windows = []
    if repeated and not once:
        pairs = st.tuples(st.sampled_from(repeated), st.sampled_from(repeated))
        for _ in range(draw(st.integers(0, 2))):
            source, target = draw(pairs)
            edges.add((source, target, draw(st.integers(1, 4))))
        for _ in range(draw(st.integers(0, 2))):
            entry, leave = sorted(draw(pairs))
            windows.append((entry, leave, draw(st.integers(1, 5))))
    capacity = draw(st.lists(st.integers(1, 1 if single else 2), min_size=1, max_size=4))
    holds: list[list[Hold]] = []
    for _ in range(size):
        used = sorted(draw(st.sets(st.integers(0, len(capacity) - 1), max_size=2)))
        holds.append(
            [(r, draw(st.integers(1, capacity[r])), draw(times), draw(st.booleans())) for r in used]
        )
    duration = draw(st.lists(times, min_size=size, max_size=size))
    ends = {leave for _, leave, _ in windows}
    return template(
        [max(ticks, int(t in ends)) for t, ticks in enumerate(duration)],
        sorted(edges),
        holds,
        capacity,
        samples=samples,
        once=sorted(once),
        windows=windows,
    )
