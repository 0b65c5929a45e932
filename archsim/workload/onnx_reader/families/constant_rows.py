"""Products of two constants: which of them is the weight, and whether training changes the other.

Learned queries, latents and tables of positions are multiplied by weights before any input of the
network is: nothing in such a product depends on the data, and it trains all the same.  The weight
is held on arrays, the other operand gives the vectors that enter it.
"""

from __future__ import annotations

from archsim.workload.graph import Note
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.exported_names import (
    computed_by_exporter,
    made_of_zeros,
    named_table,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope


def weight_and_rows(first: Constant, second: Constant) -> tuple[Constant, Constant]:
    """The operand of a product of two constants that is the weight, and the other.

    It is the learned one; of two, the stored matrix; of two such, the one that is an initializer,
    and the right one, as linear layers have it.
    """
    left, right = ((is_learned(c), is_matrix(c), not c.from_node) for c in (first, second))
    return (second, first) if right >= left else (first, second)


def learned_rows(scope: Scope, name: str) -> Constant | None:
    """The constant `name` if it enters a product as learned vectors: queries, latents.

    What a Constant node stores was made by the program that was exported (a table of positions),
    and so was what an exporter named after a function; zeros are an initial state.  Other
    initializers are taken as learned.
    """
    rows = scope.constant(name)
    if rows is None or not rows.floating or rows.blank or made_of_zeros(rows):
        return None
    kept = [root.name for root in rows.learned_roots if not root.from_node]
    return rows if any(not computed_by_exporter(n) and not named_table(n) for n in kept) else None


def rows_notes(node: Node, scope: Scope, name: str) -> tuple[Note, ...]:
    """What could not be known of a stored constant that enters a product."""
    rows = scope.constant(name)
    if rows is None or not rows.learned_roots or rows.blank:
        return ()
    stored = max(rows.learned_roots, key=lambda root: root.elements).name
    taken = "a table that nothing trains"
    if learned_rows(scope, name) is not None:
        taken = (
            "learned (queries, latents), so it gets a gradient; freeze it if it is a fixed table"
        )
    return (
        Note(
            "constant_rows",
            f"What '{node.name}' ({node.op_type}) multiplies by its weight is stored in the file "
            f"('{stored}'), which does not say whether it is learned. It is taken as {taken}.",
            node.name,
        ),
    )


def is_learned(constant: Constant) -> bool:
    """Whether training would change it, as far as can be seen from the constant itself."""
    return bool(constant.learned_roots) and constant.floating and not constant.blank


def is_matrix(constant: Constant) -> bool:
    """Whether it is a stored matrix, or a view of one."""
    sizes = [size for size in constant.distinct if size != 1]
    layer = len(constant.shape) == 2 or len(sizes) >= 2
    return bool(constant.view) and layer and is_learned(constant)
