"""Plain pulsed stochastic gradient descent: what it asks of the arrays."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.algorithm.operations import (
    NO_WORK,
    Operations,
    Pulsed,
    Role,
    RoleArray,
    Unit,
    Work,
)
from archsim.fields import Component, Scalar


class PlainSgd(Component):
    """One forward read, one transposed read and one outer-product update per vector.

    It keeps one array per weight matrix and no digital state.
    """

    published: ClassVar[str] = "alg.SGD"

    kind: Literal["sgd"]

    def operations(self, inputs: Scalar, outputs: Scalar) -> Operations:
        """One parallel update per vector pair, and nothing else."""
        return Operations(
            arrays=(RoleArray(Role.WEIGHT, Pulsed.PARALLEL, read=1),),
            state_words=0.0,
            per_vector=Work(parallel_updates=1.0),
            per_transfer=NO_WORK,
            transfer_every=0.0,
            transfer_unit=Unit.MINIBATCH,
        )
