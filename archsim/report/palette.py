"""Colours of the charts: one component, one colour, on the whole page.

Components get categorical colours that stay apart for colour-blind readers; phases get an ordered
ramp, since they follow each other.  The colours are CSS variables, so that the same marks serve a
light and a dark page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# After Okabe and Ito (2008), "Color universal design", moved by a search until any two of them stay
# apart under simulated protanopia, deuteranopia and tritanopia.
COMPONENT_LIGHT = (
    "#0072b2",
    "#d18f00",
    "#009e73",
    "#b36aa2",
    "#56b4e9",
    "#b84300",
    "#5c318b",
    "#d3c412",
)
COMPONENT_DARK = (
    "#3b98df",
    "#e7a120",
    "#00b386",
    "#e29ac3",
    "#86d0f7",
    "#d65f1e",
    "#8f5ab4",
    "#e6dc4a",
)
# Six steps after the viridis ramp, moved apart in the same way; on a dark page its dark end is
# lifted off the background.
PHASES = ("forward", "input_gradient", "update", "digital", "transfer", "static")
PHASE_LIGHT = ("#440f63", "#3b5f9b", "#0a8e7f", "#55c667", "#c7e34a", "#e0b400")
PHASE_DARK = ("#755eca", "#5d91dc", "#2ebab2", "#7bdc80", "#afce36", "#f7e664")
OTHER_LIGHT = "#9aa1a9"
OTHER_DARK = "#79818b"

OTHER = "other"


def component_paints(
    energies: Iterable[Mapping[str, float]], areas: Iterable[Mapping[str, float]] = ()
) -> dict[str, str]:
    """CSS class of each component that has its own colour; all the rest are `other`.

    The maps share a page.  Only the charts of energy stack components, so the colours go to the
    components with the largest share of any of the energies, and what is left to those with the
    largest share of any of the areas.
    """
    ranked = dict.fromkeys([*_largest_share(energies), *_largest_share(areas)])
    return {name: f"c{i}" for i, name in zip(range(len(COMPONENT_LIGHT)), ranked, strict=False)}


def _largest_share(maps: Iterable[Mapping[str, float]]) -> list[str]:
    share: dict[str, float] = {}
    for values in maps:
        total = sum(values.values())
        for name, value in values.items():
            if value > 0:
                share[name] = max(share.get(name, 0.0), value / total)
    return sorted(share, key=lambda name: (-share[name], name))


def phase_paints() -> dict[str, str]:
    """CSS class of each phase of a training step."""
    return {phase: f"p{i}" for i, phase in enumerate(PHASES)}


def css_variables() -> tuple[str, str]:
    """Declarations of the colours for a light and for a dark page."""
    light = _declare(COMPONENT_LIGHT, PHASE_LIGHT, OTHER_LIGHT)
    dark = _declare(COMPONENT_DARK, PHASE_DARK, OTHER_DARK)
    return light, dark


def _declare(components: Iterable[str], phases: Iterable[str], other: str) -> str:
    named = [f"--c{i}:{c}" for i, c in enumerate(components)]
    named += [f"--p{i}:{c}" for i, c in enumerate(phases)]
    return ";".join([*named, f"--other:{other}"])


def css_rules() -> str:
    """One rule per paint: the fill of a mark and the ground of its legend key."""
    paints = [f"c{i}" for i in range(len(COMPONENT_LIGHT))]
    paints += [f"p{i}" for i in range(len(PHASES))]
    rules = [f".{p}{{fill:var(--{p});background:var(--{p})}}" for p in (*paints, OTHER)]
    return "\n".join(rules)
