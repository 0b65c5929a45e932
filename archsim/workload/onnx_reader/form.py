"""The form that a standard operator's node must have: how many operands, which attributes.

The shape functions of the onnx package and the operator families index operands and read attributes
as the specification has them; what does not have that form is refused before they see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from onnx import AttributeProto, defs

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.tensors import stored_shape


@dataclass(frozen=True, slots=True)
class _Form:
    """Bounds on the numbers of inputs and outputs, inputs that must be there, attributes."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    needed: tuple[int, ...]
    attributes: Mapping[str, int]
    required: tuple[str, ...]


@cache
def _form(op_type: str, version: int, domain: str) -> _Form | None:
    """The form of an operator in a version of its domain; None if onnx does not know it."""
    if not defs.has(op_type, domain):
        return None
    try:
        schema = defs.get_schema(op_type, version, domain)
    except defs.SchemaError:
        return None
    optional = defs.OpSchema.FormalParameterOption.Optional
    variadic = defs.OpSchema.FormalParameterOption.Variadic
    needed = [
        index
        for index, entry in enumerate(schema.inputs)
        if entry.option not in (optional, variadic)
    ]
    kinds = {
        name: int(entry.type.value)  # type: ignore[attr-defined]  # the stub does not know it
        for name, entry in schema.attributes.items()
    }
    required = [name for name, entry in schema.attributes.items() if entry.required]
    return _Form(
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        tuple(needed),
        kinds,
        tuple(required),
    )


def check_form(node: Node) -> None:
    """Refuse a node of a standard operator that its specification does not allow.

    Raises `InputError` for a wrong number of inputs or outputs, an absent input or attribute that
    the operator needs, and an attribute of the wrong kind.
    """
    form = _form(node.op_type, node.version, node.domain)
    if form is None:
        return
    _check_number(node, "inputs", node.inputs, form.inputs)
    _check_number(node, "outputs", node.outputs, form.outputs)
    for index in form.needed:
        if index < len(node.inputs) and not node.inputs[index]:
            raise InputError(
                f"its input {index} is absent, and the operator needs it.",
                place=node.place,
                remedy="The file is damaged; export the network again.",
            )
    for name in form.required:
        if name not in node.attributes:
            raise InputError(
                f"it has no attribute '{name}', which the operator needs.",
                place=node.place,
                remedy="The file is damaged; export the network again.",
            )
    for name, attribute in node.attributes.items():
        wanted = form.attributes.get(name, attribute.type)
        # Old files do not say what kind an attribute is of.
        if attribute.type not in (wanted, AttributeProto.UNDEFINED):
            raise InputError(
                f"the attribute '{name}' is {_kind(attribute.type)}, and {_kind(wanted)} is "
                "needed.",
                place=node.place,
                remedy="The file is damaged; export the network again.",
            )
        if attribute.type == AttributeProto.TENSOR:
            stored_shape(attribute.t, attribute.t.name or name, node.place)


def _check_number(node: Node, what: str, names: tuple[str, ...], bounds: tuple[int, int]) -> None:
    # Absent operands at the end may be written or left out.
    given = len(names)
    while given and not names[given - 1]:
        given -= 1
    least, most = bounds
    if least <= len(names) and given <= most:
        return
    expected = f"{least}" if least == most else f"{least} to {most}"
    expected = f"at least {least}" if most > 1_000_000 else expected
    raise InputError(
        f"it has {len(names)} {what}, and the operator has {expected}.",
        place=node.place,
        remedy="The file is damaged; export the network again.",
    )


def _kind(number: int) -> str:
    kinds = AttributeProto.AttributeType
    return f"of kind {kinds.Name(number)}" if number in kinds.values() else f"of kind {number}"
