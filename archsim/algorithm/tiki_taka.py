"""Tiki-Taka: a fast array takes the gradient, a slow one is fed from it line by line."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from archsim.algorithm.operations import (
    Operations,
    Pulsed,
    Role,
    RoleArray,
    Unit,
    Work,
    read_where,
)
from archsim.fields import Component, Quantity, Scalar


class TikiTaka(Component):
    """A fast array A takes the gradients, line after line of it is added to a slow array C.

    The weight is W = fast_share * A + C (Gokmen and Haensch 2020).

    Every vector pair updates the fast array A in parallel, at `fast_rate` times the learning rate.
    Every `transfer_every` of `transfer_unit`, one line of A is read with a one-hot input and added
    to the same line of the slow array C by a pulsed update, at `transfer_rate` times the learning
    rate.  With `fast_share` 0 only C is read forward and backward.
    `reference: symmetry_point` reads A against a second array at the symmetry point of each
    device; `zero` reads it against weight zero.
    `written_pulses_per_sample` is the mean number of pulses that a device of C takes per training
    sample (0.0002 to 0.0004 in the published LeNet, reference `rasch24.pulses_W`).
    """

    published: ClassVar[str] = "alg.TTv1"

    kind: Literal["tiki_taka"]
    transfer_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)] = 1
    transfer_unit: Unit = Unit.MINIBATCH
    fast_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    transfer_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    fast_share: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 0.0
    write_train_length: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=10000)] = 31
    written_pulses_per_sample: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 3e-4
    reference: Literal["symmetry_point", "zero"] = "symmetry_point"

    def operations(self, inputs: Scalar, outputs: Scalar) -> Operations:
        """One update of A per vector; one line read and one written per transfer."""
        referenced = self.reference == "symmetry_point"
        return Operations(
            arrays=(
                RoleArray(Role.FAST, Pulsed.PARALLEL, read=read_where(self.fast_share)),
                RoleArray(Role.SLOW, Pulsed.WRITTEN, read=1),
                *((RoleArray(Role.REFERENCE, Pulsed.NEVER, read=0),) if referenced else ()),
            ),
            state_words=0.0,
            per_vector=Work(parallel_updates=1.0),
            per_transfer=Work(
                line_reads=1.0,
                conversions=outputs,
                line_writes=1.0,
                write_slots=self.write_train_length,
            ),
            transfer_every=self.transfer_every,
            transfer_unit=self.transfer_unit,
            written_pulses_per_sample=self.written_pulses_per_sample,
            transfer_reads_reference=referenced,
        )
