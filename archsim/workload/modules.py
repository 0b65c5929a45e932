"""The modules of a network: a tree of operators, from the names that the exporter kept.

Exporters keep the path of a module in one of four places: in a note on each node, in node names
with slashes (`/layer1/layer1.0/conv1/Conv`), in dotted node names (`layer1.0.conv1`), or only in
the names of parameters (`layer1.0.conv1.weight`).  In the last case operators without parameters
belong to the innermost module that holds the operators before and after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from archsim.workload.graph import Op, Parameter, Workload

Path = tuple[str, ...]

# A path is cut here: no module nests so deep, but a hostile name may.
DEEPEST = 24
_DOTTED = re.compile(r"[^\s./:]+(\.[^\s./:]+)+\Z")


@dataclass(frozen=True, slots=True)
class Leaf:
    """An operator in the tree; `label` is its name without the modules around it."""

    label: str
    op: Op


@dataclass(frozen=True, slots=True)
class Module:
    """A module with what it holds, in order of execution; the network itself has an empty path.

    `macs` and `ops` count everything inside.  `parameters` are the distinct ones that its operators
    read, so modules that share a parameter both count it.
    """

    path: Path
    children: tuple[Module | Leaf, ...]
    ops: int
    macs: int
    parameters: int

    @property
    def label(self) -> str:
        """The last part of the path."""
        return self.path[-1] if self.path else ""


def module_paths(workload: Workload, ops: Sequence[Op]) -> dict[str, Path]:
    """The path of the module that each operator belongs to, by the operator's name.

    `ops` are the workload's operators in topological order.
    """
    stated = {op.name: path for op in ops if (path := _stated(op)) is not None}
    if 2 * len(stated) >= len(ops):
        return {op.name: stated.get(op.name, ())[:DEEPEST] for op in ops}
    known = {op.name: path for op in ops if (path := _of_parameters(op, workload.parameters))}
    return _filled_in([op.name for op in ops], {**known, **stated})


def module_tree(workload: Workload) -> Module:
    """The whole network as a tree of modules."""
    ops = workload.ops
    paths = module_paths(workload, ops)
    root = _Branch(())
    for op in ops:
        branch = root
        for depth in range(1, len(paths[op.name]) + 1):
            branch = branch.inside(paths[op.name][:depth])
        branch.held.append(Leaf(leaf_label(op), op))
    return _frozen(root, workload)[0]


def leaf_label(op: Op) -> str:
    """The name of an operator without the modules around it."""
    if "/" in op.name:
        return op.name.strip("/").rpartition("/")[2] or op.name
    return op.name.rpartition(".")[2] if _DOTTED.match(op.name) else op.name


def full_label(op: Op, path: Path) -> str:
    """The module's path and the operator's label, less what says nothing new.

    That is a label that repeats the module or the type, or that the exporter made up (`node_3`).
    """
    label = leaf_label(op)
    if path and (label == path[-1] or made_up(op)):
        return ".".join(path)
    return ".".join((*path, label))


def made_up(op: Op) -> bool:
    """Whether an operator's label is only a number, perhaps with its type (`node_3`, `Conv_12`)."""
    label = leaf_label(op)
    plain = label.rstrip("0123456789").removesuffix("_")
    return label.startswith("node_") or plain in {op.op_type, "n", ""}


@dataclass(slots=True)
class _Branch:
    """A module while the tree grows."""

    path: Path
    held: list[_Branch | Leaf] = field(default_factory=list)
    modules: dict[Path, _Branch] = field(default_factory=dict)

    def inside(self, path: Path) -> _Branch:
        if path not in self.modules:
            self.modules[path] = _Branch(path)
            self.held.append(self.modules[path])
        return self.modules[path]


def _frozen(branch: _Branch, workload: Workload) -> tuple[Module, frozenset[str]]:
    """The finished module, and the names of the parameters inside it."""
    children: list[Module | Leaf] = []
    names: set[str] = set()
    ops = macs = 0
    for child in branch.held:
        if isinstance(child, Leaf):
            children.append(child)
            names.update(child.op.parameters)
            ops, macs = ops + 1, macs + workload.macs(child.op)
        else:
            module, inner = _frozen(child, workload)
            children.append(module)
            names.update(inner)
            ops, macs = ops + module.ops, macs + module.macs
    parameters = sum(workload.parameters[name].elements for name in names)
    return Module(branch.path, tuple(children), ops, macs, parameters), frozenset(names)


def _stated(op: Op) -> Path | None:
    """The path that the file states for an operator, or None if it does not."""
    if op.module:
        return tuple(op.module.split("."))
    if "/" in op.name:
        return _unrepeated(op.name.strip("/").split("/")[:-1])
    return tuple(op.name.split(".")[:-1]) if _DOTTED.match(op.name) else None


def _unrepeated(segments: Sequence[str]) -> Path:
    """Segments of a scope as a path: each may repeat the one before it (`layer1/layer1.0/conv1`)."""
    parts: list[str] = []
    before = ""
    for segment in segments:
        inner = segment.removeprefix(f"{before}.") if before else segment
        parts.extend(part for part in inner.split(".") if part)
        before = segment
    return tuple(parts)


def _of_parameters(op: Op, parameters: Mapping[str, Parameter]) -> Path:
    """The path in the name of a parameter that only this operator reads, or an empty one."""
    for name in op.parameters:
        parts = re.split(r"[./]", name)
        if parameters[name].uses == 1 and len(parts) > 1 and "::" not in name:
            return tuple(part for part in parts[:-1] if part)
    return ()


def _filled_in(names: Sequence[str], known: Mapping[str, Path]) -> dict[str, Path]:
    """Paths for all: what is not known is in the innermost module around its neighbours in order."""
    before = _carried(names, known)
    after = _carried(names[::-1], known)
    return {
        name: (known[name] if name in known else _common(before[name], after[name]))[:DEEPEST]
        for name in names
    }


def _carried(names: Iterable[str], known: Mapping[str, Path]) -> dict[str, Path]:
    last: Path = ()
    found = {}
    for name in names:
        last = known.get(name, last)
        found[name] = last
    return found


def _common(left: Path, right: Path) -> Path:
    shared = 0
    while shared < min(len(left), len(right)) and left[shared] == right[shared]:
        shared += 1
    return left[:shared]
