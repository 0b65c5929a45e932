"""Typed fields of configuration components.

A component (a device, a converter, a GPU) is a frozen pydantic model whose numeric fields say their
unit and their valid range.  The attribute carries the unit (`rate_hz`), the YAML key does not
(`rate: 100 MHz`): the alias is the attribute less its unit suffix.

Every numeric field is a `Scalar`: one number, or an array of numbers along a leading configuration
axis.  `stack` builds a component of the second sort out of many of the first, so that each cost
function, written once with numpy, prices one configuration or thousands.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archsim.units import UnitError, format_quantity, parse_quantity

FloatArray: TypeAlias = NDArray[np.float64]
Scalar: TypeAlias = float | FloatArray

# Longest first, so that `_bit_per_s` is not taken for `_s`.
_SUFFIXES = (
    "_flop_per_s",
    "_bit_per_s",
    "_j_per_bit_m",
    "_j_per_bit",
    "_m2_per_bit",
    "_w_per_bit",
    "_w_per_m2",
    "_ohm_per_m",
    "_f_per_m2",
    "_f_per_m",
    "_per_v",
    "_siemens",
    "_bit",
    "_ohm",
    "_hz",
    "_m2",
    "_m",
    "_s",
    "_j",
    "_w",
    "_v",
    "_a",
    "_f",
    "_k",
    "_c",
)


def yaml_key(attribute: str) -> str:
    """The YAML key of a Python attribute: the name less its unit (`rate_hz` is `rate`)."""
    for suffix in _SUFFIXES:
        if attribute.endswith(suffix):
            return attribute[: -len(suffix)]
    return attribute


class Component(BaseModel):
    """Base of everything that is read from YAML: frozen, closed, aliased without unit suffix."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=yaml_key,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse two attributes with one YAML key (`pulse_s` and `pulse_v`): one would be lost."""
        super().__pydantic_init_subclass__(**kwargs)
        keys = [info.alias or name for name, info in cls.model_fields.items()]
        for key in {"extends", "sources"}.intersection(keys):
            raise TypeError(f"{cls.__name__}: '{key}' belongs to the configuration language")
        for key in keys:
            if keys.count(key) > 1:
                raise TypeError(f"{cls.__name__} has two fields with the YAML key '{key}'")


@dataclass(frozen=True, slots=True)
class Quantity:
    """Annotation of a numeric field: its SI unit ("" for a plain number) and its closed range.

    `above` excludes its bound, `minimum` and `maximum` include theirs; `integer` asks for a whole
    number.  Text such as `5 ns` is accepted, a bare number is taken to be SI.
    """

    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    above: float = -math.inf
    integer: bool = False

    def _read(self, value: object) -> float:
        if isinstance(value, bool) or value is None:
            raise PydanticCustomError("quantity", "{expected}", {"expected": self.expected()})
        if isinstance(value, str):
            try:
                number = parse_quantity(value, self.unit)
            except UnitError as error:
                raise PydanticCustomError(
                    "quantity",
                    "{why}; {expected}",
                    {"why": str(error), "expected": self.expected()},
                ) from None
        elif isinstance(value, (int, float)) and abs(value) <= sys.float_info.max:
            number = value
        else:
            raise PydanticCustomError("quantity", "{expected}", {"expected": self.expected()})
        in_range = self.minimum <= number <= self.maximum and number > self.above
        whole = not self.integer or float(number).is_integer()
        if not (math.isfinite(number) and in_range and whole):
            raise PydanticCustomError("quantity", "{expected}", {"expected": self.expected()})
        return int(number) if self.integer else float(number)

    def expected(self) -> str:
        """What a valid value looks like, in words, for messages."""
        kind = "a whole number" if self.integer else "a number"
        example = {"s": "5 ns", "J": "2.5 fJ", "Hz": "100 MHz", "m^2": "0.1 um^2"}
        unit = f" in {self.unit}" if self.unit else ""
        if self.unit in example:
            unit += f" (such as {example[self.unit]})"
        bounds = []
        if self.above > -math.inf:
            bounds.append(f"above {self._show(self.above)}")
        if self.minimum > -math.inf:
            bounds.append(f"at least {self._show(self.minimum)}")
        if self.maximum < math.inf:
            bounds.append(f"at most {self._show(self.maximum)}")
        return f"expected {kind}{unit}" + (", " + " and ".join(bounds) if bounds else "")

    def _show(self, bound: float) -> str:
        if bound == 0 or not self.unit:
            return f"{bound:g}"
        return format_quantity(bound, self.unit)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "integer" if self.integer else "number"}
        if self.minimum > -math.inf:
            number["minimum"] = self.minimum
        if self.maximum < math.inf:
            number["maximum"] = self.maximum
        if self.above > -math.inf:
            number["exclusiveMinimum"] = self.above
        description = self.expected().removeprefix("expected ")
        if self.integer and not self.unit:
            return {**number, "description": description}
        return {"anyOf": [number, {"type": "string"}], "description": description}


ComponentT = TypeVar("ComponentT", bound=Component)


class NotStackable(ValueError):
    """Components that differ in more than numbers cannot share a configuration axis."""


def lone(value: Scalar) -> float:
    """The number of a component of one configuration, which may be held as an array of one."""
    return float(np.asarray(value).item())


def stack(components: Sequence[ComponentT]) -> ComponentT:
    """One component whose every number is an array of shape [C, 1] over C configurations.

    The components must have the same structure and equal non-numeric fields (kinds, modes, names of
    schemes); otherwise `NotStackable` is raised: group by `signature` first.  Numbers that are None
    in all stay None.  The trailing axis of length 1 broadcasts against layers or tasks.
    """
    first = components[0]
    if len(components) == 1:
        return _alone(first)
    values: dict[str, Any] = {}
    for name in type(first).model_fields:
        column = [getattr(c, name) for c in components]
        if all(_is_number(value) for value in column):
            values[name] = np.asarray(column, dtype=np.float64).reshape(len(column), 1)
        elif isinstance(column[0], Component):
            if any(type(c) is not type(column[0]) for c in column):
                raise NotStackable(name)
            values[name] = stack(column)
        elif name not in _LABELS and any(c != column[0] for c in column):
            raise NotStackable(name)
    return first.model_copy(update=values)


def _alone(component: ComponentT) -> ComponentT:
    """A stack of one, which has nothing to compare."""
    values: dict[str, Any] = {}
    for name, value in component.__dict__.items():
        if _is_number(value):
            values[name] = np.array([[value]], dtype=np.float64)
        elif isinstance(value, Component):
            values[name] = _alone(value)
    return component.model_copy(update=values)


def stacked_rows(stacked: ComponentT, rows: NDArray[np.intp]) -> ComponentT:
    """The configurations `rows` [R] of a stack of C; each may be there several times.

    A stack of one configuration stays as it is: its numbers hold for every row.
    """
    values: dict[str, Any] = {}
    for name, value in stacked.__dict__.items():
        if isinstance(value, np.ndarray) and value.shape[0] > 1:
            values[name] = value[rows]
        elif isinstance(value, Component):
            values[name] = stacked_rows(value, rows)
    return stacked.model_copy(update=values)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Fields that only label a configuration: they do not enter any cost.
_LABELS = frozenset({"name", "description", "sources"})


def signature(component: Component) -> tuple[Any, ...]:
    """What must be equal for components to be stacked: structure and every non-numeric field."""
    parts: list[Any] = [type(component).__name__]
    for name in type(component).model_fields:
        value = getattr(component, name)
        if isinstance(value, Component):
            parts.append(signature(value))
        elif name not in _LABELS:
            parts.append("number" if _is_number(value) else value)
    return tuple(parts)
