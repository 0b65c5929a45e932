"""The picture of a graph: laws of its boxes, layers and coordinates, for any network."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli.inputs import read_network
from archsim.workload.drawing.boxes import MOST_BOXES, sketch
from archsim.workload.drawing.figure import figure
from archsim.workload.drawing.layers import Layered, _crossings, layered
from archsim.workload.drawing.places import Placed, Size, _apart, _least, placed
from archsim.workload.drawing.svg import draw_svg
from archsim.workload.drawing.text import short, shorten, visible
from archsim.workload.graph import Op, OpKind, TensorInfo, Workload

KINDS = [kind for kind in OpKind if kind not in (OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL)]


@st.composite
def networks(draw: st.DrawFn, most: int = 40) -> Workload:
    """Random operators, each reading up to three earlier ones, in random modules."""
    count = draw(st.integers(1, most))
    graph: nx.DiGraph[str] = nx.DiGraph()
    tensors = {"x": TensorInfo("x", (1, 8))}
    for i in range(count):
        earlier = st.sets(st.integers(0, i - 1), max_size=3) if i else st.just(set())
        sources = sorted(draw(earlier))
        inputs = tuple(f"t{s}" for s in sources) or ("x",)
        module = draw(st.sampled_from(["", "a", "a.b", "a.c", "d"]))
        kind = draw(st.sampled_from(KINDS))
        graph.add_node(f"op{i}", op=Op(f"op{i}", "T", kind, inputs, (f"t{i}",), module=module))
        graph.add_edges_from((f"op{s}", f"op{i}", {"tensors": (f"t{s}",)}) for s in sources)
        tensors[f"t{i}"] = TensorInfo(f"t{i}", (1, 8))
    leaves = tuple(f"t{i}" for i in range(count) if not graph.out_degree(f"op{i}"))
    return Workload("net", "", 1, nx.freeze(graph), tensors, {}, {}, ("x",), leaves)


@st.composite
def edge_sets(draw: st.DrawFn) -> tuple[int, set[tuple[int, int]]]:
    """A number of boxes and edges from smaller to larger numbers."""
    count = draw(st.integers(1, 30))
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    edges = st.sets(st.sampled_from(pairs), max_size=60) if pairs else st.just(set())
    return count, draw(edges)


def check_sketch(workload: Workload, most: int) -> None:
    """Every operator is in one box, the boxes are few and in order, edges are those of the graph."""
    drawn = sketch(workload, most)
    names = [op.name for box in drawn.boxes for op in box.ops]
    assert sorted(names) == sorted(workload.graph)
    assert len(drawn.boxes) <= most
    assert all(a < b for a, b in drawn.edges)
    owner = {op.name: i for i, box in enumerate(drawn.boxes) for op in box.ops}
    wanted: dict[tuple[int, int], set[str]] = {}
    for a, b, tensors in workload.graph.edges(data="tensors"):
        if owner[a] != owner[b]:
            wanted.setdefault((owner[a], owner[b]), set()).update(tensors)
    assert {ends: set(tensors) for ends, tensors in drawn.edges.items()} == wanted
    for box in drawn.boxes:
        assert all(drawn.paths[op.name][: len(box.module)] == box.module for op in box.ops)


@given(networks(), st.integers(1, 50))
def test_boxes_of_any_network(workload: Workload, most: int) -> None:
    """However few boxes are asked for."""
    check_sketch(workload, most)


@given(networks(most=90))
def test_operators_join_boxes_without_a_cycle(workload: Workload) -> None:
    """Above the size at which operators begin to share boxes."""
    check_sketch(workload, 89)


@pytest.mark.parametrize(
    ("name", "boxes"), [("lenet", 12), ("resnet50", 72), ("gpt2", None), ("vit-b16", None)]
)
def test_boxes_of_known_networks(name: str, boxes: int | None) -> None:
    """ResNet-50: 53 convolutions, 16 sums, two poolings and a classifier, the rest joins them."""
    workload = read_network(name).workload
    check_sketch(workload, MOST_BOXES)
    if boxes is not None:
        assert len(sketch(workload).boxes) == boxes


@given(edge_sets())
def test_layers_hold_every_edge(given_edges: tuple[int, set[tuple[int, int]]]) -> None:
    """Links join neighbouring ranks, and lead from each box exactly to its readers."""
    count, edges = given_edges
    layout = layered(count, edges)
    points = [point for rank in layout.ranks for point in rank]
    assert sorted(points) == list(range(len(points)))
    rank = layout.rank_of()
    assert all(rank[b] == rank[a] + 1 for a, b in layout.links)
    found = {(layout.source.get(a, a), b) for a, b in layout.links if b < count}
    assert found == edges
    trails = nx.DiGraph([(a, b) for a, b in layout.links if b >= count])
    for point, source in layout.source.items():
        assert nx.has_path(trails, source, point)


@given(edge_sets())
def test_ranks_are_no_more_than_needed(given_edges: tuple[int, set[tuple[int, int]]]) -> None:
    """As many ranks as the longest path has boxes."""
    count, edges = given_edges
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    assert len(layered(count, edges).ranks) == nx.dag_longest_path_length(graph) + 1


@given(edge_sets())
def test_crossings_are_counted(given_edges: tuple[int, set[tuple[int, int]]]) -> None:
    """By a look at every pair of links."""
    layout = layered(*given_edges)
    place = {p: i for rank in layout.ranks for i, p in enumerate(rank)}
    rank = layout.rank_of()
    naive = sum(
        (place[a] - place[c]) * (place[b] - place[d]) < 0
        for (a, b), (c, d) in combinations(layout.links, 2)
        if rank[a] == rank[c]
    )
    below: dict[int, list[int]] = {}
    for a, b in layout.links:
        below.setdefault(a, []).append(b)
    assert _crossings(layout.ranks, below) == naive


@given(
    st.lists(st.tuples(st.floats(-500, 500), st.floats(0.1, 10)), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_points_move_as_little_as_possible(points: list[tuple[float, float]], seed: int) -> None:
    """No other places that keep the points apart are nearer to those wanted (least squares)."""
    sizes = {i: Size(20.0 + 5 * i, 10.0) for i in range(len(points))}
    wanted = {i: want for i, (want, _) in enumerate(points)}
    weights = {i: weight for i, (_, weight) in enumerate(points)}
    found = _apart(range(len(points)), wanted, weights, sizes)
    need = np.array([_least(a, b, sizes) for a, b in pairwise(range(len(points)))])
    best = np.array([found[i] for i in range(len(points))])
    assert (np.diff(best) >= need - 1e-6).all()

    def cost(places: np.ndarray) -> float:
        return float(sum(weights[i] * (places[i] - wanted[i]) ** 2 for i in wanted))

    random = np.random.default_rng(seed)
    for _ in range(40):
        gaps = need + random.exponential(20.0, need.size)
        other = random.normal(best.mean(), 200.0) + np.concatenate([[0.0], np.cumsum(gaps)])
        # Places that keep points apart are a convex set, so all the way there is allowed too.
        for step in (1e-3, 0.1, 1.0):
            assert cost(best + step * (other - best)) >= cost(best) - 1e-6 * max(1.0, cost(best))


def check_places(layout: Layered, sizes: dict[int, Size], found: Placed) -> None:
    """Nothing overlaps or leaves the picture, and wires end where their boxes are."""
    boxes = range(layout.boxes)
    for a, b in combinations(boxes, 2):
        apart_x = abs(found.x[a] - found.x[b]) >= (sizes[a].width + sizes[b].width) / 2 - 1e-6
        apart_y = abs(found.y[a] - found.y[b]) >= (sizes[a].height + sizes[b].height) / 2 - 1e-6
        assert apart_x or apart_y
    for box in boxes:
        assert sizes[box].width / 2 - 1e-6 <= found.x[box]
        assert found.x[box] <= found.size.width - sizes[box].width / 2 + 1e-6
        assert sizes[box].height / 2 - 1e-6 <= found.y[box]
        assert found.y[box] <= found.size.height - sizes[box].height / 2 + 1e-6
    assert sorted((w.source, w.target) for w in found.wires) == sorted(layout.links)
    for wire in found.wires:
        first, last = wire.via[0], wire.via[-1]
        begin = (found.x[wire.source], found.y[wire.source] + sizes[wire.source].height / 2)
        end = (found.x[wire.target], found.y[wire.target] - sizes[wire.target].height / 2)
        assert first == pytest.approx(begin)
        assert last == pytest.approx(end)
        for x, y in wire.via:
            assert -1e-6 <= x <= found.size.width + 1e-6
            assert -1e-6 <= y <= found.size.height + 1e-6


@given(edge_sets())
def test_places_of_any_graph(given_edges: tuple[int, set[tuple[int, int]]]) -> None:
    count, edges = given_edges
    layout = layered(count, edges)
    sizes = {box: Size(100.0 + 10 * (box % 3), 40.0 + 20 * (box % 2)) for box in range(count)}
    sizes |= dict.fromkeys(layout.source, Size(8.0, 0.0))
    check_places(layout, sizes, placed(layout, sizes))


@pytest.mark.parametrize("name", ["lenet", "resnet50", "gpt2", "lstm-ptb"])
def test_places_of_known_networks(name: str) -> None:
    """And the picture is neither a ribbon nor wider than a few screens."""
    drawn = figure(read_network(name).workload)
    layout = layered(len(drawn.shapes), drawn.edges)
    sizes = {i: shape.size for i, shape in enumerate(drawn.shapes)}
    sizes |= dict.fromkeys(layout.source, Size(8.0, 0.0))
    found = placed(layout, sizes)
    check_places(layout, sizes, found)
    assert 0.5 < found.size.width / found.size.height < 3
    assert found.size.width < 3200


def test_a_chain_is_drawn_straight() -> None:
    """Boxes of a column without branches stand exactly below each other."""
    layout = layered(5, {(i, i + 1) for i in range(4)})
    sizes = {box: Size(100.0, 300.0 if box < 4 else 10.0) for box in range(5)}
    found = placed(layout, sizes)
    straight = [w for w in found.wires if not w.gutter]
    assert straight
    assert all(len({x for x, _ in wire.via}) == 1 for wire in straight)


def test_the_picture_is_the_same_every_time() -> None:
    assert draw_svg(read_network("lenet").workload) == draw_svg(read_network("lenet").workload)


def test_every_operator_is_named_in_the_picture() -> None:
    """In a box or in its tooltip, with its exact MACs."""
    workload = read_network("resnet18").workload
    picture = draw_svg(workload).decode()
    for op in workload.ops:
        assert op.name in picture
        if workload.macs(op):
            assert f"{workload.macs(op):,} MACs" in picture


@given(st.text(max_size=60), st.integers(5, 50))
def test_names_are_cut_and_made_visible(text: str, limit: int) -> None:
    """What is shown fits, encodes, and holds nothing that moves a cursor."""
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert visible(shown) == shown
    shown.encode()
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)


def test_counts_are_short() -> None:
    assert [short(n) for n in (0, 999, 118_013_952)] == ["0", "999", "118 M"]
