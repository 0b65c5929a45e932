"""The ratio of two machines' times."""

from __future__ import annotations

import pytest

from archsim.validation.configurations.advantage import Advantage
from archsim.validation.estimate import Estimate


def test_the_advantage_is_the_ratio_of_the_sums() -> None:
    kind = Advantage.model_validate(
        {
            "kind": "advantage",
            "operations": {
                "read": {"own": "1 us", "rival": "10 us"},
                "write": {"own": "3 us", "rival": "90 us"},
            },
        }
    )
    found = kind.estimates()["time"]
    assert isinstance(found, Estimate)
    assert found.value() == pytest.approx(25.0), "not the mean of 10 and 30"
    assert found.basis == "rollup"
