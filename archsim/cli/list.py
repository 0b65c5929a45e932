"""`archsim list`: what is built in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from archsim.cli import options
from archsim.cli.console import (
    USUAL,
    FittingTable,
    literal_row,
    plain_table,
    show,
    width,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from archsim.config.loading import Listing
    from archsim.resources import DataKind
    from archsim.workload.onnx_reader.classification import Classified


_MOST_KEYS = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is built in: what stands behind it, and how many of its values are assumed.

    `sources` are keys of the bibliography or texts, `source` the same in short.
    """

    name: str
    description: str
    source: str
    sources: tuple[str, ...]
    assumed: int


def folder_of(what: str) -> Path:
    """The folder whose YAML files `archsim list WHAT` lists."""
    from archsim.resources import data_folder

    kind, *parts = (FOLDERS | COMPONENTS)[what]
    return data_folder(kind).joinpath(*parts)


def _files(what: str) -> list[Entry]:
    from archsim.config.loading import list_names

    folder = folder_of(what)
    entries = []
    for found in list_names(folder):
        texts = _own_references(folder / f"{found.name}.yaml")
        source = "; ".join(texts) if texts else _in_short(found)
        entries.append(
            Entry(found.name, found.description, source, texts or found.references, found.assumed)
        )
    return entries


def _in_short(found: Listing) -> str:
    """The sources of a file's values: one or two by their keys, more by their number."""
    keys = found.references
    named = ", ".join(keys) if len(keys) <= _MOST_KEYS else f"{len(keys)} references"
    values = "value" if found.assumed == 1 else "values"
    assumed = f"{found.assumed} {values} assumed" if found.assumed else ""
    return "; ".join(text for text in (named, assumed) if text)


def _own_references(path: Path) -> tuple[str, ...]:
    """The `references` of a workload's file, which are texts."""
    from archsim.config.nodes import Items, Leaf
    from archsim.config.reader import read_file

    entry = read_file(path).entries.get("references")
    if entry is None or not isinstance(entry.node, Items):
        return ()
    return tuple(item.text for item in entry.node.items if isinstance(item, Leaf))


FOLDERS: dict[str, tuple[DataKind, *tuple[str, ...]]] = {
    "archs": ("arch_configs",),
    "devices": ("arch_configs", "devices"),
    "gpus": ("arch_configs", "gpu"),
    "published": ("arch_configs", "published"),
    "recipes": ("recipes",),
    "workloads": ("workloads",),
}
# Parts of an architecture that `extends:` can start from.
COMPONENTS: dict[str, tuple[DataKind, *tuple[str, ...]]] = {
    "adcs": ("arch_configs", "adcs"),
    "drivers": ("arch_configs", "drivers"),
    "memories": ("arch_configs", "memories"),
    "links": ("arch_configs", "links"),
    "cycles": ("arch_configs", "cycles"),
    "cells": ("arch_configs", "cells"),
    "access": ("arch_configs", "access"),
    "drives": ("arch_configs", "drives"),
    "supplies": ("arch_configs", "supplies"),
    "power-gating": ("arch_configs", "power_gating"),
}


@click.command(epilog="Example: archsim list archs")
@click.argument("what", type=options.OneOf([*FOLDERS, *COMPONENTS, "algorithms", "ops"]))
@options.json_option
def command(*, what: str, as_json: bool) -> None:
    """List what ships with archsim: architectures, devices, GPUs, networks, training recipes, published systems, components (converters,
    drivers, memories, links, cycles, cells, access transistors, device drives, supplies, power gating), update algorithms, and the ONNX operators that it knows.

    Sources are keys of the bibliography (arch_configs/references.yaml); --json lists all of them.
    """
    if what == "ops":
        _list_operators(as_json=as_json)
        return
    if what == "devices":
        from archsim.cli.list_devices import list_devices

        list_devices(folder_of(what), _files(what), as_json=as_json)
        return
    if what == "adcs":
        from archsim.cli.list_converters import list_converters

        list_converters(folder_of(what), _files(what), as_json=as_json)
        return
    if what == "algorithms":
        from archsim.cli.list_algorithms import list_algorithms

        list_algorithms(as_json=as_json)
        return
    entries = _files(what)
    if as_json:
        write_json([asdict(entry) for entry in entries])
        return
    sourced = any(entry.source for entry in entries)
    table = plain_table("name", "description", *(["source"] if sourced else []))
    for column in table.columns[1:]:
        column.no_wrap, column.overflow = False, "fold"
    for entry in entries:
        literal_row(table, entry.name, entry.description, *([entry.source] if sourced else []))
    show(FittingTable(table, ["source"]) if width() < USUAL else table)


def _list_operators(*, as_json: bool) -> None:
    """Every ONNX operator that has a name here: its kind, where it runs, what it costs."""
    from archsim.workload.onnx_reader.classification import all_operators

    found = list(all_operators())
    if as_json:
        write_json([{"name": entry.op_type, **asdict(entry)} for entry in found])
        return
    for domain in dict.fromkeys(entry.domain for entry in found):
        rows = [entry for entry in found if entry.domain == domain]
        show(f"Domain {domain or 'ai.onnx'}: {len(rows)} operators", "", _operator_table(rows), "")
    show(
        "n counts the elements of the output. Refused as a whole: the domains "
        + ", ".join(sorted(_refused_domains()))
        + "."
    )


def _refused_domains() -> list[str]:
    from archsim.workload.onnx_reader.refusals import REFUSED_DOMAINS

    return list(REFUSED_DOMAINS)


# Operator, first opset, kind, where, forward, backward: 80 columns with the gaps between them.
_WIDTHS = (18, 5, 13, 7, 18, 14)


def _operator_table(rows: Sequence[Classified]) -> Table:
    columns = ("operator", "opset", "kind", "where", "forward", "backward")
    table = plain_table(*columns, right=("opset",), tight=True)
    for column, columns_wide in zip(table.columns, _WIDTHS, strict=True):
        column.no_wrap, column.overflow = False, "fold"
        column.width = columns_wide
    for row in rows:
        literal_row(
            table, row.op_type, str(row.since), row.kind, row.where, row.forward, row.backward
        )
    return table
