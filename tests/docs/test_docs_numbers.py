"""The page that lists every number of every configuration that ships, with its source, is up to date.

With the variable ARCHSIM_UPDATE_DOCS set, the page is rewritten.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from archsim.config.extending import EXTENDS, Extender
from archsim.config.nodes import Leaf, dotted
from archsim.config.reader import read_file
from archsim.resources import data_folder

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "numbers.md"
FOLDER = data_folder("arch_configs")
# What was published and is compared with has a page of its own, validation.md.
LEFT_OUT = ("published/", "references.yaml")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?( ?[A-Za-z%/^0-9*]+)?\Z")
HEAD = """# Numbers that ship

Every number of every file in `arch_configs/`, with the keys of the bibliography
(`arch_configs/references.yaml`) behind it, or `assumed`. Published systems, which estimates are
compared with, have the page [validation.md](validation.md). A file that extends another lists what
it changes. Written by a test from the files.
"""


def files() -> list[Path]:
    """The configurations, whole architectures first."""
    found = (p for p in FOLDER.rglob("*.yaml") if not name_of(p).startswith(LEFT_OUT))
    return sorted(found, key=lambda path: (path.parent != FOLDER, name_of(path)))


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def numbers(path: Path) -> dict[str, Leaf]:
    """The numbers of a file with everything that it extends, by dotted path."""
    leaves = Extender((FOLDER,)).file(path).leaves()
    return {dotted(route): leaf for route, leaf in leaves if NUMBER.match(leaf.text)}


def base_of(path: Path) -> Path | None:
    """The file that a whole file extends."""
    entry = read_file(path).entries.get(EXTENDS)
    if entry is None:
        return None
    assert isinstance(entry.node, Leaf)
    beside = path.parent / f"{entry.node.text}.yaml"
    return beside if beside.is_file() else FOLDER / f"{entry.node.text}.yaml"


def row(name: str, leaf: Leaf) -> str:
    assert leaf.source is not None, name
    source = ", ".join(leaf.source.references) or "assumed"
    cells = (name, leaf.text, source, leaf.source.note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def stated(path: Path) -> dict[str, str]:
    return {name: row(name, leaf) for name, leaf in numbers(path).items()}


def section(path: Path) -> str:
    base = base_of(path)
    known = stated(base) if base else {}
    rows = [text for name, text in stated(path).items() if known.get(name) != text]
    lines = [f"## {name_of(path).removesuffix('.yaml')}", ""]
    if base:
        lines += [f"Extends `{name_of(base).removesuffix('.yaml')}`.", ""]
    if rows:
        lines += ["| value | number | source | note |", "|---|---|---|---|", *rows]
    else:
        lines += ["No numbers."]
    return "\n".join(lines) + "\n"


def test_every_number_that_ships_is_listed_with_its_source() -> None:
    """The page is what the files say; a number without a source has no row, and fails."""
    wanted = "\n".join([HEAD, *map(section, files())])
    if os.environ.get("ARCHSIM_UPDATE_DOCS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
