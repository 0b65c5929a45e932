"""Mixed precision: gradients are summed digitally, whole steps are written to the array."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from archsim.algorithm.operations import NO_WORK, Operations, Pulsed, Role, RoleArray, Unit, Work
from archsim.fields import Component, Quantity, Scalar


class MixedPrecision(Component):
    """Outer products are summed in digital memory (chi), and whole pulses of the sum are written.

    Every `transfer_every` minibatches each weight takes trunc(chi / granularity) pulses, line by
    line, and chi keeps the rest; no array is read.  `granularity` is the weight change that one
    pulse is taken for, in units of the mean step.  `written_pulses_per_sample` is the mean number
    of pulses that a device takes per training sample; it does not depend on `granularity` here,
    since both follow from the gradients: 0.06 is what is left of one pulse of random sign per
    sample in a minibatch of 256 (assumed).  `accumulate` says what is summed before chi is read
    and written: one vector pair, as published, or all vector pairs of a sample in one product of
    matrices.  Nandakumar et al. (2020).
    """

    published: ClassVar[str] = "alg.MixedPrecision"

    kind: Literal["mixed_precision"]
    transfer_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e6)] = 1
    accumulate: Literal["vector", "sample"] = "vector"
    granularity: Annotated[Scalar, Quantity(above=0, maximum=1000)] = 1.0
    written_pulses_per_sample: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 0.06

    def operations(self, inputs: Scalar, outputs: Scalar) -> Operations:
        """A multiply-add per weight and vector, chi read and written; all lines written."""
        weights, whole = inputs * outputs, self.accumulate == "sample"
        return Operations(
            arrays=(RoleArray(Role.WEIGHT, Pulsed.WRITTEN, read=1),),
            state_words=weights,
            per_vector=Work(digital_macs=weights, words_moved=0.0 if whole else 2.0 * weights),
            per_sample=Work(words_moved=2.0 * weights) if whole else NO_WORK,
            per_transfer=Work(
                line_writes=inputs,
                write_slots=math.inf,
                digital_macs=weights,
                digital_compares=weights,
                words_moved=2.0 * weights,
            ),
            transfer_every=self.transfer_every,
            transfer_unit=Unit.MINIBATCH,
            written_pulses_per_sample=self.written_pulses_per_sample,
            copies_alike=True,
        )
