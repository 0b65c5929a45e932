"""Colours stay apart for every reader, and stay with their component."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from archsim.report import palette

# Machado, Oliveira and Fernandes (2009), severity 1.0: linear RGB as a colour-blind reader sees it.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
PAGES = {
    "light": (palette.COMPONENT_LIGHT, palette.PHASE_LIGHT, palette.OTHER_LIGHT, "#ffffff"),
    "dark": (palette.COMPONENT_DARK, palette.PHASE_DARK, palette.OTHER_DARK, "#14171a"),
}


def linear_rgb(colour: str) -> np.ndarray:
    """Linear light of an sRGB colour `#rrggbb`."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as seen with `vision`."""
    xyz = XYZ @ np.clip(VISION[vision] @ linear_rgb(colour), 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a: str, b: str, vision: str) -> float:
    """Colour difference (CIE 1976); about 2.3 is just noticeable."""
    return float(np.linalg.norm(lab(a, vision) - lab(b, vision)))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("vision", VISION)
def test_colours_of_one_chart_are_told_apart(page: str, vision: str) -> None:
    """Any two components, and any two phases, differ by several just noticeable differences."""
    components, phases, other, _ = PAGES[page]
    for colours in ((*components, other), (*phases, other)):
        closest = min(combinations(colours, 2), key=lambda pair: distance(*pair, vision))
        assert distance(*closest, vision) >= 10, closest


@pytest.mark.parametrize("page", PAGES)
def test_colours_show_on_their_paper(page: str) -> None:
    """No mark is so near its background that it would be overlooked."""
    *groups, other, paper = PAGES[page]
    for colour in (*groups[0], *groups[1], other):
        assert distance(colour, paper, "usual") >= 30, colour


def test_colours_go_to_the_components_with_most_energy() -> None:
    """No component without a colour takes more energy than one with; area takes what is left."""
    energy = {f"part{i}": float(2**i) for i in range(14)}
    area = {"array": 1.0, "part0": 1.0}
    paints = palette.component_paints([energy], [area])
    assert len(paints) == len(set(paints.values())) == len(palette.COMPONENT_LIGHT)
    plain = [value for name, value in energy.items() if name not in paints]
    assert max(plain) < min(energy[name] for name in paints)
    few = palette.component_paints([{"adc": 2.0, "mesh": 1.0}], [{"array": 1.0, "adc": 0.5}])
    assert list(few) == ["adc", "mesh", "array"]


def test_each_of_several_results_has_its_say() -> None:
    """What is large in one of the results has a colour, however small it is in the others."""
    usual = {f"part{i}": 10.0 for i in range(9)}
    odd = {"optical": 100.0}
    assert palette.component_paints([usual, odd])["optical"] == "c0"


def test_paints_do_not_depend_on_the_order_of_components() -> None:
    """The same parts get the same colours in whatever order they are listed, ties included."""
    values = {"a": 1.0, "b": 1.0, "c": 2.0, "zero": 0.0}
    turned = dict(reversed(values.items()))
    assert palette.component_paints([values]) == palette.component_paints([turned])
    assert "zero" not in palette.component_paints([values])


def test_every_paint_has_a_rule_and_a_colour_on_both_pages() -> None:
    """What a mark names is defined for light and for dark."""
    light, dark = palette.css_variables()
    rules = palette.css_rules()
    paints = [f"c{i}" for i in range(len(palette.COMPONENT_LIGHT))]
    for paint in (*paints, *palette.phase_paints().values(), palette.OTHER):
        assert f".{paint}{{" in rules
        assert f"--{paint}:#" in light
        assert f"--{paint}:#" in dark
