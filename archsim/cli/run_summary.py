"""The one-screen summary of a run: the answer, both machines, phases, components, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archsim.cli.console import FittingTable, literal_row, plain_table, show, show_line
from archsim.report.lookup import number, numbers, quotient, rows, section, text
from archsim.report.summary import answer_sentence, certainty_card, gpu_fits, limits_card
from archsim.report.text import count, percent, quantity, resource_words, shorten, words

if TYPE_CHECKING:
    from rich.console import RenderableType

TOP_COMPONENTS = 8
TOP_WARNINGS = 4


def print_summary(result: Mapping[str, Any], report_page: str) -> None:
    """Print what a run found, in about 40 lines of 80 columns, ending with the report's path."""
    show(answer_sentence(result), "", machine_table(result), "")
    show(*_facts(result), "", phase_table(result), "", component_table(result), "")
    show(*warning_lines(result))
    show_line(f"Report: {report_page}")


def machine_table(result: Mapping[str, Any]) -> RenderableType:
    """The accelerator and the GPU in its settings, one line each.

    A GPU that cannot hold the batch has no times there: it does not take that step.
    """
    columns = ("machine", "setting", "batch", "step", "samples/s", "J/sample", "power")
    table = plain_table(*columns, right=columns[2:])
    table.columns[0].no_wrap = False  # where there is no room, names give way and not numbers
    batch = number(result, "workload", "batch")
    baseline, fits = section(result, "baseline"), gpu_fits(result)
    lines = [(text(result, "architecture", "name"), "", section(result, "accelerator"))]
    gpu = text(baseline, "gpu")
    asked = words(text(baseline, "optimizer"))
    for setting, values in (
        (asked if fits else "does not fit", baseline),
        ("best batch", section(baseline, "best_batch")),
        ("usual optimizer", section(baseline, "usual_optimizer") if fits else {}),
    ):
        shown = values if values is not baseline or fits else {"batch": batch}
        lines += [(gpu, setting, shown)] if values else []
    for name, setting, values in lines:
        samples = number(values, "batch") or batch
        energy_j, step_s = number(values, "step_energy_j"), number(values, "step_latency_s")
        literal_row(
            table,
            shorten(name, 16),
            setting,
            count(samples),
            quantity(step_s, "s"),
            count(number(values, "samples_per_s")),
            quantity(quotient(energy_j, samples), "J"),
            quantity(quotient(energy_j, step_s), "W"),
        )
    return FittingTable(table, ("power", "samples/s", "setting", "J/sample"))


def phase_table(result: Mapping[str, Any]) -> RenderableType:
    """Time and energy of a step by phase, in the order of the result."""
    time_s = numbers(result, "accelerator", "latency_by_phase_s")
    energy_j = numbers(result, "accelerator", "energy_by_phase_j")
    table = plain_table(
        "phase", "time", "share", "energy", "share ", right=("time", "share", "energy", "share ")
    )
    for name in [*time_s, *(name for name in energy_j if name not in time_s)]:
        literal_row(
            table, words(name), *_with_share(time_s, name, "s"), *_with_share(energy_j, name, "J")
        )
    step_s = number(result, "accelerator", "step_latency_s")
    step_j = number(result, "accelerator", "step_energy_j")
    literal_row(table, "step", quantity(step_s, "s"), "", quantity(step_j, "J"), "")
    return FittingTable(table, ("share ", "share"))


def component_table(result: Mapping[str, Any]) -> RenderableType:
    """The components that take the most energy, with their area."""
    energy_j = numbers(result, "accelerator", "energy_by_component_j")
    area_m2 = numbers(result, "accelerator", "area_by_component_m2")
    table = plain_table(
        "component",
        "energy",
        "share",
        "area",
        "share ",
        right=("energy", "share", "area", "share "),
    )
    ranking = sorted(energy_j, key=lambda name: (-energy_j[name], name))
    for name in ranking[:TOP_COMPONENTS]:
        literal_row(
            table,
            words(name),
            *_with_share(energy_j, name, "J"),
            *_with_share(area_m2, name, "m^2"),
        )
    rest = {name: energy_j[name] for name in ranking[TOP_COMPONENTS:]}
    if rest:
        share = sum(rest.values()) / max(sum(energy_j.values()), 1e-300)
        literal_row(
            table, f"{len(rest)} others", quantity(sum(rest.values()), "J"), percent(share), "", ""
        )
    return FittingTable(table, ("share ", "share", "area"))


def warning_lines(result: Mapping[str, Any]) -> list[RenderableType]:
    """The first warnings in words, and how many more there are."""
    warnings = rows(result, "warnings")
    lines: list[RenderableType] = []
    for warning in warnings[:TOP_WARNINGS]:
        layer = f" ({warning['layer']})" if warning.get("layer") else ""
        lines.append(f"Warning [{warning.get('code')}]: {warning.get('message')}{layer}")
    if len(warnings) > TOP_WARNINGS:
        lines.append(f"... and {len(warnings) - TOP_WARNINGS} more warnings in the report.")
    return [*lines, ""] if lines else []


def _facts(result: Mapping[str, Any]) -> list[RenderableType]:
    used = count(number(result, "architecture", "arrays_used"))
    available = count(number(result, "architecture", "arrays_available"))
    utilisation = percent(number(result, "accelerator", "array_utilisation"))
    area = quantity(number(result, "accelerator", "area_m2"), "m^2")
    chips = number(result, "architecture", "chips") or 1
    where, whose = (
        (f" on {count(chips)} chips", "area of all chips") if chips > 1 else ("", "chip area")
    )
    limits, certainty = limits_card(result), certainty_card(result)
    return [
        f"Arrays:  {used} of {available} used{where}, busy {utilisation} of the time; {whose} {area}.",
        f"Limit:   {limits.value}" + (f" ({limits.note})" if limits.note else ""),
        *mesh_lines(result),
        f"Sure:    {certainty.value}. {certainty.note}".rstrip(),
    ]


def mesh_lines(result: Mapping[str, Any]) -> list[str]:
    """How far data travel on the placed mesh, and its busiest link; nothing without a placement."""
    mesh = section(result, "cycle", "mesh")
    busiest = rows(mesh, "busiest")
    if not busiest:
        return []
    hops = f"{number(mesh, 'mean_hops') or 0.0:.1f} hops"
    apart = f"{number(mesh, 'mean_distance', 'mean_hops') or 0.0:.1f} at a mean distance"
    link = resource_words(text(busiest[0], "link"))
    share = percent(number(busiest[0], "utilisation"))
    return [f"Mesh:    data travel {hops} ({apart}); {link} is busiest, {share} of the time."]


def _with_share(values: Mapping[str, float], name: str, unit: str) -> tuple[str, str]:
    total = sum(values.values())
    if name not in values:
        return "", ""
    return quantity(values[name], unit), percent(values[name] / total) if total else ""
