"""Imports point one way, and each heavy library stays in its room."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import archsim

PACKAGE = Path(archsim.__file__).parent

# A room may import rooms of lower floors, and itself; rooms of one floor are siblings.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "units", "fields", "registry", "resources", "output"}),
    frozenset({"config", "workload", "hardware", "algorithm"}),
    frozenset({"architecture"}),
    frozenset({"mapping"}),
    frozenset({"simulation", "tile_kernel", "baseline"}),
    frozenset({"cotraining"}),
    frozenset({"result"}),
    frozenset({"uncertainty", "explore", "validation", "fitting"}),
    frozenset({"report"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Which rooms may import a library; a library that is not named is free.
LIBRARY_ROOMS = {
    "onnx": {"workload"},
    "yaml": {"config"},
    "pandas": {"report", "explore"},
    "networkx": {"workload", "mapping", "simulation", "baseline"},
    "jinja2": {"report"},
    "click": {"cli"},
    "rich": {"cli"},
}


def room_of(path: Path) -> str:
    """The room of a file: the first part of its path inside the package, without `.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(source: str) -> Iterator[str]:
    """Every absolute module name that `source` imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "archsim":
                yield from (f"archsim.{alias.name}" for alias in node.names)
            else:
                yield node.module


def violations(room: str, source: str) -> list[str]:
    """What `source`, a file of `room`, imports that it must not."""
    found = []
    for module in imported_modules(source):
        top, *rest = module.split(".")
        allowed = LIBRARY_ROOMS.get(top)
        if allowed is not None and room not in allowed:
            found.append(f"{room} imports {top}, which belongs to {sorted(allowed)}")
        if top != "archsim" or not rest or rest[0] in (room, "__version__"):
            continue
        target = rest[0]
        if target not in FLOOR_OF:
            found.append(f"{room} imports archsim.{target}, which has no floor")
        elif FLOOR_OF[target] > FLOOR_OF[room]:
            found.append(f"{room} imports archsim.{target}, which is above it")
        elif FLOOR_OF[target] == FLOOR_OF[room] != 0:
            found.append(f"{room} imports archsim.{target}, its sibling")
    return found


SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """No file imports a sibling room, a room above, or a library of another room."""
    assert room_of(path) in FLOOR_OF, "a new room needs a floor"
    assert violations(room_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("hardware", "import archsim.config"),
        ("hardware", "from archsim.workload.graph import Op"),
        ("workload", "from archsim import mapping"),
        ("simulation", "def f():\n    from archsim.baseline import gpu"),
        ("errors", "import archsim.cli.main"),
        ("hardware", "import onnx"),
        ("cli", "from yaml import safe_load"),
        ("result", "import pandas as pd"),
        ("baseline", "import archsim.nowhere"),
    ],
)
def test_the_rule_finds_a_violation(room: str, source: str) -> None:
    """The check above reports each kind of forbidden import."""
    assert len(violations(room, source)) == 1


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `statement`."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
        timeout=60,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import archsim", {"numpy", "onnx", "pandas", "pydantic", "networkx", "yaml", "click"}),
        (
            "import archsim.cli.main",
            {"numpy", "onnx", "pandas", "pydantic", "networkx", "yaml", "rich", "jinja2"},
        ),
    ],
)
def test_heavy_libraries_are_imported_when_needed(statement: str, absent: set[str]) -> None:
    """Starting up, and asking for help, loads no library that only a command needs."""
    assert loaded_by(statement).isdisjoint(absent)
