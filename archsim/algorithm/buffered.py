"""What Tiki-Taka from version 2 on shares: a digital number per weight between the arrays."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.algorithm.operations import Operations, Pulsed, Role, RoleArray, Unit, Work
from archsim.fields import Component, Quantity, Scalar


class BufferedTransfer(Component):
    """Fast array A, digital buffer H, slow array C; forward and backward read C only.

    Every vector pair updates A in parallel.  Its learning rate is chosen so that the largest input
    and error of the recent past fire at every slot times `fast_rate`:
    rate = fast_rate * BL * step / (m_x * m_error), with running means of max|x| and max|error| that
    forget `1 - scale_momentum` per minibatch.
    Every `transfer_every` of `transfer_unit` one line of A is read and added to its line of H,
    scaled by transfer_rate * learning rate * lines * transfer_every / (granularity * step).  Where
    |H| reaches 1, C takes one pulse of that sign, and H keeps `momentum` of its value, or, if
    `forget` is false, loses one.
    `written_pulses_per_sample` is the mean number of pulses that a device of C takes per training
    sample (0.0002 to 0.0004 in the published LeNet, reference `rasch24.pulses_W`).
    """

    transfer_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)] = 1
    transfer_unit: Unit = Unit.VECTOR
    fast_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 0.1
    transfer_rate: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 1.0
    granularity: Annotated[Scalar, Quantity(above=0, maximum=1e9)] = 500.0
    momentum: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 0.0
    forget: bool = True
    scale_momentum: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 0.99
    written_pulses_per_sample: Annotated[Scalar, Quantity(above=0, maximum=1e6)] = 3e-4
    reference: Literal["symmetry_point", "zero"] = "symmetry_point"

    @property
    def words_per_weight(self) -> int:
        """Digital numbers kept for every weight."""
        return 1

    @property
    def flags_per_line(self) -> int:
        """Digital flags kept for every line: the sign that a chopper gives it, if there is one."""
        return 0

    def operations(self, inputs: Scalar, outputs: Scalar) -> Operations:
        """One update of A per vector; per transfer a line of A is read, filtered and written."""
        referenced = self.reference == "symmetry_point"
        words = float(self.words_per_weight)
        return Operations(
            arrays=(
                RoleArray(Role.FAST, Pulsed.PARALLEL, read=0),
                RoleArray(Role.SLOW, Pulsed.WRITTEN, read=1),
                *((RoleArray(Role.REFERENCE, Pulsed.NEVER, read=0),) if referenced else ()),
            ),
            state_words=words * inputs * outputs + self.flags_per_line * inputs,
            per_vector=Work(parallel_updates=1.0),
            per_transfer=Work(
                line_reads=1.0,
                conversions=outputs,
                line_writes=1.0,
                write_slots=1.0,
                digital_macs=words * outputs,
                digital_compares=outputs,
                words_moved=2.0 * words * outputs + 2.0 * self.flags_per_line,
            ),
            transfer_every=self.transfer_every,
            transfer_unit=self.transfer_unit,
            written_pulses_per_sample=self.written_pulses_per_sample,
            transfer_reads_reference=referenced,
        )
