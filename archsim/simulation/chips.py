"""Several chips in a row: which tasks run on which chips, and what passes the links between them.

Weight matrices lie on consecutive chips in network order; one that is larger than a chip is cut by
columns into equal pieces, one to a chip.  Digital work is done on the chips of the matrix that it
follows, and is shared by them as the matrix is: by columns, heads or tokens, which takes no traffic.
What a task on other chips needs passes every link on its way once, however many need it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.chips import multi_chip
from archsim.mapping.packing import units
from archsim.mapping.sequence import LayerSequence, crossing_bits, merged
from archsim.simulation.chip_spread import CHIP_LINK, CHIP_LINKS, ChipSpread, LinkUse
from archsim.simulation.columns import SHARED_RESOURCES, TaskCosts, waiting_s
from archsim.simulation.program import IntArray, Program
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind

_AHEAD = (TaskKind.FORWARD, TaskKind.LOSS)


def homes(program: Program) -> IntArray:
    """The matrix whose chips each task runs on, [T]; -1 for what happens on all chips.

    Work before the first matrix is done where that is; a look-up in a table that lies on arrays is
    done there, but what follows it is not.
    """
    found = np.full(program.size, -1, dtype=np.intp)
    stream = np.zeros(program.size, dtype=np.intp)
    by_op: dict[str, int] = {}
    for task in range(program.size):
        matrix = int(program.matrix[task])
        sources = [int(stream[p]) for p in program.predecessors[task] if not program.per_step[p]]
        if program.per_step[task]:
            found[task] = matrix
            continue
        if program.kind[task] in _AHEAD:
            before = max(sources, default=0)
            table = program.op_kind[task] is OpKind.EMBEDDING
            stream[task] = matrix if matrix >= 0 and not table else before
            by_op.setdefault(program.ops[task], int(stream[task]))
        else:
            # The backward of an operator is where its forward pass was; what sums gradients is
            # where they come from.
            stream[task] = by_op.get(program.ops[task], min(sources, default=0))
        found[task] = matrix if matrix >= 0 else stream[task]
    return found


def ways_of_cutting(
    program: Program, architecture: Architecture, mapping: Mapping, costs: TaskCosts
) -> tuple[ChipSpread, ...]:
    """Ways of placing the matrices of every configuration on its chips; none where all have one.

    The first keeps the stages short that the busiest kind of unit makes (at the `costs` of one
    chip), the second the transfers between chips as well, as if all transfers took as long as all
    stages; see `archsim.mapping.chips.multi_chip`.  Neither depends on how fast the links are, so
    that faster links never make a step longer.
    """
    if (mapping.chips == 1).all():
        return ()
    home = homes(program)
    return tuple(
        _place(program, architecture, mapping, costs, home, weigh_links=weigh)
        for weigh in (False, True)
    )


def _place(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    costs: TaskCosts,
    home: IntArray,
    *,
    weigh_links: bool,
) -> ChipSpread:
    chips = mapping.chips
    assert architecture.system is not None
    matrices = len(program.matrices.names)
    arrays = np.rint(mapping.arrays)
    first = np.zeros(arrays.shape, dtype=np.intp)
    count = np.ones(arrays.shape, dtype=np.intp)
    width = _numbers(architecture.numbers.activation_bits, chips.size)
    capacity = _numbers(architecture.arrays_available, chips.size)
    rate = _numbers(architecture.system.link.bandwidth_bit_per_s, chips.size)
    for c in range(chips.size):
        if chips[c] == 1 or not matrices:
            continue
        sequence = _sequence(program, costs, home, arrays, float(width[c]), c)
        crossing, load = float(sequence.crossing_bits.sum()), float(sequence.load_s.sum())
        even = crossing / load if weigh_links and crossing and load else np.inf
        unit = np.arange(matrices) if mapping.array_of is None else units(mapping.array_of[c])
        plan = multi_chip(merged(sequence, unit), int(capacity[c]), even, int(chips[c]))
        chip = np.repeat(np.arange(plan.chips), np.diff(plan.first))
        layer = plan.pieces.layer
        first[c] = chip[np.searchsorted(layer, unit, side="left")]
        count[c] = chip[np.searchsorted(layer, unit, side="right") - 1]
        count[c] += 1 - first[c]
    everywhere = home < 0
    at = np.maximum(home, 0)
    task_first, task_count = np.zeros((2, chips.size, program.size), dtype=np.intp)
    if matrices:
        task_first, task_count = first[:, at], count[:, at]
    task_first = np.where(everywhere, 0, task_first)
    task_count = np.where(everywhere, chips[:, None], np.maximum(task_count, 1))
    # The sum of partial gradients of a cut matrix passes between its pieces.
    widths = (width, _numbers(architecture.numbers.partial_sum_bits, chips.size))
    links = tuple(
        _link_use(
            program, home, task_first[c], task_count[c], (widths[0][c], widths[1][c]), rate[c]
        )
        for c in range(chips.size)
    )
    return ChipSpread(chips, first, count, task_first, task_count, links)


def part_of(
    spread: ChipSpread, program: Program, architecture: Architecture, tasks: IntArray
) -> ChipSpread:
    """`spread` for a `program` that is a part of its own: task i is number `tasks[i]` there, [T].

    Links have what the tasks of the part send to each other.
    """
    home, size = homes(program), spread.chips.size
    assert architecture.system is not None
    rate = _numbers(architecture.system.link.bandwidth_bit_per_s, size)
    width = _numbers(architecture.numbers.activation_bits, size)
    sums = _numbers(architecture.numbers.partial_sum_bits, size)
    first, count = spread.first[:, tasks], spread.count[:, tasks]
    links = tuple(
        _link_use(program, home, first[c], count[c], (float(width[c]), float(sums[c])), rate[c])
        for c in range(size)
    )
    return replace(spread, first=first, count=count, links=links)


def _numbers(value: object, size: int) -> FloatArray:
    """A scalar or [C, 1] array as [C]."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64).reshape(-1), (size,))


def _sequence(
    program: Program,
    costs: TaskCosts,
    home: IntArray,
    arrays: FloatArray,
    bits: float,
    c: int,
) -> LayerSequence:
    """The matrices as a sequence of layers; a layer's load is its time on the busiest kind of unit."""
    placed = home >= 0
    by_unit = [
        np.bincount(home[placed], costs.shared_s[name][c, placed], minlength=arrays.shape[1])
        for name in SHARED_RESOURCES
    ]
    load = max(by_unit, key=lambda column: float(column.sum()))
    source, target = program.edge_from, program.edge_to
    crosses = program.edge_data & placed[source] & placed[target]
    crosses = crosses & (home[source] != home[target])
    source, target = source[crosses], target[crosses]
    # What one task sends to several counts once, as far as the farthest.
    return LayerSequence(
        arrays=np.asarray(arrays[c], dtype=np.int64),
        load_s=np.asarray(load),
        weight_bits=np.zeros(arrays.shape[1]),
        crossing_bits=crossing_bits(
            arrays.shape[1], home[source], home[target], program.output_elements[source] * bits
        ),
    )


def _link_use(
    program: Program,
    home: IntArray,
    first: IntArray,
    count: IntArray,
    widths: tuple[float, float],
    rate: float,
) -> LinkUse:
    """What every task sends, link by link.

    A task that runs on several chips has an equal share of its output on each of them; an input
    gradient has a partial sum of all of it on each, which are added on their way to the first.
    """
    last = first + count - 1
    source, target = program.edge_from, program.edge_to
    sent = program.edge_data & (home[source] >= 0) & (home[target] >= 0)
    sent = sent & (home[source] != home[target])
    source, target = source[sent], target[sent]
    lowest, highest = last.copy(), first.copy()
    np.minimum.at(lowest, source, first[target])
    np.maximum.at(highest, source, last[target])
    bits = program.output_elements * widths[0]
    sends = np.zeros(program.size, dtype=bool)
    sends[source] = True
    added = program.of_kind(TaskKind.INPUT_GRADIENT) & sends & (count > 1)

    task = np.repeat(np.arange(program.size), np.where(sends, count, 0))
    kept = np.where(sends, count, 0)
    chip = first[task] + np.arange(task.size) - np.repeat(np.cumsum(kept) - kept, kept)
    # Partial sums are whole on the first chip, from which the sum goes on.
    whole = ~added[task] | (chip == first[task])
    task, chip = task[whole], chip[whole]
    share = bits[task] / np.where(added[task], 1, count[task])
    up = _runs(task, chip, highest[task], share)
    down = _runs(task, lowest[task], chip, share)
    sums = np.flatnonzero(added)
    partial = program.output_elements[sums] * widths[1]
    inward = _runs(sums, first[sums], last[sums], partial)
    task = np.concatenate([up[0], down[0], inward[0]])
    link = np.concatenate([2 * up[1], 2 * down[1] + 1, 2 * inward[1] + 1])
    links = max(int(link.max(initial=0)) + 1, 1)
    keys, place = np.unique(task * links + link, return_inverse=True)
    bits_on = np.concatenate([up[2], down[2], inward[2]])
    merged: FloatArray = np.zeros(keys.size)
    np.add.at(merged, place, bits_on)
    return LinkUse(keys // links, keys % links, merged, merged / rate)


def _runs(
    task: IntArray, low: IntArray, high: IntArray, bits: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Task, gap and bits for every gap between neighbouring chips from `low` to `high`."""
    length = np.maximum(high - low, 0)
    gap = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return np.repeat(task, length), np.repeat(low, length) + gap, np.repeat(bits, length)


def over_chips(
    costs: TaskCosts, program: Program, architecture: Architecture, spread: ChipSpread | None
) -> TaskCosts:
    """The costs with digital work and data shared by the chips of each task, and links in use.

    What runs on arrays takes as long as before: all pieces work at once.  So does a recurrence,
    whose steps wait for each other.  What leaves a task's chips has to arrive before it is done:
    one delay for every link on the way, and the transfer over one of them.
    """
    if spread is None:
        return costs
    assert architecture.system is not None
    link, size = architecture.system.link, costs.main_s.shape[0]
    cut = spread.count > 1
    shared = {name: held / spread.count for name, held in costs.shared_s.items()}
    divided = cut & (costs.array_s <= 0) & (program.serial_steps <= 1)
    main = np.where(divided, costs.main_s / spread.count, costs.main_s)
    staged = costs.staged
    waiting = costs.transfer_s - waiting_s(costs.shared_s, costs.main_s, staged=staged)
    transfer = np.where(
        cut,
        np.maximum(waiting, 0.0) + waiting_s(shared, main, staged=staged),
        costs.transfer_s,
    )
    latency = _numbers(link.latency_s, size)
    per_bit = _numbers(link.energy_j_per_bit, size)
    on_link, hops, energy = np.zeros((3, *costs.main_s.shape))
    for c, use in enumerate(spread.links):
        np.maximum.at(on_link[c], use.task, use.held_s)
        ways = [
            np.bincount(use.task[use.link % 2 == way], minlength=program.size) for way in (0, 1)
        ]
        hops[c] = np.maximum(*ways)
        energy[c] = np.bincount(use.task, use.bits, minlength=program.size) * per_bit[c]
    return replace(
        costs,
        main_s=main,
        transfer_s=transfer + on_link + hops * latency[:, None],
        shared_s={**shared, CHIP_LINK: on_link},
        energy_j={**costs.energy_j, CHIP_LINKS: energy},
        chips=spread,
    )
