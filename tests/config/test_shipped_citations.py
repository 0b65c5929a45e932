"""Every configuration that ships resolves, and cites only what the bibliography holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.config.extending import Extender
from archsim.config.nodes import dotted
from archsim.config.references import load_references
from archsim.resources import data_folder

FOLDER = data_folder("arch_configs")
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.stem != "references")
KEYS = frozenset(load_references())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_every_citation_leads_somewhere(path: Path) -> None:
    """A key that the bibliography lacks would be a number without a source."""
    leaves = Extender((FOLDER,)).file(path).leaves()
    cited = {
        (dotted(route), key)
        for route, leaf in leaves
        if leaf.source is not None
        for key in leaf.source.references
    }
    assert {(route, key) for route, key in cited if key not in KEYS} == set()
