"""The tables of `archsim inspect`: totals, what goes to crossbars, what does not and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from archsim.cli.console import literal_row, plain_table, width
from archsim.report.text import safe, shorten

if TYPE_CHECKING:
    from rich.table import Table

    from archsim.cli.counts import InArrays, NetworkCounts, OpRow

_BAR = 20
_MOST_TENSORS = 4
_MOST_TYPES = 5
# Crossbars first, what costs nothing last.
_PLACES = ("arrays", "matrix unit", "vector unit", "memory", "free")
# Letters of a name that are shown however narrow the terminal is.
LEAST_NAME = 12
# Type, kind, MACs, params, where, why.
_WIDTHS = (14, 14, 5, 6, 6, 3)


def header(counts: NetworkCounts) -> list[str]:
    """What the network is: name, file, exporter, inputs, outputs and bound dimensions."""
    origin = counts.origin
    opset = origin.opsets.get("")
    parts = [
        f"{len(counts.ops):,} operators",
        f"{counts.samples:,} sample{'' if counts.samples == 1 else 's'}",
        *(f"{name} = {size:,}" for name, size in counts.bindings.items()),
    ]
    written = [f"{safe(origin.producer)} {safe(origin.producer_version)}".strip()]
    written += [f"opset {opset}"] if opset else []
    written += [f"IR {origin.ir_version}"] if origin.ir_version else []
    written += [f"SHA-256 {counts.sha256[:12]}"] if counts.sha256 else []
    return [
        f"{counts.name}: {', '.join(parts)}",
        _wrapped("inputs", [_tensor(*entry) for entry in counts.inputs]),
        _wrapped("outputs", [_tensor(*entry) for entry in counts.outputs]),
        _wrapped("file", [text for text in written if text], most=len(written)),
    ]


def _tensor(name: str, shape: Sequence[int]) -> str:
    return f"{shorten(name, 40)} {'x'.join(map(str, shape)) or 'scalar'}"


def _wrapped(label: str, entries: Sequence[str], most: int = _MOST_TENSORS) -> str:
    """`label` and entries; lines after the first begin under the first entry."""
    more = [f"and {len(entries) - most} more"] if len(entries) > most else []
    lines, room = [""], width() - 10
    for entry in [*entries[:most], *more]:
        if lines[-1] and len(lines[-1]) + len(entry) + 2 > room:
            lines[-1] += ","
            lines.append("")
        lines[-1] += f", {entry}" if lines[-1] else entry
    return f"  {label:<8}" + "\n          ".join(lines)


def totals(counts: NetworkCounts) -> Table:
    """Parameters, matrices, multiply-accumulates and saved activations."""
    forward, training = counts.forward_macs, counts.training_macs
    untied, matrices = counts.parameters_untied, counts.weight_matrices
    tied = f"{untied:,} with each use of a tied one" if untied != counts.parameters else ""
    table = plain_table("total", "count", "of which", right=("count",))
    table.columns[2].no_wrap = False
    for label, count, detail in (
        ("parameters", counts.parameters, tied),
        ("weight matrices", matrices, f"used {counts.weight_uses:,} times in a forward pass"),
        ("forward MACs", forward["total"], _parts(forward)),
        ("training MACs", training["total"], _parts(training)),
        ("saved bytes", counts.saved_activation_bytes, "that PyTorch keeps for the backward pass"),
    ):
        literal_row(table, label, f"{count:,}", detail)
    return table


def _parts(macs: dict[str, int]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {short_count(value)}"
        for name, value in macs.items()
        if name != "total" and value
    )


def share(counts: NetworkCounts, arrays: InArrays) -> Table:
    """What of the network would go to crossbars, as bars; nothing where there is nothing to share."""
    table = plain_table("on crossbars", "share", "", "of all", right=("share",))
    for label, part, whole in (
        ("parameters", arrays.parameters, counts.parameters),
        ("forward MACs", arrays.macs, counts.forward_macs["total"]),
    ):
        if whole:
            filled = bar(part / whole, _BAR)
            literal_row(table, label, share_text(part / whole), filled, f"{part:,} of {whole:,}")
    return table


def share_text(part: float) -> str:
    """A share in per cent with one decimal, rounded down: only all of it is `100 %`."""
    tenths = math.floor(part * 1000 + 1e-9)
    if part > 0 and tenths == 0:
        return "<0.1 %"
    return f"{tenths // 10}.{tenths % 10} %" if tenths < 1000 else "100 %"


def bar(part: float, cells: int) -> str:
    """A bar that is `cells` characters long for a share of 1, in steps of an eighth of one."""
    eighths = max(round(part * cells * 8), 1 if part > 0 else 0)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def place_table(counts: NetworkCounts) -> Table:
    """Where operators run and why, one line for each reason; `work` is scalar operations."""
    columns = ("why", "runs on", "ops", "MACs", "params", "work", "operators and reason")
    table = plain_table(*columns, right=("why", "ops", "MACs", "params", "work"), tight=True)
    table.columns[-1].no_wrap = False
    for number, rows in enumerate(_by_reason(counts.ops), start=1):
        literal_row(
            table,
            str(number),
            rows[0].where,
            f"{len(rows):,}",
            short_count(sum(row.macs for row in rows)),
            short_count(sum(row.parameters for row in rows)),
            short_count(sum(row.operations for row in rows)),
            f"{_types(rows)}: {safe(_stated(rows[0]))}",
        )
    return table


def _stated(row: OpRow) -> str:
    """The reason, less the place where it begins with that."""
    return short_reason(row.reason).removeprefix(f"{row.where}: ") or "not stated"


def _by_reason(ops: Iterable[OpRow]) -> list[list[OpRow]]:
    """Operators with a common place and reason."""
    found: dict[str, dict[str, list[OpRow]]] = {place: {} for place in _PLACES}
    for row in ops:
        reasons = found.setdefault(row.where, {})
        reasons.setdefault(short_reason(row.reason), []).append(row)
    return [rows for reasons in found.values() for rows in reasons.values()]


def _types(rows: Iterable[OpRow]) -> str:
    names = list(dict.fromkeys(row.type for row in rows))
    more = [f"{len(names) - _MOST_TYPES} more"] if len(names) > _MOST_TYPES else []
    return ", ".join([shorten(name, 24) for name in names[:_MOST_TYPES]] + more)


def op_table(counts: NetworkCounts) -> Table:
    """Every operator, with the number of its reason in `place_table`."""
    columns = ("name", "type", "kind", "MACs", "params", "where", "why")
    table = plain_table(*columns, right=("MACs", "params", "why"), tight=True)
    # What is left of the line; both ends of a node's name tell something, so its middle goes.
    room = max(LEAST_NAME, width() - sum(_WIDTHS) - len(_WIDTHS))
    number = {
        (row.where, short_reason(row.reason)): index
        for index, rows in enumerate(_by_reason(counts.ops), start=1)
        for row in rows[:1]
    }
    for row in counts.ops:
        literal_row(
            table,
            shorten(row.name, room),
            shorten(row.type, _WIDTHS[0]),
            row.kind.replace("_", " "),
            short_count(row.macs),
            short_count(row.parameters),
            row.where.removesuffix(" unit"),
            str(number[row.where, short_reason(row.reason)]),
        )
    return table


def notes(counts: NetworkCounts) -> list[str]:
    """What a reader should know about the file, a line each."""
    return [
        f"Note: {entry['message']}{' (' + entry['node'] + ')' if entry['node'] else ''}"
        for entry in counts.notes
    ]


def short_reason(reason: str) -> str:
    """The part of a reason that operators share: what stands before its first comma."""
    return reason.partition(", ")[0]


def short_count(value: int) -> str:
    """A count in at most five characters: 0 is empty, 1234 is 1.23k."""
    if value == 0:
        return ""
    number, power = float(value), 0
    while number >= 999.5 and power < 5:
        number, power = number / 1000, power + 1
    return f"{number:.3g}{' kMGTP'[power].strip()}"
