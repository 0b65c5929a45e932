"""What `archsim accuracy` writes beside the files of a run: a document, curves, and a figure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.output import put_in_place
from archsim.report.accuracy_figures import MACHINES, score_curves
from archsim.report.folder import OutputKind, check_output_folder

DOCUMENT_FILE = "accuracy.json"
CURVES_FILE = "curves.csv"
FIGURE_FILE = "accuracy.svg"

ACCURACY = OutputKind(DOCUMENT_FILE, (CURVES_FILE, FIGURE_FILE, DOCUMENT_FILE))

_COLUMNS = ("epoch", "step", "samples", "train_loss", "test_loss", "accuracy")


def write_accuracy(folder: Path, document: Mapping[str, Any]) -> None:
    """Write `curves.csv`, `accuracy.svg` and `accuracy.json`, the last one last.

    Raises `InputError` if the folder cannot be written, and then changes nothing.
    """
    check_output_folder(folder, ACCURACY)
    files = {
        CURVES_FILE: curves_csv(document),
        FIGURE_FILE: f"{score_curves(_name(document), document)}\n",
        DOCUMENT_FILE: json.dumps(document, indent=2, allow_nan=False) + "\n",
    }
    put_in_place(folder, files)


def curves_csv(document: Mapping[str, Any]) -> str:
    """Every test of every training, one per line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("machine", "seed", *_COLUMNS))
    for machine in MACHINES:
        curves = document[machine]["curves"]
        for seed, curve in zip(document["seeds"], curves, strict=True):
            for point in curve:
                values = (point[name] for name in _COLUMNS)
                writer.writerow((machine, seed, *("" if v is None else v for v in values)))
    return stream.getvalue()


def _name(document: Mapping[str, Any]) -> str:
    return f"{document['workload']['name']} on {document['architecture']['name']}"
