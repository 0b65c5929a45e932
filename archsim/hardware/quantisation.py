"""Steps of converters: how finely a number of bits divides a range of both signs."""

from __future__ import annotations

import numpy as np

from archsim.fields import Scalar


def code_step(bound: Scalar, bits: Scalar) -> Scalar:
    """Step of a converter of `bits` bits over [-bound, bound], in the unit of `bound` (> 0).

    Codes are symmetric and contain zero: 2^bits - 1 of them, 2^(bits-1) - 1 steps to either side,
    but at least one (a single bit is a pulse of either sign, or none).  A 9-bit converter thus has
    steps of bound / 255.
    """
    return bound / np.maximum(2.0 ** (np.asarray(bits, dtype=np.float64) - 1.0) - 1.0, 1.0)
