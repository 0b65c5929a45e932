"""The table of what update algorithms cost is what the product computes.

With the variable ARCHSIM_UPDATE_DOCS set, the table is rewritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from archsim.algorithm import Algorithm
from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.config.shapes import kinds_of
from archsim.resources import data_folder
from archsim.result.algorithm import state_area_m2
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.units import format_quantity
from archsim.workload.training import training_graph

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "algorithms.md"
BEGIN = "<!-- table: written by tests/docs/test_docs_algorithms.py -->\n"
END = "<!-- end -->\n"
BATCH = 256
KINDS = [kind for model in get_args(get_args(Algorithm)[0]) for kind in kinds_of(model)]


def table() -> Iterator[str]:
    base = load("protonic_256", Architecture, data_folder("arch_configs"))
    head = "algorithm | time/step | energy/step | arrays | state | of it in DRAM | state as SRAM"
    for network in ("mlp", "resnet50"):
        found = Job(model=network).read()
        program = lower(training_graph(found.workload, found.options))
        yield f"\n| {network}: {head} |\n|{'---|' * (head.count('|') + 1)}\n"
        for kind, how in [(kind, "") for kind in KINDS] + [("mixed_precision", "sample")]:
            changes = {"algorithm.kind": kind} | ({"algorithm.accumulate": how} if how else {})
            tree = override(base, changes).value
            priced = estimate(program, [tree], [BATCH])
            mapping, state = priced.mapping, float(priced.state.bits[0]) / 8
            arrays = (mapping.arrays_per_copy * mapping.on_array).sum()
            cells = [
                f"`{kind}`" + (f", `accumulate: {how}`" if how else ""),
                format_quantity(float(priced.step_latency_s[0]), "s"),
                format_quantity(float(priced.step_energy_j[0]), "J"),
                f"{arrays:,.0f}",
                format_quantity(state, "B") if state else "none",
                f"{100 * priced.state.off_chip_share[0]:.0f} %" if state else "",
                format_quantity(state_area_m2(priced, tree), "m^2") if state else "",
            ]
            yield f"| {' | '.join(cells)} |\n"


def test_the_table_is_up_to_date() -> None:
    """Every row of the page is what the estimate gives now."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    written, after = rest.split(END)
    expected = "".join(table()) + "\n"
    if os.environ.get("ARCHSIM_UPDATE_DOCS"):
        PAGE.write_text(before + BEGIN + expected + END + after, encoding="utf-8")
        return
    assert written == expected


def test_every_kind_is_explained() -> None:
    """The page names every kind that the schema allows, once in its table of operations."""
    text = PAGE.read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"\n| `{kind}` | " in text.split("## Arrays")[0]
