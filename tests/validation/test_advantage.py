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


def test_energies_have_a_ratio_of_their_own() -> None:
    """Energies follow their own sums, whatever the times are."""
    operation = {"own": "1 us", "rival": "10 us", "own_energy": "2 nJ", "rival_energy": "3 nJ"}
    other = operation | {"own_energy": "8 nJ", "rival_energy": "2 nJ"}
    kind = Advantage.model_validate(
        {"kind": "advantage", "operations": {"read": operation, "write": other}}
    )
    found = kind.estimates()["energy"]
    assert isinstance(found, Estimate)
    assert found.value() == pytest.approx(0.5)


def test_an_operation_without_energies_leaves_no_ratio_of_energies() -> None:
    priced = {"own": "1 us", "rival": "10 us", "own_energy": "2 nJ", "rival_energy": "3 nJ"}
    kind = Advantage.model_validate(
        {
            "kind": "advantage",
            "operations": {"read": priced, "write": {"own": "1 us", "rival": "1 us"}},
        }
    )
    assert set(kind.estimates()) == {"time"}


def test_an_energy_of_one_machine_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="'rival_energy' is missing"):
        Advantage.model_validate(
            {
                "kind": "advantage",
                "operations": {"read": {"own": "1 us", "rival": "2 us", "own_energy": "1 nJ"}},
            }
        )
