"""What the forward pass keeps for the backward pass, and how many bytes that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archsim.workload.gradients import Scope
from archsim.workload.graph import NO_WORK, Op, OpKind, Saved, SavedForm, TensorInfo, Workload

_PRODUCTS = frozenset({"Mul"})
_DEFAULT_BYTES = 4


def saved_by(op: Op, scope: Scope) -> tuple[Saved, ...]:
    """What the backward of `op` needs, given what of it runs.

    A weight matmul needs its input only if its matrix is trained.  A product of two activations
    needs each operand only for the gradient of the other.  Every other operator needs all that it
    declares.
    """
    if not scope.differentiates(op):
        return ()
    if op.weight is not None:
        return op.saved if op.weight.matrix in scope.matrices else ()
    if op.kind is OpKind.DYNAMIC_MATMUL or op.op_type in _PRODUCTS:
        return tuple(s for s in op.saved if _other_needs(s.tensor, op, scope))
    return op.saved


def _other_needs(tensor: str, op: Op, scope: Scope) -> bool:
    """Whether the gradient of another operand of a product needs `tensor`."""
    if len(op.inputs) > 2 or tensor not in op.inputs or scope.trained(op):
        return True
    others = [name for name in op.inputs if name != tensor]
    if others:
        return any(name in scope.active for name in others)
    return not op.parameters  # a square needs itself; the scale of a frozen parameter nothing


def merge_saved(saved: Iterable[Saved], ops: Sequence[Op], workload: Workload) -> tuple[Saved, ...]:
    """Each tensor once per form; a view counts as the tensor it shows; masks of values are free."""
    root = _roots(ops, workload.tensors)
    unique: dict[tuple[str, SavedForm], Saved] = {}
    for item in saved:
        tensor = root.get(item.tensor, item.tensor)
        key = (tensor, item.form)
        if key not in unique or unique[key].elements < item.elements:
            unique[key] = Saved(tensor, item.elements, item.form)
    return tuple(
        item
        for (tensor, form), item in unique.items()
        if form is not SavedForm.MASK or (tensor, SavedForm.VALUE) not in unique
    )


def _roots(ops: Sequence[Op], tensors: Mapping[str, TensorInfo]) -> dict[str, str]:
    """For each tensor that is a view of another (a free reshape), the tensor that holds the data."""
    root: dict[str, str] = {}
    for op in ops:
        if op.kind is not OpKind.MOVEMENT or op.forward != NO_WORK or len(op.inputs) != 1:
            continue
        source = op.inputs[0]
        for tensor in op.outputs:
            if tensors[tensor].elements == tensors[source].elements:
                root[tensor] = root.get(source, source)
    return root


def saved_bytes(saved: Iterable[Saved], tensors: Mapping[str, TensorInfo]) -> int:
    """Bytes of `saved`: values at the tensor's own width, masks 1 bit, indices 1 byte per element.

    A mask is rounded up to whole bytes.  A value that is no tensor of the file (inside a fused
    operator) counts as float32.
    """
    total = 0
    for item in saved:
        if item.form is SavedForm.MASK:
            total += -(-item.elements // 8)
        elif item.form is SavedForm.INDEX:
            total += item.elements
        else:
            info = tensors.get(item.tensor)
            total += item.elements * (info.bytes_per_element if info else _DEFAULT_BYTES)
    return total
