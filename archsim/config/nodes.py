"""The tree that a YAML file becomes: values that remember where they were written.

A `Block` is a mapping, `Items` a list, a `Leaf` a scalar.  Every node keeps the position from which
it came, through any number of `extends`, so that each message can name a line; every leaf keeps the
source that was cited for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from archsim.config.scalars import Atom

KeyPath: TypeAlias = tuple[str, ...]
Plain: TypeAlias = "Atom | list[Plain] | dict[str, Plain]"
Node: TypeAlias = "Leaf | Items | Block"

# The distance of a leaf from a citation that it does not have: farther than any real one.
UNCITED = 1_000_000

# How the position of a value begins that was set by itself, on the command line or by a study.
OVERRIDE = "override of"


class Position(NamedTuple):
    """A place in a file; line and column count from 1, line 0 stands for no line."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number comes from: keys of the bibliography, a measurement, or an assumption.

    `measured` is for numbers that archsim has measured itself; `note` then says in which run.
    """

    references: tuple[str, ...] = ()
    note: str = ""
    measured: bool = False

    @property
    def assumed(self) -> bool:
        """Whether neither a reference nor a measurement stands behind the number."""
        return not (self.references or self.measured)


class Citations(NamedTuple):
    """The `sources` of one file as a tree over path segments."""

    source: Source | None
    children: Mapping[str, Citations]


NO_CITATIONS = Citations(None, MappingProxyType({}))


class Leaf(NamedTuple):
    """A scalar: its value, its text as written, and the source cited for it.

    `distance` is the number of path segments between the leaf and the path that the citation names
    (0: the leaf itself).
    """

    value: Atom
    text: str
    position: Position
    source: Source | None = None
    distance: int = UNCITED

    def plain(self) -> Plain:
        """The value without its marks."""
        return self.value

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
        """The leaf with its path."""
        yield path, self

    def cited(self, citations: Citations, source: Source | None, distance: int) -> Leaf:
        """The leaf with `source`, unless it already has a more specific one."""
        del citations  # those below a leaf do not exist
        if source is None or distance > self.distance:
            return self
        return self._replace(source=source, distance=distance)


class Items(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    position: Position

    def plain(self) -> Plain:
        """The values without their marks."""
        return [item.plain() for item in self.items]

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
        """Every scalar below, with its path; an element's segment is its index."""
        for index, item in enumerate(self.items):
            yield from item.leaves((*path, str(index)))

    def cited(self, citations: Citations, source: Source | None, distance: int) -> Items:
        """The list with the citations of one file applied to its leaves."""
        return self._replace(
            items=tuple(
                _cite(item, citations.children.get(str(index), NO_CITATIONS), source, distance)
                for index, item in enumerate(self.items)
            )
        )


class Block(NamedTuple):
    """A mapping; its position is that of its key (or of the file's first line).

    `started` marks a block that says itself what it extends, so that it replaces an inherited one.
    """

    entries: Mapping[str, Entry]
    position: Position
    started: bool = False

    def plain(self) -> dict[str, Plain]:
        """The values without their marks."""
        return {key: entry.node.plain() for key, entry in self.entries.items()}

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
        """Every scalar below, with its path."""
        for key, entry in self.entries.items():
            yield from entry.node.leaves((*path, key))

    def cited(self, citations: Citations, source: Source | None, distance: int) -> Block:
        """The block with the citations of one file applied to its leaves."""
        if source is None and not citations.children:
            return self
        return self._replace(
            entries={
                key: entry._replace(
                    node=_cite(
                        entry.node, citations.children.get(key, NO_CITATIONS), source, distance
                    )
                )
                for key, entry in self.entries.items()
            }
        )


class Entry(NamedTuple):
    """A value in a mapping, with the position of its key."""

    position: Position
    node: Node


def _cite(node: Node, citations: Citations, source: Source | None, distance: int) -> Node:
    """`node` under its own citation if there is one, else under the one inherited from above."""
    if citations.source is not None:
        return node.cited(citations, citations.source, 0)
    return node.cited(citations, source, distance + 1)


def dotted(path: KeyPath) -> str:
    """`("adc", "rate")` as `adc.rate`."""
    return ".".join(path)


def find(node: Node, path: KeyPath) -> Node | None:
    """The node at `path`, or None."""
    for segment in path:
        child = _child(node, segment)
        if child is None:
            return None
        node = child
    return node


def _child(node: Node, segment: str) -> Node | None:
    match node:
        case Block():
            entry = node.entries.get(segment)
            return None if entry is None else entry.node
        case Items() if segment.isdecimal() and int(segment) < len(node.items):
            return node.items[int(segment)]
        case _:
            return None


def children(node: Node | None) -> Iterator[tuple[str, Node]]:
    """The path segment and node of everything directly below `node`."""
    match node:
        case Block():
            yield from ((key, entry.node) for key, entry in node.entries.items())
        case Items():
            yield from ((str(index), item) for index, item in enumerate(node.items))
        case _:
            return


def paths(node: Node, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of every node below `node`, blocks and lists included."""
    for segment, child in children(node):
        yield (*path, segment)
        yield from paths(child, (*path, segment))
