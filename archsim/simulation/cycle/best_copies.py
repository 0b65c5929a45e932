"""Copies of weight matrices by the times of the cycle fidelity, where links hold a step up.

The analytic estimate, which chooses copies, spreads traffic evenly over all links of the mesh.  Where a few
links carry most of it, queues decide which copies are fastest.  So the copies that the analytic estimate
had to choose from are simulated too, and those with other numbers of one or two matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.policy import StatedCopies
from archsim.errors import InputError
from archsim.fields import FloatArray, stack
from archsim.mapping import mapping_candidates
from archsim.mapping.replication import Stages, exchanged
from archsim.simulation.copy_search import on_one_chip, searches_for_copies
from archsim.simulation.cycle.fast import Progress
from archsim.simulation.cycle.placed import PlacedMesh
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.estimate import Estimate, estimate

Copies: TypeAlias = tuple[int, ...]

# Links hold a step up where the busiest one carries data for this share of it, and where it takes this many
# times what the analytic estimate says.
_BUSY = 0.2
_LONGER = 1.05
# Steps that are simulated at most, and tasks in all of them.
_RUNS = 12
_TASKS = 500_000
# Other copies are taken for this share of a step.
_GAIN = 0.01


@dataclass(frozen=True, slots=True)
class TimedCopies:
    """A step with the fastest copies of those that were simulated; `tried` is how many these were."""

    priced: Estimate
    run: CycleRun
    tried: int = 1


def simulate_best_copies(
    priced: Estimate, architecture: Architecture, progress: Progress | None = None
) -> TimedCopies:
    """The step that `priced` prices, or one with other copies that is faster on slow links.

    `progress` hears of the first run.  Raises `InputError` as `simulate_step` does.
    """
    first = TimedCopies(priced, simulate_step(priced, architecture, progress))
    limits = priced.mapping.stages
    if limits is None or not _held_up(first, architecture):
        return first
    search = _Search(first, architecture)
    for copies in _chosen_from(priced, architecture):
        search.improves(copies)
    while any(search.improves(copies) for copies in _around(search.copies, limits)):
        pass
    return TimedCopies(search.best.priced, search.best.run, search.tried)


def _held_up(timed: TimedCopies, architecture: Architecture) -> bool:
    """Whether links hold the step up, and copies may be chosen."""
    placed, run = timed.run.placed, timed.run
    if not isinstance(placed, PlacedMesh) or not searches_for_copies(architecture):
        return False
    if not on_one_chip(timed.priced.mapping).all():
        return False
    samples = float(timed.priced.batch[0])
    busy = placed.busiest_s * samples > _BUSY * run.makespan_s
    return busy and run.makespan_s > _LONGER * float(timed.priced.timeline.makespan_s[0])


def _chosen_from(priced: Estimate, architecture: Architecture) -> Iterator[Copies]:
    """The copies that the analytic estimate had to choose from."""
    batch = priced.batch[:, None]
    for same_units in mapping_candidates(stack([architecture]), priced.program.matrices, batch):
        yield from (_numbers(mapping.copies) for mapping in same_units)


def _around(copies: Copies, limits: Stages) -> Iterator[Copies]:
    """Copies with other numbers of one matrix, then those of two: times by queues have many valleys."""
    near = tuple(_neighbours(copies, limits))
    yield from near
    for other in near:
        yield from _neighbours(other, limits)


def _neighbours(copies: Copies, limits: Stages) -> Iterator[Copies]:
    """Copies with other numbers of one matrix that fit, of the matrices with most arrays first.

    One, half as many, twice as many, all that fit, one less and one more; others make room for more.
    """
    arrays, held = limits.arrays[0], np.array([copies], dtype=np.float64)
    left = float(limits.budget[0, 0]) - float((held[0] * arrays).sum())
    for matrix in np.argsort(-held[0] * arrays, kind="stable").tolist():
        now, most = copies[matrix], int(limits.most[0, matrix])
        fitting = min(most, int(now + left // arrays[matrix]))
        for number in (1, -(-now // 2), min(2 * now, most), fitting, now - 1, min(now + 1, most)):
            if 1 <= number <= fitting:
                yield (*copies[:matrix], number, *copies[matrix + 1 :])
            elif number > fitting:
                wanted = np.array([float(number)])
                yield _numbers(exchanged(held, limits, np.array([matrix]), wanted))


class _Search:
    """The fastest copies so far, and which have been simulated."""

    def __init__(self, first: TimedCopies, architecture: Architecture) -> None:
        self.best = first
        self.copies = _numbers(first.priced.mapping.copies)
        self._architecture = architecture
        self._seen = {self.copies}
        self._most = min(_RUNS, _TASKS // int(first.run.lowered.template.offsets[-1]))

    @property
    def tried(self) -> int:
        """How many steps have been simulated."""
        return len(self._seen)

    def improves(self, copies: Copies) -> bool:
        """Simulate the step with `copies`, if that is still allowed; whether it is the fastest now."""
        if copies in self._seen or self.tried >= self._most:
            return False
        self._seen.add(copies)
        best = self.best
        stated = _with_stated(self._architecture, best.priced.program.matrices.names, copies)
        try:
            priced = estimate(best.priced.program, [stated], [int(best.priced.batch[0])])
            timed = TimedCopies(priced, simulate_step(priced, stated)) if priced.fits[0] else best
        except InputError:
            return False  # such copies ask for more than a buffer holds
        if timed.run.makespan_s >= best.run.makespan_s * (1.0 - _GAIN):
            return False
        self.best, self.copies = timed, copies
        return True


def _with_stated(
    architecture: Architecture, names: tuple[str, ...], copies: Copies
) -> Architecture:
    stated = tuple(
        StatedCopies(matrix=name, number=number) for name, number in zip(names, copies, strict=True)
    )
    policy = architecture.mapping.model_copy(update={"replication": "stated", "copies": stated})
    return architecture.model_copy(update={"mapping": policy})


def _numbers(copies: FloatArray) -> Copies:
    """Copies of the first configuration."""
    return tuple(int(number) for number in copies[0])
