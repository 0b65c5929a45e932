"""What PyTorch keeps between forward and backward, in its own sizes.

The accelerator's backward needs little: a mask for a ReLU, an index inside the window for a maximum.
A framework keeps whole tensors, because it must not know what runs next: this module states which,
operator by operator, as PyTorch's derivative formulas do, so that `saved_activation_bytes` can be
held against its saved-tensor hooks.  Differences to what `Op.saved` declares:

* piecewise functions keep their input (ReLU its output) instead of a mask;
* a maximum keeps its input and 64-bit indices; an average pooling its input;
* normalisations also keep two statistics per group (one for a root mean square);
* attention keeps its operands, its output and one number per row, never the probabilities;
* conditions are bytes, indices 64-bit numbers;
* a storage counts once and whole, whoever looks at a part of it, and transposing copies nothing.

The loss, parameters and running statistics are not counted.  Recurrent cells keep what the
accelerator keeps, since PyTorch leaves that to its vendors' libraries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from archsim.workload.gradients import Scope, is_recurrent
from archsim.workload.graph import Op, OpKind, Saved, SavedForm, TensorInfo, Workload
from archsim.workload.saved import saved_by

_BYTES_OF_INDEX = 8
_BYTES_OF_MASK = 1
_DEFAULT_BYTES = 4
# Views of one storage: what torch's slicing, reshaping and transposing export to.
_WHOLE_VIEWS = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
_PART_VIEWS = frozenset({"Slice", "Split", "Gather"})

_PRODUCT_NAME = re.compile(r"mul(_\d+)?")

_Tensors: TypeAlias = Mapping[str, TensorInfo]
_Rule: TypeAlias = Callable[[Op, _Tensors, Scope], tuple[Saved, ...]]


def _values(names: Iterable[str], tensors: _Tensors) -> tuple[Saved, ...]:
    return tuple(Saved(name, tensors[name].elements) for name in names)


def _input(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    return _values(op.inputs[:1], tensors)


def _inputs(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    return _values(op.inputs, tensors)


def _output(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    return _values(op.outputs[:1], tensors)


def _input_and_indices(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    count = tensors[op.outputs[0]].elements
    indices = Saved(f"{op.outputs[0]}/indices", count, SavedForm.INDEX)
    return (*_values(op.inputs[:1], tensors), indices)


def _input_and_output(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    return _values((op.inputs[0], op.outputs[0]), tensors)


def _normalised(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    """The input and, for each root that is taken, a mean and a reciprocal deviation."""
    return (*_input(op, tensors, scope), Saved(f"{op.outputs[0]}/statistics", 2 * op.forward.sqrt))


def _scaled_by_rms(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    """The input and one number per vector, and the normalised vectors where the source multiplies
    them by the scale itself: an exporter that puts the operator together keeps the product's name.
    """
    result = op.outputs[0]
    kept = (*_input(op, tensors, scope), Saved(f"{result}/statistics", op.forward.sqrt))
    if _PRODUCT_NAME.fullmatch(result) is None or not scope.trained(op):
        return kept
    return (*kept, Saved(f"{result}/normalised", tensors[result].elements))


def _attention(op: Op, tensors: _Tensors, scope: Scope) -> tuple[Saved, ...]:
    """Operands, output and the logarithm of each row's sum (Dao et al. 2022, arXiv:2205.14135).

    A learned mask (position bias) has no fused kernel: then the probabilities are kept instead.
    """
    operands = tuple(item for item in op.saved if item.tensor in op.inputs)
    others = set(op.inputs).difference(item.tensor for item in operands)
    if others & scope.active:
        return op.saved
    rows = op.dynamic[0].count * op.dynamic[0].m if op.dynamic else 0
    return (*operands, *_output(op, tensors, scope), Saved(f"{op.outputs[0]}/row sums", rows))


_RULES: Mapping[str, _Rule] = {
    "Relu": _output,
    **dict.fromkeys(
        (
            "Clip",
            "LeakyRelu",
            "Abs",
            "Elu",
            "Selu",
            "Celu",
            "HardSigmoid",
            "ThresholdedRelu",
            "AveragePool",
        ),
        _input,
    ),
    **dict.fromkeys(("Max", "Min"), _inputs),
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), _input_and_indices),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"), _input_and_output),
    **dict.fromkeys(
        (
            "BatchNormalization",
            "LayerNormalization",
            "InstanceNormalization",
            "GroupNormalization",
        ),
        _normalised,
    ),
    "RMSNormalization": _scaled_by_rms,
    **dict.fromkeys(("Attention", "MultiHeadAttention", "GroupQueryAttention"), _attention),
}


def merge_storages(
    saved: Iterable[Saved], ops: Sequence[Op], workload: Workload
) -> tuple[Saved, ...]:
    """Each storage once per form, and whole where only a part of it is looked at."""
    storage = _storages(ops, workload.tensors)
    kept: dict[tuple[str, SavedForm], Saved] = {}
    for item in saved:
        name = storage.get(item.tensor, item.tensor)
        info = workload.tensors.get(name)
        count = item.elements if info is None or name == item.tensor else info.elements
        key = (name, item.form)
        if key not in kept or kept[key].elements < count:
            kept[key] = Saved(name, count, item.form)
    return tuple(kept.values())


def framework_saved(op: Op, scope: Scope, workload: Workload) -> tuple[Saved, ...]:
    """What PyTorch keeps of one operator, given what of its backward runs."""
    tensors = workload.tensors
    if not scope.differentiates(op):
        return ()
    if op.framework_saved is not None:
        return op.framework_saved
    needed = saved_by(op, scope)
    if op.weight is not None or is_recurrent(op):
        return needed
    rule = _RULES.get(op.op_type)
    if rule is None or not any(name in tensors for name in op.inputs):
        return needed
    return rule(op, tensors, scope) if scope.active_inputs(op) or scope.trained(op) else ()


def _storages(ops: Sequence[Op], tensors: _Tensors) -> dict[str, str]:
    """For each tensor that shows (a part of) another's storage, the tensor that owns it."""
    owner: dict[str, str] = {}
    for op in ops:
        if op.kind is not OpKind.MOVEMENT or len(op.inputs) != 1:
            continue
        source = op.inputs[0]
        for name in op.outputs:
            whole = tensors[name].elements == tensors[source].elements
            same = tensors[name].bytes_per_element == tensors[source].bytes_per_element
            view = (op.op_type in _WHOLE_VIEWS or op.op_type in {"Cast", "Dropout"}) and whole
            part = op.op_type in _PART_VIEWS and tensors[name].elements <= tensors[source].elements
            if (view or part) and same:
                owner[name] = owner.get(source, source)
    return owner


def framework_bytes(saved: Iterable[Saved], tensors: _Tensors) -> int:
    """Bytes of `saved`: values at the file's width, conditions 1, indices 8 bytes per element."""
    total = 0
    for item in saved:
        if item.form is SavedForm.MASK:
            total += item.elements * _BYTES_OF_MASK
        elif item.form is SavedForm.INDEX:
            total += item.elements * _BYTES_OF_INDEX
        else:
            info = tensors.get(item.tensor)
            total += item.elements * (info.bytes_per_element if info else _DEFAULT_BYTES)
    return total
