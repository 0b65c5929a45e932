"""The pictures of a report: pure functions from a result to bars with labels and a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from archsim.report import svg
from archsim.report.lookup import number, numbers, quotient, rows
from archsim.report.palette import OTHER, PHASES, phase_paints
from archsim.report.rows import ResultMapping
from archsim.report.summary import Machine, Ratio, against, gpu_fits, machines, ratio
from archsim.report.text import capital, percent, quantity, safe, shorten, times, words
from archsim.result.energy import EnergyRow

TOP_LAYERS = 16
TOP_RESOURCES = 10
# A profile of fewer layers says nothing that the ranking does not.
LEAST_PROFILE_LAYERS = 6
WHOLE_CHIP = "whole chip"

Matrix = dict[str, dict[str, float]]  # row -> part -> value


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart: a label (cut, and in full), a drawing, a value and its share."""

    label: str
    full_label: str
    drawing: Markup
    value: str
    note: str = ""


class Key(NamedTuple):
    """A key of a legend."""

    paint: str
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure: what it shows, what it found, its bars or its drawing, and its legend."""

    title: str
    finding: str
    bars: tuple[Bar, ...] = ()
    legend: tuple[Key, ...] = ()
    drawing: Markup | None = None
    axis: Markup | None = None
    note: str = ""


def comparison_chart(result: ResultMapping) -> Chart | None:
    """Accelerator against GPU on a logarithmic scale, equal machines in the middle."""
    pairs = _ratios(result)
    if not pairs:
        return None
    reach = [v for _, r, _ in pairs for v in (r.value, r.low, r.high) if v is not None and v > 0]
    scale = svg.log_scale(reach)
    bars = []
    for label, found, values in pairs:
        whisker = None
        if found.low is not None and found.high is not None and found.low > 0:
            whisker = svg.Whisker(found.low, found.high)
        drawing = svg.ratio_bar(found.value, scale, f"{label}: {values}", whisker)
        bars.append(Bar(label, label, drawing, times(found.value), values))
    return Chart(
        title="Accelerator against GPU",
        finding="Bars to the right of 1 × favour the accelerator; the scale is logarithmic.",
        bars=tuple(bars),
        axis=svg.ratio_axis(scale),
    )


def _ratios(result: ResultMapping) -> list[tuple[str, Ratio, str]]:
    """Label, ratio (> 1 is better) and the two values, for each way to compare."""
    speed, energy = ratio(result, "speedup"), ratio(result, "energy_ratio")
    chip, *rivals = machines(result)
    if speed is None or energy is None or not rivals:
        return []
    found: list[tuple[str, Ratio, str]] = []
    if gpu_fits(result):
        found = [
            ("Time per step", speed, against(chip.step_latency_s, rivals[0].step_latency_s, "s")),
            ("Energy per step", energy, against(chip.step_energy_j, rivals[0].step_energy_j, "J")),
        ]
    for rival in rivals[1:]:
        found += _per_sample_ratios(chip, rival)
    return [entry for entry in found if entry[1].value > 0]


def _per_sample_ratios(chip: Machine, rival: Machine) -> list[tuple[str, Ratio, str]]:
    speed = quotient(chip.samples_per_s, rival.samples_per_s)
    energy = quotient(rival.energy_per_sample_j, chip.energy_per_sample_j)
    found = []
    if speed is not None:
        values = against(chip.samples_per_s, rival.samples_per_s, "/s")
        found.append((f"Samples per second, GPU {rival.setting}", Ratio(speed, None, None), values))
    if energy is not None:
        values = against(chip.energy_per_sample_j, rival.energy_per_sample_j, "J")
        found.append((f"Energy per sample, GPU {rival.setting}", Ratio(energy, None, None), values))
    return found


def parts_chart(
    title: str,
    values: Mapping[str, float],
    unit: str,
    paints: Mapping[str, str],
    subject: str,
    *,
    ranked: bool = True,
) -> Chart | None:
    """Parts of a whole as bars, the largest first unless the order has a meaning of its own.

    `subject` completes the finding: 'ADC takes 41 % of `subject`'.
    """
    total = sum(values.values())
    if total <= 0:
        return None
    order = sorted(values, key=lambda name: (-values[name], name)) if ranked else list(values)
    largest = max(values, key=lambda name: values[name])
    bars = []
    for name in order:
        share = values[name] / total
        text = f"{words(name)}: {quantity(values[name], unit)}, {percent(share)}"
        mark = svg.Segment(values[name], paints.get(name, OTHER), text)
        drawing = svg.stacked_bar([mark], values[largest])
        label = words(name)
        bars.append(
            Bar(shorten(label), label, drawing, quantity(values[name], unit), percent(share))
        )
    finding = f"{capital(words(largest))} takes {percent(values[largest] / total)} of {subject}."
    return Chart(title=title, finding=finding, bars=tuple(bars))


def energy_chart(result: ResultMapping, paints: Mapping[str, str]) -> Chart | None:
    """Energy of a step by component."""
    values = numbers(result, "accelerator", "energy_by_component_j")
    return parts_chart("Energy by component", values, "J", paints, "the energy of a step")


def area_chart(result: ResultMapping, paints: Mapping[str, str]) -> Chart | None:
    """Chip area by component."""
    values = numbers(result, "accelerator", "area_by_component_m2")
    return parts_chart("Area by component", values, "m^2", paints, "the area")


class PhaseQuantity(NamedTuple):
    """A quantity that a result splits by phase."""

    title: str
    key: str
    unit: str
    subject: str


TIME_BY_PHASE = PhaseQuantity("Time by phase", "latency_by_phase_s", "s", "the time of a step")
ENERGY_BY_PHASE = PhaseQuantity("Energy by phase", "energy_by_phase_j", "J", "the energy of a step")


def phase_chart(result: ResultMapping, shown: PhaseQuantity) -> Chart | None:
    """Time or energy of a step by phase, phases in the order in which they happen."""
    values = numbers(result, "accelerator", shown.key)
    ordered = {name: values[name] for name in phase_order(values)}
    return parts_chart(
        shown.title, ordered, shown.unit, phase_paints(), shown.subject, ranked=False
    )


def resource_chart(result: ResultMapping) -> Chart | None:
    """How long each resource is busy in a step, against the time of the step."""
    busy = numbers(result, "accelerator", "latency_by_resource_s")
    step_s = number(result, "accelerator", "step_latency_s")
    if not any(busy.values()) or not step_s:
        return None
    used = [name for name in busy if busy[name] > 0]
    order = sorted(used, key=lambda name: (-busy[name], name))[:TOP_RESOURCES]
    widest = max(step_s, busy[order[0]])
    bars = []
    for name in order:
        share = busy[name] / step_s
        label = safe(words(name))
        tooltip = f"{label}: {quantity(busy[name], 's')}, {percent(share)} of the step"
        drawing = svg.stacked_bar([svg.Segment(busy[name], "accent", tooltip)], widest)
        bars.append(Bar(shorten(label), label, drawing, quantity(busy[name], "s"), percent(share)))
    first = f"{capital(words(order[0]))} is busy for {percent(busy[order[0]] / step_s)} of the step"
    left_out = len(used) - len(order)
    note = f"{left_out} less busy resources are not shown." if left_out else ""
    return Chart("Busy time of each resource", f"{first}.", tuple(bars), note=note)


def layer_energy(energy_rows: Iterable[EnergyRow]) -> Matrix:
    """Energy by layer and component, in joules; layers in order of first appearance."""
    return _summed((row.layer or WHOLE_CHIP, row.component, row.energy_j) for row in energy_rows)


def layer_time(result: ResultMapping) -> Matrix:
    """Busy time by layer and phase, in seconds; layers in the order of the network."""
    return _summed(
        (str(row.get("name") or WHOLE_CHIP), str(row.get("phase")), number(row, "latency_s") or 0.0)
        for row in rows(result, "layers")
    )


def network_order(result: ResultMapping) -> list[str]:
    """Layers in the order of the network, without rows that are about the chip as a whole."""
    return list(
        dict.fromkeys(
            str(row.get("name"))
            for row in rows(result, "layers")
            if row.get("name") and row.get("phase") != "static"
        )
    )


def layer_energy_chart(matrix: Matrix, paints: Mapping[str, str]) -> Chart | None:
    """The layers that take the most energy, split by component."""
    return _layers_chart("Energy by layer", matrix, "J", paints, "the energy")


def layer_time_chart(matrix: Matrix, step_latency_s: float | None) -> Chart | None:
    """The layers that are busy the longest, split by phase."""
    chart = _layers_chart("Busy time by layer", matrix, "s", phase_paints(), "the busy time")
    total_s = sum(sum(parts.values()) for parts in matrix.values())
    if chart is None or not step_latency_s or total_s <= step_latency_s:
        return chart
    note = (
        f"Layers work at the same time: their busy times add up to {quantity(total_s, 's')}, "
        f"the step takes {quantity(step_latency_s, 's')}."
    )
    return Chart(chart.title, chart.finding, chart.bars, chart.legend, note=note)


def profile_chart(
    title: str, matrix: Matrix, unit: str, paints: Mapping[str, str], network: Sequence[str]
) -> Chart | None:
    """Every layer of `network` as a thin column, in that order from left to right."""
    totals = {name: sum(matrix.get(name, {}).values()) for name in network}
    used = [name for name in network if totals[name] > 0]
    if len(used) < LEAST_PROFILE_LAYERS:
        return None
    highest = max(used, key=lambda name: totals[name])
    rank = _ranks(matrix, paints)
    stacks = [_segments(matrix[name], rank, paints, unit, name) for name in used]
    finding = f"The highest column is {shorten(highest)}: {quantity(totals[highest], unit)}."
    return Chart(
        title=title,
        finding=finding,
        drawing=svg.columns(stacks, totals[highest]),
        legend=_legend(matrix, rank, paints),
        note="First layer on the left, last on the right.",
    )


def _layers_chart(
    title: str,
    matrix: Matrix,
    unit: str,
    paints: Mapping[str, str],
    subject: str,
) -> Chart | None:
    totals = {name: sum(parts.values()) for name, parts in matrix.items()}
    ranking = sorted((n for n in totals if totals[n] > 0), key=lambda n: (-totals[n], n))
    if not ranking:
        return None
    top, rest = ranking[:TOP_LAYERS], ranking[TOP_LAYERS:]
    total = sum(totals.values())
    rank = _ranks(matrix, paints)
    bars = []
    for name in top:
        segments = _segments(matrix[name], rank, paints, unit, name)
        drawing = svg.stacked_bar(segments, totals[top[0]])
        value, share = quantity(totals[name], unit), percent(totals[name] / total)
        bars.append(Bar(shorten(name), safe(name), drawing, value, share))
    if rest:
        # A sum over many layers has no bar: it would shrink all those that can be compared.
        rest_total = sum(totals[name] for name in rest)
        label = f"{len(rest)} other layer{'' if len(rest) == 1 else 's'}"
        value, share = quantity(rest_total, unit), percent(rest_total / total)
        bars.append(Bar(label, label, Markup(""), value, share))
    finding = f"{shorten(top[0])} takes {percent(totals[top[0]] / total)} of {subject}"
    if rest:
        share_of_top = sum(totals[name] for name in top) / total
        finding += f"; these {len(top)} together take {percent(share_of_top)}"
    return Chart(
        title=title,
        finding=f"{finding}.",
        bars=tuple(bars),
        legend=_legend(matrix, rank, paints),
    )


def _segments(
    parts: Mapping[str, float],
    rank: Sequence[str],
    paints: Mapping[str, str],
    unit: str,
    owner: str,
) -> list[svg.Segment]:
    return [
        svg.Segment(
            parts[part],
            paints.get(part, OTHER),
            f"{safe(owner)}: {words(part)} {quantity(parts[part], unit)}",
        )
        for part in rank
        if parts.get(part, 0.0) > 0
    ]


def _ranks(matrix: Matrix, paints: Mapping[str, str]) -> list[str]:
    """Parts in the order of the stack: phases in theirs; components by their total, and those
    without a colour of their own last, so that they form one block.
    """
    totals: dict[str, float] = {}
    for parts in matrix.values():
        for part, value in parts.items():
            totals[part] = totals.get(part, 0.0) + value
    if set(totals) <= set(PHASES):
        return phase_order(totals)
    return sorted(totals, key=lambda part: (part not in paints, -totals[part], part))


def _legend(matrix: Matrix, rank: Sequence[str], paints: Mapping[str, str]) -> tuple[Key, ...]:
    shown = [part for part in rank if any(parts.get(part, 0.0) > 0 for parts in matrix.values())]
    keys = [Key(paints[part], words(part)) for part in shown if part in paints]
    hidden = [words(part) for part in shown if part not in paints]
    if len(hidden) == 1:
        keys.append(Key(OTHER, hidden[0]))
    elif hidden:
        keys.append(Key(OTHER, f"{len(hidden)} others"))
    return tuple(keys)


def phase_order(values: Iterable[str]) -> list[str]:
    """Names of phases as they follow each other in a step; unknown ones last, by name."""
    names = list(values)
    known = [phase for phase in PHASES if phase in names]
    return known + sorted(name for name in names if name not in PHASES)


def _summed(entries: Iterable[tuple[str, str, float]]) -> Matrix:
    matrix: Matrix = {}
    for row, part, value in entries:
        parts = matrix.setdefault(row, {})
        parts[part] = parts.get(part, 0.0) + value
    return matrix
