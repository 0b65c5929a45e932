"""What a configuration assumes: every number with its source, cited, measured or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from archsim.config.citations import ASSUMED, MEASURED
from archsim.config.loading import Loaded
from archsim.config.nodes import Block, Items, KeyPath, Leaf, Node, Source, dotted
from archsim.config.shapes import field_quantity, fields_of
from archsim.fields import Component, ComponentT
from archsim.units import format_quantity

NO_SOURCE = Source(note="no source given")
DEFAULT = Source(note="default of the schema, not in the file")


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number of a configuration: dotted path, text as written, SI unit, and its source.

    `references` are keys of the bibliography, empty if the number is an assumption or was `measured`
    by archsim.  `unit` is "" for plain numbers.
    """

    path: str
    value: str
    unit: str
    references: tuple[str, ...]
    note: str
    measured: bool = False

    @property
    def source(self) -> str:
        """The reference keys, `measured`, or `assumed`, as results state it."""
        return ", ".join(self.references) or (MEASURED if self.measured else ASSUMED)


class _Number(NamedTuple):
    """A number of a component, with the node it was read from (None: a default)."""

    path: KeyPath
    value: object
    unit: str
    node: Node | None


def assumptions(loaded: Loaded[ComponentT]) -> tuple[Assumption, ...]:
    """Every number of the configuration, in the order of the schema.

    A list of numbers is one entry.  Defaults that the file does not mention are included: they are
    assumed as well.
    """
    return tuple(
        Assumption(
            dotted(n.path), _text(n), n.unit, source.references, source.note, source.measured
        )
        for n in _numbers(loaded.value, "", loaded.block, ())
        for source in (_source(n.node),)
    )


def unsourced(loaded: Loaded[ComponentT]) -> tuple[str, ...]:
    """Paths of the numbers with a unit for which the file gives neither source nor `assumed`."""
    return tuple(
        dotted(n.path)
        for n in _numbers(loaded.value, "", loaded.block, ())
        if n.unit and n.node is not None and _source(n.node) is NO_SOURCE
    )


def _numbers(value: Any, unit: str, node: Node | None, path: KeyPath) -> Iterator[_Number]:
    match value:
        case Component():
            yield from _of_component(value, node, path)
        case bool() | Enum():
            return
        case int() | float():
            yield _Number(path, value, unit, node)
        case tuple() | list() if value and all(_is_plain(item) for item in value):
            yield _Number(path, value, unit, node)
        case tuple() | list():
            children = node.items if isinstance(node, Items) else (None,) * len(value)
            for index, (item, child) in enumerate(zip(value, children, strict=False)):
                yield from _numbers(item, unit, child, (*path, str(index)))
        case Mapping():
            for key, item in value.items():
                yield from _numbers(item, unit, _entry(node, key), (*path, str(key)))
        case _:
            return


def _of_component(value: Component, node: Node | None, path: KeyPath) -> Iterator[_Number]:
    model = type(value)
    for (key, _), name in zip(fields_of(model).items(), model.model_fields, strict=True):
        quantity = field_quantity(model, key)
        unit = "" if quantity is None else quantity.unit
        yield from _numbers(getattr(value, name), unit, _entry(node, key), (*path, key))


def _is_plain(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, (bool, Enum))


def _entry(node: Node | None, key: object) -> Node | None:
    entry = node.entries.get(str(key)) if isinstance(node, Block) else None
    return None if entry is None else entry.node


def _text(number: _Number) -> str:
    match number.node:
        case Leaf():
            return number.node.text
        case Items():
            return ", ".join(leaf.text for _, leaf in number.node.leaves())
        case _:
            return _show(number.value, number.unit)


def _show(value: object, unit: str) -> str:
    """A default as a user would write it."""
    if isinstance(value, (tuple, list)):
        return ", ".join(_show(item, unit) for item in value)
    assert isinstance(value, (int, float))
    return format_quantity(value, unit, 6) if unit else f"{value:g}"


def _source(node: Node | None) -> Source:
    """The source of a number; a list's is that of its first element."""
    if node is None:
        return DEFAULT
    return next((leaf.source or NO_SOURCE for _, leaf in node.leaves()), NO_SOURCE)
