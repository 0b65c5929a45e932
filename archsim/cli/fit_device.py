"""`archsim fit-device`: a device file from a measured potentiation/depression curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options

if TYPE_CHECKING:
    from archsim.config.loading import Loaded
    from archsim.fitting.fit import Fit, Fits
    from archsim.hardware.device import Device

BASE = "protonic_onen2022"
_YAML = frozenset({".yaml", ".yml"})


@click.command(
    epilog="Example: archsim fit-device curve.csv --pulse-up '10 V' --pulse-down '-8.5 V'"
)
@click.argument("curve", metavar="CURVE.csv", type=click.Path(path_type=Path))
@click.option("--unit", metavar="UNIT", help="Unit of conductance, if the header names none: nS.")
@click.option(
    "--range",
    "conductance_range",
    nargs=2,
    metavar="LOW HIGH",
    help="Lowest and highest conductance of the device: '11.4 nS' '233.6 nS'. Default: from the"
    " curve.",
)
@click.option(
    "--turn",
    type=options.WholeNumber(0),
    metavar="N",
    help="Pulse number after which the polarity changes. Default: from the curve.",
)
@click.option("--pulse-up", metavar="VOLTAGE", help="Amplitude of potentiation, for the file.")
@click.option("--pulse-down", metavar="VOLTAGE", help="Amplitude of depression, for the file.")
@click.option("--pulse-width", metavar="TIME", help="Width of a pulse, for the file.")
@click.option(
    "--base",
    default=BASE,
    show_default=True,
    metavar="NAME|PATH",
    help="Device that lends what no curve tells: capacitance, endurance.",
)
@click.option("--name", metavar="NAME", help="Name of the device. Default: that of the curve.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Device file; the plot lies beside it. Default: named after the curve, in this folder.",
)
@click.option("--all", "every", is_flag=True, help="Write one device file per response model.")
@options.json_option
def command(
    *,
    curve: Path,
    unit: str | None,
    conductance_range: tuple[str, str] | None,
    turn: int | None,
    pulse_up: str | None,
    pulse_down: str | None,
    pulse_width: str | None,
    base: str,
    name: str | None,
    out: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Fit every response model to a measured curve and write the best as a device file.

    CURVE.csv holds columns of pulse number and conductance, potentiation and depression one after
    the other; a column `direction` (up, down) may tell them apart. Prints R^2 and the information
    criterion of each model, and writes the device file and a plot (SVG).
    """
    from archsim.cli.console import write_json
    from archsim.config.overriding import override
    from archsim.fitting.fit import fit_all
    from archsim.fitting.reading import read_curve
    from archsim.output import put_in_place

    target = _target(curve, out)
    device = _base(base)
    given = {"pulse_up": pulse_up, "pulse_down": pulse_down, "pulse_width": pulse_width}
    measured = {key: value for key, value in given.items() if value is not None}
    bounds = None if conductance_range is None else _range(conductance_range)
    override(device, measured)  # refuses what no device can be before anything is computed
    fits = fit_all(read_curve(curve, unit, turn), bounds)
    files, written = _files(fits, device, name or target.stem, measured, target, every=every)
    put_in_place(target.parent, files)
    if as_json:
        write_json(_as_json(fits, target, written))
        return
    _print(fits, target, written)


def _target(curve: Path, out: Path | None) -> Path:
    """The device file to write; refused before anything is computed if it cannot be."""
    from archsim.errors import InputError
    from archsim.output import check_writable

    target = out if out is not None else Path(f"{curve.stem}.yaml")
    if target.suffix.lower() not in _YAML:
        raise InputError(
            f"--out '{target}' is no YAML file.", remedy=f"Name it {target.name}.yaml."
        )
    if target.resolve() == curve.resolve():
        raise InputError(
            f"'{target}' would overwrite the curve.", remedy="Give another file with --out."
        )
    check_writable(target.parent)
    return target


def _base(name: str) -> Loaded[Device]:
    from archsim.cli.kinds import DEVICE, load_as
    from archsim.hardware.device import Device
    from archsim.resources import data_folder

    return load_as(name, Device, data_folder("arch_configs") / "devices", DEVICE)


def _range(texts: tuple[str, str]) -> tuple[float, float]:
    """The conductances of `--range`, lower first."""
    from archsim.errors import InputError
    from archsim.units import UnitError, parse_quantity

    try:
        low, high = (parse_quantity(text, "S") for text in texts)
    except UnitError as error:
        raise InputError(f"--range: {error}.", remedy="Write --range '10 nS' '200 nS'.") from None
    if not 0 < low < high <= 1:
        raise InputError(
            f"--range: found {texts[0]} to {texts[1]}, expected two conductances above zero, the "
            "lower first."
        )
    return low, high


def _files(
    fits: Fits,
    device: Loaded[Device],
    name: str,
    measured: dict[str, str],
    target: Path,
    *,
    every: bool,
) -> tuple[dict[str, str], dict[str, str]]:
    """Texts of the files to write by name, and the name of the device file of each model."""
    from archsim.fitting.device_file import Measured, device_text
    from archsim.report.fit_figure import fit_figure

    texts, written = {f"{target.stem}.svg": fit_figure(fits)}, {}
    for fit in fits.fits if every else (fits.best,):
        own = f"{name}_{fit.kind}" if every else name
        file = f"{target.stem}_{fit.kind}{target.suffix}" if every else target.name
        texts[file] = device_text(fit, fits.curve, device, own, Measured(measured))
        written[fit.kind] = file
    return texts, written


def _as_json(fits: Fits, target: Path, written: dict[str, str]) -> dict[str, Any]:
    """The fits as one document."""
    curve = fits.curve
    return {
        "curve": {
            "file": curve.name,
            "points": curve.points,
            "branches": [{"direction": b.polarity, "pulses": b.pulses} for b in curve.branches],
            "conductance_min_siemens": curve.lowest_siemens,
            "conductance_max_siemens": curve.highest_siemens,
        },
        "best": fits.best.kind,
        "models": [_model(fit, fits.best, target, written.get(fit.kind)) for fit in fits.fits],
        "skipped": dict(fits.skipped),
        "plot": str(target.with_suffix(".svg")),
    }


def _model(fit: Fit, best: Fit, target: Path, file: str | None) -> dict[str, Any]:
    low, high = fit.conductance_min_siemens, fit.conductance_max_siemens
    symmetry = low + 0.5 * (high - low) * (fit.response.symmetry_point() + 1.0)
    return {
        "kind": fit.kind,
        "r_squared": fit.r_squared,
        "residual_siemens": fit.residual_siemens,
        "aicc": fit.aicc,
        "delta_aicc": fit.aicc - best.aicc,
        "determined": fit.determined,
        "conductance_min_siemens": low,
        "conductance_max_siemens": high,
        "symmetry_point_siemens": symmetry,
        "mean_asymmetry": fit.response.mean_asymmetry(),
        "parameters": [
            {"name": p.name, "value": p.value, "low": p.low, "high": p.high, "level": 0.95}
            for p in fit.parameters
        ],
        "device_file": None if file is None else str(target.parent / file),
    }


def _print(fits: Fits, target: Path, written: dict[str, str]) -> None:
    from archsim.cli.console import literal_row, plain_table, show, show_line
    from archsim.units import format_quantity

    table = plain_table(
        "model", "R^2", "residual", "dAICc", "parameters", "", right=("R^2", "residual", "dAICc")
    )
    for fit in fits.fits:
        literal_row(
            table,
            fit.kind,
            f"{fit.r_squared:.5f}",
            format_quantity(fit.residual_siemens, "S"),
            f"{fit.aicc - fits.best.aicc:.1f}",
            str(len(fit.parameters)),
            "" if fit.determined else "not determined by the curve",
        )
    best = plain_table("parameter", "value", "95 % interval", right=("value",))
    for p in fits.best.parameters:
        reach = (
            "at its bound" if p.low is None or p.high is None else f"{p.low:.4g} to {p.high:.4g}"
        )
        literal_row(best, p.name, f"{p.value:.4g}", reach)
    branches = ", then ".join(f"{b.pulses} {b.polarity}" for b in fits.curve.branches)
    show(f"{fits.curve.points} points; pulses: {branches}", "", table, "")
    for kind, why in fits.skipped.items():
        show(f"{kind} was left out: {why}")
    show(f"Best: {fits.best.kind}. Steps are in units of half the conductance range.", "", best, "")
    for file in written.values():
        show_line(f"Device: {target.parent / file}")
    show_line(f"Plot: {target.with_suffix('.svg')}")
