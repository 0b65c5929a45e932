"""Mixed precision: gradients are summed digitally, whole steps are written to the array."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.algorithm.operations import Operations, Unit, Work
from archsim.fields import Component, Quantity, Scalar


class MixedPrecision(Component):
    """The outer product is computed and summed in digital memory (chi), as whole numbers leave it.

    Every `transfer_every` minibatches each weight takes trunc(chi / granularity) pulses, line by
    line, and chi keeps the rest; no array is read.  `granularity` is the weight change that one
    pulse is taken for, in units of the mean step.  Nandakumar et al. (2020), reference
    `alg.MixedPrecision`.
    """

    kind: Literal["mixed_precision"]
    transfer_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e6)] = 1
    granularity: Annotated[Scalar, Quantity(above=0, maximum=1000)] = 1.0

    def operations(self, inputs: float, outputs: float) -> Operations:
        """A multiply-add, a read and a write of chi per weight and vector; all lines written."""
        weights = inputs * outputs
        return Operations(
            arrays_per_weight=1,
            arrays_read=1,
            state_words=weights,
            per_vector=Work(digital_macs=weights, words_moved=2.0 * weights),
            per_transfer=Work(
                line_writes=inputs,
                write_slots=1.0,
                digital_macs=weights,
                digital_compares=weights,
                words_moved=2.0 * weights,
            ),
            transfer_every=float(self.transfer_every),
            transfer_unit=Unit.MINIBATCH,
        )
