"""Settings that every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Deadlines measure the machine, not the code; a fixed seed keeps a failure repeatable anywhere.
settings.register_profile(
    "archsim",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("archsim"), max_examples=2000)
settings.load_profile(os.environ.get("ARCHSIM_HYPOTHESIS", "archsim"))
