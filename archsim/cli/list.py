"""`archsim list`: what is built in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from archsim.cli import options
from archsim.cli.console import literal_row, plain_table, show, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from archsim.resources import DataKind


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is built in."""

    name: str
    description: str


def folder_of(what: str) -> Path:
    """The folder whose YAML files `archsim list WHAT` lists."""
    from archsim.resources import data_folder

    kind, *parts = FOLDERS[what]
    return data_folder(kind).joinpath(*parts)


def _files(what: str) -> list[Entry]:
    from archsim.config.loading import list_names

    return [Entry(found.name, found.description) for found in list_names(folder_of(what))]


def _operators() -> list[Entry]:
    from archsim.workload.onnx_reader import OPERATORS

    found = []
    for (domain, name), operator in OPERATORS.items():
        family = operator.handler.__module__.rpartition(".")[2].replace("_", " ")
        found.append(Entry(name, f"{family}, domain {domain or 'ai.onnx'}"))
    return sorted(found, key=lambda entry: (entry.name, entry.description))


FOLDERS: dict[str, tuple[DataKind, *tuple[str, ...]]] = {
    "archs": ("arch_configs",),
    "devices": ("arch_configs", "devices"),
    "gpus": ("arch_configs", "gpu"),
    "workloads": ("workloads",),
}


@click.command(epilog="Example: archsim list archs")
@click.argument("what", type=click.Choice([*FOLDERS, "ops"]))
@options.json_option
def command(*, what: str, as_json: bool) -> None:
    """List what ships with archsim: architectures, devices, GPUs, networks, ONNX operators."""
    entries = _operators() if what == "ops" else _files(what)
    if as_json:
        write_json([asdict(entry) for entry in entries])
        return
    table = plain_table("name", "description")
    table.columns[1].no_wrap = False
    for entry in entries:
        literal_row(table, entry.name, entry.description)
    show(table)
