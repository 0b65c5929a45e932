"""Counts of loss and optimizer are those of the plain algorithm, run on numbers that count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from archsim.workload.digital_training import Ending, loss_rows, loss_work, optimizer_work
from archsim.workload.graph import OPERATION_CLASSES, DigitalWork, TensorInfo


class Tally:
    """A number that notes every operation done with it in a shared counter."""

    def __init__(self, value: float, counts: Counter[str]) -> None:
        self.value, self.counts = value, counts

    def _do(self, what: str, value: float) -> Tally:
        self.counts[what] += 1
        return Tally(value, self.counts)

    def __add__(self, other: Tally) -> Tally:
        return self._do("add", self.value + other.value)

    def __sub__(self, other: Tally | float) -> Tally:
        value = other.value if isinstance(other, Tally) else other
        return self._do("add", self.value - value)

    def __mul__(self, other: Tally | float) -> Tally:
        value = other.value if isinstance(other, Tally) else other
        return self._do("mul", self.value * value)

    def __truediv__(self, other: Tally) -> Tally:
        return self._do("div", self.value / other.value)

    def inverse(self) -> Tally:
        return self._do("div", 1.0 / self.value)

    def exp(self) -> Tally:
        return self._do("exp", math.exp(self.value))

    def log(self) -> Tally:
        return self._do("log", math.log(self.value))

    def sqrt(self) -> Tally:
        return self._do("sqrt", math.sqrt(self.value))

    def larger(self, other: Tally) -> Tally:
        return self._do("compare", max(self.value, other.value))


def total(terms: Sequence[Tally]) -> Tally:
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def largest(terms: Sequence[Tally]) -> Tally:
    result = terms[0]
    for term in terms[1:]:
        result = result.larger(term)
    return result


ROWS, CLASSES = 3, 4
TARGETS = (2, 0, 3)
SCORES = [[0.1 * row * column - 0.3 * column for column in range(CLASSES)] for row in range(ROWS)]


def softmax(row: Sequence[float]) -> list[float]:
    total_ = sum(math.exp(v) for v in row)
    return [math.exp(v) / total_ for v in row]


def from_scores(rows: list[list[Tally]]) -> tuple[Tally, list[list[Tally]]]:
    losses, gradients = [], []
    for row, target in zip(rows, TARGETS, strict=True):
        peak = largest(row)
        shifted = [score - peak for score in row]
        powers = [score.exp() for score in shifted]
        norm = total(powers)
        losses.append(norm.log() - shifted[target])
        scale = norm.inverse()
        error = [power * scale for power in powers]
        error[target] = error[target] - 1.0
        gradients.append([e * (1.0 / ROWS) for e in error])
    return total(losses), gradients


def from_probabilities(rows: list[list[Tally]]) -> tuple[Tally, list[list[Tally]]]:
    losses, gradients = [], []
    for row, target in zip(rows, TARGETS, strict=True):
        losses.append(row[target].log())
        error = list(row)
        error[target] = error[target] - 1.0
        gradients.append([e * (1.0 / ROWS) for e in error])
    return total(losses), gradients


def from_log_probabilities(rows: list[list[Tally]]) -> tuple[Tally, list[list[Tally]]]:
    gradients = []
    for row, target in zip(rows, TARGETS, strict=True):
        error = [value.exp() for value in row]
        error[target] = error[target] - 1.0
        gradients.append([e * (1.0 / ROWS) for e in error])
    return total([row[t] for row, t in zip(rows, TARGETS, strict=True)]), gradients


def squared(rows: list[list[Tally]]) -> tuple[Tally, list[list[Tally]]]:
    differences = [[value - 1.0 for value in row] for row in rows]
    loss = total([d * d for row in differences for d in row])
    return loss, [[d * (2.0 / ROWS) for d in row] for row in differences]


def counted(counts: Counter[str]) -> DigitalWork:
    return DigitalWork(**counts)


def operations(work: DigitalWork) -> dict[str, int]:
    return {name: getattr(work, name) for name in OPERATION_CLASSES}


@pytest.mark.parametrize(
    ("ending", "algorithm", "present"),
    [
        (Ending.SCORES, from_scores, lambda row: row),
        (Ending.PROBABILITIES, from_probabilities, softmax),
        (
            Ending.LOG_PROBABILITIES,
            from_log_probabilities,
            lambda row: [math.log(p) for p in softmax(row)],
        ),
    ],
)
def test_cross_entropy_counts_are_those_of_the_algorithm(
    ending: Ending,
    algorithm: Callable[[list[list[Tally]]], tuple[Tally, list[list[Tally]]]],
    present: Callable[[Sequence[float]], Sequence[float]],
) -> None:
    """Each ending costs what its algorithm does, and all give the same gradient (p - y) / R."""
    counts: Counter[str] = Counter()
    rows = [[Tally(value, counts) for value in present(row)] for row in SCORES]
    _, gradients = algorithm(rows)
    output = TensorInfo("y", (ROWS, CLASSES))
    work = loss_work("cross_entropy", output, ending=ending, gradient=True)
    assert operations(work) == operations(counted(counts))
    for row, scores, target in zip(gradients, SCORES, TARGETS, strict=True):
        for column, (found, p) in enumerate(zip(row, softmax(scores), strict=True)):
            assert found.value == pytest.approx((p - (column == target)) / ROWS)


def test_squared_error_counts_are_those_of_the_algorithm() -> None:
    """The squared error keeps its differences for the gradient."""
    counts: Counter[str] = Counter()
    squared([[Tally(value, counts) for value in row] for row in SCORES])
    output = TensorInfo("y", (ROWS, CLASSES))
    work = loss_work("mse", output, ending=Ending.SCORES, gradient=True)
    assert operations(work) == operations(counted(counts))


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_loss_without_gradient_costs_less(loss: str, ending: Ending) -> None:
    """Leaving the gradient out removes at least one operation per element."""
    output = TensorInfo("y", (ROWS, CLASSES))
    both = loss_work(loss, output, ending=ending, gradient=True)  # type: ignore[arg-type]
    forward = loss_work(loss, output, ending=ending, gradient=False)  # type: ignore[arg-type]
    assert both.operations - forward.operations >= ROWS * CLASSES


@pytest.mark.parametrize(
    ("shape", "rows"),
    [((), 1), ((10,), 1), ((8, 10), 8), ((8, 5, 10), 40), ((2, 21, 4, 6), 48), ((0, 10), 0)],
)
def test_rows_of_an_output(shape: tuple[int, ...], rows: int) -> None:
    """Classes lie on the last axis, in images of labels on the second."""
    assert loss_rows(TensorInfo("y", shape)) == rows


def one_step(kind: str, w: Tally, g: Tally, m: Tally, v: Tally) -> None:
    match kind:
        case "sgd":
            w - g * 0.1
        case "momentum":
            w - (m * 0.9 + g) * 0.1
        case _:
            first = m * 0.9 + g * 0.1
            second = v * 0.99 + g * g * 0.01
            step = first / (second.sqrt() - 1e-8) * 0.1
            (w * 0.999 if kind == "adamw" else w) - step


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam", "adamw"])
def test_optimizer_counts_are_those_of_one_update(kind: str) -> None:
    """Each parameter costs the operations of its update rule, and reads and writes its state."""
    counts: Counter[str] = Counter()
    one_step(kind, *(Tally(value, counts) for value in (0.5, 0.1, 0.2, 0.3)))
    work = optimizer_work(kind, 7)  # type: ignore[arg-type]
    assert operations(work) == {k: 7 * n for k, n in operations(counted(counts)).items()}
    state = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}[kind]
    assert (work.read, work.written, work.read_parameters) == (7 + 7 * state, 7 + 7 * state, 7)
