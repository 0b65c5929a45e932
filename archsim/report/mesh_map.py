"""A map of the mesh as inline SVG: which tile holds which weights, and the busiest links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from archsim.report.lookup import number, numbers, rows
from archsim.report.palette import COMPONENT_LIGHT
from archsim.report.rows import ResultMapping
from archsim.report.text import count, percent, resource_words, safe

# Matrices that a tooltip names; a larger mesh would not show single tiles.
_NAMED = 6
_WIDEST = 64
_LINK = re.compile(r"mesh:(\d+),(\d+)->(\d+),(\d+)")


@dataclass(frozen=True, slots=True)
class MeshMap:
    """The drawing, and what it says in words."""

    sentence: str
    drawing: Markup


def mesh_map(mesh: ResultMapping) -> MeshMap | None:
    """The map of a result's `cycle.mesh`; None without a placement, or for a large mesh."""
    side, tiles = number(mesh, "side"), rows(mesh, "tiles")
    if not side or side > _WIDEST or not tiles:
        return None
    paints = _paints(tiles)
    held = {(number(row, "x"), number(row, "y")): numbers(row, "arrays") for row in tiles}
    parts = [
        _tile(x, y, held.get((x, y), {}), paints)
        for y in range(int(side))
        for x in range(int(side))
    ]
    parts += [_link(row) for row in rows(mesh, "busiest")]
    drawing = Markup('<svg class="mesh" viewBox="0 0 {0} {0}" width="100%" role="img">{1}</svg>')
    return MeshMap(_sentence(mesh), drawing.format(int(side), Markup("").join(parts)))


def _sentence(mesh: ResultMapping) -> str:
    hops = number(mesh, "mean_hops") or 0.0
    apart = number(mesh, "mean_distance", "mean_hops") or 0.0
    snake = number(mesh, "copies_bit_hops_per_sample", "snake")
    placed = number(mesh, "copies_bit_hops_per_sample", "placed")
    saved = f", {percent(placed / snake)} of what a plain snake takes" if snake and placed else ""
    return (
        f"Data travel {hops:.1f} hops from copy to copy{saved}; two random tiles are {apart:.1f} "
        "hops apart."
    )


def _paints(tiles: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A colour for each matrix, in turns in the order in which they are laid out."""
    names = dict.fromkeys(name for row in tiles for name in numbers(row, "arrays"))
    return {name: f"c{i % len(COMPONENT_LIGHT)}" for i, name in enumerate(names)}


def _tile(x: int, y: int, arrays: Mapping[str, float], paints: Mapping[str, str]) -> Markup:
    largest = sorted(arrays, key=lambda name: -arrays[name])
    paint = paints[largest[0]] if largest else "none"
    listed = [f"{safe(name)}: {count(arrays[name])} arrays" for name in largest[:_NAMED]]
    more = [f"{len(largest) - _NAMED} more matrices"] if len(largest) > _NAMED else []
    tooltip = f"Tile {x},{y}. " + ("; ".join([*listed, *more]) + "." if listed else "Empty.")
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="1" height="1"><title>{}</title></rect>'
    ).format(paint, x, y, tooltip)


def _link(row: Mapping[str, Any]) -> Markup:
    name = str(row.get("link"))
    found = _LINK.fullmatch(name)
    if found is None:
        return Markup("")
    x1, y1, x2, y2 = (int(n) + 0.5 for n in found.groups())
    tooltip = f"{resource_words(name)}: busy {percent(number(row, 'utilisation'))} of the time"
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"><title>{}</title></line>').format(
        x1, y1, x2, y2, tooltip
    )
