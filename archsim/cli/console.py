"""Where output goes: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

NARROWEST = 80
WIDEST = 120


def width() -> int:
    """Columns to fill: those of the terminal within bounds, 80 where there is none."""
    if not sys.stdout.isatty():
        return NARROWEST
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((NARROWEST, 24)).columns))


def console() -> Console:
    """A console on standard output that writes plain text where that is no terminal."""
    from rich.console import Console

    return Console(file=sys.stdout, width=width(), highlight=False, soft_wrap=False)


def show(*parts: RenderableType) -> None:
    """Print tables and lines on standard output; texts are taken literally, without markup."""
    from rich.text import Text

    target = console()
    for part in parts:
        target.print(Text(visible(part)) if isinstance(part, str) else part)


def write_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def note(message: str) -> None:
    """A remark for the reader, on standard error; nothing more can be done if that is closed."""
    try:
        click.echo(visible(message), err=True)
    except OSError:
        return


def visible(text: str) -> str:
    """`text` with control characters (but line ends) made visible, so that none reaches a terminal.

    Names come from files that others wrote, and could otherwise move the cursor or hide text.
    """
    return "".join(c if c == "\n" or c.isprintable() or c == "\xa0" else "\ufffd" for c in text)


def plain_table(*columns: str, right: tuple[str, ...] = (), tight: bool = False) -> Table:
    """An empty table in the house style; `right` names the columns of numbers.

    Columns are two blanks apart, in a `tight` table one.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 0 if tight else 1, 0, 0),
        show_edge=False,
    )
    for column in columns:
        numeric = column in right
        table.add_column(
            column, justify="right" if numeric else "left", no_wrap=True, overflow="ellipsis"
        )
    return table


def literal_row(table: Table, *cells: str) -> None:
    """Add a row whose cells are literal: names come from files and may hold anything."""
    from rich.text import Text

    table.add_row(*(Text(visible(cell)) for cell in cells))
