"""`archsim inspect`: what the importer understood of a network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from archsim.cli import options
from archsim.cli.console import literal_row, plain_table, show, width, write_json
from archsim.report.text import shorten

if TYPE_CHECKING:
    from rich.table import Table

    from archsim.cli.counts import NetworkCounts, OpRow


@click.command(epilog="Example: archsim inspect bert-base --dim seq=384 --json")
@options.model_argument
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    help="Size of a symbolic batch. Default: 1, or what the file or --shape says.",
)
@options.binding_options
@options.json_option
def command(
    *,
    model: str,
    batch: int | None,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    as_json: bool,
) -> None:
    """Show how archsim reads MODEL, a path to an ONNX file or a built-in name.

    Lists operators with their kind, multiply-accumulates, parameters, where each would run and why,
    and the totals of a forward pass and of a training step. Everything is counted over the whole
    bound graph. With --json, unsupported operators are listed and the exit code is 2.
    """
    from archsim.cli.counts import count_network, unsupported_json
    from archsim.cli.inputs import read_network
    from archsim.workload.onnx_reader import UnsupportedOperators
    from archsim.workload.training import training_graph

    try:
        network = read_network(model, batch=batch, dims=dims, shapes=shapes)
    except UnsupportedOperators as error:
        if as_json:
            write_json(unsupported_json(error))
        raise
    counts = count_network(training_graph(network.workload, network.options))
    if as_json:
        write_json(counts.as_json())
        return
    _print_counts(counts)


def _print_counts(counts: NetworkCounts) -> None:
    bound = ", ".join(f"{name} = {size}" for name, size in counts.bindings.items())
    samples = f"{counts.samples} sample{'' if counts.samples == 1 else 's'}"
    header = f"{counts.name}: {len(counts.ops)} operators, {samples}"
    reasons = Counter(short_reason(row.reason) for row in counts.ops)
    show(header + (f", {bound}" if bound else ""), "", _op_table(counts.ops, list(reasons)), "")
    show(_reason_table(reasons), "", _total_table(counts))
    if counts.notes:
        show("")
    for remark in counts.notes:
        where = f" ({remark['node']})" if remark["node"] else ""
        show(f"Note: {remark['message']}{where}")


def _op_table(rows: tuple[OpRow, ...], reasons: list[str]) -> Table:
    columns = ("name", "type", "kind", "MACs", "params", "where", "why")
    table = plain_table(*columns, right=("MACs", "params", "why"), tight=True)
    # What is left of the line; both ends of a node's name tell something, so its middle goes.
    room = width() - sum(_WIDTHS) - len(_WIDTHS)
    for row in rows:
        literal_row(
            table,
            shorten(row.name, room),
            shorten(row.type, _WIDTHS[0]),
            row.kind.replace("_", " "),
            short_count(row.macs),
            short_count(row.parameters),
            row.where.removesuffix(" unit"),
            str(reasons.index(short_reason(row.reason)) + 1),
        )
    return table


# Type, kind, MACs, params, where, why.
_WIDTHS = (14, 14, 5, 6, 6, 3)


def _reason_table(reasons: Counter[str]) -> Table:
    table = plain_table("why", "ops", "reason", right=("why", "ops"))
    table.columns[2].no_wrap = False
    for number, (reason, uses) in enumerate(reasons.items(), start=1):
        literal_row(table, str(number), f"{uses:,}", reason or "not stated")
    return table


def short_reason(reason: str) -> str:
    """The part of a reason that operators share: what stands before its first comma."""
    return reason.partition(", ")[0]


def _total_table(counts: NetworkCounts) -> Table:
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
        ("saved bytes", counts.saved_activation_bytes, "kept for the backward pass"),
    ):
        literal_row(table, label, f"{count:,}", detail)
    return table


def _parts(macs: dict[str, int]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {short_count(value)}"
        for name, value in macs.items()
        if name != "total" and value
    )


def short_count(value: int) -> str:
    """A count in at most five characters: 0 is empty, 1234 is 1.23k."""
    if value == 0:
        return ""
    number, power = float(value), 0
    while number >= 999.5 and power < 5:
        number, power = number / 1000, power + 1
    return f"{number:.3g}{' kMGTP'[power].strip()}"
