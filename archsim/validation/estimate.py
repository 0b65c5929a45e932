"""An estimate of a published number, split by circuit class so that classes can be calibrated."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias

from archsim.fields import Component


class CircuitClass(StrEnum):
    """What a part of an energy, an area or a time belongs to.

    `PUBLISHED` holds what the publication itself states inside a prediction; it is never
    calibrated.
    """

    ADC = "adc"
    DRIVERS = "drivers"
    CELLS = "cells"
    LINES = "lines"
    ANALOG = "analog"
    DIGITAL = "digital"
    MEMORY = "memory"
    INTERCONNECT = "interconnect"
    OPTICS = "optics"
    WRITE = "write"
    LINKS = "links"
    PUBLISHED = "published"


# What a row is about: calibration scales energies only, areas and times stay as estimated.
Measure: TypeAlias = Literal["energy", "area", "time", "count", "ratio"]
Basis: TypeAlias = Literal["prediction", "rollup"]
Factors: TypeAlias = Mapping[CircuitClass, float]
Part: TypeAlias = tuple[CircuitClass, float]
NO_FACTORS: Factors = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Estimate:
    """`scale * (sum of parts) ** (-1 if inverse else 1)`, in the SI unit `unit`.

    `parts` are > 0 or 0 by circuit class, in one unit (J, W, m^2 or s); an efficiency in op/J is
    `operations` over the parts' joules: `scale=operations, inverse=True`.  `basis` is `rollup` for
    arithmetic on values of the same publication, `prediction` if a model of ours decides.
    """

    parts: Mapping[CircuitClass, float]
    unit: str
    measure: Measure
    basis: Basis
    scale: float = 1.0
    inverse: bool = False

    def value(self, factors: Factors = NO_FACTORS) -> float:
        """The estimate, with each class multiplied by its factor if it is a predicted energy.

        Infinite where an inverse estimate has no parts.
        """
        total = sum(
            part * (factors.get(name, 1.0) if self.calibratable else 1.0)
            for name, part in self.parts.items()
        )
        if self.inverse:
            return self.scale / total if total > 0 else math.inf
        return self.scale * total

    @property
    def calibratable(self) -> bool:
        """Whether factors apply: a predicted energy, power or efficiency."""
        return self.measure == "energy" and self.basis == "prediction"


@dataclass(frozen=True, slots=True)
class NotModelled:
    """Why a published number has no estimate: the structural cause, as a sentence."""

    cause: str


Outcome: TypeAlias = Estimate | NotModelled


def total(value: float, unit: str, measure: Measure, basis: Basis) -> Estimate:
    """An estimate that is not split by class: a count, a ratio, a time."""
    return Estimate({CircuitClass.PUBLISHED: value}, unit, measure, basis)


def summed(parts: Iterable[Part]) -> dict[CircuitClass, float]:
    """Parts of equal class added up, in the order of the classes; zeros are left out."""
    sums: dict[CircuitClass, float] = {}
    for name, part in parts:
        sums[name] = sums.get(name, 0.0) + float(part)
    return {name: sums[name] for name in CircuitClass if sums.get(name)}


class ConfigurationKind(Component, ABC):
    """A configuration as a publication states it; each `kind` knows how it is priced."""

    @abstractmethod
    def estimates(self) -> Mapping[str, Outcome]:
        """What archsim says about each quantity of the publication, by the id of its row."""
