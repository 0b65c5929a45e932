"""`comparison.html`: several architectures side by side, and why they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archsim.report import palette, svg
from archsim.report.attribution import Breakdown, breakdowns, labels, shared_warnings
from archsim.report.charts import Bar, Chart, Key
from archsim.report.drivers import drivers
from archsim.report.lookup import number, numbers, rows, section, text
from archsim.report.page import render_template
from archsim.report.palette import OTHER
from archsim.report.rows import ResultMapping
from archsim.report.summary import gpu_fits, ratio
from archsim.report.text import (
    NO_VALUE,
    count,
    gpu_name,
    percent,
    quantity,
    safe,
    shorten,
    signed,
    signed_percent,
    times,
    words,
)

# A sentence that names more causes than these is a table.
_CAUSES = 3
_EQUAL = 1e-3


class Cell(NamedTuple):
    """A value of a table with its difference to the first architecture and its CSS class."""

    value: str
    difference: str
    css_class: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a difference table."""

    item: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One breakdown: its chart, its reasons in words and its table."""

    title: str
    chart: Chart
    reasons: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Line


def comparison_html(results: Sequence[ResultMapping]) -> str:
    """The page of a comparison; the first result is what the others are compared with.

    Raises `InputError` for fewer than two results.
    """
    names = labels(results)
    found = breakdowns(results)
    title = _headline(results, names, found)
    return render_template(
        "comparison.html.j2",
        {
            "title": title,
            "answer": title,
            "names": names,
            "cautions": _cautions(results, names),
            "overview": _overview(results),
            "sections": tuple(_section(b, names, results) for b in found),
            "settings": _settings(results),
            "drivers": drivers(results),
            "warnings": shared_warnings(results),
            "version": safe(text(results[0], "archsim_version")),
        },
    )


def _headline(
    results: Sequence[ResultMapping], names: Sequence[str], found: Sequence[Breakdown]
) -> str:
    workload = safe(text(results[0], "workload", "name"))
    batch = count(number(results[0], "workload", "batch"))
    head = f"{workload}, batch {batch}"
    best: dict[str, list[str]] = {}
    for title, praise in (
        ("Time per step", "is the fastest"),
        ("Energy per step", "needs the least energy"),
    ):
        totals = next((b.totals for b in found if b.title == title), None)
        if totals is not None:
            best.setdefault(names[totals.index(min(totals))], []).append(praise)
    clauses = [f"{name} {' and '.join(praises)}" for name, praises in best.items()]
    return f"{head}: {', '.join(clauses)} of {len(names)} architectures." if best else f"{head}."


def _cautions(results: Sequence[ResultMapping], names: Sequence[str]) -> tuple[str, ...]:
    """Ways in which the results are not results for the same question."""
    found = []
    for label, path in (
        ("network", ("workload", "name")),
        ("network file", ("workload", "onnx_sha256")),
        ("batch", ("workload", "batch")),
        ("timing fidelity", ("fidelity", "mode")),
        ("version of archsim", ("archsim_version",)),
    ):
        values = [safe(text(result, *path)) for result in results]
        if len(set(values)) > 1:
            listed = ", ".join(f"{n}: {v or NO_VALUE}" for n, v in zip(names, values, strict=True))
            found.append(f"The {label} is not the same ({listed}).")
    return tuple(found)


def _overview(results: Sequence[ResultMapping]) -> tuple[Line, ...]:
    lines = [
        _overview_line(results, "Time per step", "s", "step_latency_s", lower_is_better=True),
        _overview_line(results, "Samples per second", "/s", "samples_per_s", lower_is_better=False),
        _overview_line(results, "Energy per step", "J", "step_energy_j", lower_is_better=True),
        _overview_line(results, "Average power", "W", "average_power_w", lower_is_better=True),
        _overview_line(results, "Area", "m^2", "area_m2", lower_is_better=True),
    ]
    for label, key in (("Speed-up over GPU", "speedup"), ("Energy ratio to GPU", "energy_ratio")):
        ratios = [ratio(result, key) for result in results]
        if any(r is not None for r in ratios):
            cells = [
                Cell(times(r.value) if r is not None else NO_VALUE, _rival(result), "")
                for r, result in zip(ratios, results, strict=True)
            ]
            lines.append(Line(label, tuple(cells)))
    for label, key in (("Arrays used", "arrays_used"), ("Chips", "chips")):
        values = [number(result, "architecture", key) for result in results]
        lines.append(Line(label, tuple(Cell(count(v), "", "") for v in values)))
    limits = [_limit(result) for result in results]
    lines.append(Line("What limits it", tuple(Cell(t or NO_VALUE, "", "") for t in limits)))
    return tuple(lines)


def _limit(result: ResultMapping) -> str:
    """The unit that the step spends most of its time in, with its share: `arrays, 84 %`."""
    chip = section(result, "accelerator")
    unit, step_s = text(chip, "bottleneck"), number(chip, "step_latency_s")
    spent_s = numbers(chip, "latency_by_limit_s").get(unit)
    if spent_s is None or not step_s:
        return safe(text(chip, "critical") or unit)
    return f"{words(unit)}, {percent(spent_s / step_s)}"


def _rival(result: ResultMapping) -> str:
    """The GPU, and its batch where it is not the accelerator's."""
    name = gpu_name(text(result, "baseline", "gpu"))
    if gpu_fits(result):
        return name
    best = count(number(result, "baseline", "best_batch", "batch"))
    return f"{name} at batch {best}, per sample: this one does not fit"


def _overview_line(
    results: Sequence[ResultMapping], label: str, unit: str, key: str, *, lower_is_better: bool
) -> Line:
    values = [number(result, "accelerator", key) for result in results]
    first = values[0]
    cells = [Cell(quantity(first, unit), "", "")]
    for value in values[1:]:
        if value is None or not first or value <= 0:
            cells.append(Cell(quantity(value, unit), "", ""))
            continue
        better = (value < first) == lower_is_better
        css_class = "" if abs(value / first - 1) < _EQUAL else "gain" if better else "loss"
        cells.append(Cell(quantity(value, unit), times(value / first), css_class))
    return Line(label, tuple(cells))


def _section(
    breakdown: Breakdown, names: Sequence[str], results: Sequence[ResultMapping]
) -> Section:
    paints = _PAINTS[breakdown.by](results)
    lines = [
        Line(words(item), _cells(breakdown, values))
        for item, values in zip(breakdown.items, breakdown.parts, strict=True)
    ]
    title = f"{breakdown.title} by {breakdown.by}"
    return Section(
        title=title,
        chart=_stacks(breakdown, names, paints),
        reasons=tuple(_reason(breakdown, names, i) for i in range(1, len(names))),
        lines=tuple(lines),
        total=Line("Total", _cells(breakdown, breakdown.totals)),
    )


def _cells(breakdown: Breakdown, values: Sequence[float]) -> tuple[Cell, ...]:
    """Values with their differences to the first, absolute and as a share of the first's total."""
    first, unit = values[0], breakdown.unit
    cells = [Cell(quantity(first, unit), "", "")]
    for value in values[1:]:
        change = value - first
        css_class = "gain" if change < 0 else "loss" if change > 0 else ""
        difference = signed(change, unit)
        if change:
            difference += f" ({signed_percent(breakdown.relative(change))})"
        cells.append(Cell(quantity(value, unit), difference, css_class))
    return tuple(cells)


def _reason(breakdown: Breakdown, names: Sequence[str], index: int) -> str:
    """Why architecture `index` differs from the first: its largest changes, in words."""
    change = breakdown.change(index)
    first, name = names[0], names[index]
    scale = max(abs(total) for total in (breakdown.totals[0], breakdown.totals[index]))
    if abs(change) <= _EQUAL * scale:
        return f"{name} and {first} are equal to within {percent(_EQUAL)}."
    parts = zip(breakdown.items, breakdown.differences(index), strict=True)
    causes = sorted(
        (p for p in parts if abs(p[1]) > 0.01 * abs(change)), key=lambda p: (-abs(p[1]), p[0])
    )[:_CAUSES]
    listed = ", ".join(f"{words(item)} {signed(part, breakdown.unit)}" for item, part in causes)
    direction = "less" if change < 0 else "more"
    total = quantity(abs(change), breakdown.unit)
    return f"{name} takes {total} {direction} than {first}: {listed}."


def _stacks(breakdown: Breakdown, names: Sequence[str], paints: Mapping[str, str]) -> Chart:
    """One stacked bar per architecture; negative parts (overlap) have no length.

    Parts without a colour of their own come last, so that they form one block.
    """
    parts = [
        (item, values)
        for item, values in zip(breakdown.items, breakdown.parts, strict=True)
        if any(value > 0 for value in values)
    ]
    parts.sort(key=lambda part: part[0] not in paints)
    items = [item for item, _ in parts]
    columns = [[max(values[i], 0.0) for _, values in parts] for i in range(len(names))]
    widest = max(sum(column) for column in columns)
    bars = []
    for name, column, total in zip(names, columns, breakdown.totals, strict=True):
        segments = [
            svg.Segment(
                value,
                paints.get(item, OTHER),
                f"{name}: {words(item)} {quantity(value, breakdown.unit)}",
            )
            for item, value in zip(items, column, strict=True)
        ]
        drawing = svg.stacked_bar(segments, widest, height_px=24)
        bars.append(Bar(shorten(name), name, drawing, quantity(total, breakdown.unit)))
    keys = [Key(paints[item], words(item)) for item in items if item in paints]
    others = [item for item in items if item not in paints]
    if others:
        label = words(others[0]) if len(others) == 1 else f"{len(others)} others"
        keys.append(Key(OTHER, label))
    return Chart(title="", finding="", bars=tuple(bars), legend=tuple(keys))


_UNITS = ("arrays", "data movement", "vector_unit", "matrix_unit", "activation_buffer", "mesh")


def _unit_paints(_results: Sequence[ResultMapping]) -> dict[str, str]:
    """One colour for each unit that time is spent in; it has that colour in no other chart."""
    return {unit: f"c{index}" for index, unit in enumerate((*_UNITS, "dram"))}


def _shared_paints(results: Sequence[ResultMapping]) -> dict[str, str]:
    """One colour per component over all results, energy and area."""
    return palette.component_paints(
        [numbers(result, "accelerator", "energy_by_component_j") for result in results],
        [numbers(result, "accelerator", "area_by_component_m2") for result in results],
    )


_PAINTS: dict[str, Callable[[Sequence[ResultMapping]], dict[str, str]]] = {
    "phase": lambda _results: palette.phase_paints(),
    "unit": _unit_paints,
    "component": _shared_paints,
}


def _settings(results: Sequence[ResultMapping]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Assumptions that are not the same in all the results."""
    tables = [
        {text(row, "path"): safe(str(row.get("value"))) for row in rows(result, "assumptions")}
        for result in results
    ]
    paths = sorted({path for table in tables for path in table})
    found = ((safe(p), tuple(table.get(p, NO_VALUE) for table in tables)) for p in paths)
    return tuple((path, values) for path, values in found if len(set(values)) > 1)
