"""`archsim inspect`: what the importer understood of a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options
from archsim.cli.console import note, show, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsim.cli.counts import NetworkCounts
    from archsim.cli.inputs import Network

# Up to this many operators, all are listed unless something else is asked for.
_FEW_OPERATORS = 40


@click.command(epilog="Example: archsim inspect bert-base --dim seq=384 --tree --depth 3")
@options.model_argument
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    help="Size of a symbolic batch. Default: 1, or what the file or --shape says.",
)
@options.binding_options
@click.option("--tree", is_flag=True, help="List modules with subtotals.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show N levels of modules only. Implies --tree.",
)
@click.option(
    "--table/--no-table",
    default=None,
    help=f"List every operator. Default: up to {_FEW_OPERATORS} operators.",
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the graph as well: FILE ends in .svg, .graphml or .dot.",
)
@click.option(
    "--diff",
    metavar="OTHER",
    help="Compare MODEL with OTHER instead. The exit code is 0 whether or not they differ.",
)
@options.json_option
def command(
    *,
    model: str,
    batch: int | None,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    trip_counts: dict[str, int],
    tree: bool,
    depth: int | None,
    table: bool | None,
    graph: Path | None,
    diff: str | None,
    as_json: bool,
) -> None:
    """Show how archsim reads MODEL, a path to an ONNX file or a built-in name.

    Gives the totals of a forward pass and of a training step, the share that would go to crossbars,
    and what stays digital or costs nothing and why. Everything is counted over the whole bound
    graph. With --json, unsupported operators are listed and the exit code is 2.
    """
    binding = {"batch": batch, "dims": dims, "shapes": shapes, "trip_counts": trip_counts}
    tree = tree or depth is not None
    if diff is not None:
        if tree or table or graph is not None:
            raise click.UsageError(
                "--diff compares two networks; give --tree, --table or --graph without it."
            )
        _compare(model, diff, binding, as_json=as_json)
        return
    if graph is not None:
        from archsim.workload.export import check_graph_path

        check_graph_path(graph)
    network = _read(model, binding, as_json=as_json)
    counts = _counts(network)
    if graph is not None:
        from archsim.workload.export import write_graph

        write_graph(network.workload, graph)
    if as_json:
        from archsim.cli.module_tree import modules_json

        write_json({**counts.as_json(), "modules": modules_json(network.workload)})
    else:
        few = len(counts.ops) <= _FEW_OPERATORS and not tree
        _print(network, counts, tree=tree, depth=depth, table=few if table is None else table)
    if graph is not None:
        note(f"The graph is in {graph}.")


def _read(model: str, binding: Mapping[str, Any], *, as_json: bool) -> Network:
    from archsim.cli.counts import unsupported_json
    from archsim.cli.inputs import read_network
    from archsim.workload.onnx_reader import UnsupportedOperators

    try:
        return read_network(model, **binding)
    except UnsupportedOperators as error:
        if as_json:
            write_json(unsupported_json(error))
        raise


def _counts(network: Network) -> NetworkCounts:
    from archsim.cli.counts import count_network
    from archsim.workload.training import training_graph

    return count_network(training_graph(network.workload, network.options))


def _print(
    network: Network, counts: NetworkCounts, *, tree: bool, depth: int | None, table: bool
) -> None:
    from archsim.cli.inspect_tables import header, notes, op_table, place_table, share, totals

    show(*header(counts), "", totals(counts))
    if counts.in_arrays is not None:
        show("", share(counts, counts.in_arrays))
    show("", place_table(counts), "  work: scalar operations of the digital units, forward")
    if table:
        show("", op_table(counts))
    if tree:
        from archsim.cli.module_tree import tree_table

        show("", *tree_table(network.workload, depth))
    show(*(["", *notes(counts)] if counts.notes else []))
    if not (tree or table):
        show("", "See --tree for its modules, --table for every operator, --graph for a picture.")


def _compare(model: str, other: str, binding: Mapping[str, Any], *, as_json: bool) -> None:
    from archsim.cli.inputs import read_two_networks
    from archsim.cli.inspect_difference import difference_json, difference_text
    from archsim.workload.difference import difference

    before, after = read_two_networks((model, other), **binding)
    found = difference(before.workload, after.workload)
    counts = (_counts(before), _counts(after))
    if as_json:
        write_json(difference_json(found, counts))
    else:
        show(*difference_text(found, counts))
