"""The graph as a file: what other programs read is what archsim holds."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import networkx as nx
import pytest

from archsim.cli.inputs import read_network
from archsim.errors import InputError
from archsim.workload.drawing.svg import draw_svg
from archsim.workload.export import check_graph_path, write_graph
from archsim.workload.flat_graph import flat_graph
from archsim.workload.graph import Op, OpKind, TensorInfo, Workload
from archsim.workload.graph_formats import dot, graphml

NETWORKS = ["lenet", "resnet18", "lstm-ptb", "gpt2"]
HOSTILE = (
    'a"b',
    "back\\slash",
    "ends with \\",
    "<b>&amp;",
    "\x1b[31mred",
    "bell\x07",
    "line\nend",
    "line\ufffdend",
    "\ud800lone",
    "not\uffffchar",
    "\u202eright to left",
    "]]>",
    "\\N",
    "{|}",
    "日本",
    " blanks ",
    "quote'",
)


def hostile() -> Workload:
    """A chain whose operators, types and reasons have the worst names."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for i, name in enumerate(HOSTILE):
        op = Op(name, name, OpKind.ELEMENTWISE, (f"t{i}",), (f"t{i + 1}",), reason=name)
        graph.add_node(name, op=op)
        if i:
            graph.add_edge(HOSTILE[i - 1], name, tensors=(f"t{i}",))
    tensors = {f"t{i}": TensorInfo(f"t{i}", (2, 3)) for i in range(len(HOSTILE) + 1)}
    last = f"t{len(HOSTILE)}"
    return Workload(HOSTILE[0], "", 1, graph, tensors, {}, {}, ("t0",), (last,))


def empty() -> Workload:
    """A network without any operator, input or output."""
    return Workload("empty", "", 1, nx.DiGraph(), {}, {}, {}, (), ())


def workloads() -> dict[str, Callable[[], Workload]]:
    """Networks by name, made when asked for."""
    built = {name: (lambda name=name: read_network(name).workload) for name in NETWORKS}
    return {**built, "hostile": hostile, "empty": empty}


WORKLOADS = workloads()


@pytest.mark.parametrize("name", WORKLOADS)
def test_graphml_loads_back_unchanged(name: str) -> None:
    """networkx reads the same nodes, edges and attributes, of the same types."""
    workload = WORKLOADS[name]()
    wanted = flat_graph(workload)
    found = nx.read_graphml(io.BytesIO(graphml(workload)))
    assert list(found.nodes(data=True)) == list(wanted.nodes(data=True))
    assert list(found.edges(data=True)) == list(wanted.edges(data=True))
    assert {k: v for k, v in found.graph.items() if not k.endswith("_default")} == wanted.graph
    types = [type(v) for _, data in found.nodes(data=True) for v in data.values()]
    assert types == [type(v) for _, data in wanted.nodes(data=True) for v in data.values()]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_flat_graph_holds_the_network(name: str) -> None:
    """Its counts add up to those of the workload, and it is the same graph."""
    workload = read_network(name).workload
    flat = flat_graph(workload)
    assert set(flat) == set(workload.graph)
    assert set(flat.edges) == set(workload.graph.edges)
    for op in workload.ops:
        data = flat.nodes[op.name]
        assert data.get("macs", 0) == workload.macs(op)
        assert data.get("forward_mul", 0) == op.forward.mul
        assert data.get("backward_written", 0) == op.backward.written
        assert data["kind"] == op.kind.value
        if op.weight is not None:
            matrix = workload.matrices[op.weight.matrix]
            size = data["matrix_inputs"] * data["matrix_outputs"] * data["matrix_blocks"]
            assert (data["matrix"], size) == (matrix.name, matrix.elements)
    elements = sum(data["elements"] for _, _, data in flat.edges(data=True))
    assert elements == sum(
        workload.tensors[tensor].elements
        for _, _, tensors in workload.graph.edges(data="tensors")
        for tensor in tensors
    )


TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[A-Za-z_][A-Za-z_0-9]*|[{}\[\]=,;])')


def parse_dot(text: str) -> tuple[dict[str, dict[str, str]], dict[tuple[str, str], dict[str, str]]]:
    """Nodes and edges of a DOT file, by the part of its grammar that is needed here."""
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        found = TOKEN.match(text, position)
        assert found, f"no DOT token at {text[position : position + 40]!r}"
        tokens.append(found.group(1))
        position = found.end()
    assert tokens[0] == "digraph"
    assert tokens[2] == "{"
    assert tokens[-1] == "}"
    nodes: dict[str, dict[str, str]] = {}
    edges: dict[tuple[str, str], dict[str, str]] = {}
    at = 3
    while tokens[at] != "}":
        end = tokens.index(";", at)
        statement, at = tokens[at:end], end + 1
        if "[" in statement[:4]:
            begin = statement.index("[")
            body = statement[begin + 1 : -1]
            assert statement[-1] == "]"
            assert body[3::4] == [","] * len(body[3::4])
            if statement[0] == "node":
                continue
            values = {k: unquoted(v) for k, v in zip(body[::4], body[2::4], strict=True)}
            if begin == 3:
                edges[unquoted(statement[0]), unquoted(statement[2])] = values
            else:
                nodes[unquoted(statement[0])] = values
        else:
            assert statement[1] == "="
    return nodes, edges


def unquoted(token: str) -> str:
    """The text of a quoted token."""
    assert token[0] == token[-1] == '"'
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), token[1:-1])


@pytest.mark.parametrize("name", WORKLOADS)
def test_dot_says_the_same(name: str) -> None:
    """A parser of the DOT grammar finds every node and edge with its attributes as texts."""
    workload = WORKLOADS[name]()
    wanted = flat_graph(workload)
    nodes, edges = parse_dot(dot(workload).decode())
    assert list(nodes) == list(wanted)
    for node, data in wanted.nodes(data=True):
        shown = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in data.items()}
        label = f"{node}\n{data['op_type']}"
        assert nodes[node].items() >= {**shown, "label": label}.items()
    assert set(edges) == set(wanted.edges)


@pytest.mark.parametrize("name", WORKLOADS)
def test_svg_is_well_formed_and_safe(name: str) -> None:
    """It parses as XML, runs no script and asks for nothing."""
    root = ET.fromstring(draw_svg(WORKLOADS[name]()))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "text", "g"}
    for element in root.iter():
        assert not any(key.startswith("on") or "href" in key for key in element.attrib)


@pytest.mark.parametrize("suffix", [".graphml", ".dot", ".gv", ".svg", ".SVG"])
def test_the_extension_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    workload = read_network("lenet").workload
    path = tmp_path / f"net{suffix}"
    path.write_text("old")
    write_graph(workload, path)
    render = {".graphml": graphml, ".dot": dot, ".gv": dot, ".svg": draw_svg}[suffix.lower()]
    assert path.read_bytes() == render(workload)
    assert list(tmp_path.iterdir()) == [path]


def refusal(path: Path) -> str:
    """What `check_graph_path` and `write_graph` both say about a path that they refuse."""
    messages = []
    for call in (check_graph_path, lambda p: write_graph(empty(), p)):
        with pytest.raises(InputError) as caught:
            call(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    return messages[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("net.png", "'.png' is no format"),
        ("net.grapml", "Did you mean '.graphml'?"),
        ("net", "no extension"),
        ("folder.svg", "folder"),
        ("nowhere/net.svg", "no folder"),
        ("pipe.dot", "no plain file"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, name: str, says: str) -> None:
    """One sentence names the path and the reason, and nothing is left behind."""
    (tmp_path / "folder.svg").mkdir()
    os.mkfifo(tmp_path / "pipe.dot")
    before = sorted(tmp_path.rglob("*"))
    message = refusal(tmp_path / name)
    assert says in message
    assert message.startswith(str(tmp_path / name))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, since a superuser may write anywhere."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "permission" in refusal(tmp_path / "net.svg")


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a readable error, and what was there before stays as it was."""
    path = tmp_path / "net.svg"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_graph(read_network("lenet").workload, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file that a link points to is replaced, not the link."""
    (tmp_path / "real.svg").write_text("old")
    (tmp_path / "link.svg").symlink_to("real.svg")
    write_graph(empty(), tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "real.svg").read_bytes() == draw_svg(empty())
