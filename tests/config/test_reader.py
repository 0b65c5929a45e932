"""YAML text becomes a tree with positions, or one sentence with line and column."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.nodes import children, find, paths
from archsim.config.reader import read_file, read_yaml
from archsim.errors import InputError


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "f.yaml")
    return str(caught.value)


def test_every_node_knows_its_line_and_column() -> None:
    """Scalars are placed at their first character, mappings at their key, lists at their start."""
    block = read_yaml("a: 1\nb:\n  c: [x,  'y']\n  d: {e: 2}\n", "f.yaml")
    places = {
        ".".join(p): str(node.position)
        for p in paths(block)
        if (node := find(block, p)) is not None
    }
    assert places == {
        "a": "f.yaml:1:4",
        "b": "f.yaml:2:1",
        "b.c": "f.yaml:3:6",
        "b.c.0": "f.yaml:3:7",
        "b.c.1": "f.yaml:3:11",
        "b.d": "f.yaml:4:3",
        "b.d.e": "f.yaml:4:10",
    }


def test_values_are_those_of_the_1_2_core_schema() -> None:
    """Quotes make text of anything; keys are text whatever they look like."""
    block = read_yaml("on: 1e-9\n1: '017'\nnull: off\ntrue: |\n  5\nlist: [1, ~]\n", "f.yaml")
    assert block.plain() == {
        "on": 1e-9,
        "1": "017",
        "null": "off",
        "true": "5\n",
        "list": [1, None],
    }


def test_crlf_byte_order_mark_and_flow_style(tmp_path: Path) -> None:
    """Files from other systems read the same."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: {b: 5 \xc2\xb5s}\r\nc: 2\r\n")
    assert read_file(path).plain() == {"a": {"b": "5 µs"}, "c": 2}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1", "written twice, first at f.yaml:1:1"),
        ("a: {x: 1, x: 2}\n", "f.yaml:1:11", "written twice, first at f.yaml:1:5"),
        ("a: &b 1\n", "f.yaml:1:4", "anchor (&b)"),
        ("a: &b {c: 1}\n", "f.yaml:1:4", "anchor (&b)"),
        ("a: *b\n", "f.yaml:1:4", "alias"),
        ("b: {}\n<<: {c: 1}\n", "f.yaml:2:1", "Use `extends: other.yaml`"),
        ("a: !!python/object:os.system x\n", "f.yaml:1:4", "tag"),
        ("a: !!str 5\n", "f.yaml:1:4", "tag"),
        ("a: !mine {b: 1}\n", "f.yaml:1:4", "tag '!mine'"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1", "second YAML document"),
        ("- 1\n", "f.yaml:1:1", "found a list, expected a mapping"),
        ("just text\n", "f.yaml:1:1", "found 'just text', expected a mapping"),
        ("a:\nb: 1\n", "f.yaml:1:3", "a value is missing here"),
        ("a: [1, ]\nb: [x, '', ]\nc:\n  - \n", "f.yaml:4:4", "a value is missing here"),
        ("'': 5\n", "f.yaml:1:1", "a key is missing"),
        ("? " * 400_000, "f.yaml:1:3", "as a key"),
        ("[a]: 5\n", "f.yaml:1:1", "as a key"),
        ("a:\n\t b: 1\n", "f.yaml:2:1", "Indent with spaces, not tabs"),
        ("a: b: c\n", "f.yaml:1:5", "quote text that holds ': '"),
        ("a: [1, 2\n", "f.yaml:2:1", "not valid YAML"),
        ("a: 'x\n", "f.yaml:2:1", "not valid YAML"),
        ("a: 017\n", "f.yaml:1:4", "octal"),
        ("a: .inf\n", "f.yaml:1:4", "not a finite number"),
        ("# nothing\n", "f.yaml", "the file is empty"),
        ("a: \x07\n", "f.yaml", "not valid YAML"),
    ],
)
def test_refusals_say_where_and_what(text: str, place: str, words: str) -> None:
    """Each construct that is not plain data is refused at its own position."""
    message = refused(text)
    assert message.startswith(f"{place}: ")
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 400_000,
        "a: " + "{b: " * 200_000,
        "- " * 400_000,
        "".join(" " * i + f"k{i}:\n" for i in range(60)),
    ],
)
def test_deep_nesting_is_refused_quickly(text: str) -> None:
    """A hostile file costs no more than its first fifty levels, and no C stack."""
    start = time.process_time()
    assert "nested more than 50 levels deep" in refused(text)
    assert time.process_time() - start < 2


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text("abcxyz_", min_size=1, max_size=6), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1), plain))
def test_agrees_with_json_as_a_subset_of_yaml(value: dict[str, object]) -> None:
    """JSON is YAML: what another writer wrote as JSON is read back equal."""
    assert read_yaml(json.dumps(value, ensure_ascii=False), "f.yaml").plain() == value


@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`?, \n\t01.", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but InputError, and what is read is a mapping with positions."""
    try:
        block = read_yaml(text, "f.yaml")
    except InputError as error:
        place = error.place
    else:
        place = str(block.position)
        assert all(node.position.line >= 1 for _, node in children(block))
    assert place.startswith("f.yaml")
