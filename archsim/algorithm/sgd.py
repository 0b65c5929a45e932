"""Plain pulsed stochastic gradient descent: what it asks of the arrays."""

from __future__ import annotations

from typing import Literal

from archsim.algorithm.operations import Operations, Unit, Work
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

    def operations(self, inputs: float, outputs: float) -> Operations:
        """One parallel update per vector pair, and nothing else."""
        return Operations(
            arrays_per_weight=self.arrays_per_weight,
            arrays_read=1,
            state_words=0.0,
            per_vector=Work(parallel_updates=self.updates_per_vector),
            per_transfer=Work(),
            transfer_every=0.0,
            transfer_unit=Unit.MINIBATCH,
        )
