"""What explains the difference between the two ways of timing a step, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.result.cycle import CycleFindings, queues
from archsim.result.latency import DATA_MOVEMENT, limit_words
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.cycle.room import Roomy, fewest_admitted
from archsim.simulation.estimate import Estimate
from archsim.units import format_quantity

# A queue that takes less of the step explains nothing; nor does a share of spilled data that differs less.
_LEAST_QUEUE = 0.01
_LEAST_SHARE = 0.01
# Ways on the mesh that are shorter by less than this part are no reason.
_LEAST_SHORTER = 0.1
# Space in the buffer with less of the difference goes without saying.
_LEAST_SPACE = 0.1
_LET_IN = "let in at once"
_BUFFER, _DRAM = "activation_buffer", "dram"
_LINKS = ("mesh", CHIP_LINK)


@dataclass(frozen=True, slots=True)
class Change:
    """A step by the cycle fidelity beside the analytic estimate, `priced`.

    `resource` has most of the difference of `seconds`, `by_limit_s` all parts of it.  `relative` is to
    the estimate.  `room` is the step with room in the activation buffer (None: as timed).
    """

    priced: Estimate
    found: CycleFindings
    resource: str | None
    seconds: float
    relative: float
    by_limit_s: dict[str, float]
    room: Roomy | None

    @property
    def space_s(self) -> float:
        """Time that the step takes because the activation buffer lets too little wait."""
        if self.room is None:
            return 0.0
        return max(self.found.run.makespan_s - self.room.makespan_s, 0.0)


def explanation(change: Change) -> str:
    """The difference, where most of it is, and why, and whether few samples are admitted."""
    text = _difference(change)
    return text if _LET_IN in text else f"{text}{_admission(change)}"


def _admission(change: Change) -> str:
    """That fewer samples are let in than are wanted, if so."""
    run = change.found.run
    if run.execution.mode == "sequential":
        return ""
    admitted, wanted = fewest_admitted(run, change.priced)
    if admitted >= wanted:
        return ""
    holds = format_quantity(run.asked.room / 8.0, "B")
    return (
        f"  The activation buffer holds {holds}: {_samples(admitted, wanted)}, since more do not fit or "
        "take longer with what spills."
    )


def _samples(admitted: int, wanted: int) -> str:
    fewest = "a single sample is" if admitted == 1 else f"{admitted} samples are"
    return f"{fewest} {_LET_IN}, of {wanted} that are wanted"


def _difference(change: Change) -> str:
    """The difference, where most of it is, and why."""
    if change.resource is None:
        return "Both fidelities find the same time: nothing queues where it costs time."
    more = "more" if change.relative > 0 else "less"
    head = f"{100 * abs(change.relative):.1f} % {more} time than the analytic estimate: "
    if change.resource == _BUFFER and change.space_s:
        return f"{head}{_space(change)}{_beside_space(change)}"
    head += f"{_inside(limit_words(change.resource))} {_takes(change, change.resource)}"
    if change.relative < 0:
        return f"{head}{_why_less(change)}."
    share = change.space_s / change.seconds
    text = f"{head}; {_why_more(change)}."
    if share < _LEAST_SPACE:
        return text
    return f"{text}  {100 * share:.0f} % of the difference goes back to space: {_space(change)}"


def _space(change: Change) -> str:
    """That the buffer holds too little, what follows, and what the step would take."""
    room, run = change.room, change.found.run
    assert room is not None
    effects = []
    if room.admitted < room.wanted:
        effects.append(_samples(room.admitted, room.wanted))
    elif run.space.outputs and run.execution.mode == "pipelined":
        effects.append("large outputs wait for few samples at once")
    if room.passing:
        outputs = "an output is" if room.passing == 1 else f"{room.passing} outputs are"
        effects.append(f"{outputs} so large that they pass through DRAM")
    spilled = run.space.overflow_share
    if spilled >= _LEAST_SHARE:
        effects.append(
            f"{100 * spilled:.0f} % of what waits for the next task goes to DRAM and back"
        )
    holds, least_s = run.asked.room / 8.0, room.makespan_s
    return (
        f"the activation buffer holds {format_quantity(holds, 'B')}: {' and '.join(effects)}; with "
        f"room for all that waits the step takes {format_quantity(least_s, 's')}."
    )


def _beside_space(change: Change) -> str:
    """What else takes more of the path, beside the work that samples let in one by one wait for."""
    others = {
        name: s for name, s in change.by_limit_s.items() if name not in (DATA_MOVEMENT, "arrays")
    }
    largest = max(others, key=others.__getitem__, default=None)
    if largest is None or others[largest] < _LEAST_SPACE * change.seconds:
        return ""
    return f"  {limit_words(largest)} {_takes(change, largest)}."


def _takes(change: Change, limit: str) -> str:
    """By how much the time of a limit on the path differs."""
    seconds = change.by_limit_s[limit]
    verb, more = "take" if limit == "arrays" else "takes", "more" if seconds > 0 else "less"
    return f"{verb} {format_quantity(abs(seconds), 's')} {more} of what the step waits for"


def _why_more(change: Change) -> str:
    """How long the step queues for what has most of the difference, and for which of it."""
    limit, run = change.resource, change.found.run
    queued = {
        name: seconds
        for name, seconds in queues(change.found).items()
        if name.partition(":")[0] == limit
    }
    share = sum(queued.values()) / run.makespan_s
    if share < _LEAST_QUEUE:
        found = "hardly anything queues for it there"
    else:
        found = f"for {100 * share:.0f} % of the step what comes next there queues for it"
        longest = max(queued, key=queued.__getitem__)
        if longest != limit:
            link = "the link " if limit in _LINKS else ""
            found += f", most of all for {link}{longest.partition(':')[2]}"
    before, after = float(change.priced.spilled_share[0]), run.space.spilled_share
    if limit == _DRAM and after - before >= _LEAST_SHARE:
        found += (
            f"; beside what waits for the next task, {100 * after:.0f} % of what is saved goes there, "
            f"where the estimate counts {100 * before:.0f} %"
        )
    return found


def _why_less(change: Change) -> str:
    """Ways that are shorter than the mean distance, or work while the pipeline fills."""
    run = change.found.run
    if change.resource == DATA_MOVEMENT and run.placed is not None:
        before = float(change.priced.costs.transfer_s.sum())
        after = float(run.placed.costs.transfer_s.sum())
        if after < before * (1.0 - _LEAST_SHORTER):
            return ", since its ways on the mesh are shorter than the mean distance of the estimate"
    if run.execution.mode == "pipelined":
        return ", since the busiest unit works already while the first sample is on its way"
    return ""


def _inside(subject: str) -> str:
    """The subject of a sentence as it stands inside one; DRAM keeps its capitals."""
    return subject if subject.isupper() else subject[:1].lower() + subject[1:]
