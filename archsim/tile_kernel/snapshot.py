"""The arrays and numbers of a state, by name, and back: what a checkpoint holds.

A state is a tree of dataclasses with arrays and numbers at its ends.  Arrays that occur twice in the
tree are held once; text and models of hardware are configuration, and are not held.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

Saved: TypeAlias = dict[str, NDArray[Any]]
T = TypeVar("T")


def saved(state: object, name: str) -> Saved:
    """Copies of all arrays and numbers of `state`; names are the path to each, behind `name`."""
    return {path: np.array(value) for path, value in _ends(state, name, set())}


def restored(state: T, name: str, held: Mapping[str, NDArray[Any]]) -> T:
    """`state` with the values that `saved` gave: arrays change in place, numbers in a new tree.

    InputError, before anything is changed, if `held` is of a state of another shape.
    """
    check(state, name, held)
    rebuilt: T = _rebuilt(state, name, held)
    return rebuilt


def check(state: object, name: str, held: Mapping[str, NDArray[Any]]) -> None:
    """Refuse values that are not those of a state like this one."""
    for path, value in _ends(state, name, set()):
        present = np.asarray(value)
        if path not in held:
            raise InputError(
                f"the saved state has no '{path}', so it is that of another configuration",
                place="checkpoint",
            )
        found = held[path]
        if found.shape != present.shape or found.dtype != present.dtype:
            raise InputError(
                f"'{path}' of the saved state is {found.dtype} of shape {list(found.shape)}, but "
                f"{present.dtype} of shape {list(present.shape)} is expected",
                place="checkpoint",
                remedy="Resume with the configuration that the state was saved with.",
            )


def _ends(value: object, name: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray):
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
    elif isinstance(value, (bool, int, float)):
        yield name, value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _ends(getattr(value, field.name), f"{name}.{field.name}", seen)


def _rebuilt(value: Any, name: str, held: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        # A second occurrence of an array has no entry: it changes with the first.
        if name in held:
            value[...] = held[name]
        return value
    if isinstance(value, (bool, int, float)):
        return type(value)(held[name])
    if not is_dataclass(value):
        return value
    parts = {
        field.name: _rebuilt(getattr(value, field.name), f"{name}.{field.name}", held)
        for field in fields(value)
    }
    if all(parts[key] is getattr(value, key) for key in parts):
        return value
    return replace(value, **parts)  # type: ignore[type-var]


def saved_generator(rng: np.random.Generator) -> NDArray[np.uint8]:
    """The state of a generator as bytes of JSON."""
    text = json.dumps(rng.bit_generator.state, default=_listed)
    return np.frombuffer(text.encode(), dtype=np.uint8).copy()


def restore_generator(rng: np.random.Generator, held: NDArray[np.uint8]) -> None:
    """Put a generator back, in place; InputError if it is of another kind."""
    try:
        state = json.loads(held.tobytes())
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise InputError("the saved state holds no state of a generator", place="checkpoint")
    kind = rng.bit_generator.state["bit_generator"]
    if state.get("bit_generator") != kind:
        raise InputError(
            f"the saved state is of a generator '{state.get('bit_generator')}', but this one is "
            f"'{kind}'",
            place="checkpoint",
        )
    rng.bit_generator.state = _arrayed(state)


def _listed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return {"uint64": [int(v) for v in value]}
    raise TypeError(f"a generator holds a {type(value).__name__}")


def _arrayed(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"uint64"}:
            return np.array(value["uint64"], dtype=np.uint64)
        return {key: _arrayed(one) for key, one in value.items()}
    return value
