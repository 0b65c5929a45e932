"""The tasks of a step in the order in which they may happen, without times or resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.analytic import Segments
from archsim.simulation.cycle.execution import Execution, Move, Turn
from archsim.simulation.cycle.template import Window
from archsim.simulation.program import Program
from archsim.simulation.row_blocks import RowBlocks, row_blocks


@dataclass(slots=True)
class Draft:
    """A template under construction; entries refer to the draft's own tasks.

    `wakes` are tasks in which arrays are switched on, `moves` those in which weights go to or from
    the arrays; `rewrites` says before which segment each of these is.
    """

    names: list[str] = field(default_factory=list)
    once: list[bool] = field(default_factory=list)
    program_task: list[int] = field(default_factory=list)
    edges: set[tuple[int, int]] = field(default_factory=set)
    windows: list[Window] = field(default_factory=list)
    wakes: list[int] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    moves: dict[int, Move] = field(default_factory=dict)
    rewrites: dict[int, int] = field(default_factory=dict)

    def add(
        self,
        name: str,
        needs: Sequence[int],
        *,
        once: bool,
        program_task: int = -1,
        share: float = 1.0,
    ) -> int:
        """Append a task that waits for `needs`, a `share` of its program's task; gives its number."""
        number = len(self.names)
        self.share.append(share)
        self.names.append(name)
        self.once.append(once)
        self.program_task.append(program_task)
        self.edges.update((need, number) for need in needs)
        return number

    def once_for_all(self, name: str, needs: Sequence[int]) -> int:
        """Append what waits for all samples and takes no time."""
        return self.add(name, needs, once=True)

    def wake(self, name: str, needs: Sequence[int]) -> int:
        """Append the switching on of arrays, once for all samples."""
        self.wakes.append(self.add(name, needs, once=True))
        return self.wakes[-1]

    def turn(
        self, turn: Turn, names: Sequence[str], segment: int, needs: Sequence[int]
    ) -> list[int]:
        """Append what moves weights before `segment`, after `needs`; gives what that ends with.

        All arrays at once: first those that are read back, then those that are written.  Memory and
        mesh stream beside them.  `names` are those of the matrices.
        """
        begin = self.once_for_all(f"arrays done before segment {segment}", needs)

        def moved(moves: Sequence[Move], what: str, needs: Sequence[int]) -> list[int]:
            found = [self.add(f"{names[m.matrix]}: {what}", needs, once=True) for m in moves]
            self.moves.update(zip(found, moves, strict=True))
            self.rewrites.update(dict.fromkeys(found, segment))
            return found

        traffic = moved(turn.moved, "weights moved", [begin])
        back = moved(turn.back, "read back", [begin])
        if back:
            begin = self.once_for_all(f"arrays read back before segment {segment}", back)
        written = moved(turn.written, "written", [begin])
        ends = [*traffic, *(written or [begin])]
        return [self.once_for_all(f"arrays written for segment {segment}", ends)]

    def last_of(self, first: int) -> list[int]:
        """Tasks from number `first` on that nothing waits for."""
        needed = {source for source, _ in self.edges}
        return [task for task in range(first, len(self.names)) if task not in needed]


def _inside(program: Program) -> list[list[int]]:
    """Predecessors of each program task within a step.

    What happens once per step closes it: weights that it computes are those of the next step, so
    nothing of this one waits for it.
    """
    found: list[list[int]] = [[] for _ in range(program.size)]
    for source, target in zip(program.edge_from.tolist(), program.edge_to.tolist(), strict=True):
        if program.per_step[target] or not program.per_step[source]:
            found[target].append(source)
    return found


@dataclass(slots=True)
class _Parts:
    """The draft's tasks for each of the program's: one, or one for each block of rows of an image.

    `needs` [T] are the predecessors of each task within a step; `place` lists the numbers of its
    parts in the draft, in the order of rows.
    """

    draft: Draft
    program: Program
    count: int
    needs: list[list[int]] = field(init=False)
    place: dict[int, list[int]] = field(default_factory=dict)
    blocks: RowBlocks = field(init=False)
    edge: dict[tuple[int, int], int] = field(init=False)

    def __post_init__(self) -> None:
        program = self.program
        self.needs = _inside(program)
        self.blocks = row_blocks(program, self.count)
        pairs = zip(program.edge_from.tolist(), program.edge_to.tolist(), strict=True)
        self.edge = {pair: number for number, pair in enumerate(pairs)}

    def last(self, task: int) -> int:
        """The part that ends a task."""
        return self.place[task][-1]

    def add(
        self, task: int, before: Sequence[int], own: Sequence[int], *, once: bool = False
    ) -> list[int]:
        """Append all parts of a task, after `before` and what they need of the tasks `own`."""
        name, found = self.program.names[task], list[int]()
        shares = self.blocks.share[task].tolist()
        for block, share in enumerate(shares):
            if block and share == 0.0:
                found.append(found[-1])  # rows that there are not
                continue
            needs = [*before] if block == 0 else [found[-1]]
            for source in own:
                needed = int(self.blocks.needed[self.edge[source, task], block])
                needs.append(self.place[source][needed])
            full = name if share == 1.0 else f"{name}, rows {block + 1} of {len(shares)}"
            part = self.draft.add(full, needs, once=once, program_task=task, share=share)
            found.append(part)
        self.place[task] = found
        return found


def segment_by_segment(
    draft: Draft,
    program: Program,
    segments: Segments,
    woken: NDArray[np.bool_],
    execution: Execution,
) -> None:
    """One sample after the other through each segment; the segments one after the other.

    `woken` [S] are segments whose arrays are switched on first.
    """
    parts = _Parts(draft, program, execution.row_blocks)
    before: list[int] = []
    for number in range(segments.count):
        members = np.flatnonzero(segments.segment == number).tolist()
        if not members:
            continue
        once = bool(segments.per_step[number])
        if woken[number]:
            before = [draft.wake(f"arrays of segment {number} on", before)]
        for turn in _turns_before(execution, number):
            before = draft.turn(turn, program.matrices.names, number, before)
        entry = draft.add(f"begin of segment {number}", before, once=once)
        for task in members:
            own = [p for p in parts.needs[task] if segments.segment[p] == number]
            parts.add(task, [entry], own, once=once)
        ends = draft.add(f"end of segment {number}", draft.last_of(entry), once=once)
        if not once:
            draft.windows.append(Window(f"one sample in segment {number}", entry, ends, 1))
        before = [draft.add(f"all of segment {number}", [ends], once=True)]


def _turns_before(execution: Execution, segment: int) -> list[Turn]:
    """What moves weights before a segment, but not before the first one."""
    if execution.turns is None:
        return []
    begins = list(zip(execution.turns.segment, execution.turns.before, strict=True))[1:]
    return [turn for first, turn in begins if first == segment]


@dataclass(slots=True)
class _SegmentSpace:
    """Entries and exits of segments in which the samples on their way are bounded.

    `entry` and `members` are by segment.  A segment begins with a barrier that all of its tasks come
    after, so what a sample waits for at the entry does not wait for it.  `after` is that barrier
    for tasks that wait for no other.
    """

    draft: Draft
    execution: Execution
    after: list[int]
    entry: dict[int, int] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)

    def admitted(self, segment: int, before: list[int]) -> list[int]:
        """What a task of the segment waits for, beside `before`: that its sample has space."""
        bounds = self.execution.in_segment
        if not bounds or bounds[segment] >= self.execution.samples:
            return before
        if segment not in self.entry:
            barrier = [need for need in before if self.draft.once[need]] or self.after
            name = f"sample admitted to segment {segment}"
            self.entry[segment] = self.draft.add(name, barrier, once=False)
        return [*before, self.entry[segment]]

    def close(self) -> None:
        """Let each sample leave its segments when it has nothing left to do there."""
        needed: dict[int, list[int]] = {}
        for source, target in self.draft.edges:
            needed.setdefault(source, []).append(target)
        for segment, entry in self.entry.items():
            inside = set(self.members[segment])
            last = [t for t in self.members[segment] if inside.isdisjoint(needed.get(t, ()))]
            leave = self.draft.add(f"sample done with segment {segment}", last, once=False)
            bound = self.execution.in_segment[segment]
            self.draft.windows.append(
                Window(f"activation buffer in segment {segment}", entry, leave, bound)
            )


def _bound_output(draft: Draft, tasks: list[int], most: int) -> None:
    """Let the output of the first of `tasks` wait for the others for at most `most` samples at once."""
    made_by, *takers = tasks
    name = f"output of {draft.names[made_by]}"
    done = takers[0]
    if len(takers) > 1:
        done = draft.add(f"{name} taken", takers, once=False)
    draft.windows.append(Window(name, made_by, done, most))


@dataclass(slots=True)
class _Pipeline:
    """A step in which every task works as soon as its inputs are there."""

    draft: Draft
    program: Program
    segments: Segments
    woken: NDArray[np.bool_]
    execution: Execution
    parts: _Parts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = _Parts(self.draft, self.program, self.execution.row_blocks)

    def phase(self, tasks: list[int], begin: list[int], first: int | None) -> int:
        """Append `tasks` that every sample does after `begin`; gives what ends the last of them.

        `first` is the segment that begins with `begin`, at which all samples are: nothing in it waits
        for the minibatch once more.  None if the step begins here.
        """
        draft, parts, execution = self.draft, self.parts, self.execution
        needs, place, here = parts.needs, parts.place, set(tasks)
        entry = draft.add("sample admitted", begin, once=False)
        space = _SegmentSpace(draft, execution, begin if first is not None else [])
        for task in tasks:
            segment = int(self.segments.segment[task])
            own = [p for p in needs[task] if p in here and p in place]
            before = [] if own else [entry]
            gathers = execution.barriers and bool(self.program.barrier[task])
            if gathers and segment != first:
                add = draft.wake if self.woken[segment] else draft.once_for_all
                gathered = [*before, *(parts.last(p) for p in own)]
                before = [*before, add(f"{self.program.names[task]}: minibatch", gathered)]
            before = space.admitted(segment, before)
            space.members.setdefault(segment, []).extend(parts.add(task, before, own))
        space.close()
        for task, takers, most in execution.waiting_outputs:
            if task in here:
                _bound_output(draft, [place[task][0], *(parts.last(t) for t in takers)], most)
        leave = draft.add("sample done", draft.last_of(entry), once=False)
        waits = execution.barriers and bool(self.program.barrier[tasks].any())
        if execution.in_flight is not None and not waits:
            draft.windows.append(Window("samples in flight", entry, leave, execution.in_flight))
        return leave

    def closing(
        self, name: str, tasks: list[int], before: list[int], *, once: bool = False
    ) -> list[int]:
        """Append `tasks` that wait for all samples; gives what ends the last of them."""
        if not tasks:
            return before
        segment = self.segments.segment
        add = self.draft.wake if self.woken[segment[tasks]].any() else self.draft.once_for_all
        begin = add(name, before)
        for task in tasks:
            own = [p for p in self.parts.needs[task] if segment[p] == segment[task]]
            self.parts.add(task, [begin], own, once=once)
        return self.draft.last_of(begin)


def by_dependence(
    draft: Draft,
    program: Program,
    segments: Segments,
    woken: NDArray[np.bool_],
    execution: Execution,
) -> None:
    """Every task as soon as its inputs are there; barriers wait for the minibatch.

    `woken` [S] are segments whose arrays are switched on at the barrier before them.  Phases between
    which arrays are written follow each other, all samples through one before the next begins.
    """
    step = _Pipeline(draft, program, segments, woken, execution)
    deferred = program.waiting(execution.update)
    turns = execution.turns
    phase = np.zeros(program.size, dtype=np.intp) if turns is None else turns.phase
    before: list[int] = []
    for number in range(int(phase.max(initial=0)) + 1):
        members = (phase == number) & ~program.per_step
        ordinary = np.flatnonzero(members & ~deferred).tolist()
        first = None
        if turns is not None and number:
            first = turns.segment[number]
        woken_first = segments.segment[ordinary[:1]] if first is None else [first]
        if ordinary and woken[woken_first].any():
            before = [draft.wake("arrays on", before)]
        if turns is not None and first is not None:
            before = draft.turn(turns.before[number], program.matrices.names, first, before)
        if ordinary or first is None:
            before = [step.phase(ordinary, before, first)]
        later = np.flatnonzero(members & deferred).tolist()
        before = step.closing("minibatch done", later, before)
    closing = np.flatnonzero(program.per_step).tolist()
    step.closing("all updates done", closing, before, once=True)
