"""Giving the values of a loaded configuration other sources, for files that archsim writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archsim.config.loading import Loaded
from archsim.config.nodes import Block, Entry, Items, KeyPath, Leaf, Node, Source, dotted
from archsim.fields import ComponentT


def recited(
    loaded: Loaded[ComponentT], source_of: Callable[[str, Source | None], Source | None]
) -> Loaded[ComponentT]:
    """`loaded` with the source of every value replaced by what `source_of` makes of it.

    `source_of` takes the dotted path of a value and its present source.
    """
    block = _recited(loaded.block, (), source_of)
    assert isinstance(block, Block)
    return replace(loaded, block=block)


def _recited(
    node: Node, path: KeyPath, source_of: Callable[[str, Source | None], Source | None]
) -> Node:
    match node:
        case Leaf():
            return node._replace(source=source_of(dotted(path), node.source))
        case Items():
            items = [_recited(n, (*path, str(i)), source_of) for i, n in enumerate(node.items)]
            return node._replace(items=tuple(items))
        case Block():
            entries = {
                key: Entry(entry.position, _recited(entry.node, (*path, key), source_of))
                for key, entry in node.entries.items()
            }
            return node._replace(entries=entries)
