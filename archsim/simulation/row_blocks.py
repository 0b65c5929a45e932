"""Images in blocks of rows: which block of its inputs a block of a task needs.

A task that makes an image of H rows in N blocks makes the rows before `ceil((b + 1) * H / N)` in its
first b + 1 blocks, in that order; its time, and what it uses, are split in proportion to rows (fixed
latencies too).  Tasks that make no image make it all in their first block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.program import IntArray, Program

if TYPE_CHECKING:
    from archsim.simulation.analytic import Segments


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """`share` [T, N] of each task's work is in each of N blocks; block b of the target of an edge needs
    the source's blocks up to `needed` [E, N].
    """

    share: FloatArray
    needed: IntArray

    @property
    def count(self) -> int:
        """Blocks of an image."""
        return int(self.share.shape[1])


def row_blocks(program: Program, count: int) -> RowBlocks:
    """The tasks of `program` in `count` blocks."""
    rows, ends = program.image.rows, np.arange(1, count + 1)
    until = np.ceil(np.outer(rows, ends) / count)
    share = np.diff(until, axis=1, prepend=0.0) / np.maximum(rows, 1.0)[:, None]
    share[rows == 0, 0] = 1.0
    last = until[program.edge_to] - 1.0
    scale, offset, divisor = (column[:, None] for column in program.image.reach.T)
    there = rows[program.edge_from][:, None]
    row = np.clip(
        np.floor((scale * last + offset) / np.maximum(divisor, 1.0)), 0.0, np.maximum(there - 1, 0)
    )
    block = np.floor(row * count / np.maximum(there, 1.0))
    # What makes no image has made it when its first block ends, but takes the time of its last.
    needed = np.where(divisor > 0, block, count - 1)
    return RowBlocks(share, needed.astype(np.intp))


def blocked_finish(
    program: Program, segments: Segments, duration: FloatArray, blocks: RowBlocks
) -> FloatArray:
    """When one sample's tasks end, counted from the start of their segments, [C, T].

    `duration` is [C, T].  A block starts when the one before it has ended and its rows are there.
    """
    count = blocks.count
    end = np.zeros((*duration.shape, count))
    spent = np.cumsum(blocks.share, axis=1)
    end[:, segments.first] = duration[:, segments.first, None] * spent[segments.first]
    numbers = {
        (a, b): e
        for e, (a, b) in enumerate(
            zip(program.edge_from.tolist(), program.edge_to.tolist(), strict=True)
        )
    }
    for tasks, sources, offsets in segments.waves:
        targets = np.repeat(tasks, np.diff([*offsets.tolist(), sources.size]))
        edges = [numbers[pair] for pair in zip(sources.tolist(), targets.tolist(), strict=True)]
        before = np.zeros((duration.shape[0], tasks.size))
        for b in range(count):
            there = end[:, sources, blocks.needed[edges, b]]
            start = np.maximum(np.maximum.reduceat(there, offsets, axis=1), before)
            before = start + duration[:, tasks] * blocks.share[tasks, b]
            end[:, tasks, b] = before
    return np.asarray(end[:, :, -1])
