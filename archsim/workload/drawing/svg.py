"""The picture as one SVG file: no script, nothing loaded, legible on light and on dark ground."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from xml.sax.saxutils import escape

from archsim.workload.drawing.colours import css, paint
from archsim.workload.drawing.figure import Figure, Shape, figure, tensor_text
from archsim.workload.drawing.layers import Layered, layered
from archsim.workload.drawing.places import Placed, Size, Wire, placed
from archsim.workload.drawing.text import short, shorten, visible
from archsim.workload.graph import OpKind, Workload

_MARGIN_PX = 24.0
_HEADER_PX = 84.0
_LEAST_WIDTH_PX = 640.0
_WAYPOINT = Size(8.0, 0.0)
_CORNER_PX = 7.0
# How far a line goes straight before it reaches a box, so that its arrow points at the box.
_UPRIGHT_PX = 9.0
_LEGEND_LETTER_PX = 7.0

_STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:var(--ink)}"
    ".h{font-size:18px;font-weight:600}.t{font-weight:600}.p{fill:var(--pale)}"
    ".g{fill:var(--ground)}.w{fill:none;stroke:var(--edge);stroke-width:1.4}"
    ".w:hover{stroke:var(--ink);stroke-width:2.6}.a{fill:var(--edge)}"
    ".b{fill:var(--ground)}.f{fill:var(--hue);fill-opacity:.13;stroke:var(--hue);stroke-width:1.3}"
    ".s{fill:var(--hue)}.m{fill:var(--ground);stroke:var(--edge);stroke-width:1.3;"
    "stroke-dasharray:4 3}.n:hover .f{fill-opacity:.3}"
)


def draw_svg(workload: Workload) -> bytes:
    """The graph of `workload` as an SVG file."""
    shapes = figure(workload)
    layout = layered(len(shapes.shapes), shapes.edges)
    sizes = {index: shape.size for index, shape in enumerate(shapes.shapes)}
    sizes.update(dict.fromkeys(layout.source, _WAYPOINT))
    places = placed(layout, sizes)
    width = max(places.size.width + 2 * _MARGIN_PX, _LEAST_WIDTH_PX)
    legend, rows = _legend(shapes.shapes, width)
    top = _HEADER_PX + rows * 20
    height = top + places.size.height + _MARGIN_PX
    inset = (width - places.size.width) / 2
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        ),
        f"<title>{_text(f'Forward graph of {visible(workload.name)}')}</title>",
        f"<style>{css()}{_STYLE}</style>",
        (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
            'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            '<path class="a" d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
        '<rect class="g" width="100%" height="100%"/>',
        *_header(workload, shapes),
        *legend,
        f'<g transform="translate({inset:.1f} {top:.1f})">',
        *_wires(places, layout, shapes, workload),
        *(_shape(shape, places.x[i], places.y[i]) for i, shape in enumerate(shapes.shapes)),
        "</g>",
        "</svg>",
        "",
    ]
    return "\n".join(lines).encode()


def _header(workload: Workload, shapes: Figure) -> list[str]:
    operators = sum(shape.operators for shape in shapes.shapes)
    boxes = sum(shape.kind is not None for shape in shapes.shapes)
    macs = sum(workload.macs(op) for op in workload.ops)
    bound = "".join(f", {shorten(name, 20)} = {n:,}" for name, n in workload.bindings.items())
    drawn = f"{operators:,} operators" + (f" in {boxes} boxes" if boxes != operators else "")
    facts = f"{drawn}, {short(workload.parameter_count)} parameters, {short(macs)} MACs"
    many = "s" if workload.samples != 1 else ""
    return [
        f'<text class="h" x="{_MARGIN_PX}" y="36">{_text(shorten(workload.name, 60))}</text>',
        (
            f'<text class="p" x="{_MARGIN_PX}" y="56">'
            f"{_text(f'{facts}, {workload.samples:,} sample{many}{bound}')}</text>"
        ),
    ]


def _legend(shapes: Iterable[Shape], width: float) -> tuple[list[str], int]:
    """A key for the kinds that occur, wrapped to `width`; and how many rows it takes."""
    counts = Counter(shape.kind for shape in shapes if shape.kind is not None)
    x, row = _MARGIN_PX, 0
    parts = []
    for kind in OpKind:
        if not counts[kind]:
            continue
        label = kind.value.replace("_", " ")
        step = 26 + _LEGEND_LETTER_PX * len(label) + 8
        if x + step > width and x > _MARGIN_PX:
            x, row = _MARGIN_PX, row + 1
        y = 78 + 20 * row
        parts.append(
            f'<g class="{paint(kind)}"><rect class="f" x="{x:.0f}" y="{y - 10}" width="14" '
            f'height="12" rx="3"/><text x="{x + 20:.0f}" y="{y}">{label}</text></g>'
        )
        x += step
    return parts, row + 1


def _wires(places: Placed, layout: Layered, shapes: Figure, workload: Workload) -> Iterable[str]:
    carried = _carried(shapes.edges)
    for wire in places.wires:
        box = layout.source.get(wire.source, wire.source)
        ends = wire.target < layout.boxes
        names = shapes.edges[box, wire.target] if ends else carried[box]
        title = "\n".join(tensor_text(name, workload) for name in names[:12])
        arrow = ' marker-end="url(#arrow)"' if ends else ""
        yield f'<path class="w" d="{_path(wire)}"{arrow}><title>{_text(title)}</title></path>'


def _carried(edges: Mapping[tuple[int, int], tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    found: dict[int, dict[str, None]] = {}
    for (source, _), names in edges.items():
        found.setdefault(source, {}).update(dict.fromkeys(names))
    return {source: tuple(names) for source, names in found.items()}


def _path(wire: Wire) -> str:
    return _rounded(wire.via) if wire.gutter else _curved(wire.via)


def _curved(via: tuple[tuple[float, float], ...]) -> str:
    """Straight down through the ranks at both ends, and a smooth curve between them."""
    (x, start), (_, leave), (end_x, arrive), (_, end) = via
    if abs(x - end_x) < 0.5:
        return f"M{x:.1f} {start:.1f}V{end:.1f}"
    leave, arrive = leave + _UPRIGHT_PX / 2, arrive - _UPRIGHT_PX
    middle = (leave + arrive) / 2
    curve = f"C{x:.1f} {middle:.1f} {end_x:.1f} {middle:.1f} {end_x:.1f} {arrive:.1f}"
    return f"M{x:.1f} {start:.1f}V{leave:.1f}{curve}V{end:.1f}"


def _rounded(via: tuple[tuple[float, float], ...]) -> str:
    """Straight lines with rounded corners."""
    path = f"M{via[0][0]:.1f} {via[0][1]:.1f}"
    for before, (corner, after) in zip(via, pairwise(via[1:]), strict=False):
        enter, leave = _towards(corner, before), _towards(corner, after)
        path += f"L{enter[0]:.1f} {enter[1]:.1f}"
        path += f"Q{corner[0]:.1f} {corner[1]:.1f} {leave[0]:.1f} {leave[1]:.1f}"
    return f"{path}L{via[-1][0]:.1f} {via[-1][1]:.1f}"


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The point where a corner's rounding begins, on the way to `other`."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    if length == 0:
        return corner
    step = min(_CORNER_PX, length / 2) / length
    return corner[0] + dx * step, corner[1] + dy * step


def _shape(shape: Shape, x: float, y: float) -> str:
    """A nested drawing, which cuts off what does not fit into the box."""
    width, height = shape.size.width, shape.size.height
    place = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width}" height="{height}"'
    inner = f'x="1" y="1" width="{width - 2}" height="{height - 2}"'
    if shape.kind is None:
        frame = f'<rect class="m" {inner} rx="{height / 2 - 1}"/>'
        lines = _lines(shape, width / 2, 17, ' text-anchor="middle"')
        return f"<svg {place}>{_tip(shape)}{frame}{lines}</svg>"
    frame = (
        f'<rect class="b" {inner} rx="6"/><rect class="f" {inner} rx="6"/>'
        f'<rect class="s" x="1" y="1" width="5" height="{height - 2}" rx="2.5"/>'
    )
    lines = _lines(shape, 14, 19 if len(shape.lines) > 1 else 26, "")
    return f'<svg {place}><g class="n {paint(shape.kind)}">{_tip(shape)}{frame}{lines}</g></svg>'


def _tip(shape: Shape) -> str:
    return f"<title>{_text(shape.tooltip)}</title>"


def _lines(shape: Shape, x: float, first: float, anchor: str) -> str:
    texts = [f'<text class="t" x="{x:.0f}" y="{first}"{anchor}>{_text(shape.title)}</text>']
    for index, line in enumerate(shape.lines, start=1):
        y = first + 16 * index
        texts.append(f'<text class="p" x="{x:.0f}" y="{y}"{anchor}>{_text(line)}</text>')
    return "".join(texts)


def _text(text: str) -> str:
    return escape(visible(text, keep="\n"))
