"""What `archsim accuracy` writes beside the files of a run: a document, curves, and a figure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.output import put_in_place
from archsim.report.folder import OutputKind, check_output_folder
from archsim.report.xy_plot import Axis, Series, xy_plot

DOCUMENT_FILE = "accuracy.json"
CURVES_FILE = "curves.csv"
FIGURE_FILE = "accuracy.svg"

ACCURACY = OutputKind(DOCUMENT_FILE, (CURVES_FILE, FIGURE_FILE, DOCUMENT_FILE))

_COLUMNS = ("epoch", "step", "samples", "train_loss", "test_loss", "accuracy")
_MACHINES = {"analog": "on the tiles", "float32": "in float32"}


def write_accuracy(folder: Path, document: Mapping[str, Any]) -> None:
    """Write `curves.csv`, `accuracy.svg` and `accuracy.json`, the last one last.

    Raises `InputError` if the folder cannot be written, and then changes nothing.
    """
    check_output_folder(folder, ACCURACY)
    files = {
        CURVES_FILE: curves_csv(document),
        FIGURE_FILE: curves_figure(document),
        DOCUMENT_FILE: json.dumps(document, indent=2, allow_nan=False) + "\n",
    }
    put_in_place(folder, files)


def curves_csv(document: Mapping[str, Any]) -> str:
    """Every test of every training, one per line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("machine", "seed", *_COLUMNS))
    for machine in _MACHINES:
        curves = document[machine]["curves"]
        for seed, curve in zip(document["seeds"], curves, strict=True):
            for point in curve:
                values = (point[name] for name in _COLUMNS)
                writer.writerow((machine, seed, *("" if v is None else v for v in values)))
    return stream.getvalue()


def curves_figure(document: Mapping[str, Any]) -> str:
    """The score against epochs: means as lines, seeds as marks."""
    percent = document["metric"] == "accuracy"
    factor, title = (100.0, "test accuracy (%)") if percent else (1.0, "test loss")
    key = "accuracy" if percent else "test_loss"
    series = []
    for machine, words in _MACHINES.items():
        mean = document[machine]["curve"]
        series.append(
            Series(
                f"{words}, mean of {len(document['seeds'])}",
                [point["epoch"] for point in mean],
                [factor * point["score"] for point in mean],
                "line" if machine == "analog" else "dashed",
            )
        )
        points = [point for curve in document[machine]["curves"] for point in curve]
        series.append(
            Series(
                f"{words}, each seed",
                [point["epoch"] for point in points],
                [factor * point[key] for point in points],
                "marks",
            )
        )
    name = f"{document['workload']['name']} on {document['architecture']['name']}"
    return str(xy_plot(name, Axis("epoch"), Axis(title), series)) + "\n"
