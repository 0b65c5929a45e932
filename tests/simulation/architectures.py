"""Variants of the shipped architectures for tests."""

from __future__ import annotations

from typing import Any

from archsim.fields import ComponentT


def changed(component: ComponentT, **paths: Any) -> ComponentT:
    """The component with some fields changed; `a__b=1` sets `a.b`, without validation."""
    for path, value in paths.items():
        name, *rest = path.split("__")
        new = changed(getattr(component, name), **{"__".join(rest): value}) if rest else value
        component = component.model_copy(update={name: new})
    return component
