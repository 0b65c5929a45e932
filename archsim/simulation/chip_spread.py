"""Where tasks and matrices are on several chips, and what they send over the links between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

IntArray = NDArray[np.intp]

# The links between chips: as a resource of the schedule, as a component of energy and area.
CHIP_LINK = "chip_link"
CHIP_LINKS = "chip_links"


@dataclass(frozen=True, slots=True)
class LinkUse:
    """What tasks send over links, [N]: bits of a sample that `task` puts on `link`, and for how long.

    Link 2 i goes from chip i to chip i + 1, link 2 i + 1 back.  A pair of task and link occurs once.
    """

    task: IntArray
    link: IntArray
    bits: FloatArray
    held_s: FloatArray


@dataclass(frozen=True, slots=True)
class ChipSpread:
    """Where everything is, for C configurations: `chips` [C] of them.

    Matrix m is on chips `matrix_first` to `matrix_first + matrix_count - 1` ([C, M]), in equal
    pieces, and so is each task ([C, T]: `first`, `count`).  `links` has one entry per configuration.
    """

    chips: IntArray
    matrix_first: IntArray
    matrix_count: IntArray
    first: IntArray
    count: IntArray
    links: tuple[LinkUse, ...]

    def pairs(self, configuration: int) -> tuple[IntArray, IntArray]:
        """Every pair of a task and a chip that works on it, tasks in order."""
        count = self.count[configuration]
        task = np.repeat(np.arange(count.size), count)
        rank = np.arange(task.size) - np.repeat(np.cumsum(count) - count, count)
        return task, self.first[configuration][task] + rank

    def busy_by_chip_s(
        self, held_s: FloatArray, segment: IntArray, count: int, c: int
    ) -> FloatArray:
        """Busy time of one kind of unit on every chip by one sample, [S, chips].

        `held_s` [C, T] is that on each chip of a task, `segment` [T] one of `count` segments.
        """
        busy = np.zeros((count, int(self.chips[c])))
        task, chip = self.pairs(c)
        np.add.at(busy, (segment[task], chip), held_s[c, task])
        return busy

    def busy_by_link_s(self, segment: IntArray, count: int, c: int) -> FloatArray:
        """Busy time of every link by one sample, [S, links] (one idle link if there is none)."""
        use = self.links[c]
        busy = np.zeros((count, max(2 * int(self.chips[c]) - 2, 1)))
        np.add.at(busy, (segment[use.task], use.link), use.held_s)
        return busy

    def where(self, chosen: NDArray[np.bool_], other: ChipSpread) -> ChipSpread:
        """The placement itself for the configurations `chosen` ([C]), `other` for the rest."""
        pick = chosen[:, None]
        pairs = zip(chosen.tolist(), self.links, other.links, strict=True)
        return ChipSpread(
            chips=self.chips,
            matrix_first=np.where(pick, self.matrix_first, other.matrix_first),
            matrix_count=np.where(pick, self.matrix_count, other.matrix_count),
            first=np.where(pick, self.first, other.first),
            count=np.where(pick, self.count, other.count),
            links=tuple(own if mine else others for mine, own, others in pairs),
        )
