"""What the names of stored tensors tell, where nothing else does.

PyTorch's exporters keep the paths of parameters and buffers (`layers.0.weight`), and make up names
for what they fold: the name of the function that made it (`unsqueeze_3`), a number (`val_12`,
`onnx::Mul_68`), or the path of a Constant node (`/layers.0/Constant_output_0`).
"""

from __future__ import annotations

import re

from archsim.workload.onnx_reader.constants import Constant

# The functions of PyTorch whose folded results are called after them.
_FUNCTIONS = re.compile(
    r"_to_copy|_unsafe_view|abs|add|addcmul|addmm|alias|arange|as_strided|bmm|"
    r"broadcast_to|cat|ceil|clamp|clamp_max|clamp_min|clone|conv1d|conv2d|conv3d|"
    r"convolution|cos|cumprod|cumsum|detach|diag|diff|div|einsum|embedding|erf|exp|expand|"
    r"eye|flatten|flip|floor|full|full_like|gather|ge|gelu|gt|index|index_copy|index_put|"
    r"index_select|layer_norm|le|lerp|lift_fresh_copy|lifted_tensor|linear|linspace|log|"
    r"logical_and|logical_not|logical_or|lt|masked_fill|masked_select|matmul|max|mean|"
    r"meshgrid|min|mm|mul|native_layer_norm|ne|neg|new_full|new_ones|new_zeros|norm|"
    r"one_hot|ones|ones_like|outer|pad|permute|pow|prod|rand|randn|reciprocal|relu|"
    r"remainder|repeat|repeat_interleave|reshape|roll|rsqrt|rsub|scalar_tensor|scatter|"
    r"scatter_add|select|sigmoid|sign|silu|sin|slice|softmax|sort|split|split_split|sqrt|"
    r"squeeze|stack|sub|sum|tan|tanh|tensor_constant|tile|to|topk|transpose|tril|triu|"
    r"type_as|unbind|unsafe_split|unsafe_view|unsqueeze|val|view|where|zeros|zeros_like"
)
_COUNTER = re.compile(r"(_\d+)+$")
# Words of the names that sources give to buffers which are no parameters.
_TABLE = re.compile(
    r"(?<![a-z])(anchors?|coords|cos|freqs?|grids?|inv|masks?|sin|strides?|window)(?![a-z])"
)
_ROTARY = re.compile(r"(?<![a-z])(rope|rotary)(?![a-z])")
_MOVES = frozenset(
    {
        *("alias", "clone", "detach", "expand", "permute", "repeat", "reshape", "select", "slice"),
        *("squeeze", "tile", "to", "transpose", "unsqueeze", "view"),
    }
)
_ZEROS = frozenset({"zeros", "zeros_like", "new_zeros"})


def computed_by_exporter(name: str) -> bool:
    """Whether a stored tensor is called after a function that computes, and not merely moves."""
    return called_after_function(name) and _function(name) not in _MOVES


def called_after_function(name: str) -> bool:
    """Whether a stored tensor has the name of the function that made it."""
    return _FUNCTIONS.fullmatch(_function(name)) is not None


def named_table(name: str) -> bool:
    """Whether the source calls a stored tensor something that is no parameter."""
    return _TABLE.search(name.rpartition(".")[2].lower()) is not None


def made_by_exporter(constant: Constant) -> bool:
    """Whether an exporter named the one stored tensor that a constant comes from."""
    return len(constant.roots) == 1 and _made_up(constant.roots[0].name)


def _made_up(name: str) -> bool:
    if name.startswith(("onnx::", "/", "c_lifted_tensor", "_tensor_constant", "_prop_tensor")):
        return True
    return "Constant" in name or called_after_function(name)


def _function(name: str) -> str:
    return _COUNTER.sub("", name)


def called_zeros(constant: Constant) -> bool:
    """Whether it is called after a function that makes zeros: its values may be kept elsewhere."""
    return len(constant.roots) == 1 and _function(constant.roots[0].name) in _ZEROS


def made_of_zeros(constant: Constant) -> bool:
    """Whether it is what an exporter made of a state that starts at zero.

    A parameter may start at zero as well, and keeps its name.
    """
    return called_zeros(constant) or (constant.blank and made_by_exporter(constant))


def called_table(constant: Constant) -> bool:
    """Whether the source calls it something that is no parameter: a mask, rotary factors."""
    name = constant.roots[0].name.lower() if constant.roots else ""
    return _TABLE.search(name.rpartition(".")[2]) is not None or _ROTARY.search(name) is not None
