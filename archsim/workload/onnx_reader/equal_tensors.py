"""Stored tensors that hold the same numbers: perhaps a tie that the exporter lost.

PyTorch's newer exporter writes a parameter that two modules share twice where constants were folded
in between.  Two equal tensors of random numbers hardly are two parameters; but only the user knows,
so they are named and not tied.  What is constant throughout (ones, zeros) says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from onnx import TensorProto

from archsim.workload.graph import Note
from archsim.workload.onnx_reader.constants import FLOATING, Constant

# Hashing what is larger would make reading a file slower than its graph deserves.
_LARGEST_BYTES = 1 << 20
_MOST_BYTES = 1 << 25
_FEWEST_ELEMENTS = 16
_SHOWN = 3


def equal_tensors(
    initializers: Iterable[TensorProto], constants: Mapping[str, Constant], learned: Iterable[str]
) -> tuple[Note, ...]:
    """A note if some of the `learned` tensors of the file are equal, and not tied already.

    `constants` says what each stands for.  Only small tensors inside the file are looked at.
    """
    wanted, left = set(learned), _MOST_BYTES
    groups: dict[tuple[object, ...], list[str]] = {}
    for tensor in initializers:
        constant = constants.get(tensor.name)
        if constant is None or constant.view not in wanted or not _small(tensor, constant):
            continue
        content = tensor.raw_data
        left -= len(content)
        if left < 0:
            break
        width = len(content) // constant.elements
        if not width or content == content[:width] * constant.elements:
            continue
        key = (tensor.data_type, constant.shape, hashlib.sha256(content).digest())
        groups.setdefault(key, []).append(constant.view)
    equal = [names for found in groups.values() if len(names := list(dict.fromkeys(found))) > 1]
    if not equal:
        return ()
    shown = "; ".join(" = ".join(f"'{name}'" for name in names) for names in equal[:_SHOWN])
    more = f" (and {len(equal) - _SHOWN} more)" if len(equal) > _SHOWN else ""
    return (
        Note(
            "equal_tensors",
            f"Stored tensors hold the same numbers, and count as parameters of their own: {shown}"
            f"{more}. If the source shares them, say so with 'ties: tie' in a workload file.",
        ),
    )


def _small(tensor: TensorProto, constant: Constant) -> bool:
    """Whether the tensor is inside the file as plain bytes, and neither tiny nor large."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        return False
    if constant.element_type not in FLOATING or constant.elements < _FEWEST_ELEMENTS:
        return False
    # No element type that is looked at has more than 8 bytes.
    return 8 * constant.elements <= _LARGEST_BYTES and tensor.HasField("raw_data")
