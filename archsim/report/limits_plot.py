"""The plot and the table of `archsim limits`."""

from __future__ import annotations

import csv
import io
from dataclasses import fields

from markupsafe import Markup

from archsim.explore.array_sizes import SizeStudy, size_rows
from archsim.report.xy_plot import Axis, Series, xy_plot


def limits_svg(name: str, study: SizeStudy) -> Markup:
    """Energy of a read and of an update, for each multiply-accumulate, against the array's size."""
    sizes = [float(n) for n in study.sizes]
    read, update = study.mac_energy_j.tolist(), study.update_energy_j.tolist()
    converters = (study.mac_energy_j * study.adc_share).tolist()
    lines = (study.update_energy_j * study.line_share).tolist()
    return xy_plot(
        f"{name}: energy per multiply-accumulate against array size",
        Axis("rows = columns", "log"),
        Axis("energy per weight and vector (J)", "log"),
        [
            Series("forward read", sizes, read),
            Series("of it, converters", sizes, converters, "dashed"),
            Series("outer-product update", sizes, update),
            Series("of it, lines charged", sizes, lines, "dashed"),
        ],
    )


def limits_csv(study: SizeStudy) -> str:
    """One line per size; names carry their units, lines end with a line feed."""
    text = io.StringIO()
    names = ["size", *(field.name for field in fields(study) if field.name != "sizes")]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(size_rows(study))
    return text.getvalue()
