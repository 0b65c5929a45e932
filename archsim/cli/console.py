"""Where output goes: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

USUAL = 80
NARROWEST = 40
WIDEST = 120
# What stands in for a character that the terminal's encoding lacks.
_PLAIN = {
    "µ": "u",
    "×": "x",
    "²": "^2",
    "\xa0": " ",
    "–": "-",
    "−": "-",
    "…": "...",
    "Ω": "Ohm",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
}


def width() -> int:
    """Columns to fill: those of the terminal or of COLUMNS within bounds, else 80."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((USUAL, 24)).columns))


def console() -> Console:
    """A console on standard output that writes plain text where that is no terminal."""
    from rich.console import Console

    return Console(file=sys.stdout, width=width(), highlight=False, soft_wrap=False)


def show(*parts: RenderableType) -> None:
    """Print tables and lines on standard output; texts are taken literally, without markup.

    The text is laid out first and written in one piece: a reader that goes away is then noticed by
    us, and not by the library for tables, which would end the program in its own way.
    """
    from rich.text import Text

    target = console()
    with target.capture() as captured:
        for part in parts:
            target.print(Text(visible(part)) if isinstance(part, str) else part)
    # Cells are padded to their columns; blanks at the end of a line are of no use to anybody.
    lines = [line.rstrip(" ") for line in captured.get().split("\n")]
    sys.stdout.write("\n".join(lines))


def show_line(text: str) -> None:
    """Print one line that is not broken however long it is: a path that can be copied."""
    sys.stdout.write(f"{visible(text)}\n")


def write_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def note(message: str) -> None:
    """A remark for the reader, on standard error; nothing more can be done if that is closed."""
    try:
        click.echo(visible(message, sys.stderr), err=True)
    except OSError:
        return


def visible(text: str, stream: Any = None) -> str:
    """`text` with control characters (but line ends) made visible, so that none reaches a terminal.

    Names come from files that others wrote, and could otherwise move the cursor or hide text.
    Characters that the encoding of `stream` (default: standard output) lacks are spelled out.
    """
    shown = "".join(c if c == "\n" or c.isprintable() or c == "\xa0" else "\ufffd" for c in text)
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    if _holds(shown, encoding):
        return shown
    return "".join(c if _holds(c, encoding) else _PLAIN.get(c, "?") for c in shown)


def _holds(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class FittingTable:
    """A table that leaves out columns, in a given order, where the console is too narrow for all.

    What remains is cut with an ellipsis; the order names what a reader misses least.
    """

    def __init__(self, table: Table, spare: Sequence[str]) -> None:
        self._table = table
        self._spare = tuple(spare)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table with as many columns as fit."""
        from rich.measure import Measurement

        for name in self._spare:
            unbounded = options.update(max_width=10 * WIDEST)
            if Measurement.get(console, unbounded, self._table).maximum <= options.max_width:
                break
            kept = [column for column in self._table.columns if column.header != name]
            for index, column in enumerate(kept):
                column._index = index  # by which the library finds its padding
            self._table.columns[:] = kept
        yield self._table


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
    # The library's own ellipsis is a character that not every encoding has.
    overflow: Literal["ellipsis", "crop"] = "ellipsis" if visible("…") == "…" else "crop"
    for column in columns:
        numeric = column in right
        table.add_column(
            visible(column),
            justify="right" if numeric else "left",
            no_wrap=True,
            overflow=overflow,
        )
    return table


def literal_row(table: Table, *cells: str) -> None:
    """Add a row whose cells are literal: names come from files and may hold anything."""
    from rich.text import Text

    table.add_row(*(Text(visible(cell)) for cell in cells))
