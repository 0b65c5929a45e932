"""What a component model expects at each place of a tree, read from its annotations."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from archsim.config.merging import kind_of
from archsim.config.nodes import Block, Items, KeyPath, Node, children
from archsim.fields import Component, Quantity

# A type annotation: a class, a union, a generic alias.  Python has no common type for them.
Annotation: TypeAlias = Any


@lru_cache(maxsize=1024)
def fields_of(model: type[Component]) -> Mapping[str, FieldInfo]:
    """The fields of a model by their YAML key."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def alternatives(annotation: Annotation) -> Iterator[Annotation]:
    """The members of a union, through `Annotated`; the annotation itself if it is none."""
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from alternatives(member)
    else:
        yield annotation


def components_of(annotation: Annotation) -> tuple[type[Component], ...]:
    """The component models that an annotation admits."""
    return tuple(
        member
        for member in alternatives(annotation)
        if isinstance(member, type) and issubclass(member, Component)
    )


@lru_cache(maxsize=1024)
def inner_fields(model: type[Component]) -> tuple[tuple[str, str, bool], ...]:
    """(key, attribute, is it a boolean) of the fields that are booleans or components."""
    found = []
    for name, info in model.model_fields.items():
        is_flag = bool in alternatives(info.annotation)
        if is_flag or components_of(info.annotation):
            found.append((info.alias or name, name, is_flag))
    return tuple(found)


@lru_cache(maxsize=1024)
def kinds_of(model: type[Component]) -> tuple[str, ...]:
    """The values of a model's `kind`, if it is a Literal."""
    info = fields_of(model).get("kind")
    if info is None:
        return ()
    return tuple(
        str(value)
        for member in alternatives(info.annotation)
        if _is_literal(member)
        for value in get_args(member)
    )


def _is_literal(annotation: Annotation) -> bool:
    origin: Any = get_origin(annotation)
    return origin is Literal


def choose(annotation: Annotation, node: Node | None) -> type[Component] | None:
    """The model that `node` should follow: the only one, or the one of its `kind`."""
    models = components_of(annotation)
    if len(models) <= 1:
        return models[0] if models else None
    kind = kind_of(node) if isinstance(node, Block) else None
    return next((model for model in models if kind in kinds_of(model)), None)


def element(annotation: Annotation, segment: str, node: Node | None) -> Annotation | None:
    """The annotation of one element of `node`, a list or mapping; None if it may be neither."""
    for member in alternatives(annotation):
        origin: Any = get_origin(member)
        arguments = get_args(member)
        if not isinstance(origin, type) or not arguments:
            continue
        if issubclass(origin, Mapping) and isinstance(node, Block):
            return arguments[1]
        if not isinstance(node, Items):
            continue
        if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
            return arguments[int(segment)] if int(segment) < len(arguments) else None
        if issubclass(origin, Sequence):
            return arguments[0]
    return None


def quantity_of(annotation: Annotation) -> Quantity | None:
    """The `Quantity` that annotates a number, however deep in unions and lists, or None."""
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        found = next((m for m in annotation.__metadata__ if isinstance(m, Quantity)), None)
        return found or quantity_of(get_args(annotation)[0])
    return next((q for m in get_args(annotation) if (q := quantity_of(m))), None)


@lru_cache(maxsize=4096)
def field_quantity(model: type[Component], key: str) -> Quantity | None:
    """The `Quantity` of the field with the YAML key `key`, or None for other fields."""
    info = fields_of(model)[key]
    direct = next((m for m in info.metadata if isinstance(m, Quantity)), None)
    return direct or quantity_of(info.annotation)


def valid_paths(annotation: Annotation, node: Node | None, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path that the schema allows below `node`, of the kinds that `node` chooses."""
    model = choose(annotation, node)
    if model is not None:
        entries = node.entries if isinstance(node, Block) else {}
        for key, info in fields_of(model).items():
            child = entries[key].node if key in entries else None
            yield (*path, key)
            yield from valid_paths(info.annotation, child, (*path, key))
        return
    if len(components_of(annotation)) > 1:
        # Nothing else is known of a block whose kind is missing or misspelt.
        yield (*path, "kind")
    for segment, child in children(node):
        inner = element(annotation, segment, node)
        if inner is not None:
            yield (*path, segment)
            yield from valid_paths(inner, child, (*path, segment))


class Trace:
    """Follows a pydantic error location through a tree: where it points, and the model there.

    Locations hold tags of unions besides keys; these are skipped.  After `follow`, `path` is the
    dotted path, `model` the component that holds its last key (None outside components), `parent`
    the node of that component and `node` the value itself (None if it is missing).
    """

    def __init__(self, model: type[Component], block: Block) -> None:
        self.root = model
        self.path: KeyPath = ()
        self.model: type[Component] | None = model
        self.parent: Node = block
        self.node: Node | None = block
        self._annotation: Annotation = model

    def follow(self, location: tuple[int | str, ...]) -> Trace:
        """Move along `location`; returns the trace itself."""
        for segment in location:
            self._step(str(segment))
        return self

    @property
    def annotation(self) -> Annotation:
        """What the schema expects at the end of the trace."""
        return self._annotation

    def _step(self, segment: str) -> None:
        node, tagged = self.node, len(components_of(self._annotation)) > 1
        model = choose(self._annotation, node)
        if tagged and model is not None and segment in (*kinds_of(model), model.__name__):
            self._annotation = model
            return
        known = dict(fields_of(model)) if model is not None else {}
        child = dict(children(node)).get(segment)
        if segment not in known and child is None:
            return
        info = known.get(segment)
        inner = info.annotation if info is not None else element(self._annotation, segment, node)
        if node is not None:
            self.parent = node
        self.path, self.model, self.node = (*self.path, segment), model, child
        self._annotation = inner
