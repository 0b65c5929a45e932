"""`archsim limits`: how large an array may be, and how long its devices last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archsim.cli import options

if TYPE_CHECKING:
    from archsim.explore.array_sizes import Bounds, LargestArray, SizeStudy

# 90 epochs of the 1.28 million images of ImageNet, the usual yardstick of a training run.
IMAGENET_SAMPLES = 115.2e6

_PLOT, _TABLE, _RESULT = "limits.svg", "limits.csv", "limits.json"


@click.command(epilog="Example: archsim limits --arch protonic_256")
@options.one_architecture_option
@click.option(
    "--noise",
    type=options.FiniteRange(0, min_open=True),
    default=None,
    help="Largest read noise, in units of weight 1 times input 1.  Default: 0.06.",
)
@click.option(
    "--ir-drop",
    type=options.FiniteRange(0, 1, min_open=True),
    default=None,
    help="Largest mean share of the output lost in the wires.  Default: 0.05.",
)
@click.option(
    "--settling",
    type=options.FiniteRange(0, min_open=True),
    default=None,
    help="Largest RC delay over the time that a line is given.  Default: 1/3.",
)
@click.option(
    "--samples",
    type=options.FiniteRange(1),
    default=IMAGENET_SAMPLES,
    show_default="90 epochs of ImageNet",
    help="Samples of a training run.",
)
@click.option(
    "--vectors",
    type=options.FiniteRange(1),
    default=1.0,
    show_default=True,
    help="Vectors that a sample sends through an array: positions of a convolution, tokens.",
)
@options.set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Folder for a plot and the table: {_PLOT}, {_TABLE}, {_RESULT}.",
)
@options.json_option
def command(
    *,
    arch: str,
    noise: float | None,
    ir_drop: float | None,
    settling: float | None,
    samples: float,
    vectors: float,
    settings: dict[str, options.SettingValue],
    out: Path | None,
    as_json: bool,
) -> None:
    """Physical limits of the arrays of one architecture, against their size.

    Noise, IR drop and settling of square arrays, the largest one before each exceeds its bound,
    energy per multiply-accumulate and per update, and how long the devices last.
    """
    from archsim.cli.console import write_json
    from archsim.cli.inputs import load_architecture
    from archsim.cli.limits_summary import print_limits
    from archsim.explore.array_sizes import Bounds, largest_arrays, size_study
    from archsim.output import check_writable, put_in_place
    from archsim.report.limits_plot import limits_csv, limits_svg
    from archsim.result.cautions import IR_DROP_LIMIT, NOISE_LIMIT, SETTLING_LIMIT

    if out is not None:
        check_writable(out)
    loaded = load_architecture(arch, settings)
    tree = loaded.value
    bounds = Bounds(
        read_noise=NOISE_LIMIT if noise is None else noise,
        ir_drop=IR_DROP_LIMIT if ir_drop is None else ir_drop,
        settling=SETTLING_LIMIT if settling is None else settling,
    )
    study = size_study(tree, vectors=vectors)
    largest = largest_arrays(tree, bounds)
    report = _as_json(tree, study, largest, bounds, samples, vectors)
    if out is not None:
        import json

        files = {
            _PLOT: str(limits_svg(tree.name, study)),
            _TABLE: limits_csv(study),
            _RESULT: json.dumps(report, indent=2, allow_nan=False) + "\n",
        }
        put_in_place(out, files)
    if as_json:
        write_json(report)
        return
    print_limits(report, None if out is None else out / _PLOT)


def _as_json(
    tree: Any,
    study: SizeStudy,
    largest: tuple[LargestArray, ...],
    bounds: Bounds,
    samples: float,
    vectors: float,
) -> dict[str, Any]:
    from archsim.explore.array_sizes import lifetime, size_rows

    return {
        "architecture": tree.name,
        "device": tree.device.name,
        "rows": int(tree.array.rows),
        "cols": int(tree.array.cols),
        "vectors_per_sample": vectors,
        "bounds": {
            "read_noise": bounds.read_noise,
            "ir_drop": bounds.ir_drop,
            "settling": bounds.settling,
        },
        "largest": [
            {"limit": entry.limit, "bound": entry.bound, "size": entry.size} for entry in largest
        ],
        "sizes": size_rows(study),
        "lifetime": lifetime(tree, samples, vectors),
    }
