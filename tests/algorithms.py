"""Every registered update algorithm, for tests that hold for all of them."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import TypeAdapter

from archsim.algorithm import Algorithm

KINDS: tuple[str, ...] = tuple(
    get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(Algorithm)[0])
)


def algorithm(kind: str, **fields: Any) -> Any:
    """An algorithm with its default values and those given."""
    return TypeAdapter(Algorithm).validate_python({"kind": kind, **fields})


# Those that do more than pulsed updates of one array.
OTHERS = tuple(kind for kind in KINDS if algorithm(kind).operations(1, 1).transfer_every > 0)
