"""Changing single values of a loaded configuration by dotted path, for sweeps and `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

from archsim.config.extending import EXTENDS, Extender, Site
from archsim.config.loading import Loaded, build, library
from archsim.config.merging import NoSuchPath, put
from archsim.config.nodes import (
    OVERRIDE,
    Block,
    Entry,
    Items,
    KeyPath,
    Leaf,
    Node,
    Position,
    dotted,
    find,
)
from archsim.config.shapes import (
    Annotation,
    alternatives,
    choose,
    components_of,
    fields_of,
    valid_paths,
)
from archsim.errors import InputError, nearest
from archsim.fields import Component, ComponentT

SET_BY_USER = "set by the user"
_YAML_SUFFIXES = frozenset({".yaml", ".yml"})


def override(loaded: Loaded[ComponentT], changes: Mapping[str, object]) -> Loaded[ComponentT]:
    """`loaded` with some values changed, validated again.

    Keys are dotted paths, values what YAML could hold; a mapping is merged in, a new `kind`
    replaces its block, `{"extends": name}` starts a block from a file, and so does the name alone
    where a block stands or only a block may (`device=devices/pcm`).  Changed values are assumed
    ("set by the user").  Raises `InputError` for unknown paths, with the nearest valid one, and
    for whatever the schema refuses.
    """
    node: Node = loaded.block
    for name in sorted(changes, key=_order):
        position = Position(f"{OVERRIDE} '{name}'")
        path = tuple(name.split("."))
        change = _resolve(
            _node(_meant(changes[name], type(loaded.value), node, path), position), loaded.folder
        )
        try:
            node = put(node, path, change, SET_BY_USER)
        except NoSuchPath:
            raise _unknown(name, loaded) from None
    assert isinstance(node, Block)
    try:
        return build(node, type(loaded.value), loaded.path, loaded.folder)
    except InputError:
        known = {dotted(path) for path in valid_paths(type(loaded.value), node)}
        for name in changes:
            if name not in known:
                raise _unknown(name, loaded) from None
        raise


def _meant(value: object, model: type[Component], node: Node, path: KeyPath) -> object:
    """A text that is set for a whole block names the file from which the block starts.

    A path to a YAML file counts from the working directory, as on every command line, before it
    counts from the folder of the configuration.
    """
    if not (isinstance(value, str) and _takes_block(model, node, path)):
        return value
    file = Path(value)
    here = file.suffix in _YAML_SUFFIXES and file.is_file()
    return {EXTENDS: str(file.resolve()) if here else value}


def _takes_block(model: type[Component], node: Node, path: KeyPath) -> bool:
    """Whether a block stands at `path`, or nothing but a block (or null) may."""
    if isinstance(find(node, path), Block):
        return True
    annotation: Annotation = model
    for depth, key in enumerate(path):
        component = choose(annotation, find(node, path[:depth]))
        if component is None or key not in fields_of(component):
            return False
        annotation = fields_of(component)[key].annotation
    others = set(alternatives(annotation)) - set(components_of(annotation))
    return bool(components_of(annotation)) and others <= {type(None)}


def _order(name: str) -> tuple[int, bool, str]:
    """Blocks before what lies in them, and a `kind` before its siblings."""
    path = name.split(".")
    return len(path), path[-1] != "kind", name


def _unknown(name: str, loaded: Loaded[ComponentT]) -> InputError:
    known = [dotted(path) for path in valid_paths(type(loaded.value), loaded.block)]
    close = nearest(name, known)
    remedy = f"Did you mean '{close}'?" if close else f"Top level: {', '.join(loaded.tree)}."
    return InputError(f"{loaded.path} has no value '{name}'.", remedy=remedy)


def _resolve(node: Node, folder: Path) -> Node:
    """`node` with an `extends` in it resolved, relative to `folder`."""
    if not isinstance(node, Block):
        return node
    extender = Extender(library(folder))
    block = extender.block(node, Site(folder / "override"))
    extender.check_citations()
    return block._replace(started=EXTENDS in node.entries)


def _node(value: object, position: Position) -> Node:
    """A plain value as a tree; raises `InputError` for what YAML could not hold."""
    match value:
        case None:
            return Leaf(None, "null", position)
        case bool():
            return Leaf(value, str(value).lower(), position)
        case str():
            return Leaf(value, value, position)
        case Integral():
            return Leaf(int(value), str(value), position)
        case Real():
            return Leaf(float(value), repr(float(value)), position)
        case Mapping():
            entries = {str(key): Entry(position, _node(v, position)) for key, v in value.items()}
            return Block(entries, position)
        case Sequence():
            return Items(tuple(_node(item, position) for item in value), position)
        case _:
            raise InputError(
                f"found a {type(value).__name__}, expected a number, text, list or mapping",
                place=str(position),
            )
