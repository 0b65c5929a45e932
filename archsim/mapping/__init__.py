"""From layers to arrays: partition, copies, budget."""

from archsim.mapping.does_not_fit import DoesNotFit
from archsim.mapping.fit import check_fit, fits
from archsim.mapping.mapping import (
    Mapping,
    MatrixTable,
    effective_pulses,
    mapping_candidates,
)

__all__ = [
    "DoesNotFit",
    "Mapping",
    "MatrixTable",
    "check_fit",
    "effective_pulses",
    "fits",
    "mapping_candidates",
]
