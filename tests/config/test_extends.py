"""`extends` lays files over each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.extending import Extender
from archsim.config.merging import merge_blocks
from archsim.config.nodes import Block, Entry, Leaf, Node, Position, find
from archsim.errors import InputError


def tree(path: Path) -> dict[str, object]:
    return dict(Extender(()).file(path).plain())


def test_mappings_merge_and_scalars_and_lists_replace(write) -> None:
    """The extending file wins key by key; a list is one value."""
    write("a.yaml", "x: 1\nm: {p: 1, q: {r: 2, s: 3}}\nl: [1, 2, 3]\n")
    child = write("b.yaml", "extends: a\nm: {q: {s: 4}, t: 5}\nl: [9]\n")
    assert tree(child) == {
        "x": 1,
        "m": {"p": 1, "q": {"r": 2, "s": 4}, "t": 5},
        "l": [9],
    }


def test_a_nested_block_extends_relative_to_its_own_file(write) -> None:
    """A name is looked up beside the file that says it, then in the library."""
    write("parts/wire.yaml", "r: 2\n")
    write("parts/array.yaml", "wire: {extends: wire.yaml, c: 1}\n")
    write("wire.yaml", "r: 99\n")
    top = write("top.yaml", "array: {extends: parts/array}\nlist: [{extends: parts/wire}, 1]\n")
    assert tree(top) == {"array": {"wire": {"r": 2, "c": 1}}, "list": [{"r": 2}, 1]}


def test_names_that_are_not_beside_the_file_come_from_the_library(write, folder) -> None:
    """The folders of the library are searched in order."""
    path = write("deep/down/top.yaml", "device: {extends: devices/soft}\n")
    assert Extender((folder / "none", folder)).file(path).plain() == {
        "device": {"kind": "soft", "pulse": "1 us", "bound": 0.6}
    }


def test_a_new_kind_replaces_the_block(write) -> None:
    """Keys of another kind do not survive; the same kind merges."""
    write("a.yaml", "d: {kind: linear, pulse: 5 ns, range: 1}\n")
    changed = write("b.yaml", "extends: a\nd: {kind: soft, bound: 2}\n")
    same = write("c.yaml", "extends: a\nd: {kind: linear, pulse: 6 ns}\n")
    assert tree(changed) == {"d": {"kind": "soft", "bound": 2}}
    assert tree(same) == {"d": {"kind": "linear", "pulse": "6 ns", "range": 1}}


def test_a_block_with_its_own_extends_replaces_the_inherited_one(write) -> None:
    """Who says what to start from starts from that alone."""
    write("other.yaml", "kind: linear\npulse: 9 ns\n")
    write("a.yaml", "d: {kind: linear, pulse: 5 ns, range: 1}\n")
    child = write("b.yaml", "extends: a\nd: {extends: other}\n")
    assert tree(child) == {"d": {"kind": "linear", "pulse": "9 ns"}}


def test_null_is_a_value(write) -> None:
    """null replaces what was inherited and stays visible; it deletes no key."""
    write("a.yaml", "x: 1\nm: {p: 1}\n")
    assert tree(write("b.yaml", "extends: a\nx: null\nm: ~\n")) == {"x": None, "m": None}


def test_values_keep_the_place_of_the_file_they_came_from(write) -> None:
    """After merging, a message about an inherited value names the parent's line."""
    write("a.yaml", "m:\n  p: 1\n  q: 2\n")
    block = Extender(()).file(write("b.yaml", "extends: a\n\nm: {q: 3}\n"))
    places = [str(node.position) for key in "pq" if (node := find(block, ("m", key))) is not None]
    assert places == ["a.yaml:2:6", "b.yaml:3:8"]


def test_circles_are_shown(write) -> None:
    """A file that extends itself, through any number of others, is refused with the circle."""
    write("a.yaml", "extends: b\n")
    write("b.yaml", "x: 1\nm:\n  extends: c.yaml\n")
    path = write("c.yaml", "extends: a\n")
    with pytest.raises(InputError) as caught:
        tree(path)
    assert str(caught.value) == (
        "b.yaml:3:12: `extends` goes in a circle: c.yaml -> a.yaml -> b.yaml -> c.yaml"
    )


def test_one_file_may_be_extended_twice(write) -> None:
    """Two blocks that start from one file are no circle."""
    write("p.yaml", "v: 1\n")
    assert tree(write("a.yaml", "x: {extends: p}\ny: {extends: p}\n")) == {
        "x": {"v": 1},
        "y": {"v": 1},
    }


def test_doubling_files_are_refused(write) -> None:
    """Small files that include each other twice must not make an exponential tree."""
    write("f0.yaml", "v: 1\nw: 2\n")
    for level in range(1, 18):
        write(f"f{level}.yaml", f"x: {{extends: f{level - 1}}}\ny: {{extends: f{level - 1}}}\n")
    with pytest.raises(InputError, match="more than 20000 values after `extends`"):
        tree(Path("f17.yaml"))


def test_a_long_chain_is_refused(write) -> None:
    """A chain of files is bounded before Python's stack is."""
    write("f0.yaml", "v: 1\n")
    for level in range(1, 60):
        write(f"f{level}.yaml", f"extends: f{level - 1}\n")
    assert tree(Path("f19.yaml")) == {"v": 1}
    with pytest.raises(InputError, match="more than 20 files extend one another"):
        tree(Path("f59.yaml"))


@pytest.mark.parametrize("ready", [False, True])
def test_depth_is_bounded_across_files(write, ready: bool) -> None:
    """Files within the bound must not add up to a tree beyond it, read before or not."""
    write("f0.yaml", "v: 1\n")
    for level in range(1, 18):
        start, end = "{a: " * 40, "}" * 40
        write(f"f{level}.yaml", f"m: {start}{{extends: f{level - 1}}}{end}\n")
    names = range(18) if ready else [17]
    top = write("top.yaml", "".join(f"x{i}: {{extends: f{i}}}\n" for i in names))
    with pytest.raises(InputError, match="nested more than 50 levels deep"):
        tree(top)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: [a, b]\n", "bad.yaml:1:10: `extends` takes one file or name"),
        ("extends: 5\n", "bad.yaml:1:10: `extends` takes one file or name"),
        ("m:\n  extends: bse\n", "bad.yaml:2:12: there is no 'bse'. Did you mean 'base'?"),
        ("extends: devices\n", "bad.yaml:1:10: 'devices' is a folder"),
    ],
)
def test_bad_targets_are_placed(write, text: str, message: str) -> None:
    """What cannot be extended is refused at the name."""
    path = write("bad.yaml", text)
    with pytest.raises(InputError) as caught:
        tree(path)
    assert str(caught.value).startswith(message)


def test_an_error_in_the_extended_file_names_that_file(write) -> None:
    """Syntax is reported where it is wrong, not where it was asked for."""
    write("a.yaml", "x: 1\nx: 2\n")
    with pytest.raises(InputError, match=r"^a\.yaml:2:1: "):
        tree(write("b.yaml", "extends: a\n"))


HERE = Position("f", 1, 1)


def node(value: object) -> Node:
    if isinstance(value, dict):
        return Block({key: Entry(HERE, node(inner)) for key, inner in value.items()}, HERE)
    return Leaf(value, str(value), HERE)  # type: ignore[arg-type]


trees = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 3),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@given(trees, trees, trees)
def test_laying_over_agrees_with_a_naive_merge(a: dict, b: dict, c: dict) -> None:
    """Merging three layers is the plain recursive merge; a + a = a, and empty is neutral."""

    def lay(*layers: Node) -> Block:
        result = layers[0]
        assert isinstance(result, Block)
        for layer in layers[1:]:
            assert isinstance(layer, Block)
            result = merge_blocks(result, layer, "")
        return result

    x, y, z = node(a), node(b), node(c)
    assert lay(x, x).plain() == a
    assert lay(x, node({})).plain() == lay(node({}), x).plain() == a
    assert lay(lay(x, y), z).plain() == naive(naive(a, b), c)


def naive(base: dict, over: dict) -> dict:
    """The same merge on plain dictionaries, written independently."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(result.get(key), dict) and isinstance(value, dict)
        result[key] = naive(result[key], value) if both else value
    return result
