"""`extends`: a file, or a block inside one, that starts from another file.

At the top of a file the other file is inherited and this one laid over it.  Inside a mapping
(`device: {extends: devices/protonic_onen2022}`) the block starts from that file and nothing else:
an inherited block is replaced, since the author said what to start from.  The name is a path
relative to the file that says it, or the name of a configuration that ships with archsim.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.config.citations import apply_citations
from archsim.config.files import locate, shown
from archsim.config.merging import merge_blocks
from archsim.config.nodes import Block, Entry, Items, Leaf, Node
from archsim.config.reader import DEEPEST_NESTING, read_file
from archsim.errors import InputError

EXTENDS = "extends"
SOURCES = "sources"
# Bounds on what a few small files can make of each other.
LONGEST_CHAIN = 20
MOST_VALUES = 20_000


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the files a block is being resolved.

    `path` is its file, `chain` the files that led to it (itself last), `depth` the number of
    mappings and lists around the block, through all those files.
    """

    path: Path
    chain: tuple[str, ...] = ()
    depth: int = 0

    def inside(self) -> Site:
        """The site one level further in."""
        return replace(self, depth=self.depth + 1)


class Extender:
    """Resolves one file with everything that it extends; made anew for every load.

    `folders` are searched, after the file's own folder, for the names in `extends`.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._resolved: dict[str, Block] = {}
        self._values = 0
        self._problems: list[str] = []

    def check_citations(self) -> None:
        """Raise one `InputError` for all the citations that could not be applied.

        To be called once the schema has accepted the tree: a citation of a misspelt key is the
        consequence of the misspelling.
        """
        if self._problems:
            raise InputError("\n".join(self._problems))

    def file(self, path: Path) -> Block:
        """The resolved tree of a file, without `extends` and `sources`, each value cited."""
        return self._file(path, Site(path))

    def _file(self, path: Path, asked: Site) -> Block:
        identity = os.path.realpath(path)
        if identity not in self._resolved:
            self._resolved[identity] = self._read(Site(path, (*asked.chain, identity), asked.depth))
        block = self._resolved[identity]
        depths = [len(route) for route, _ in block.leaves()]
        self._values += len(depths)
        if self._values > MOST_VALUES:
            raise InputError(f"more than {MOST_VALUES} values after `extends`", place=shown(path))
        _check_depth(asked.depth + max(depths, default=0), shown(path))
        return block

    def _read(self, site: Site) -> Block:
        written = read_file(site.path)
        sources = written.entries.get(SOURCES)
        entries = {key: e for key, e in written.entries.items() if key != SOURCES}
        block = self.block(written._replace(entries=entries), site)
        if sources is None:
            return block
        cited, problems = apply_citations(block, sources.node)
        self._problems += problems
        return cited

    def block(self, block: Block, site: Site) -> Block:
        """A mapping with its own `extends`, and those inside it, resolved."""
        own = block._replace(
            entries={
                key: Entry(entry.position, self._inner(entry.node, site.inside()))
                for key, entry in block.entries.items()
                if key != EXTENDS
            }
        )
        extends = block.entries.get(EXTENDS)
        if extends is None:
            return own
        base = self._base(extends.node, site)
        note = f"set in {own.position.file}, which extends {base.position.file}"
        return merge_blocks(base, own, note)

    def _inner(self, node: Node, site: Site) -> Node:
        match node:
            case Block():
                return self.block(node, site)._replace(started=EXTENDS in node.entries)
            case Items():
                inside = site.inside()
                return node._replace(items=tuple(self._inner(i, inside) for i in node.items))
            case Leaf():
                return node

    def _base(self, name: Node, site: Site) -> Block:
        place = str(name.position)
        if not (isinstance(name, Leaf) and isinstance(name.value, str)):
            raise InputError("`extends` takes one file or name", place=place)
        target = locate(name.value, (site.path.parent, *self._folders), place=place)
        identity = os.path.realpath(target)
        if identity in site.chain:
            circle = (*site.chain[site.chain.index(identity) :], identity)
            names = " -> ".join(shown(Path(file)) for file in circle)
            raise InputError(f"`extends` goes in a circle: {names}", place=place)
        if len(site.chain) >= LONGEST_CHAIN:
            raise InputError(
                f"more than {LONGEST_CHAIN} files extend one another in a chain", place=place
            )
        # Before the file is read, since its own blocks would be resolved recursively.
        _check_depth(site.depth, place)
        return self._file(target, site)


def _check_depth(depth: int, place: str) -> None:
    if depth > DEEPEST_NESTING:
        raise InputError(
            f"nested more than {DEEPEST_NESTING} levels deep after `extends`", place=place
        )
