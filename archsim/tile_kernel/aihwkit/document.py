"""Fields of a document of aihwkit: reading them, and saying which are not modelled."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TypeAlias

from archsim.errors import InputError, did_you_mean

Document: TypeAlias = Mapping[str, object]

# Where a document says which class it describes.
CLASS_KEYS = ("_class", "model", "bindings_class", "class")


def class_of(document: Document) -> str:
    """The class that a document names, or an empty text."""
    for key in CLASS_KEYS:
        if isinstance(name := document.get(key), str):
            return name
    return ""


def known_only(document: Document, known: Collection[str], what: str) -> None:
    """Refuse fields that aihwkit's class does not have."""
    for name in document:
        if name not in known and name not in CLASS_KEYS:
            raise InputError(
                f"{what} has no field '{name}'", place="aihwkit", remedy=did_you_mean(name, known)
            )


def number(document: Document, name: str) -> float:
    """A field as a finite number."""
    value = document[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} is {value!r}, expected a finite number", place="aihwkit")
    return float(value)


def word(document: Document, name: str) -> str:
    """A choice in one spelling: `NoiseManagementType.ABS_MAX`, `ABS_MAX` and `AbsMax` are equal."""
    value = document[name]
    return str(value).rpartition(".")[2].replace("_", "").lower()


def same(one: object, other: object) -> bool:
    """Equality of two values, of numbers to the six digits that documents are written with."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one == other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=5e-6, abs_tol=1e-12)
    return one == other


def refuse_active(
    document: Document, neutral: Mapping[str, object], leave_out: Collection[str], what: str
) -> None:
    """Refuse fields that change the result and are not modelled, unless they are left out.

    `neutral` holds the values at which they change nothing.
    """
    active = [
        name
        for name, value in neutral.items()
        if name in document and not same(document[name], value) and name not in leave_out
    ]
    if active:
        set_to = " and ".join(f"{name} = {document[name]!r}" for name in active)
        names = ", ".join(f"'{name}'" for name in active)
        raise InputError(
            f"{what} sets {set_to}, which archsim does not model",
            place="aihwkit",
            remedy=f"Go on without by naming them: leave_out=[{names}].",
        )


def difference(document: Document, exported: Document) -> dict[str, object]:
    """What a document says beyond what would be exported: everything that the import left out."""
    return {
        name: value
        for name, value in document.items()
        if name not in CLASS_KEYS and not (name in exported and same(value, exported[name]))
    }
