"""The modules of a network as `archsim inspect` shows them: a tree with subtotals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, width
from archsim.cli.inspect_tables import LEAST_NAME, bar, share_text, short_count
from archsim.report.text import shorten
from archsim.workload.modules import Leaf, Module, full_label, module_tree

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.workload.graph import Workload

_BAR = 10
# Type, ops, MACs, params, share, bar, and the blanks between them.
_OTHER_WIDTH = 14 + 5 + 5 + 6 + 7 + _BAR + 6
# Fewer alike siblings than this in a row are each shown.
_FEWEST_ALIKE = 3


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A line of the tree: a module or an operator, or a run of modules like the one before."""

    depth: int
    label: str
    type: str
    ops: int
    macs: int
    parameters: int


def tree_table(workload: Workload, depth: int | None) -> list[RenderableType]:
    """The tree down to `depth` levels of modules (all, with their operators, if None)."""
    root = module_tree(workload)
    columns = ("module", "type", "ops", "MACs", "params", "% MACs", "")
    table = plain_table(*columns, right=("ops", "MACs", "params", "% MACs"), tight=True)
    room = max(LEAST_NAME, width() - _OTHER_WIDTH)
    for row in tree_rows(root, workload, depth):
        part = row.macs / root.macs if root.macs else 0.0
        indent = "  " * min(row.depth, room // 4)
        literal_row(
            table,
            indent + shorten(row.label, room - len(indent)),
            shorten(row.type, 14),
            f"{row.ops:,}",
            short_count(row.macs),
            short_count(row.parameters),
            share_text(part) if part else "",
            bar(part, _BAR) if part else "",
        )
    modules = [child for child in root.children if isinstance(child, Module)]
    if not modules:
        return [table, "  The file names no modules."]
    shared = sum(module.parameters for module in modules) > root.parameters
    remark = "  params: what several modules share is counted in each of them"
    return [table, remark] if shared else [table]


def tree_rows(root: Module, workload: Workload, depth: int | None = None) -> list[TreeRow]:
    """The lines of the tree below `root`, which itself has none.

    A module that holds a single thing shares its line.  Of three and more neighbours that are alike
    in all but their names the first is shown, and one line stands for the others.
    """
    return list(_rows(root, 0, _Shapes(workload), depth))


class _Shapes:
    """A number for each form of a module: alike in types, order and sizes gives the same."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._numbers: dict[tuple[object, ...], int] = {}
        self._known: dict[int, int] = {}

    def of(self, entry: Module | Leaf) -> int:
        """The number of the form of `entry`."""
        if id(entry) not in self._known:
            if isinstance(entry, Leaf):
                form: tuple[object, ...] = (
                    entry.op.op_type,
                    self.workload.macs(entry.op),
                    self.parameters(entry),
                )
            else:
                form = (entry.parameters, *(self.of(child) for child in entry.children))
            self._known[id(entry)] = self._numbers.setdefault(form, len(self._numbers))
        return self._known[id(entry)]

    def parameters(self, leaf: Leaf) -> int:
        """The elements of the parameters that an operator reads."""
        return sum(self.workload.parameters[name].elements for name in leaf.op.parameters)


def _rows(parent: Module, level: int, shapes: _Shapes, depth: int | None) -> Iterator[TreeRow]:
    position = 0
    while position < len(parent.children):
        entry = parent.children[position]
        run = _run(parent.children, position, shapes)
        yield from _entry(entry, level, shapes, depth)
        if run >= _FEWEST_ALIKE and isinstance(entry, Module):
            alike = parent.children[position + 1 : position + run]
            yield _alike([child for child in alike if isinstance(child, Module)], level)
            position += run
        else:
            position += 1


def _run(children: tuple[Module | Leaf, ...], start: int, shapes: _Shapes) -> int:
    """How many neighbours from `start` on have the form of the first."""
    form, end = shapes.of(children[start]), start
    while end < len(children) and shapes.of(children[end]) == form:
        end += 1
    return end - start


def _entry(
    entry: Module | Leaf, level: int, shapes: _Shapes, depth: int | None
) -> Iterator[TreeRow]:
    names = []
    while isinstance(entry, Module) and len(entry.children) == 1:
        names.append(entry.label)
        entry = entry.children[0]
    if isinstance(entry, Leaf):
        label = full_label(entry.op, tuple(names))
        macs = shapes.workload.macs(entry.op)
        # Operators beside modules are shown with these; below the last level there are none.
        if names or depth is None or level < depth:
            yield TreeRow(level, label, entry.op.op_type, 1, macs, shapes.parameters(entry))
        return
    label = ".".join([*names, entry.label])
    yield TreeRow(level, label, "", entry.ops, entry.macs, entry.parameters)
    if depth is None or level + 1 < depth:
        yield from _rows(entry, level + 1, shapes, depth)


def _alike(modules: list[Module], level: int) -> TreeRow:
    names = f"{modules[0].label} … {modules[-1].label}"
    ops, macs = sum(m.ops for m in modules), sum(m.macs for m in modules)
    parameters = sum(module.parameters for module in modules)
    return TreeRow(level, names, f"{len(modules)} alike", ops, macs, parameters)


def modules_json(workload: Workload) -> list[dict[str, Any]]:
    """Every module with its counts, outer ones first; the network itself has an empty path."""
    found = []
    waiting = [module_tree(workload)]
    while waiting:
        module = waiting.pop()
        found.append(
            {
                "path": ".".join(module.path),
                "ops": module.ops,
                "macs": module.macs,
                "parameters": module.parameters,
            }
        )
        waiting += [child for child in reversed(module.children) if isinstance(child, Module)]
    return found
