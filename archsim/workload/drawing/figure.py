"""What stands in a picture: boxes of operators, and marks where tensors enter and leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archsim.workload.drawing.boxes import Box, Sketch, sketch
from archsim.workload.drawing.places import Size
from archsim.workload.drawing.text import shape_text, short, shorten, visible
from archsim.workload.graph import Op, OpKind, Workload
from archsim.workload.modules import Path, full_label, leaf_label
from archsim.workload.places import where_it_runs

BOX = Size(204.0, 62.0)
MARK = Size(190.0, 40.0)
_LABEL_LETTERS = 25
_LINE_LETTERS = 30
_LISTED_OPS = 14


@dataclass(frozen=True, slots=True)
class Shape:
    """A box or a mark: three lines of text, a tooltip, and the kind that colours it.

    `kind` is None for a mark; `operators` is how many it stands for.
    """

    title: str
    lines: tuple[str, ...]
    tooltip: str
    kind: OpKind | None
    size: Size
    operators: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """Shapes, producers first, and which tensors pass between which of them (by index)."""

    shapes: tuple[Shape, ...]
    edges: Mapping[tuple[int, int], tuple[str, ...]]


def figure(workload: Workload) -> Figure:
    """The shapes of a picture of `workload`."""
    drawn = sketch(workload)
    owner = {op.name: index for index, box in enumerate(drawn.boxes) for op in box.ops}
    readers, producer = _users(workload, drawn, owner)
    enter = _together((name, readers.get(name, ())) for name in workload.inputs)
    leave = _together((name, (producer[name],)) for name in workload.outputs if name in producer)
    first = len(enter)
    after = first + len(drawn.boxes)
    edges = {(a + first, b + first): names for (a, b), names in drawn.edges.items()}
    shapes = [_mark(names, "input", workload) for _, names in enter]
    shapes += [_box(box, drawn.paths, workload) for box in drawn.boxes]
    shapes += [_mark(names, "output", workload) for _, names in leave]
    for index, (boxes, names) in enumerate(enter):
        edges.update({(index, box + first): names for box in boxes})
    for index, ((box,), names) in enumerate(leave):
        edges[box + first, after + index] = names
    return Figure(tuple(shapes), edges)


def _users(
    workload: Workload, drawn: Sketch, owner: Mapping[str, int]
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Which boxes read each input of the network, and which box gives each tensor."""
    wanted = set(workload.inputs)
    readers: dict[str, dict[int, None]] = {}
    producer: dict[str, int] = {}
    for box in drawn.boxes:
        for op in box.ops:
            producer.update(dict.fromkeys(op.outputs, owner[op.name]))
            for name in wanted.intersection(op.inputs):
                readers.setdefault(name, {})[owner[op.name]] = None
    return {name: tuple(found) for name, found in readers.items()}, producer


def _together(
    users: Iterable[tuple[str, tuple[int, ...]]],
) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Tensors with the same boxes at their end share a mark."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name, boxes in users:
        found.setdefault(boxes, []).append(name)
    return [(boxes, tuple(names)) for boxes, names in found.items()]


def _mark(names: Sequence[str], what: str, workload: Workload) -> Shape:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    shape = workload.tensors[names[0]].shape
    return Shape(
        title=shorten(names[0], _LABEL_LETTERS - len(more)) + more,
        lines=(shape_text(shape),),
        tooltip="\n".join([f"{what}:", *(tensor_text(name, workload) for name in names[:12])]),
        kind=None,
        size=MARK,
    )


def _box(box: Box, paths: Mapping[str, Path], workload: Workload) -> Shape:
    work = sum(workload.macs(op) for op in box.ops)
    head = _head(box, workload)
    lines = (_types(box.ops), _numbers(box, work, workload), _leaving(box, workload))
    return Shape(
        title=_title(box, head, paths),
        lines=tuple(_cut(line) for line in lines if line)[:2],
        tooltip=_tooltip(box, workload),
        kind=head.kind,
        size=BOX,
        operators=len(box.ops),
    )


def _head(box: Box, workload: Workload) -> Op:
    """The operator that a box is coloured after: the one with the most MACs, else the first that works."""
    busiest = max(box.ops, key=workload.macs)
    if workload.macs(busiest):
        return busiest
    return next((op for op in box.ops if op.kind is not OpKind.MOVEMENT), box.ops[0])


def _title(box: Box, head: Op, paths: Mapping[str, Path]) -> str:
    """The module that a box stands for, or the operator that leads it with its module."""
    if box.whole and len(box.ops) > 1:
        labels = f"{leaf_label(box.ops[0])} … {leaf_label(box.ops[-1])}"
        return _end(".".join(box.module) or labels, _LABEL_LETTERS)
    return _end(full_label(head, paths[head.name]), _LABEL_LETTERS)


def _end(text: str, limit: int) -> str:
    """The end of a module's path, which tells more than its begin; cut at a dot if one is near."""
    text = visible(text)
    if len(text) <= limit:
        return text
    tail = text[1 - limit :]
    dot = tail.find(".", 0, limit // 2)
    return f"…{tail[dot + 1 :]}"


def _types(ops: Sequence[Op]) -> str:
    """The types in order of appearance, each with its number: `Conv · BatchNorm · 2 Relu`."""
    counts: Counter[str] = Counter(op.op_type for op in ops)
    names = {name: name.replace("Normalization", "Norm") for name in counts}
    return " · ".join(names[t] if n == 1 else f"{n} {names[t]}" for t, n in counts.items())


def _cut(line: str) -> str:
    line = visible(line)
    return line if len(line) <= _LINE_LETTERS else f"{line[: _LINE_LETTERS - 1]}…"


def _numbers(box: Box, macs: int, workload: Workload) -> str:
    matrices = [workload.matrices[op.weight.matrix] for op in box.ops if op.weight is not None]
    parts = []
    if len(matrices) == 1:
        (matrix,) = matrices
        blocks = f"{matrix.blocks} of " if matrix.blocks > 1 else ""
        parts.append(f"{blocks}{matrix.inputs}×{matrix.outputs}")
    elif matrices:
        parts.append(f"{len(matrices)} matrices")
    if macs:
        number, _, prefix = short(macs).partition(" ")
        parts.append(f"{number} {prefix}MAC")
    return " · ".join(parts)


def _leaving(box: Box, workload: Workload) -> str:
    outputs = box.ops[-1].outputs
    return f"→ {shape_text(workload.tensors[outputs[0]].shape)}" if outputs else ""


def _tooltip(box: Box, workload: Workload) -> str:
    listed = box.ops[:_LISTED_OPS]
    texts = [_details(op, workload) for op in listed]
    if len(box.ops) > len(listed):
        texts.append(f"and {len(box.ops) - len(listed):,} more operators")
    return "\n\n".join(texts) if len(box.ops) <= 3 else "\n".join(_brief(t) for t in texts)


def _brief(details: str) -> str:
    return details.partition("\n")[0]


def _details(op: Op, workload: Workload) -> str:
    lines = [f"{visible(op.name)} ({visible(op.op_type)}), {where_it_runs(op)}"]
    if op.weight is not None:
        m = workload.matrices[op.weight.matrix]
        blocks = f"{m.blocks} × " if m.blocks > 1 else ""
        lines.append(f"matrix {blocks}{m.inputs} × {m.outputs}, {op.weight.vectors:,} vectors")
    if workload.macs(op):
        lines.append(f"{workload.macs(op):,} MACs")
    parameters = sum(workload.parameters[name].elements for name in op.parameters)
    if parameters:
        lines.append(f"{parameters:,} parameters")
    lines += [f"gives {tensor_text(name, workload)}" for name in op.outputs]
    if op.reason:
        lines.append(visible(op.reason))
    return "\n".join(lines)


def tensor_text(name: str, workload: Workload) -> str:
    """A tensor's name and shape."""
    return f"{shorten(name, 60)} {shape_text(workload.tensors[name].shape)}"
