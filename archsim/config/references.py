"""The bibliography: what stands behind the reference keys in `sources`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from archsim.config.files import BIBLIOGRAPHY
from archsim.config.loading import Loaded, load
from archsim.errors import InputError, did_you_mean, nearest
from archsim.fields import Component, ComponentT
from archsim.resources import data_folder

# A key of the bibliography in its file: a name at the second level.
_KEY = re.compile(r"^  ([^\s:#]+):", re.MULTILINE)

Provenance = Literal["seen", "recalled", "derived"]
Confidence = Literal["high", "medium", "low"]


class Reference(Component):
    """A published number, or a set of numbers, and where it was read.

    `value` is a number, text, list or mapping in `unit`; `minimum` and `maximum` state a range.
    `provenance` says whether the value was seen in the source, recalled from it, or derived here
    from other entries; `where` which copy of the source that was.
    """

    title: str
    year: int | None = None
    doi: str | None = None
    where: str
    group: str
    value: Any = None
    minimum: float | None = Field(default=None, alias="min")
    maximum: float | None = Field(default=None, alias="max")
    unit: str = ""
    condition: str = ""
    provenance: Provenance
    confidence: Confidence
    note: str = ""


class Bibliography(Component):
    """All references by key."""

    description: str
    references: dict[str, Reference]


def load_references() -> Mapping[str, Reference]:
    """The shipped bibliography, read anew at each call."""
    loaded = load(BIBLIOGRAPHY, Bibliography, data_folder("arch_configs"))
    return MappingProxyType(loaded.value.references)


@lru_cache(maxsize=1)
def reference_keys() -> frozenset[str]:
    """The keys of the shipped bibliography, without the cost of reading what stands behind them."""
    text = (data_folder("arch_configs") / f"{BIBLIOGRAPHY}.yaml").read_text(encoding="utf-8")
    return frozenset(_KEY.findall(text))


@dataclass(frozen=True, slots=True)
class UnknownReference:
    """A reference key that a file cites and the bibliography lacks; `hint` names the nearest."""

    path: str
    key: str
    hint: str


def unknown_references(loaded: Loaded[ComponentT]) -> tuple[UnknownReference, ...]:
    """Every cited key that is not in the bibliography, once, with the first value it is cited for."""
    found: dict[str, UnknownReference] = {}
    known = reference_keys()
    for path, source in loaded.sources.items():
        for key in source.references:
            if key not in known and key not in found:
                found[key] = UnknownReference(path, key, _nearest(key, known))
    return tuple(found.values())


def reference(key: str, references: Mapping[str, Reference] | None = None) -> Reference:
    """One reference; raises `InputError` with the nearest key if there is none.

    Pass `references` (from `load_references`) to look up more than one.
    """
    known = load_references() if references is None else references
    if key not in known:
        raise InputError(f"there is no reference '{key}'", remedy=_nearest(key, known))
    return known[key]


def check_references(
    loaded: Loaded[ComponentT], references: Mapping[str, Reference] | None = None
) -> None:
    """Raise one `InputError` that lists every cited key that is not in the bibliography."""
    known = load_references() if references is None else references
    missing = {
        f"sources: {path}: there is no reference '{key}'. {_nearest(key, known)}"
        for path, source in loaded.sources.items()
        for key in source.references
        if key not in known
    }
    if missing:
        raise InputError("\n".join(sorted(missing)), place=loaded.path)


def _nearest(key: str, known: Iterable[str]) -> str:
    """The nearest key of the same family, else the nearest key; never the whole bibliography."""
    keys = sorted(known)
    relatives = [other for other in keys if _family(other) == _family(key)]
    if relatives:
        return did_you_mean(key, relatives)
    close = nearest(key, keys)
    return f"Did you mean '{close}'?" if close else ""


def _family(key: str) -> str:
    return key.partition(".")[0]
