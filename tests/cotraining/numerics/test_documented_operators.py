"""The page about the numerics names the operators that have them."""

from __future__ import annotations

import re
from pathlib import Path

from archsim.cotraining.numerics.registry import OPERATORS
from archsim.workload.onnx_reader import OPERATORS as PRICED

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "training-numerics.md"


def test_the_page_lists_every_operator() -> None:
    """The list under the last heading is the registry, no more and no less."""
    listed = PAGE.read_text(encoding="utf-8").rpartition("-->")[2]
    assert re.findall(r"\w+", listed) == sorted(name for _, name in OPERATORS)


def test_what_is_trained_can_be_priced() -> None:
    """No operator has numerics that the reader does not know, but those that it folds away."""
    folded = {"ConstantOfShape", "EyeLike", "Range", "Shape", "Size"}
    assert {key for key in OPERATORS if key not in PRICED} <= {("", name) for name in folded}
