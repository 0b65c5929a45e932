"""The table of layers: one line per layer, its phases added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.report.lookup import number, rows, text
from archsim.report.rows import ResultMapping
from archsim.report.text import NO_VALUE, count, percent, quantity, safe, words

# A page of more lines than this is for machines; the whole table is in layers.csv.
MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer as the page shows it; every field is text."""

    name: str
    operation: str
    where: str
    reason: str
    arrays: str
    copies: str
    vectors: str
    utilisation: str
    time: str
    energy: str
    share: str


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The first lines of the table in network order, and how many were left out."""

    lines: tuple[LayerLine, ...]
    left_out: int


def layer_table(result: ResultMapping) -> LayerTable:
    """One line per layer in the order of the network; times and energies are sums over phases."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows(result, "layers"):
        groups.setdefault(text(row, "name"), []).append(row)
    total_j = number(result, "accelerator", "step_energy_j") or 0.0
    shown = list(groups.items())[:MOST_LINES]
    lines = tuple(_line(name, group, total_j) for name, group in shown)
    return LayerTable(lines, len(groups) - len(shown))


def _line(name: str, group: Sequence[Mapping[str, Any]], total_j: float) -> LayerLine:
    energy_j = sum(number(row, "energy_j") or 0.0 for row in group)
    time_s = sum(number(row, "latency_s") or 0.0 for row in group)
    where = dict.fromkeys(words(text(row, "where")) for row in group if text(row, "where"))
    reasons = dict.fromkeys(safe(text(row, "reason")) for row in group if text(row, "reason"))
    utilisation = _first(group, "utilisation")
    return LayerLine(
        name=safe(name) or NO_VALUE,
        operation=safe(_first_text(group, "op_type")) or words(_first_text(group, "kind")),
        where=", ".join(where),
        reason="; ".join(reasons),
        arrays=_count_of_use(_first(group, "arrays")),
        copies=_count_of_use(_first(group, "copies")),
        vectors=_count_of_use(_first(group, "vectors")),
        utilisation=percent(utilisation) if utilisation else NO_VALUE,
        time=quantity(time_s, "s"),
        energy=quantity(energy_j, "J"),
        share=percent(energy_j / total_j) if total_j > 0 else NO_VALUE,
    )


def _first(group: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The value of the first phase that has one: arrays and copies do not add up over phases."""
    return next((v for row in group if (v := number(row, key))), None)


def _first_text(group: Sequence[Mapping[str, Any]], key: str) -> str:
    return next((v for row in group if (v := text(row, key))), "")


def _count_of_use(value: float | None) -> str:
    return count(value) if value else NO_VALUE
