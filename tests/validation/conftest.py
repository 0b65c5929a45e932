"""What tests of published training runs share: the run that a module names, and its estimates."""

from __future__ import annotations

import pytest

from archsim.validation.configurations.training_run import TrainingRun
from archsim.validation.estimate import Estimate
from archsim.validation.published import load_system


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> TrainingRun:
    """The configuration of the published system that the module's `SYSTEM` names."""
    configuration = load_system(request.module.SYSTEM).value.configuration
    assert isinstance(configuration, TrainingRun)
    return configuration


@pytest.fixture(scope="module")
def found(run: TrainingRun) -> dict[str, Estimate]:
    """What of the run is estimated."""
    return {key: e for key, e in run.estimates().items() if isinstance(e, Estimate)}
