"""Laying one tree over another: what `extends` and overrides do.

* Mappings merge key by key; scalars and lists replace.
* A mapping whose `kind` changes replaces the whole block: the keys of another kind mean nothing.
  So does a mapping with an `extends` of its own, since its author said what to start from.
* `null` is a value like any other: it replaces what was inherited, and the schema then says whether
  it may be null.  It never removes a key.
* A value that really changes loses its citation, since the source speaks of the old number.
"""

from __future__ import annotations

from archsim.config.nodes import Block, Entry, Items, KeyPath, Leaf, Node, Plain, Source


def merge(base: Node, over: Node, note: str) -> Node:
    """`base` with `over` laid on top; changed values without a citation are assumed, with `note`."""
    if isinstance(base, Block) and isinstance(over, Block):
        return merge_blocks(base, over, note)
    if isinstance(base, Leaf) and isinstance(over, Leaf) and same(base.value, over.value):
        return over._replace(source=base.source, distance=base.distance)
    if isinstance(base, Items) and isinstance(over, Items) and same(base.plain(), over.plain()):
        return base
    return _assume(over, Source(note=note))


def merge_blocks(base: Block, over: Block, note: str) -> Block:
    """`merge` of two mappings."""
    if over.started or changes_kind(base, over):
        return over
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        inherited = entries.get(key)
        if inherited is not None:
            entry = Entry(entry.position, merge(inherited.node, entry.node, note))  # noqa: PLW2901
        entries[key] = entry
    return Block(entries, over.position)


def changes_kind(base: Block, over: Block) -> bool:
    """Whether `over` names a `kind` that `base` does not have."""
    return kind_of(over) is not None and kind_of(over) != kind_of(base)


def kind_of(block: Block) -> str | None:
    """The `kind` that a block declares, or None."""
    entry = block.entries.get("kind")
    return entry.node.text if entry is not None and isinstance(entry.node, Leaf) else None


def same(one: Plain, other: Plain) -> bool:
    """Equality that tells true from 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _assume(node: Node, source: Source) -> Node:
    """`node` with every uncited leaf assumed; any citation made later still wins."""
    match node:
        case Leaf():
            return node._replace(source=source) if node.source is None else node
        case Items():
            return node._replace(items=tuple(_assume(item, source) for item in node.items))
        case Block():
            return node._replace(
                entries={
                    key: entry._replace(node=_assume(entry.node, source))
                    for key, entry in node.entries.items()
                }
            )


class NoSuchPath(LookupError):
    """A path that leads through a scalar, or past the end of a list."""


def put(node: Node, path: KeyPath, new: Node, note: str) -> Node:
    """`node` with `new` merged in at `path`; mappings on the way are made as needed."""
    if not path:
        return merge(node, new, note)
    head, rest = path[0], path[1:]
    match node:
        case Block():
            return _put_key(node, head, rest, new, note)
        case Items() if head.isdecimal() and int(head) < len(node.items):
            items = list(node.items)
            items[int(head)] = put(items[int(head)], rest, new, note)
            return node._replace(items=tuple(items))
        case Leaf() if node.value is None:
            return _put_key(Block({}, node.position), head, rest, new, note)
        case _:
            raise NoSuchPath(head)


def _put_key(block: Block, key: str, rest: KeyPath, new: Node, note: str) -> Block:
    position = new.position
    if key == "kind" and not rest:
        return merge_blocks(block, Block({key: Entry(position, new)}, position), note)
    old = block.entries.get(key)
    if old is not None:
        node = put(old.node, rest, new, note)
    elif rest:
        node = put(Block({}, position), rest, new, note)
    else:
        node = _assume(new, Source(note=note))
    entries = dict(block.entries)
    entries[key] = Entry(position if old is None else old.position, node)
    return block._replace(entries=entries)
