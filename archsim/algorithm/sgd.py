"""Plain pulsed stochastic gradient descent: what it asks of the arrays."""

from __future__ import annotations

from typing import Literal

from archsim.fields import Component


class PlainSgd(Component):
    """One forward read, one transposed read and one outer-product update per vector.

    It keeps one array per weight matrix and no digital state (reference `alg.SGD`).
    """

    kind: Literal["sgd"]

    @property
    def arrays_per_weight(self) -> int:
        """Copies of the weight array that the algorithm itself keeps."""
        return 1

    @property
    def updates_per_vector(self) -> int:
        """Outer-product updates per vector pair."""
        return 1
