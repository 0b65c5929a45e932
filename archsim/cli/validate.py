"""`archsim validate`: published results beside archsim's estimates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archsim.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsim.validation.comparison import Validation
    from archsim.validation.published import PublishedSystem

EXIT_BAR_MISSED = 1


@click.command(epilog="Example: archsim validate --only isaac_ce --out reports/validation")
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="A published system, or one row of it. Repeatable. Default: all.",
)
@click.option(
    "--system",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="A published system of your own, compared with the others. Repeatable.",
)
@click.option(
    "--claims/--no-claims",
    default=True,
    help="Judge the claims made for the devices, too; not with --only.",
)
@click.option(
    "--bar",
    type=options.FiniteRange(0, min_open=True),
    metavar="PERCENT",
    help="Exit with 1 if the median absolute error of seen predictions is larger.",
)
@click.option(
    "--calibrated-bar",
    type=options.FiniteRange(0, min_open=True),
    metavar="PERCENT",
    help="The same for the calibrated errors.",
)
@click.option(
    "--csv", "table", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows as CSV."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for validation.html, validation.csv and validation.json.",
)
@options.json_option
def command(
    *,
    only: tuple[str, ...],
    files: tuple[Path, ...],
    claims: bool,
    bar: float | None,
    calibrated_bar: float | None,
    table: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Reproduce published results and show the errors.

    Published configurations are entered as published and no case is fitted. Beside the error of the
    estimate stands that after calibration with one factor per circuit class, fitted to all other
    chips.
    """
    from archsim.cli.console import note, write_json
    from archsim.cli.validate_summary import print_validation
    from archsim.report.validation_folder import check_validation_folder, write_validation
    from archsim.validation.claims.register import judge_claims
    from archsim.validation.comparison import compare
    from archsim.validation.document import as_document
    from archsim.validation.selection import row_filter

    if out is not None:
        check_validation_folder(out)
    if table is not None:
        _check_table(table, files)
    systems = _systems(files)
    validation = compare(systems, row_filter(systems, only))
    judged = judge_claims() if claims and not only else ()
    peers = [system for system in systems if system.role == "peer"] if not only else []
    document = as_document(validation, judged, peers)
    if table is not None:
        _write_table(table, document)
    if out is not None:
        page = write_validation(out, document)
        note(f"Report: {page}")
    if as_json:
        write_json(document)
    else:
        print_validation(document)
    if _missed(validation, bar, calibrated_bar):
        raise click.exceptions.Exit(EXIT_BAR_MISSED)


def _systems(files: Sequence[Path]) -> tuple[PublishedSystem, ...]:
    """The systems that ship and those of the user; raises `InputError` for two of one name."""
    from archsim.cli.kinds import PUBLISHED, load_as
    from archsim.errors import InputError
    from archsim.validation.published import (
        PublishedSystem,
        load_systems,
        published_folder,
    )

    systems = list(load_systems())
    for file in files:
        # A bare name would be looked up among the systems that ship.
        path = str(file if file.suffix else file.with_suffix(".yaml"))
        system = load_as(path, PublishedSystem, published_folder(), PUBLISHED).value
        if any(system.name == other.name for other in systems):
            raise InputError(
                f"there is already a published system called '{system.name}'.",
                place=str(file),
                remedy="Give the file another `name`.",
            )
        systems.append(system)
    return tuple(systems)


def _check_table(table: Path, files: Sequence[Path]) -> None:
    """Refuse a table that cannot be written, or that would replace an input."""
    from archsim.errors import InputError
    from archsim.output import check_writable

    if table.is_dir():
        raise InputError("this is a folder.", place=str(table), remedy="Name a file with --csv.")
    if any(table.resolve() == file.resolve() for file in files):
        raise InputError("the table would overwrite an input of this command.", place=str(table))
    check_writable(table.parent)


def _write_table(table: Path, document: dict[str, object]) -> None:
    from archsim.output import put_in_place
    from archsim.report.validation_folder import validation_csv

    put_in_place(table.parent, {table.name: validation_csv(document)})


def _missed(validation: Validation, bar: float | None, calibrated_bar: float | None) -> bool:
    """Whether a median exceeds the bar that the user set, in per cent; says so."""
    from archsim.cli.console import note

    found = validation.predictions
    missed = False
    for name, median, wanted in (
        ("", found.median, bar),
        ("calibrated ", found.median_calibrated, calibrated_bar),
    ):
        if wanted is None:
            continue
        if median is None:
            note(f"There is no prediction whose {name}error could be held against the bar.")
        elif 100 * median > wanted:
            note(
                f"Missed: the median {name}error of seen predictions is {100 * median:.1f} %, "
                f"the bar is {wanted:g} %."
            )
            missed = True
    return missed
