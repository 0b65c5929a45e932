"""The one-screen summary of `archsim accuracy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.cli.console import FittingTable, literal_row, plain_table, show, show_line
from archsim.report.text import count, percent, quantity, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType

_TOP_NOTES = 6


def _number(of: int, things: str) -> str:
    return f"{of:,} {things}{'' if of == 1 else 's'}"


def print_accuracy(document: Mapping[str, Any], report_page: str) -> None:
    """Print accuracies, gap, targets and measured activities, ending with the report's path."""
    workload, architecture = document["workload"]["name"], document["architecture"]
    data, recipe = document["data"], document["recipe"]
    show(
        f"{workload} on {architecture['name']} ({architecture['algorithm']}, "
        f"{architecture['device']}): {data['name']}, {_number(recipe['epochs'], 'epoch')} of "
        f"{count(data['train_samples'])} samples, minibatch {recipe['batch']}, "
        f"{_number(len(document['seeds']), 'seed')}",
        "",
        _scores(document),
        "",
        _gap(document),
        "",
    )
    if document["targets"]:
        show(_targets(document), "")
    show(*_activity(document))
    notes = [f"Note: {note}." for note in document["notes"][:_TOP_NOTES]]
    show(*notes, *([""] if notes else []))
    show_line(f"Report: {report_page}")


def _scores(document: Mapping[str, Any]) -> RenderableType:
    name = document["metric"]
    columns = ("machine", f"final {name}", "95 % interval", "best", "seeds")
    table = plain_table(*columns, right=columns[1:4])
    for machine, words in (("analog", "tiles"), ("float32", "float32")):
        found = document[machine]
        literal_row(
            table,
            words,
            _score(document, found["final"]),
            _interval(document, found["final_ci"]),
            _score(document, found["best"]),
            shorten(", ".join(_score(document, value) for value in found["per_seed"]), 34),
        )
    return FittingTable(table, ("seeds", "best"))


def _gap(document: Mapping[str, Any]) -> str:
    gap, interval = document["gap"], document["gap_ci"]
    if document["metric"] != "accuracy":
        return f"Gap to float32: {gap:.4g} in loss."
    said = f"Gap to float32: {100 * gap:.2f} points"
    if interval is None:
        return f"{said}; one seed gives no interval."
    return f"{said}, 95 % interval {100 * interval[0]:.2f} to {100 * interval[1]:.2f}."


def _targets(document: Mapping[str, Any]) -> RenderableType:
    columns = ("target", "machine", "seeds", "steps", "time", "energy")
    table = plain_table(*columns, right=columns[2:])
    of = len(document["seeds"])
    gpu = document["step"]["gpu"]
    for row in document["targets"]:
        for words, found in (("tiles", row["analog"]), (f"{gpu}, float32", row["gpu"])):
            if found is None:
                continue
            steps = found["steps"]
            literal_row(
                table,
                percent(row["target"]),
                words,
                f"{found['seeds_reached']} of {of}",
                "not reached" if steps is None else count(steps),
                "" if found["seconds"] is None else quantity(found["seconds"], "s"),
                "" if found["energy_j"] is None else quantity(found["energy_j"], "J"),
            )
    return FittingTable(table, ("seeds",))


def _activity(document: Mapping[str, Any]) -> Sequence[RenderableType]:
    found = document["activity"]
    if found is None:
        return ("No matrix lies on arrays.", "")
    said = (
        f"Measured: {found['pulses_per_device_per_step']:.3g} pulses per device and step, "
        f"{found['repeats']:.2f} reads per vector, E|x| {found['mean_abs_input']:.2f}, "
        f"{percent(found['saturated'])} of devices at a bound; "
        f"the most-pulsed device took {count(found['pulses_most'])} pulses, "
        f"{percent(found['wear'])} of its endurance."
    )
    return said, ""


def _score(document: Mapping[str, Any], value: float) -> str:
    return f"{100 * value:.2f} %" if document["metric"] == "accuracy" else f"{value:.4g}"


def _interval(document: Mapping[str, Any], interval: Sequence[float] | None) -> str:
    if interval is None:
        return ""
    return f"{_score(document, interval[0])} to {_score(document, interval[1])}"
