"""What decides the numbers of a sweep, as digests: a stored sweep goes on only where none changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from archsim import __version__
from archsim.architecture import Architecture
from archsim.config.loading import Loaded
from archsim.explore.study import Study
from archsim.explore.sweep import SweepWorkload


def sweep_identity(
    plan: Study, base: Loaded[Architecture], workloads: Sequence[SweepWorkload]
) -> dict[str, str]:
    """Words for everything that decides the numbers of a sweep, each with a digest of it."""
    parts = {
        f"'{name}' of the study": digest(value)
        for name, value in plan.model_dump(mode="json", exclude={"description"}).items()
    }
    parts[f"the architecture {base.value.name}"] = base.sha256
    for workload in workloads:
        parts[f"the workload {workload.name}"] = digest(replace(workload, gpu=None))
    if plan.gpu is not None:
        parts[f"the GPU {plan.gpu}"] = digest([workload.gpu for workload in workloads])
    parts["the version of archsim"] = __version__
    return parts


def digest(value: object) -> str:
    """A digest of plain data, arrays and frozen dataclasses of them; raises `TypeError` for others."""
    found = hashlib.sha256()
    for piece in _pieces(value):
        found.update(piece)
    return found.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """`value` as bytes from which it could be told apart from every other one."""
    match value:
        case np.ndarray():
            yield f"array {value.dtype.str} {value.shape}:".encode()
            yield np.ascontiguousarray(value).tobytes()
        case Enum():
            yield f"{type(value).__name__}.{value.name};".encode()
        case None | bool() | int() | float() | str():
            text = repr(value)
            yield f"{len(text)}:{text};".encode()
        case np.generic():
            yield from _pieces(value.item())
        case Mapping():
            yield f"mapping {len(value)}:".encode()
            for key in sorted(value, key=repr):
                yield from _pieces(key)
                yield from _pieces(value[key])
        case Sequence():
            yield f"sequence {len(value)}:".encode()
            for entry in value:
                yield from _pieces(entry)
        case _ if is_dataclass(value) and not isinstance(value, type):
            yield f"{type(value).__name__}:".encode()
            for field in fields(value):
                yield from _pieces(getattr(value, field.name))
        case _:
            raise TypeError(f"a {type(value).__name__} has no digest")
