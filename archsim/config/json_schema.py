"""JSON Schema of a configuration file, so that editors complete and check YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from archsim.config.citations import ASSUMED, MEASURED
from archsim.config.extending import EXTENDS, SOURCES
from archsim.fields import Component

# JSON as Python holds it; its type is recursive through `Any` only.
Json: TypeAlias = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_EXTENDS: Json = {
    "type": "string",
    "description": "A file, or a shipped name, that this block starts from.",
}
_NAME: Json = {"type": "string", "minLength": 1}
_KEYS: Json = {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]}
_SOURCES: Json = {
    "type": "object",
    "description": "Dotted path to a reference key, a list of keys, `assumed` or `measured`.",
    "additionalProperties": {
        "anyOf": [
            *_KEYS["anyOf"],
            {
                "type": "object",
                "properties": {"ref": _KEYS, "note": _NAME},
                "required": ["ref"],
                "additionalProperties": False,
            },
            *(
                {
                    "type": "object",
                    "properties": {word: _NAME},
                    "required": [word],
                    "additionalProperties": False,
                }
                for word in (ASSUMED, MEASURED)
            ),
        ]
    },
}


def json_schema(model: type[Component], title: str) -> Json:
    """The schema (draft 2020-12) of files that hold a `model`.

    No key is required, since `extends` may provide it; `extends` is allowed in every block, and
    `sources` at the top.
    """
    schema = _relaxed(model.model_json_schema(by_alias=True, mode="validation"))
    definitions = schema.pop("$defs", {})
    # A model that refers to itself is only a reference at the top.
    top = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    properties = {**top.get("properties", {}), SOURCES: _SOURCES}
    result = {"$schema": DRAFT, **top, "title": title, "properties": properties}
    return {**result, "$defs": definitions} if definitions else result


def _relaxed(schema: Json) -> Json:
    """`schema` with `extends` allowed, and nothing required, in every component."""
    relaxed = {key: _inner(key, value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        relaxed.pop("required", None)
        relaxed["properties"] = {EXTENDS: _EXTENDS, **relaxed["properties"]}
    # A block without `kind`, which `extends` may bring, fits several members of a union.
    relaxed.pop("discriminator", None)
    if "oneOf" in relaxed:
        relaxed["anyOf"] = relaxed.pop("oneOf")
    return relaxed


# Below these keywords lie names chosen by the author of a model, not keywords.
_NAMED = frozenset({"properties", "$defs", "patternProperties"})
_DATA = frozenset({"default", "const", "enum", "examples", "required"})


def _inner(keyword: str, value: Any) -> Any:
    if keyword in _DATA:
        return value
    match value:
        case Mapping() if keyword in _NAMED:
            return {name: _relaxed(dict(inner)) for name, inner in value.items()}
        case Mapping():
            return _relaxed(dict(value))
        case list():
            return [_relaxed(item) if isinstance(item, dict) else item for item in value]
        case _:
            return value
