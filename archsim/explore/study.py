"""A study: what is varied, on which networks, what is wanted and what is forbidden."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from archsim.errors import InputError, did_you_mean
from archsim.explore.headline import GPU_HEADLINES, HEADLINES, Goal
from archsim.explore.limits import Limit, parse_limit
from archsim.explore.space import Axis, read_axis
from archsim.fields import Component, Quantity

Count = Annotated[int, Quantity(minimum=1, integer=True)]


class StudyWorkload(Component):
    """A network of the study, with its own batch and its weight in the means over networks."""

    workload: str
    batch: Count | None = None
    weight: Annotated[float, Quantity(above=0.0)] = 1.0


class Sampler(Component):
    """How points are drawn from the space; this version prices the full grid."""

    kind: Literal["grid", "random", "lhs", "sobol", "nsga2"] = "grid"
    points: Count | None = None
    seed: Annotated[int, Quantity(minimum=0, integer=True)] = 1


class StudyFidelity(Component):
    """Which fidelity prices all points, and which the Pareto-optimal ones.

    With `pareto: cycle` the points on the front are simulated task by task, and with them all that
    would be on it if what depends on time were better by the share `near`; so are those that then
    come to the front.  `all: cycle` simulates every point, and so the front.
    """

    all: Literal["analytic", "cycle"] = "analytic"
    pareto: Literal["analytic", "cycle"] = "analytic"
    near: Annotated[float, Quantity(minimum=0.0, maximum=1.0)] = 0.05

    @property
    def simulates(self) -> bool:
        """Whether any point is priced by the cycle fidelity."""
        return "cycle" in (self.all, self.pareto)


class Study(Component):
    """A design-space exploration, as `archsim sweep` reads it.

    `space` maps dotted paths of the architecture's YAML to axes (see `archsim.explore.space`);
    `objectives` maps headline numbers to `min` or `max`; `constraints` are comparisons of headline
    numbers with bounds.  `base` and `gpu` are shipped names or paths.
    """

    description: str = ""
    base: str
    workloads: tuple[str | StudyWorkload, ...] = Field(min_length=1)
    gpu: str | None = None
    batch: Count = 256
    space: dict[str, Any] = Field(min_length=1)
    objectives: dict[str, Goal] = Field(
        default={"step_latency_s": Goal.MIN, "step_energy_j": Goal.MIN}, min_length=1
    )
    constraints: tuple[str, ...] = ()
    sampler: Sampler = Sampler()
    fidelity: StudyFidelity = StudyFidelity()

    @field_validator("space")
    @classmethod
    def _axes_are_readable(cls, value: dict[str, Any]) -> dict[str, Any]:
        for path, written in value.items():
            _as_value_error(read_axis, path, written)
        return value

    @field_validator("objectives")
    @classmethod
    def _objectives_exist(cls, value: dict[str, Goal]) -> dict[str, Goal]:
        for name in value:
            if name not in HEADLINES:
                hint = did_you_mean(name, HEADLINES)
                raise ValueError(f"'{name}' is no headline number. {hint}")
        return value

    @field_validator("constraints")
    @classmethod
    def _constraints_are_readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            _as_value_error(parse_limit, text)
        return value

    @model_validator(mode="after")
    def _is_within_this_version(self) -> Study:
        if self.sampler.kind != "grid":
            raise ValueError(
                f"the sampler '{self.sampler.kind}' is not available in this version; "
                "use {kind: grid}, and give every range its number of points"
            )
        asked = {*self.objectives, *(limit.quantity for limit in self.limits)}
        if self.gpu is None and asked & GPU_HEADLINES:
            name = min(asked & GPU_HEADLINES)
            raise ValueError(f"'{name}' compares with a GPU, and no `gpu` is given")
        return self

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the space, in the order of the file."""
        return tuple(read_axis(path, written) for path, written in self.space.items())

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The constraints, parsed."""
        return tuple(parse_limit(text) for text in self.constraints)

    @property
    def entries(self) -> tuple[StudyWorkload, ...]:
        """The workloads with batch and weight filled in."""
        return tuple(
            StudyWorkload(
                workload=entry if isinstance(entry, str) else entry.workload,
                batch=self.batch if isinstance(entry, str) else entry.batch or self.batch,
                weight=1.0 if isinstance(entry, str) else entry.weight,
            )
            for entry in self.workloads
        )


def _as_value_error(parse: Any, *arguments: Any) -> None:
    """Let pydantic collect an `InputError` with its other findings, at the key's position."""
    try:
        parse(*arguments)
    except InputError as error:
        raise ValueError(str(error)) from None
