"""Which data flow between matrices, from the tasks of one training step as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.layout import TileLayout

IntArray: TypeAlias = NDArray[np.int64]

# A smaller part of an operand is counted to the larger ones: through a chain of additions an
# operand stems from all tasks before it, the far ones by shares that halve at each addition.
_LEAST_SHARE = 1.0 / 64.0
_OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bits per sample that flow from `source` to `target`, all [E]."""

    source: IntArray
    target: IntArray
    bits: FloatArray

    def merged(self) -> Traffic:
        """Equal pairs summed, in the order of (source, target); pairs without bits left out."""
        size = int(max(self.source.max(initial=0), self.target.max(initial=0))) + 1
        key, back = np.unique(self.source * size + self.target, return_inverse=True)
        bits = np.bincount(back, weights=self.bits, minlength=key.size)
        kept = bits > 0
        return Traffic(key[kept] // size, key[kept] % size, np.asarray(bits[kept]))


def task_traffic(
    on_arrays: NDArray[np.bool_],
    edge_from: IntArray,
    edge_to: IntArray,
    output_bits: FloatArray,
    input_bits: FloatArray,
) -> Traffic:
    """Data between tasks on arrays, through whatever digital tasks lie between them.

    `on_arrays`, `output_bits` and `input_bits` are [T] over tasks in topological order (every edge
    goes from a lower to a higher number); edges carry data.  What a task on arrays takes in is
    counted to its predecessors in proportion to their outputs, and what it takes from a digital one
    to that one's predecessors.  So the traffic into a task is its input, less what stems from
    no task on arrays.
    """
    before: list[list[int]] = [[] for _ in range(on_arrays.size)]
    for source, target in zip(edge_from.tolist(), edge_to.tolist(), strict=True):
        before[target].append(source)
    on, sizes, wanted = on_arrays.tolist(), output_bits.tolist(), input_bits.tolist()
    stems: list[dict[int, float]] = []
    found: list[tuple[int, int, float]] = []
    for task, needs in enumerate(before):
        shares = _stems_of(needs, stems, sizes)
        if on[task]:
            found.extend(
                (source, task, share * wanted[task])
                for source, share in shares.items()
                if source != _OUTSIDE and wanted[task] > 0
            )
            shares = {task: 1.0}
        stems.append(shares)
    columns = list(zip(*found, strict=True)) if found else [(), (), ()]
    return Traffic(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )


def _stems_of(
    needs: list[int], stems: list[dict[int, float]], sizes: list[float]
) -> dict[int, float]:
    """Where the operands of a task stem from, as shares that sum to one."""
    total = sum(sizes[task] for task in needs)
    if total <= 0:
        return {_OUTSIDE: 1.0}
    shares: dict[int, float] = {}
    for task in needs:
        part = sizes[task] / total
        for source, share in stems[task].items():
            shares[source] = shares.get(source, 0.0) + part * share
    large = {source: share for source, share in shares.items() if share >= _LEAST_SHARE}
    kept = large or shares
    scale = 1.0 / sum(kept.values())
    return {source: share * scale for source, share in kept.items()}


def copy_traffic(layout: TileLayout, traffic: Traffic) -> Traffic:
    """Traffic between copies, given that between matrices.

    Each of `a` copies makes one a-th of the vectors of a sample, in order, and each of `b` copies
    takes one b-th: two copies exchange what their parts have in common.  Pairs with a matrix that
    is not on arrays are left out.
    """
    first, copies = layout.first_copy, layout.copies
    here = (copies[traffic.source] > 0) & (copies[traffic.target] > 0)
    source, target = traffic.source[here], traffic.target[here]
    edge, a, b, share = overlaps(copies[source], copies[target])
    return Traffic(
        first[source[edge]] + a, first[target[edge]] + b, traffic.bits[here][edge] * share
    )


def overlaps(
    parts_a: IntArray, parts_b: IntArray
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Common pieces of an interval that is cut into `parts_a` and into `parts_b` equal parts.

    For E intervals at once ([E] each): the interval, the part of either cut, and the share of the
    interval that they have in common, for every pair that has something in common.  At most
    a + b - 1 pairs each.
    """
    edge_a = np.repeat(np.arange(parts_a.size), parts_a)
    part = np.arange(edge_a.size) - np.repeat(np.cumsum(parts_a) - parts_a, parts_a)
    a, b = parts_a[edge_a], parts_b[edge_a]
    # In units of 1/(a*b), part i of a covers [i*b, (i+1)*b), part j of b [j*a, (j+1)*a).
    low, high = part * b // a, -(-(part + 1) * b // a)
    count = high - low
    edge = np.repeat(edge_a, count)
    i = np.repeat(part, count)
    j = np.repeat(low, count) + np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)
    a, b = parts_a[edge], parts_b[edge]
    common = np.minimum((i + 1) * b, (j + 1) * a) - np.maximum(i * b, j * a)
    return edge, i, j, np.asarray(common / (a * b))
