"""Studies and their constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from archsim.errors import InputError
from archsim.explore.headline import HEADLINES
from archsim.explore.limits import parse_limit
from archsim.explore.study import Study


def study(**changes: Any) -> Study:
    """A small valid study, with some keys replaced."""
    written: dict[str, Any] = {
        "base": "protonic_256",
        "workloads": ["lenet"],
        "space": {"array.rows": [64, 128]},
    }
    return Study.model_validate({**written, **changes})


def test_constraints_convert_their_units() -> None:
    """600 mm^2 is 6e-4 m^2, and a plain number needs no unit."""
    assert parse_limit("area_m2 <= 600 mm^2").bound == pytest.approx(6e-4)
    assert parse_limit("step_latency_s<2 ms").bound == 2e-3
    assert parse_limit("area_m2 > 0").bound == 0
    assert parse_limit("read_noise <= 6e-2").bound == 0.06
    assert parse_limit("warnings.read_noise == 0").quantity == "warnings.read_noise"


@pytest.mark.parametrize(
    ("comparison", "kept"),
    [
        ("<=", [True, True, False]),
        ("<", [True, False, False]),
        (">=", [False, True, True]),
        (">", [False, False, True]),
        ("==", [False, True, False]),
        ("!=", [True, False, True]),
    ],
)
def test_a_limit_keeps_what_it_says(comparison: str, kept: list[bool]) -> None:
    """Each comparison is that of arithmetic, and a point without a value keeps no limit."""
    columns = {"speedup": np.array([1.0, 2.0, 3.0, np.nan])}
    limit = parse_limit(f"speedup {comparison} 2")
    assert limit.holds(columns).tolist() == [*kept, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("area_m2", "no constraint"),
        ("aera_m2 <= 3", "Did you mean 'area_m2'?"),
        ("area_m2 <= 600 mm", "'mm'"),
        ("area_m2 <= much", "not a number"),
        ("area_m2 = 3", "no constraint"),
        ("area_m2 <= 700", "Write 'area_m2 <= 700 mm^2'"),
        ("step_latency_s < 1e-3", "the bound has no unit"),
        ("warnings.read_nose == 0", "Did you mean 'warnings.read_noise'?"),
    ],
)
def test_a_bad_constraint_is_refused_in_words(text: str, says: str) -> None:
    """The message quotes the constraint and says what is wrong."""
    with pytest.raises(InputError) as caught:
        parse_limit(text)
    assert says in str(caught.value)


def test_every_headline_can_be_limited_and_optimised() -> None:
    """Each headline number is accepted as an objective and as a constraint."""
    for name, headline in HEADLINES.items():
        found = study(gpu="h100", objectives={name: headline.goal}, constraints=[f"{name} > 0"])
        assert found.limits[0].quantity == name


def test_a_workload_inherits_the_studys_batch() -> None:
    """A network without its own batch takes the study's, with weight one."""
    entries = study(workloads=["lenet", {"workload": "mlp", "batch": 8, "weight": 2}]).entries
    assert [(e.workload, e.batch, e.weight) for e in entries] == [
        ("lenet", 256, 1.0),
        ("mlp", 8, 2.0),
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampler": {"kind": "sobol"}}, "'sobol' is not available in this version"),
        ({"fidelity": {"pareto": "cyclic"}}, "'analytic' or 'cycle'"),
        ({"fidelity": {"near": 1.5}}, "at most 1"),
        ({"objectives": {"speedup": "max"}}, "no `gpu` is given"),
        ({"objectives": {"speed": "max"}}, "Did you mean 'speedup'?"),
        ({"space": {}}, "at least 1"),
        ({"workloads": []}, "at least 1"),
        ({"batch": 0}, "at least 1"),
        ({"spice": {}}, "spice"),
        ({"space": {"adc.bits": {"log": [1, 2]}}}, "space.adc.bits"),
    ],
)
def test_a_bad_study_is_refused(changes: dict[str, Any], says: str) -> None:
    """Each mistake is found by the model itself, before anything is priced."""
    with pytest.raises(ValidationError) as caught:
        study(**changes)
    assert says in str(caught.value)
