"""Loading a configuration: strings end here.

    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    loaded.value.adc.rate_hz

A `Loaded` holds the validated component together with the tree it was built from, in which each
value still knows its line and its source.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Generic

from pydantic import ValidationError

from archsim.config.extending import Extender
from archsim.config.files import is_bare_name, locate, names_in, shown
from archsim.config.nodes import Block, Entry, Leaf, Plain, Source, dotted
from archsim.config.problems import as_input_error, loose_booleans, translate
from archsim.config.reader import read_file
from archsim.fields import ComponentT
from archsim.resources import data_folder


@dataclass(frozen=True)
class Loaded(Generic[ComponentT]):
    """A validated component and where everything in it came from.

    `path` is the file as messages and results name it (relative).  `folder` is where names are
    looked up.  `block` is the resolved tree with positions and sources.
    """

    value: ComponentT
    block: Block = field(repr=False, compare=False)
    path: str
    folder: Path = field(repr=False, compare=False)

    @cached_property
    def tree(self) -> Mapping[str, Plain]:
        """The resolved content as plain nested dictionaries, without `extends` and `sources`."""
        return self.block.plain()

    @cached_property
    def sha256(self) -> str:
        """A digest of the resolved content: equal for equal content, however it is written.

        Comments, key order, `extends` and sources do not enter; `5e3` and `5000` are equal.
        """
        text = json.dumps(_canonical(self.block.plain()), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """The source of every value that has one, by dotted path."""
        return {
            dotted(path): leaf.source
            for path, leaf in self.block.leaves()
            if leaf.source is not None
        }


def load(
    name_or_path: str | os.PathLike[str], model: type[ComponentT], folder: Path
) -> Loaded[ComponentT]:
    """The configuration that `name_or_path` means, validated as a `model`.

    A bare name is `folder/NAME.yaml`; anything with a folder or a `.yaml` ending is a path, first
    from the working directory, then from `folder`.  A file without a `name` is named after its stem
    if the model has a name: the name of what it extends is not its own.

    Raises `InputError` that lists everything wrong with the file, each with line and column.
    """
    name = os.fspath(name_or_path)
    path = locate(name, (folder,) if is_bare_name(name) else (Path(), folder))
    extender = Extender(library(folder))
    block = extender.file(path)
    if "name" in model.model_fields:
        block = _named(block, path)
    loaded = build(block, model, shown(path), folder)
    extender.check_citations()
    return loaded


def library(folder: Path) -> tuple[Path, ...]:
    """Where the names in `extends` are looked up, after the file's own folder."""
    return (folder, data_folder("arch_configs"))


def _named(block: Block, path: Path) -> Block:
    entry = block.entries.get("name")
    if entry is not None and entry.position.file == shown(path):
        return block
    position = block.position
    name = Entry(position, Leaf(path.stem, path.stem, position))
    return block._replace(entries={"name": name} | {**block.entries, "name": name})


def build(block: Block, model: type[ComponentT], path: str, folder: Path) -> Loaded[ComponentT]:
    """`block` validated as a `model`; raises `InputError` with every finding."""
    try:
        value = model.model_validate(block.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        raise as_input_error(translate(error, model, block)) from None
    problems = loose_booleans(value, block)
    if problems:
        raise as_input_error(problems)
    return Loaded(value, block, path, folder)


def _canonical(value: Plain) -> Plain:
    """`value` with whole floats as integers, so that the spelling of a number does not matter."""
    match value:
        case dict():
            return {key: _canonical(inner) for key, inner in value.items()}
        case list():
            return [_canonical(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Listing:
    """One configuration of a folder: its name, its own description if it has one, and its sources.

    `references` are the keys of the bibliography that stand behind its values, what it extends
    included; `assumed` counts the cited values that have none.
    """

    name: str
    description: str
    references: tuple[str, ...]
    assumed: int


def list_names(folder: Path) -> tuple[Listing, ...]:
    """The configurations in `folder`, by name, without subfolders."""
    return tuple(_listing(name, locate(name, (folder,)), folder) for name in names_in(folder))


def _listing(name: str, path: Path, folder: Path) -> Listing:
    leaves = [leaf for _, leaf in Extender(library(folder)).file(path).leaves()]
    sources = [leaf.source for leaf in leaves if leaf.source is not None]
    keys = sorted({key for source in sources for key in source.references})
    assumed = sum(source.assumed for source in sources)
    return Listing(name, _description(path), tuple(keys), assumed)


def _description(path: Path) -> str:
    """What the file says of itself: its `description`, else the comment that it begins with."""
    entry = read_file(path).entries.get("description")
    if entry is not None and isinstance(entry.node, Leaf):
        return entry.node.text.strip()
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("# "), lines)
    sentence, _, _ = " ".join(line.removeprefix("# ") for line in comment).partition(". ")
    return sentence.removesuffix(".")
