"""The `sources` block of a file: which number comes from where.

    sources:
      device.pulse: onen22.pulse_width                  # a key of the bibliography
      device.gate: [cui23.stack, yao20.stack]           # several
      adc: assumed                                      # a whole block may be named
      array.wire: "assumed: between two published nodes"
      read.repeats: "measured: in which run"            # by archsim, as its reports write it
      device.step: {ref: onen22.g_range, note: range over 1000 pulses}

A citation speaks of the values that its own file wrote, and of those it inherits.  A leaf takes the
most specific citation; of two equally specific ones, that of the extending file.
"""

from __future__ import annotations

from archsim.config.nodes import (
    NO_CITATIONS,
    Block,
    Citations,
    Entry,
    Items,
    KeyPath,
    Leaf,
    Node,
    Source,
    dotted,
    find,
    paths,
)
from archsim.errors import InputError, did_you_mean

ASSUMED = "assumed"
MEASURED = "measured"
_EXPECTED = (
    'expected a reference key, a list of keys, `assumed`, `"assumed: why"`, `"measured: where"`, '
    "or {ref: key, note: text}"
)
# What stands in place of reference keys, before a colon and a note.
_WITHOUT_KEYS = (ASSUMED, MEASURED)


def apply_citations(block: Block, written: Node) -> tuple[Block, list[str]]:
    """`block` with each leaf cited as its file's `sources` say, and what is wrong with these.

    Raises `InputError` if `sources` is no mapping.
    """
    if not isinstance(written, Block):
        raise InputError(
            "'sources' is not a mapping of dotted paths to sources", place=str(written.position)
        )
    root: dict[str, object] = {}
    problems = []
    for name, entry in written.entries.items():
        try:
            _insert(root, _path(block, name, entry), read_source(entry.node))
        except InputError as error:
            problems.append(str(error))
    return block.cited(_freeze(root), None, 0), problems


def _path(block: Block, name: str, entry: Entry) -> KeyPath:
    path = tuple(name.split("."))
    if find(block, path) is None:
        raise InputError(
            f"sources: there is no value '{name}' in this file or in those it extends.",
            place=str(entry.position),
            remedy=did_you_mean(name, (dotted(p) for p in paths(block))),
        )
    return path


def read_source(node: Node) -> Source:
    """One entry of `sources`."""
    match node:
        case Leaf(value=str(text)) if (word := text.split(":", 1)[0].strip()) in _WITHOUT_KEYS:
            return Source(note=text.partition(":")[2].strip(), measured=word == MEASURED)
        case Block() if len(node.entries) == 1 and (word := next(iter(node.entries))) in (
            _WITHOUT_KEYS
        ):
            return Source(note=_text(node.entries[word].node), measured=word == MEASURED)
        case Block() if "ref" in node.entries and set(node.entries) <= {"ref", "note"}:
            note = node.entries.get("note")
            return Source(_keys(node.entries["ref"].node), "" if note is None else _text(note.node))
        case Block():
            raise InputError(
                f"sources: found another mapping, {_EXPECTED}", place=str(node.position)
            )
        case _:
            return Source(_keys(node))


def _keys(node: Node) -> tuple[str, ...]:
    nodes = node.items if isinstance(node, Items) else (node,)
    if not nodes:
        raise InputError(f"sources: found an empty list, {_EXPECTED}", place=str(node.position))
    return tuple(_text(item) for item in nodes)


def _text(node: Node) -> str:
    if isinstance(node, Leaf) and isinstance(node.value, str) and node.value.strip():
        return node.value.strip()
    found = f"'{node.text}'" if isinstance(node, Leaf) else "a list or mapping"
    raise InputError(f"sources: found {found}, {_EXPECTED}", place=str(node.position))


_HERE = ""  # never a path segment


def _insert(root: dict[str, object], path: KeyPath, source: Source) -> None:
    level = root
    for segment in path:
        below = level.setdefault(segment, {})
        assert isinstance(below, dict)
        level = below
    level[_HERE] = source


def _freeze(level: dict[str, object]) -> Citations:
    source = level.get(_HERE)
    children = {
        key: _freeze(below) for key, below in level.items() if key and isinstance(below, dict)
    }
    if not children and source is None:
        return NO_CITATIONS
    return Citations(source if isinstance(source, Source) else None, children)
