"""A loaded configuration as YAML text: resolved, complete, loadable again."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from archsim.config.citations import ASSUMED, MEASURED
from archsim.config.extending import SOURCES
from archsim.config.loading import Loaded
from archsim.config.nodes import KeyPath, Node, Plain, Source, children, dotted
from archsim.config.scalars import ScalarError, read_scalar
from archsim.fields import ComponentT


def dump(loaded: Loaded[ComponentT]) -> str:
    """The resolved content with its sources; loading it gives the same values and `sha256`."""
    content: dict[str, Plain] = dict(loaded.tree)
    sources = {dotted(path): _written(source) for path, source in _compact(loaded.block, ())}
    if sources:
        content[SOURCES] = sources
    return yaml.dump(
        content, Dumper=ConfigurationDumper, sort_keys=False, allow_unicode=True, width=100
    )


class ConfigurationDumper(yaml.CSafeDumper):
    """A dumper that quotes whatever `read_scalar` would not read as the same text."""

    def ignore_aliases(self, _data: object) -> bool:
        """Whether to write shared values out: always, since aliases are refused on reading."""
        return True


def _quoted(dumper: ConfigurationDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = read_scalar(text) == text
    except ScalarError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if plain else "'")


ConfigurationDumper.add_representer(str, _quoted)


def _written(source: Source) -> Plain:
    """A source as the `sources` block states it."""
    if not source.references:
        word = MEASURED if source.measured else ASSUMED
        return f"{word}: {source.note}" if source.note else word
    keys: Plain = list(source.references) if len(source.references) > 1 else source.references[0]
    return {"ref": keys, "note": source.note} if source.note else keys


def _compact(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Source]]:
    """Citations that give every leaf its source, one for a whole block where all agree."""
    sources = {leaf.source for _, leaf in node.leaves()}
    if len(sources) == 1 and path:
        source = sources.pop()
        if source is not None:
            yield path, source
        return
    for segment, child in children(node):
        yield from _compact(child, (*path, segment))
