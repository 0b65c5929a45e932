"""The fast engine gives the reference engine's ticks, for every template and every use of steady states."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import Template, expand
from tests.simulation.cycle.builders import templates


@given(templates())
def test_fast_engine_equals_the_reference(template: Template) -> None:
    """Claims, starts and finishes of every instance are equal."""
    expected = simulate(expand(template))
    for steady in ("ignore", "check", "trust"):
        found = simulate_template(template, steady=steady)
        assert np.array_equal(found.claim, expected.claim), steady
        assert np.array_equal(found.start, expected.start), steady
        assert np.array_equal(found.finish, expected.finish), steady
        assert found.makespan == expected.makespan
        assert (
            found.scanned + found.stepped + found.repeated == expected.tasks.size
            or found.handed_over
        )
