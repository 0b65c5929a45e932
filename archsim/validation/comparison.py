"""Every published row beside its estimate, and the medians of the errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

from archsim.errors import InputError, did_you_mean
from archsim.units import parse_unit
from archsim.validation.calibration import Sample, fit_if_it_helps, leave_one_out
from archsim.validation.estimate import Estimate, Factors, NotModelled, Outcome
from archsim.validation.published import Evidence, Published, PublishedRow, PublishedSystem

RowClass: TypeAlias = Literal["prediction", "rollup", "not_modelled"]
ROW_CLASSES: tuple[RowClass, ...] = ("prediction", "rollup", "not_modelled")
# A row with a larger error must state its structural cause.
CAUSE_NEEDED = 0.25


@dataclass(frozen=True, slots=True)
class Row:
    """One published result and what archsim says about it, both in `unit`.

    `estimate` and the errors are None for rows that are not modelled.  Errors are
    (estimate - published) / published; towards a range they are 0 inside it, else to its near end.
    `cause` says why a row is not modelled, or why its error is large.  Rows of one `family` are of
    one chip, or of one estimator.  `further` rows are of systems that are
    known from third parties only; they calibrate nothing.
    """

    id: str
    system: str
    family: str
    quantity: str
    conditions: str
    row_class: RowClass
    evidence: Evidence
    unit: str
    published: Published
    estimate: float | None
    relative_error: float | None
    calibrated_relative_error: float | None
    cause: str
    further: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Greatest median absolute error, uncalibrated and calibrated."""

    uncalibrated: float
    calibrated: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians of the absolute errors of a group of rows: per system first, then over systems.

    Publications of one family are one system here, so that no chip counts twice.

    Medians are None where the group has no rows, `bar` where none is set.
    """

    rows: int
    systems: int
    median: float | None
    median_calibrated: float | None
    bar: Bar | None = None

    @property
    def missed(self) -> tuple[str, ...]:
        """Which of the two bars are missed: `uncalibrated`, `calibrated`."""
        if self.bar is None:
            return ()
        pairs = (
            ("uncalibrated", self.median, self.bar.uncalibrated),
            ("calibrated", self.median_calibrated, self.bar.calibrated),
        )
        return tuple(name for name, found, bar in pairs if found is not None and found > bar)


@dataclass(frozen=True, slots=True)
class Validation:
    """All rows, medians, and the factors.

    Medians are those of seen predictions, of everything seen, and of the predictions for further
    systems, which are in neither of the others.  `factors` are fitted to all chips but the further ones,
    `factors_without` to all but the chip (or family) named; only the latter enter the calibrated errors.
    """

    rows: tuple[Row, ...]
    predictions: Summary
    seen: Summary
    further: Summary
    factors: Factors
    factors_without: Mapping[str, Factors]

    def share(self, row_class: RowClass) -> float:
        """Share of the rows that are of a class; 0 without rows."""
        count = sum(row.row_class == row_class for row in self.rows)
        return count / len(self.rows) if self.rows else 0.0


PREDICTION_BAR = Bar(0.25, 0.15)
SEEN_BAR = Bar(0.15, 0.10)


def compare(
    systems: Sequence[PublishedSystem], only: Callable[[Row], bool] | None = None
) -> Validation:
    """Price every system and set its rows beside what was published.

    Calibration factors come from all `systems`, without the family of the system that they are
    applied to, also where `only` keeps some of the rows, and never from further systems.
    Peers are no systems and are left out.
    """
    priced = [_Priced.of(system) for system in systems if system.role != "peer"]
    known = [one for one in priced if one.system.role == "system"]
    samples = [sample for one in known for sample in one.samples()]
    without = leave_one_out(samples, [one.system.group for one in priced])
    rows = tuple(
        row
        for one in priced
        for row in one.rows(without[one.system.group])
        if only is None or only(row)
    )
    tables = [row for row in rows if not row.further]
    return Validation(
        rows=rows,
        predictions=summary(tables, _is_seen_prediction, PREDICTION_BAR),
        seen=summary(tables, lambda row: row.evidence == "seen", SEEN_BAR),
        further=summary(rows, lambda row: row.further and _is_seen_prediction(row)),
        factors=fit_if_it_helps(samples),
        factors_without=without,
    )


def _is_seen_prediction(row: Row) -> bool:
    return row.row_class == "prediction" and row.evidence == "seen"


def summary(rows: Iterable[Row], belongs: Callable[[Row], bool], bar: Bar | None = None) -> Summary:
    """Medians over the estimated rows that belong: of each system first, then of the systems."""
    systems: dict[str, list[Row]] = {}
    for row in rows:
        if row.relative_error is not None and belongs(row):
            systems.setdefault(row.family, []).append(row)
    return Summary(
        rows=sum(len(found) for found in systems.values()),
        systems=len(systems),
        median=_median_of_medians(systems, lambda row: row.relative_error),
        median_calibrated=_median_of_medians(systems, lambda row: row.calibrated_relative_error),
        bar=bar,
    )


def _median_of_medians(
    systems: Mapping[str, Sequence[Row]], error: Callable[[Row], float | None]
) -> float | None:
    medians = [median(abs(error(row) or 0.0) for row in rows) for rows in systems.values()]
    return median(medians) if medians else None


@dataclass(frozen=True, slots=True)
class _Priced:
    """A system with the outcome of each of its rows."""

    system: PublishedSystem
    outcomes: Sequence[tuple[PublishedRow, Outcome]]

    @classmethod
    def of(cls, system: PublishedSystem) -> _Priced:
        estimates = system.configuration.estimates()
        return cls(system, [(row, _outcome(system, row, estimates)) for row in system.published])

    def samples(self) -> Iterable[Sample]:
        """The rows that calibrate: predicted energies that were seen."""
        for row, outcome in self.outcomes:
            if row.evidence != "seen" or row.value is None or isinstance(outcome, NotModelled):
                continue
            if outcome.calibratable:
                published_si = row.value * parse_unit(row.unit).scale
                yield Sample(self.system.group, outcome, published_si)

    def rows(self, factors: Factors) -> Iterable[Row]:
        """All rows, with the factors of this system in the calibrated errors."""
        for row, outcome in self.outcomes:
            yield _row(self.system, row, outcome, factors)


def _outcome(
    system: PublishedSystem, row: PublishedRow, estimates: Mapping[str, Outcome]
) -> Outcome:
    """What a row is compared with; raises `InputError` for a row that nothing speaks of."""
    if row.not_modelled:
        return NotModelled(row.not_modelled)
    place = f"{system.name}: row '{row.id}'"
    if row.estimate_id not in estimates:
        raise InputError(
            f"the configuration of kind '{system.configuration.kind}' estimates no such quantity",
            place=place,
            remedy=f"{did_you_mean(row.estimate_id, estimates)} Or say `not_modelled: why`.".lstrip(),
        )
    outcome = estimates[row.estimate_id]
    if isinstance(outcome, Estimate):
        stated, estimated = parse_unit(row.unit), parse_unit(outcome.unit)
        if stated.dimension != estimated.dimension:
            raise InputError(
                f"published in '{row.unit}', but the estimate is in '{outcome.unit}'", place=place
            )
        if not 0.0 < outcome.value() < math.inf:
            raise InputError(
                "the configuration has nothing that this quantity is made of",
                place=place,
                remedy="Enter powers for an energy or efficiency, areas for an area or density.",
            )
    return outcome


def _row(system: PublishedSystem, row: PublishedRow, outcome: Outcome, factors: Factors) -> Row:
    estimate = error = calibrated = None
    if isinstance(outcome, NotModelled):
        row_class: RowClass = "not_modelled"
    else:
        row_class = outcome.basis
        scale = parse_unit(row.unit).scale
        estimate = outcome.value() / scale
        error = relative_error(estimate, row.published)
        calibrated = relative_error(outcome.value(factors) / scale, row.published)
    return Row(
        id=f"{system.name}.{row.id}",
        system=system.name,
        family=system.group,
        quantity=row.quantity,
        conditions=row.conditions,
        row_class=row_class,
        evidence=row.evidence,
        unit=row.unit,
        published=row.published,
        estimate=estimate,
        relative_error=error,
        calibrated_relative_error=calibrated,
        cause=outcome.cause if isinstance(outcome, NotModelled) else row.cause,
        further=system.role == "further",
    )


def relative_error(estimate: float, published: Published) -> float:
    """(estimate - published) / published, 0 inside a range, else to its near end."""
    match published:
        case (low, high):
            if low <= estimate <= high:
                return 0.0
            reference = low if estimate < low else high
            return (estimate - reference) / reference
        case float():
            return (estimate - published) / published
        case _:
            raise TypeError("words have no error")
