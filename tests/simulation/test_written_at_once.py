"""A limit on the arrays that are written line by line at the same time."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.algorithm import MixedPrecision
from archsim.simulation.columns import LINE_WRITES
from archsim.simulation.estimate import Estimate, estimate
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

# Six arrays of 256 x 128 weights, and one.
LAYERS = [Layer(600, 256, 4), Layer(256, 8, 4)]
WRITTEN = changed(
    PROTONIC,
    mapping__replication="none",
    schedule__batchnorm="running",
    algorithm=MixedPrecision(kind="mixed_precision"),
)


def priced(limit: int | None) -> Estimate:
    return estimate(program_of(LAYERS), [changed(WRITTEN, update__written_at_once=limit)], [8])


def writes(step: Estimate) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How long the arrays of the two matrices are written in a step."""
    return step.costs.array_s[0, -2:]


@pytest.mark.parametrize(("limit", "turns"), [(1, 6), (4, 2), (6, 1), (100, 1)])
def test_arrays_beyond_the_limit_take_turns(limit: int, turns: int) -> None:
    """Six arrays in groups: as many times as long; a single array is as fast as ever."""
    free, limited = writes(priced(None)), writes(priced(limit))
    assert limited[0] == close(turns * free[0])
    assert limited[1] == close(free[1])


def test_matrices_share_the_limit() -> None:
    """Seven arrays two at a time keep the buffers busy for three and a half writes."""
    free, limited = priced(None), priced(2)
    busy = dict(zip(limited.timeline.resources, limited.timeline.resource_s[0], strict=True))
    assert busy[LINE_WRITES] == close(float((writes(free) * np.array([6, 1])).sum() / 2))
    assert LINE_WRITES not in free.timeline.resources


def test_energy_stays() -> None:
    free, limited = priced(None), priced(1)
    for name, energy in free.costs.energy_j.items():
        np.testing.assert_allclose(limited.costs.energy_j[name], energy, rtol=1e-12)
