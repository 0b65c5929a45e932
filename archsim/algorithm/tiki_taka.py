"""Tiki-Taka: a fast array takes the gradient, a slow one is fed from it line by line."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.algorithm.operations import Operations, Unit, Work
from archsim.fields import Component, Quantity, Scalar


class TikiTaka(Component):
    """The first version: W = fast_share * A + C (Gokmen and Haensch 2020, reference `alg.TTv1`).

    Every vector pair updates the fast array A in parallel, at `fast_rate` times the learning rate.
    Every `transfer_every` of `transfer_unit`, one line of A is read with a one-hot input and added
    to the same line of the slow array C by a pulsed update, at `transfer_rate` times the learning
    rate.  With `fast_share` 0 only C is read forward and backward.
    `reference: symmetry_point` reads A against a second array at the symmetry point of each
    device; `zero` reads it against weight zero.
    """

    kind: Literal["tiki_taka"]
    transfer_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)] = 1
    transfer_unit: Unit = Unit.MINIBATCH
    fast_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    transfer_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    fast_share: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 0.0
    write_train_length: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=10000)] = 31
    reference: Literal["symmetry_point", "zero"] = "symmetry_point"

    def operations(self, inputs: float, outputs: float) -> Operations:
        """One update of A per vector; one line read and one written per transfer."""
        return Operations(
            arrays_per_weight=2 + (self.reference == "symmetry_point"),
            arrays_read=1 if self.fast_share == 0 else 2,
            state_words=0.0,
            per_vector=Work(parallel_updates=1.0),
            per_transfer=Work(
                line_reads=1.0,
                conversions=outputs,
                line_writes=1.0,
                write_slots=float(self.write_train_length),
            ),
            transfer_every=float(self.transfer_every),
            transfer_unit=self.transfer_unit,
        )
