"""Which operators share a box of the picture, so that a large network can still be read.

A small network has a box per operator.  In a larger one, what merely follows a product joins its
box; if that is not enough, the operators of a module do; a network without modules is cut into
slices of equal length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from archsim.workload.graph import Op, OpKind, Workload
from archsim.workload.modules import DEEPEST, Path, module_paths

# More boxes than this in a picture are no longer read.
MOST_BOXES = 160
# Up to this size every operator has its own box.
_SMALL = 60

# Operators of these kinds always begin a box.
_HEADS = frozenset(
    {OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL, OpKind.EMBEDDING, OpKind.LOSS, OpKind.POOLING}
)


@dataclass(frozen=True, slots=True)
class Box:
    """Operators that are drawn as one box, in topological order; never empty.

    `module` is the innermost module that holds them all, `whole` whether the box stands for it
    rather than for the operator that leads it.
    """

    ops: tuple[Op, ...]
    module: Path
    whole: bool


@dataclass(frozen=True, slots=True)
class Sketch:
    """Boxes, producers first, and between which of them (by index) tensors pass.

    `paths` gives the module of every operator by its name.
    """

    boxes: tuple[Box, ...]
    edges: Mapping[tuple[int, int], tuple[str, ...]]
    paths: Mapping[str, Path]


def sketch(workload: Workload, most: int = MOST_BOXES) -> Sketch:
    """The boxes of a picture of `workload`: at most `most` (>= 1), and free of cycles."""
    ops = workload.ops
    paths = module_paths(workload, ops)
    group, whole = next(
        (found, whole)
        for found, whole in _levels(workload, ops, paths, most)
        if len(set(found.values())) <= most
    )
    return _quotient(workload, ops, paths, group, whole=whole)


_Grouping = dict[str, int]


def _levels(
    workload: Workload, ops: Sequence[Op], paths: Mapping[str, Path], most: int
) -> Iterator[tuple[_Grouping, bool]]:
    """Groupings from the finest to the coarsest, and whether its groups stand for modules.

    The last fits whatever the network.
    """
    if len(ops) <= _SMALL:
        yield {op.name: index for index, op in enumerate(ops)}, False
    yield _joined(workload, ops), False
    deepest = min(DEEPEST, max((len(path) for path in paths.values()), default=0))
    for depth in range(deepest, 0, -1):
        yield _acyclic(workload, _by_module(ops, paths, depth)), True
    yield {op.name: index * most // len(ops) for index, op in enumerate(ops)}, True


def _joined(workload: Workload, ops: Sequence[Op]) -> _Grouping:
    """Operators that read one box only join it, unless they begin one.

    All that enters such an operator comes from that box, so no cycle can arise.  A normalisation
    joins a box that nothing else reads.
    """
    group: _Grouping = {}
    for index, op in enumerate(ops):
        before = list(workload.graph.predecessors(op.name))
        sources = {group[name] for name in before}
        reads_input = any(tensor in workload.inputs for tensor in op.inputs)
        alone = len(sources) == 1 and not reads_input and op.kind not in _HEADS
        if op.kind is OpKind.NORMALISATION:
            alone = alone and all(workload.graph.out_degree(name) == 1 for name in before)
        group[op.name] = sources.pop() if alone else index
    return group


def _by_module(ops: Sequence[Op], paths: Mapping[str, Path], depth: int) -> _Grouping:
    """Operators of a module of `depth` levels or fewer share a box while they follow each other."""
    group: _Grouping = {}
    number, last = -1, None
    for op in ops:
        path = paths[op.name][:depth]
        number += path != last
        group[op.name], last = number, path
    return group


def _acyclic(workload: Workload, group: _Grouping) -> _Grouping:
    """`group` with groups that depend on each other in a circle made one."""
    quotient: nx.DiGraph[int] = nx.DiGraph()
    quotient.add_nodes_from(group.values())
    quotient.add_edges_from((group[a], group[b]) for a, b in workload.graph.edges)
    leader = {
        member: min(component)
        for component in nx.strongly_connected_components(quotient)
        for member in component
    }
    return {name: leader[number] for name, number in group.items()}


def _quotient(
    workload: Workload,
    ops: Sequence[Op],
    paths: Mapping[str, Path],
    group: _Grouping,
    *,
    whole: bool,
) -> Sketch:
    members: dict[int, list[Op]] = {}
    for op in ops:
        members.setdefault(group[op.name], []).append(op)
    links: dict[tuple[int, int], dict[str, None]] = {}
    for a, b, data in workload.graph.edges(data=True):
        if group[a] != group[b]:
            links.setdefault((group[a], group[b]), {}).update(dict.fromkeys(data["tensors"]))
    order = _order(members, links)
    number = {key: index for index, key in enumerate(order)}
    return Sketch(
        tuple(
            Box(tuple(members[key]), _shared(paths[op.name] for op in members[key]), whole)
            for key in order
        ),
        {(number[a], number[b]): tuple(tensors) for (a, b), tensors in links.items()},
        paths,
    )


def _order(members: Mapping[int, object], links: Iterable[tuple[int, int]]) -> list[int]:
    """Groups, producers first, else in order of their first operators."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(members)
    graph.add_edges_from(links)
    return list(nx.lexicographical_topological_sort(graph))


def _shared(paths: Iterable[Path]) -> Path:
    """The innermost module that all paths lie in."""
    found: Path | None = None
    for path in paths:
        if found is None:
            found = path
        while path[: len(found)] != found:
            found = found[:-1]
    return found or ()
