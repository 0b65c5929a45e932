"""YAML text to a tree of nodes with positions.

Composed from libyaml's events rather than from its nodes: that is twice as fast, and it stops at
the first construct that archsim refuses (anchors, tags, deep nesting), where a composer would expand
a hostile file, or overflow the C stack, first.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from yaml._yaml import CParser
from yaml.events import (
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from archsim.config.files import read_text, shown
from archsim.config.nodes import Block, Entry, Items, Leaf, Node, Position
from archsim.config.scalars import ScalarError, read_scalar
from archsim.errors import InputError

DEEPEST_NESTING = 50


def read_file(path: Path) -> Block:
    """The mapping in a YAML file; raises `InputError` with line and column for anything else."""
    return read_yaml(read_text(path), shown(path))


def read_yaml(text: str, name: str) -> Block:
    """The mapping in a YAML text; `name` stands for the file in positions and messages."""
    try:
        return _Reader(text, name).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            f"not valid YAML: {error.problem or error.context}",
            place=f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name,
            remedy=_SYNTAX_REMEDY.get(str(error.problem), ""),
        ) from None
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise InputError(f"not valid YAML: {first}", place=name) from None


_SYNTAX_REMEDY = {
    "found character that cannot start any token": "Indent with spaces, not tabs; quote text that "
    "starts with %, @ or a backtick.",
    "mapping values are not allowed in this context": "Check the indentation; quote text that "
    "holds ': '.",
}


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, name: str) -> None:
        self._parser = CParser(text)
        self._name = name

    def document(self) -> Block:
        """The single document of the text, which must be a mapping."""
        self._next()  # start of the stream
        start = self._next()
        if isinstance(start, StreamEndEvent):
            raise InputError("the file is empty, expected a YAML mapping", place=self._name)
        root = self._node(self._next(), Position(self._name, 1, 1), 0)
        self._next()  # end of the document
        extra = self._next()
        if not isinstance(extra, StreamEndEvent):
            raise InputError(
                "a second YAML document starts here, expected one per file",
                place=str(self._at(extra)),
            )
        if not isinstance(root, Block):
            found = "a list" if isinstance(root, Items) else f"'{_short(root.text)}'"
            raise InputError(
                f"found {found}, expected a mapping (key: value)", place=str(root.position)
            )
        return root

    def _next(self) -> Event:
        event = self._parser.get_event()
        assert event is not None, "read past the end of the stream"
        return event

    def _at(self, event: Event) -> Position:
        mark = event.start_mark
        assert mark is not None, "libyaml marks every event"
        return Position(self._name, mark.line + 1, mark.column + 1)

    def _node(self, event: Event, owner: Position, depth: int) -> Node:
        """The node that `event` starts; a block is placed at its `owner`, the key before it."""
        if isinstance(event, ScalarEvent):
            return self._leaf(event)
        if not isinstance(event, CollectionStartEvent):
            raise self._refuse(event, "an alias")
        self._check(event)
        if depth >= DEEPEST_NESTING:
            raise InputError(
                f"nested more than {DEEPEST_NESTING} levels deep", place=str(self._at(event))
            )
        if isinstance(event, MappingStartEvent):
            return self._block(owner, depth)
        return self._items(self._at(event), depth)

    def _check(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise self._refuse(event, f"an anchor (&{event.anchor})")
        if event.tag is not None:
            raise InputError(
                f"found the tag '{event.tag}', expected a plain value",
                place=str(self._at(event)),
                remedy="Remove the tag.",
            )

    def _refuse(self, event: Event, found: str) -> InputError:
        return InputError(
            f"found {found}, expected a plain value",
            place=str(self._at(event)),
            remedy="Write the value out, or share it through `extends`.",
        )

    def _leaf(self, event: ScalarEvent) -> Leaf:
        position = self._at(event)
        if event.anchor is not None or event.tag is not None:
            self._check(event)
        text: str = event.value
        if not event.implicit[0]:  # quoted or a block of text
            return Leaf(text, text, position)
        if not text:
            raise InputError(
                "a value is missing here",
                place=str(position),
                remedy="Write null if none is meant.",
            )
        try:
            return Leaf(read_scalar(text), text, position)
        except ScalarError as error:
            raise InputError(str(error), place=str(position)) from None

    def _items(self, position: Position, depth: int) -> Items:
        items = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._node(event, self._at(event), depth + 1))
        return Items(tuple(items), position)

    def _block(self, owner: Position, depth: int) -> Block:
        entries: dict[str, Entry] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            position = self._at(event)
            key = self._key(event, position)
            if key in entries:
                first = entries[key].position
                raise InputError(
                    f"the key '{_short(key)}' is written twice, first at {first}",
                    place=str(position),
                    remedy="Remove one of them.",
                )
            entries[key] = Entry(position, self._node(self._next(), position, depth + 1))
        return Block(entries, owner)

    def _key(self, event: Event, position: Position) -> str:
        """A key is text, whatever it looks like: `on`, `1` and `null` are names here."""
        if not isinstance(event, ScalarEvent):
            raise InputError(
                "found a list, mapping or alias as a key, expected a name", place=str(position)
            )
        self._check(event)
        key: str = event.value
        if not key:
            raise InputError("a key is missing before ':'", place=str(position))
        if key == "<<":
            raise InputError(
                "found the merge key '<<', which archsim does not read",
                place=str(position),
                remedy="Use `extends: other.yaml`.",
            )
        return key


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
