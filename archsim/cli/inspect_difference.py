"""Two networks side by side: `archsim inspect MODEL --diff OTHER`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, width
from archsim.cli.inspect_tables import LEAST_NAME
from archsim.report.text import safe, shorten
from archsim.workload.difference import Difference, Pair, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from archsim.cli.counts import NetworkCounts
    from archsim.workload.graph import Op

_MOST_SHOWN = 10
_SENTENCES: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.IDENTICAL: "The networks are the same, operator by operator.",
        Verdict.SAME_STRUCTURE: (
            "The networks are the same but for names: every operator has a counterpart of the same "
            "kind and size, connected alike."
        ),
        Verdict.SAME_PRODUCTS: (
            "Most likely one network, written differently: products with weight matrices have the "
            "same sizes, and the forward MACs are the same."
        ),
        Verdict.DIFFERENT: "The networks differ.",
    }
)
_TOTALS: tuple[tuple[str, str], ...] = (
    ("operators", "operators"),
    ("parameters", "parameters"),
    ("parameters_untied", "parameters, untied"),
    ("weight_matrices", "weight matrices"),
    ("weight_uses", "weight uses"),
    ("convolution_macs", "convolution MACs"),
    ("linear_macs", "linear MACs"),
    ("dynamic_macs", "dynamic MACs"),
    ("training_macs", "training MACs"),
    ("saved_activation_bytes", "saved bytes"),
)


def difference_text(
    found: Difference, counts: tuple[NetworkCounts, NetworkCounts]
) -> list[RenderableType]:
    """The verdict, both networks' totals, and the first operators that differ."""
    before, after = counts
    lines: list[RenderableType] = [
        f"{safe(before.name)} and {safe(after.name)}. {_SENTENCES[found.verdict]}",
        *_partial(found),
        "",
        _totals_table(counts),
        "",
        _matched(found),
    ]
    lines += [f"  {line}" for line in _boundary(counts)]
    if found.changed or found.removed or found.added:
        lines += ["", *_first_differences(found)]
    return lines


def _partial(found: Difference) -> list[str]:
    """What else is the same, or shared differently."""
    if found.same_uses and not found.same_matrices:
        return [
            (
                "What shares a weight matrix differs: exporters merge weights that are equal, and lose "
                "ties."
            )
        ]
    if found.verdict is not Verdict.DIFFERENT:
        return []
    if found.same_uses:
        return ["Products with weight matrices have the same sizes."]
    return ["The forward MACs are the same."] if found.same_macs else []


def _totals(counts: NetworkCounts) -> dict[str, int]:
    macs = counts.forward_macs
    return {
        "operators": len(counts.ops),
        "parameters": counts.parameters,
        "parameters_untied": counts.parameters_untied,
        "weight_matrices": counts.weight_matrices,
        "weight_uses": counts.weight_uses,
        "convolution_macs": macs["convolution"],
        "linear_macs": macs["linear"],
        "dynamic_macs": macs["dynamic"],
        "training_macs": counts.training_macs["total"],
        "saved_activation_bytes": counts.saved_activation_bytes,
    }


def _totals_table(counts: tuple[NetworkCounts, NetworkCounts]) -> Table:
    names = [shorten(entry.name, 18) for entry in counts]
    table = plain_table("total", "first", "second", "difference", right=("first", "second"))
    table.columns[3].justify = "right"
    for column, name in zip(table.columns[1:3], names, strict=True):
        column.header = name
    one, two = (_totals(entry) for entry in counts)
    for key, label in _TOTALS:
        change = two[key] - one[key]
        literal_row(
            table, label, f"{one[key]:,}", f"{two[key]:,}", f"{change:+,}" if change else "="
        )
    return table


def _matched(found: Difference) -> str:
    alike = [pair for pair in found.pairs if not pair.differences]
    named = sum(pair.by_name for pair in alike)
    parts = [
        (named, "the same under the same name"),
        (len(alike) - named, "the same under another name"),
        (len(found.changed), "changed"),
        (len(found.removed), "only in the first"),
        (len(found.added), "only in the second"),
    ]
    text = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    wires = found.rewired
    ending = (
        f"; {wires:,} connection{'s' if wires != 1 else ''} between them differ" if wires else ""
    )
    return f"Operators: {text or 'none'}{ending}."


def _boundary(counts: tuple[NetworkCounts, NetworkCounts]) -> list[str]:
    """Inputs and outputs that differ in shape, by position: exporters rename them."""
    lines = []
    for what, one, two in (
        ("inputs", counts[0].inputs, counts[1].inputs),
        ("outputs", counts[0].outputs, counts[1].outputs),
    ):
        shapes = ["; ".join(_shape(shape) for _, shape in side) for side in (one, two)]
        if shapes[0] != shapes[1]:
            lines.append(f"{what}: {shorten(shapes[0], 30)} and {shorten(shapes[1], 30)}")
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _first_differences(found: Difference) -> list[RenderableType]:
    """A table of the first changed, removed and added operators, some of each."""
    table = plain_table("", "first", "second", "what differs", tight=True)
    table.columns[3].no_wrap = False
    room = max(LEAST_NAME, (width() - 34) // 2)
    left = 0
    for mark, rows in (
        ("~", [_changed(pair) for pair in found.changed]),
        ("-", [(op.name, "", _described(op)) for op in found.removed]),
        ("+", [("", op.name, _described(op)) for op in found.added]),
    ):
        for one, two, what in rows[:_MOST_SHOWN]:
            literal_row(table, mark, shorten(one, room), shorten(two, room), what)
        left += max(0, len(rows) - _MOST_SHOWN)
    more = [f"{left:,} more; --json lists all."] if left else []
    return [table, *more]


def _changed(pair: Pair) -> tuple[str, str, str]:
    what = "; ".join(
        f"{name} {safe(_value(a))} → {safe(_value(b))}" for name, (a, b) in pair.differences.items()
    )
    return pair.before.name, pair.after.name, what


def _value(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value or "none"


def _described(op: Op) -> str:
    return f"{safe(op.op_type)}, {op.kind.value.replace('_', ' ')}"


def difference_json(
    found: Difference, counts: tuple[NetworkCounts, NetworkCounts]
) -> dict[str, Any]:
    """The document of `archsim inspect MODEL --diff OTHER --json`."""
    one, two = (_totals(entry) for entry in counts)
    return {
        "verdict": found.verdict.value,
        "same_weight_uses": found.same_uses,
        "same_weight_matrices": found.same_matrices,
        "same_macs": found.same_macs,
        "networks": [_network(entry) for entry in counts],
        "totals": {
            key: {"before": one[key], "after": two[key], "change": two[key] - one[key]}
            for key in one
        },
        "matched_by_name": sum(pair.by_name for pair in found.pairs),
        "matched_by_structure": sum(not pair.by_name for pair in found.pairs),
        "rewired": found.rewired,
        "changed": [
            {
                "before": pair.before.name,
                "after": pair.after.name,
                "differences": {key: list(values) for key, values in pair.differences.items()},
            }
            for pair in found.changed
        ],
        "removed": [_op(op) for op in found.removed],
        "added": [_op(op) for op in found.added],
    }


def _network(counts: NetworkCounts) -> dict[str, Any]:
    return {
        "name": counts.name,
        "onnx_sha256": counts.sha256,
        "inputs": [{"name": name, "shape": list(shape)} for name, shape in counts.inputs],
        "outputs": [{"name": name, "shape": list(shape)} for name, shape in counts.outputs],
    }


def _op(op: Op) -> dict[str, str]:
    return {"name": op.name, "type": op.op_type, "kind": op.kind.value}
