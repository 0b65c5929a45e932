"""Every operator that has a name: what kind it is of, what it costs, or why it is refused.

A table for readers (`archsim list ops`) and for the test that no new opset slips in unclassified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from onnx import defs

from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader.operators import Operator
from archsim.workload.onnx_reader.refusals import REFUSED, refusal
from archsim.workload.onnx_reader.registry import FOLDED, OPERATORS
from archsim.workload.onnx_reader.structure import STRUCTURAL
from archsim.workload.places import place_of


@dataclass(frozen=True, slots=True)
class Classified:
    """One row of the table; `domain` is empty for the default one.

    `since` is the first opset that has the operator, 1 outside the standard domains.  For a refused
    operator `forward` is the reason.
    """

    op_type: str
    domain: str
    since: int
    kind: str
    where: str
    forward: str
    backward: str


def classify(domain: str, op_type: str) -> Classified | None:
    """What the reader makes of an operator, or None if it does not know of it."""
    since = first_opset(domain, op_type)
    entry = OPERATORS.get((domain, op_type))
    if entry is not None:
        return _costed(entry, since)
    if domain == "" and op_type in STRUCTURAL:
        found = STRUCTURAL[op_type]
        return Classified(op_type, domain, since, found.kind, "free", found.rule, "that of these")
    if domain == "" and op_type in FOLDED:
        return Classified(op_type, domain, since, "shape arithmetic", "free", "folded away", "none")
    reason = refusal(domain, op_type)
    if reason is not None:
        return Classified(op_type, domain, since, "refused", "nowhere", reason, "none")
    return None


def _costed(entry: Operator, since: int) -> Classified:
    rule = entry.rule
    first = rule.kinds[0]
    names = [kind.value.replace("_", " ") for kind in rule.kinds]
    alternatives = {OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL} <= set(rule.kinds)
    kind = "weight or dynamic matmul" if alternatives else names[0]
    place = "free" if rule.forward == "free" else place_of(first)
    return Classified(entry.op_type, entry.domain, since, kind, place, rule.forward, rule.backward)


def all_operators() -> Iterator[Classified]:
    """Every operator that is understood or refused by name, by domain and name."""
    known = {(domain, op_type) for domain, op_type in _standard_names()} | set(OPERATORS)
    known |= set(REFUSED)
    for domain, op_type in sorted(known):
        found = classify(domain, op_type)
        if found is not None:
            yield found


@cache
def _standard_names() -> Mapping[tuple[str, str], int]:
    """First opset of every operator that the onnx package defines, by domain and name."""
    found: dict[tuple[str, str], int] = {}
    for schema in defs.get_all_schemas_with_history():
        key = (schema.domain, schema.name)
        found[key] = min(found.get(key, schema.since_version), schema.since_version)
    return found


def first_opset(domain: str, op_type: str) -> int:
    """The first opset that has the operator."""
    return _standard_names().get((domain, op_type), 1)
