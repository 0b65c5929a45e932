"""Published systems: what a publication states, as configuration and as results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from archsim.config.files import names_in
from archsim.config.loading import Loaded, load
from archsim.fields import Component, Quantity
from archsim.resources import data_folder
from archsim.units import UnitError, parse_unit
from archsim.validation.configurations.kinds import Configuration

Evidence: TypeAlias = Literal["seen", "recalled", "derived"]
Published: TypeAlias = float | tuple[float, float] | str


class PublishedRow(Component):
    """One published result.

    Either a `value`, a range from `minimum` to `maximum`, or a `statement` in words; numbers are in
    `unit` ("" for plain ones).  `evidence` says whether the number was seen in the source, recalled
    from it, or derived from its configuration.  The configuration's estimate of that `id` is compared,
    or the one named by `estimated_by`.  `not_modelled` is the structural cause why there is
    no estimate; `cause` why the estimate is off, for rows with an error above a quarter.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]*$")]
    quantity: str
    value: Annotated[float, Quantity()] | None = None
    minimum: Annotated[float, Quantity()] | None = None
    maximum: Annotated[float, Quantity()] | None = None
    statement: str = ""
    unit: str = ""
    conditions: str = ""
    evidence: Evidence
    estimated_by: str = ""
    not_modelled: str = ""
    cause: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _one_result(self) -> Self:
        has_range = self.minimum is not None and self.maximum is not None
        half_range = (self.minimum is None) != (self.maximum is None)
        given = (self.value is not None) + has_range + bool(self.statement)
        if half_range or given != 1:
            raise ValueError(
                f"row '{self.id}' must state exactly one of: value; minimum and maximum; statement"
            )
        if self.value == 0 or (has_range and self.published == (0.0, 0.0)):
            raise ValueError(f"row '{self.id}' states 0, to which no relative error exists")
        if self.statement and not self.not_modelled:
            raise ValueError(
                f"row '{self.id}' is a statement in words and needs `not_modelled: why`"
            )
        try:
            parse_unit(self.unit)
        except UnitError as error:
            raise ValueError(f"row '{self.id}': {error}") from None
        return self

    @property
    def estimate_id(self) -> str:
        """The id of the estimate that the row is compared with."""
        return self.estimated_by or self.id

    @property
    def published(self) -> Published:
        """The result as stated: a number, a range, or words."""
        if self.value is not None:
            return self.value
        if self.minimum is not None and self.maximum is not None:
            return (self.minimum, self.maximum)
        return self.statement


class PublishedSystem(Component):
    """A publication: its configuration as published, and its results.

    Systems of one `family` (the same chip in another publication) are left out of a calibration
    together; by default a system is its own family.  `role: further` marks systems whose
    configuration is known from third parties only, with activities or geometry that these assumed:
    they calibrate nothing and have a median of their own.  `role: peer` marks results that are shown
    beside ours and are no rows: the errors that another estimator reports.
    """

    name: str
    title: str
    description: str = ""
    role: Literal["system", "further", "peer"] = "system"
    family: str = ""
    ops_convention: str = ""
    configuration: Configuration
    published: Annotated[tuple[PublishedRow, ...], Field(min_length=1)]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _distinct_rows(self) -> Self:
        ids = [row.id for row in self.published]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"two rows have the id '{name}'")
        return self

    @property
    def group(self) -> str:
        """The family, or the system itself."""
        return self.family or self.name


def published_folder() -> Path:
    """The folder of the published systems that ship with archsim."""
    return data_folder("arch_configs") / "published"


def published_names() -> list[str]:
    """The ids of the published systems that ship with archsim, sorted."""
    return names_in(published_folder())


def load_system(name_or_path: str) -> Loaded[PublishedSystem]:
    """One published system; raises `InputError` with the nearest name if there is none."""
    return load(name_or_path, PublishedSystem, published_folder())


def load_systems(names: Iterable[str] | None = None) -> tuple[PublishedSystem, ...]:
    """The published systems called `names`, or all that ship, in alphabetical order."""
    wanted = published_names() if names is None else names
    return tuple(load_system(name).value for name in wanted)
