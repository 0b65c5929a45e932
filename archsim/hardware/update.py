"""The update scheme: stochastic pulse trains on rows and columns, coincidence programs a device."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.placement import Firing, PulseStatistics
from archsim.hardware.selection import SELECTIONS, LineBias, Select


class UpdateScheme(Component):
    """Outer-product update by pulse trains of length `train_length` (BL).

    `half_bias`: row and column carry V/2 each, so one slot serves one sign quadrant; the phases are
    (2 if x is signed else 1) * (2 if the error is signed else 1).
    `two_phase`: positive and negative error in one phase each with bipolar row pulses, as assumed
    for the RPU; 2 phases whatever the signs.  At V/2 a pulse of the unwanted sign only cancels on
    the column, so this holds for one sign of the input; it is kept as published.
    `pulses_per_sample` is the mean number of coincidences (up and down together) that one device
    takes per training sample; with the vectors of the layer it sets how often lines fire.
    `select` is how a device at a crossing is told from its neighbours (`archsim.hardware.selection`).
    `written_at_once` is how many arrays take pulses of their own line by line at the same time, as far
    as there are buffers for these (transfers of update algorithms; copies that take the same pulses
    count once).  Null, the default: all of them.
    """

    scheme: Literal["half_bias", "two_phase"]
    select: Select = "half"
    train_length: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=10000)]
    gap_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1.0)]
    setup_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1.0)]
    pulses_per_sample: Annotated[Scalar, Quantity(above=0, maximum=1e6)]
    written_at_once: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)] | None = None

    @property
    def bias(self) -> LineBias:
        """Voltages of the lines and of the devices on them, relative to the full pulse."""
        return SELECTIONS[self.select]

    def phases(self, input_signs: Scalar, error_signs: Scalar) -> Scalar:
        """Phases of one update, given 1 or 2 signs of the input and of the error."""
        if self.scheme == "half_bias":
            return input_signs * error_signs
        return 2.0 + 0.0 * (input_signs + error_signs)

    def line_turns(self, input_signs: Scalar, error_signs: Scalar) -> tuple[Scalar, Scalar]:
        """In how many phases a row, and a column, may fire.

        `half_bias`: a row in one phase per sign of the error, a column in one per sign of the
        input.  `two_phase`: bipolar rows serve both signs of the input at once, so a row may fire
        in both phases and a column in the one of its own sign.
        """
        if self.scheme == "half_bias":
            return error_signs, input_signs
        return 2.0 + 0.0 * error_signs, 1.0 + 0.0 * input_signs

    def firing(self, pulses: PulseStatistics) -> Firing:
        """How often the lines of an update fire, over all its phases."""
        row_turns, column_turns = self.line_turns(pulses.input_signs, pulses.error_signs)
        return Firing(
            row=pulses.probability_x * row_turns,
            column=pulses.probability_error * column_turns,
            both=pulses.probability_x * pulses.probability_error,
            phases=self.phases(pulses.input_signs, pulses.error_signs),
        )

    def firing_probability(self, vectors: Scalar) -> Scalar:
        """Mean chance that a line fires in a slot, if a sample makes `vectors` updates.

        Update management balances rows and columns, so both fire with p, and
        vectors * BL * p^2 = pulses_per_sample; p saturates at 1.
        """
        slots = np.maximum(vectors, 1e-300) * self.train_length
        return np.minimum(np.sqrt(self.pulses_per_sample / slots), 1.0)

    def duration_s(self, phases: Scalar, pulse_width_s: Scalar) -> Scalar:
        """Time of one vector pair on an array: phases * BL * (pulse + gap) + stream setup."""
        return phases * self.train_length * (pulse_width_s + self.gap_s) + self.setup_s
