"""Group normalisation through Reshape: groups of channels as channels of an instance normalisation.

Exporters below opset 21 fold [N, C, ...] into [N, groups, rest], normalise each group with a scale
of ones and a shift of zeros, unfold, then scale and shift by channel (Wu and He 2018,
arXiv:1803.08494).  The ones and zeros are no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.operators import Read
from archsim.workload.onnx_reader.patterns.pattern import ChainPattern, Match
from archsim.workload.onnx_reader.patterns.pricing import Operator, ones, price
from archsim.workload.onnx_reader.patterns.structure import Structure


def _find(structure: Structure, index: int) -> Match | None:
    inner, scope = structure.piece(index), structure.scope
    folded, normalised = inner.inputs[0], inner.outputs[0]
    fold, unfold = structure.made_by(folded, "Reshape"), structure.only_reader(normalised)
    if fold is None or unfold is None or structure.op_type(unfold) != "Reshape":
        return None
    if structure.only_reader(folded) != index:
        return None
    source, result = structure.piece(fold).inputs[0], structure.piece(unfold).outputs[0]
    shape, groups = scope.shape(source), scope.shape(folded)
    if scope.shape(result) != shape or len(shape) < 3 or not _folds(shape, groups):
        return None
    if structure.op_type(index) == "LayerNormalization" and not _whole_groups(
        inner.forward.sqrt, groups
    ):
        return None
    members = {fold, index, unfold}
    scale, result = _vector(structure, result, "Mul", members)
    shift, result = _vector(structure, result, "Add", members)
    if groups[1] == shape[1] and inner.reads and not (_unit(inner.reads) and scale is not None):
        return None
    operands: tuple[Constant, ...] = ()
    if scale is not None or shift is not None:
        first = scale or ones("ones", shape[1])
        operands = (first,) if shift is None else (first, shift)
    operator = Operator("GroupNormalization", operands, {"num_groups": groups[1]})
    return Match(frozenset(members), price(structure, members, source, result, operator))


def _unit(reads: Sequence[Read]) -> bool:
    """Whether a normalisation scales by ones and shifts by zeros, as far as the values are known.

    With as many groups as channels, that and another scale behind tell a group normalisation from
    an instance normalisation, whose own vectors are learned.
    """
    values = [read.constant.value for read in reads]
    if len(values) != 2 or values[0] is None or values[1] is None:
        return False
    return bool((values[0] == 1).all()) and not bool(values[1].any())


def _folds(shape: tuple[int, ...], groups: tuple[int, ...]) -> bool:
    return len(groups) >= 3 and groups[0] == shape[0] and shape[1] % groups[1] == 0


def _whole_groups(statistics: int, groups: tuple[int, ...]) -> bool:
    """Whether a layer normalisation took one mean and variance per group."""
    return statistics == groups[0] * groups[1]


def _vector(
    structure: Structure, tensor: str, op_type: str, members: set[int]
) -> tuple[Constant | None, str]:
    """The vector by channel that `op_type` applies to `tensor` next, and what results."""
    index = structure.only_reader(tensor)
    if index is None or structure.op_type(index) != op_type:
        return None, tensor
    reads, channels = structure.piece(index).reads, structure.scope.shape(tensor)[1]
    if len(reads) != 1 or len(structure.piece(index).inputs) != 1:
        return None, tensor
    constant = reads[0].constant
    rank = len(structure.scope.shape(tensor))
    along = len(constant.shape) - rank + 1
    if constant.elements != channels or along < 0 or constant.shape[along] != channels:
        return None, tensor
    members.add(index)
    return constant, structure.piece(index).outputs[0]


PATTERN = ChainPattern(
    "group_norm", frozenset({"InstanceNormalization", "LayerNormalization"}), _find
)
