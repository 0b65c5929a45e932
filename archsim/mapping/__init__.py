"""From layers to arrays: partition, copies, budget."""

from archsim.mapping.mapping import (
    DoesNotFit,
    Mapping,
    MatrixTable,
    check_fit,
    effective_pulses,
    mapping_candidates,
)

__all__ = [
    "DoesNotFit",
    "Mapping",
    "MatrixTable",
    "check_fit",
    "effective_pulses",
    "mapping_candidates",
]
