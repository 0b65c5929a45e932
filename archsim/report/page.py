"""`report.html`: one self-contained page that works when it is mailed.

The page holds its own style and static SVG, runs no script, and forbids itself every request by a
content security policy.  All text goes through Jinja2's autoescape, since names of layers come from
files that others wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from archsim.report import charts, facts, palette, summary
from archsim.report.accuracy_section import accuracy_part
from archsim.report.glossary import GLOSSARY
from archsim.report.layer_table import layer_table
from archsim.report.lookup import number, numbers, rows, section, text
from archsim.report.rows import ResultMapping
from archsim.report.text import count, quantity, safe
from archsim.report.waiting import waiting
from archsim.result.energy import EnergyRow

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSUMED = "assumed"
_MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number of the configuration with its source, or marked as assumed or measured."""

    path: str
    value: str
    source: str
    note: str
    assumed: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning of the run."""

    code: str
    message: str
    layer: str


def render_html(
    result: ResultMapping, energy_rows: Sequence[EnergyRow], timeline: str | None = None
) -> str:
    """The page of one run, which names the file of its `timeline`; the same result gives the same text."""
    return render_template(
        "report.html.j2",
        {**_context(result, energy_rows), "waiting": waiting(result), "timeline": timeline},
    )


def render_template(name: str, context: Mapping[str, Any]) -> str:
    """A template of this package with the style and the colours of all pages."""
    light, dark = palette.css_variables()
    return (
        _environment()
        .get_template(name)
        .render(
            **context,
            # Our own constants; nothing of the result passes unescaped.
            style=Markup(_style()),  # noqa: S704
            paints=Markup(palette.css_rules()),  # noqa: S704
            light=Markup(light),  # noqa: S704
            dark=Markup(dark),  # noqa: S704
            terms=GLOSSARY,
        )
    )


def _context(result: ResultMapping, energy_rows: Sequence[EnergyRow]) -> dict[str, Any]:
    assumptions = _assumptions(result)
    return {
        "title": summary.answer_sentence(result),
        "answer": summary.answer_sentence(result),
        "created": _date(text(result, "created")),
        "cards": summary.cards(result),
        "limits": summary.limits_card(result),
        "certainty": summary.certainty_card(result),
        "machines": summary.machines(result),
        "baseline_notes": _notes(section(result, "baseline").get("notes")),
        "warnings": _warnings(result),
        "facts": facts.fact_lists(result),
        "table": layer_table(result),
        "samples": count(number(result, "workload", "batch")),
        "assumptions": assumptions,
        "assumed": sum(a.assumed for a in assumptions),
        "measured": sum(a.source == _MEASURED for a in assumptions),
        "accuracy": accuracy_part(result),
        "reproduction": facts.reproduction(result),
        "command": safe(text(result, "command")),
        "version": safe(text(result, "archsim_version")),
        **_pictures(result, energy_rows),
    }


def _pictures(result: ResultMapping, energy_rows: Sequence[EnergyRow]) -> dict[str, Any]:
    paints = palette.component_paints(
        [numbers(result, "accelerator", "energy_by_component_j")],
        [numbers(result, "accelerator", "area_by_component_m2")],
    )
    energies, times = charts.layer_energy(energy_rows), charts.layer_time(result)
    network = charts.network_order(result)
    phases = palette.phase_paints()
    return {
        "comparison": charts.comparison_chart(result),
        "energy": charts.energy_chart(result, paints),
        "phase_energy": charts.phase_chart(result, charts.ENERGY_BY_PHASE),
        "phase_time": charts.phase_chart(result, charts.TIME_BY_PHASE),
        "resources": charts.resource_chart(result),
        "energy_profile": charts.profile_chart(
            "Energy through the network", energies, "J", paints, network
        ),
        "layer_energy": charts.layer_energy_chart(energies, paints),
        "time_profile": charts.profile_chart(
            "Busy time through the network", times, "s", phases, network
        ),
        "layer_time": charts.layer_time_chart(
            times, number(result, "accelerator", "step_latency_s")
        ),
        "area": charts.area_chart(result, paints),
    }


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("archsim.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["q"] = quantity
    environment.filters["n"] = count
    return environment


def _style() -> str:
    return (files("archsim.report") / "templates" / "style.css").read_text(encoding="utf-8")


def _assumptions(result: ResultMapping) -> tuple[Assumption, ...]:
    found = []
    for row in rows(result, "assumptions"):
        source = safe(text(row, "source"))
        assumed = source in ("", _ASSUMED)
        found.append(
            Assumption(
                safe(text(row, "path")),
                _value(row.get("value")),
                source,
                safe(text(row, "note")),
                assumed,
            )
        )
    return tuple(found)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return safe(str(value))


def _warnings(result: ResultMapping) -> tuple[Warned, ...]:
    return tuple(
        Warned(safe(text(row, "code")), safe(text(row, "message")), safe(text(row, "layer")))
        for row in rows(result, "warnings")
    )


def _date(created: str) -> str:
    """An ISO 8601 time to the minute: `2026-11-21 19:40 UTC`."""
    moment, zone = safe(created[:16]).replace("T", " "), created[19:]
    return f"{moment} UTC" if zone in ("Z", "+00:00") else moment


def _notes(value: object) -> tuple[str, ...]:
    return tuple(safe(str(note)) for note in value) if isinstance(value, list) else ()
