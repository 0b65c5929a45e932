"""All claims; a new claim is one function and one name here."""

from __future__ import annotations

from collections.abc import Callable

from archsim.validation.claims import array_claims, device_claims
from archsim.validation.claims.claim import Claim
from archsim.validation.claims.yardsticks import Court, load_court

CLAIMS: tuple[Callable[[Court], Claim], ...] = (
    device_claims.response,
    device_claims.faster_than_before,
    array_claims.constant_time,
    device_claims.energy_per_operation,
    device_claims.synapse_speed,
    device_claims.synapse_size,
    device_claims.endurance,
    array_claims.rpu_acceleration,
    array_claims.rpu_efficiency,
)


def judge_claims() -> tuple[Claim, ...]:
    """Every claim with its verdict, computed from the configurations that ship."""
    court = load_court()
    return tuple(claim(court) for claim in CLAIMS)
