"""The map of the mesh on a page: a square for every tile, a line for every busy link."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from archsim.cli.run_summary import mesh_lines
from archsim.report.mesh_map import mesh_map
from archsim.report.page import render_html
from archsim.report.text import resource_words

Result = dict[str, Any]
SVG = {"s": "http://www.w3.org/2000/svg"}


def drawn(mesh: Result) -> ET.Element:
    found = mesh_map(mesh)
    assert found is not None
    return ET.fromstring(str(found.drawing).replace("<svg", f'<svg xmlns="{SVG["s"]}"', 1))


def test_every_tile_is_a_square_in_the_colour_of_what_it_holds_most(result: Result) -> None:
    """Tiles with the same largest matrix have one colour, empty ones none."""
    mesh = result["cycle"]["mesh"]
    paints: dict[str, set[str]] = {}
    squares = drawn(mesh).findall("s:rect", SVG)
    assert len(squares) == mesh["side"] ** 2
    for square in squares:
        x, y = int(square.attrib["x"]), int(square.attrib["y"])
        held = next((t["arrays"] for t in mesh["tiles"] if (t["x"], t["y"]) == (x, y)), {"": 1})
        largest = max(held, key=lambda name: held[name])
        paints.setdefault(largest, set()).add(square.attrib["class"])
        assert largest in (square.findtext("s:title", "", SVG))
    assert all(len(found) == 1 for found in paints.values())
    assert len(set.union(*paints.values())) == len(paints) == 4
    assert paints[""] == {"none"}


def test_a_busy_link_joins_the_middles_of_its_tiles(result: Result) -> None:
    (line,) = drawn(result["cycle"]["mesh"]).findall("s:line", SVG)
    assert [line.attrib[k] for k in ("x1", "y1", "x2", "y2")] == ["1.5", "0.5", "2.5", "0.5"]
    assert re.search(r"mesh link 1,0→2,0: busy 21\s%", line.findtext("s:title", "", SVG))


def test_pages_without_a_placement_have_no_map(result: Result) -> None:
    assert '<svg class="mesh"' in render_html(result, [])
    assert "1.2 hops" in render_html(result, [])
    result["cycle"]["mesh"] = {"placement": None}
    assert mesh_map(result["cycle"]["mesh"]) is None
    assert '<svg class="mesh"' not in render_html(result, [])
    assert mesh_lines(result) == []
    del result["cycle"]["mesh"]
    assert mesh_lines(result) == []


def test_the_summary_says_how_far_and_which_link(result: Result) -> None:
    (line,) = mesh_lines(result)
    assert line.startswith("Mesh:    data travel 1.2 hops (1.8 at a mean distance);")
    assert "mesh link 1,0→2,0 is busiest" in line


def test_names_of_resources_are_words() -> None:
    assert resource_words("mesh:1,0->2,0") == "mesh link 1,0→2,0"
    assert resource_words("arrays:fc1.weight") == "arrays of fc1.weight"
    assert resource_words("vector_unit") == "Vector unit"
