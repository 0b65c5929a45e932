"""`archsim list ops`: the table of operators, for readers and for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archsim.workload.onnx_reader import OPERATORS

Runner = Callable[..., Any]


def test_every_operator_is_in_the_table_and_in_the_json(archsim_here: Runner) -> None:
    found = archsim_here("list", "ops", "--json")
    assert found.code == 0
    listed = {(row["domain"], row["op_type"]): row for row in found.json}
    assert set(listed) >= set(OPERATORS)
    conv, text, loop = listed["", "Conv"], listed["", "StringSplit"], listed["", "Loop"]
    assert (conv["kind"], conv["where"], conv["since"]) == ("weight or dynamic matmul", "arrays", 1)
    assert (text["kind"], loop["kind"]) == ("refused", "control flow")
    assert all(row["forward"] and row["backward"] for row in found.json)


def test_the_table_fits_into_80_columns(archsim_here: Runner) -> None:
    text = archsim_here("list", "ops")
    assert text.code == 0
    assert max(map(len, text.out.splitlines())) <= 80
    assert "Domain com.microsoft:" in text.out
    assert "ai.onnx.ml" in text.out
