"""Cycles of a training pipeline: archsim's schedule, a published formula, and a naive scheduler."""

from __future__ import annotations

import pytest

from archsim.validation.configurations.pipelined_training import PipelinedTraining
from archsim.validation.estimate import Estimate
from archsim.validation.published import load_system
from tests.closeness import close

LAYERS, BATCH = 8, 64


def naive_cycles(layers: int, batch: int, *, own_arrays: bool) -> int:
    """Cycle by cycle: which image may use which array, the image that is furthest along first.

    An image passes the layers forward and back.  With `own_arrays` the way back has arrays of its
    own, and the publication's two further cycles: the error of the output, and the derivatives of
    the first layer.  One without looks at the array of each layer in both directions.
    """
    back = range(layers - 1, -1 if own_arrays else 0, -1)
    way = [("forward", layer) for layer in range(layers)]
    way += [("error", 0)] if own_arrays else []
    way += [("backward" if own_arrays else "forward", layer) for layer in back]
    done, cycle = [0] * batch, 0
    while min(done) < len(way):
        taken: set[tuple[str, int]] = set()
        for image in sorted(range(batch), key=lambda image: (-done[image], image)):
            if done[image] < len(way) and way[done[image]] not in taken:
                taken.add(way[done[image]])
                done[image] += 1
        cycle += 1
    return cycle


@pytest.fixture(scope="module")
def cycles() -> dict[str, float]:
    run = load_system("pipelayer_pipeline").value.configuration
    assert isinstance(run, PipelinedTraining)
    assert run.batch == BATCH
    found = run.estimates()
    return {key: one.value() for key, one in found.items() if isinstance(one, Estimate)}


@pytest.mark.parametrize("layers", [1, 3, 8])
@pytest.mark.parametrize("batch", [1, 2, 64])
def test_the_published_formula_is_that_of_arrays_for_each_direction(
    layers: int, batch: int
) -> None:
    """2 L + B + 1, the last cycle of which writes the weights."""
    assert naive_cycles(layers, batch, own_arrays=True) + 1 == 2 * layers + batch + 1


@pytest.mark.parametrize("layers", [2, 3, 8])
@pytest.mark.parametrize("batch", [1, 2, 64])
def test_an_array_for_both_directions_takes_an_image_in_every_second_cycle(
    layers: int, batch: int
) -> None:
    naive = naive_cycles(layers, batch, own_arrays=False)
    assert naive == 2 * layers - 1 + 2 * (batch - 1)


def test_the_schedule_takes_an_image_in_every_second_cycle(cycles: dict[str, float]) -> None:
    """Beyond that there are the weights to write, and a small linear layer at the end."""
    written = 2.5
    formula = 2 * LAYERS - 1 + 2 * (BATCH - 1)
    assert formula * 0.98 <= cycles["cycles.pipelined"] <= formula + written


def test_one_image_after_the_other_takes_all_layers_there_and_back(
    cycles: dict[str, float],
) -> None:
    """Nothing goes back beyond the first layer."""
    assert cycles["cycles.sequential"] == close((2 * LAYERS - 1) * BATCH, rel=0.01)


def test_the_speed_up_is_the_ratio_of_the_cycles(cycles: dict[str, float]) -> None:
    ratio = cycles["cycles.sequential"] / cycles["cycles.pipelined"]
    assert cycles["speedup"] == close(ratio)
