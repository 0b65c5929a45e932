"""MLP+NeuroSim: a perceptron of two layers trained image by image, in its authors' own scheme."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.hardware.macro.pass_gate import pass_gate_area_m2
from archsim.hardware.macro.technology import (
    LOGIC_NODE_M,
    UTILISATION,
    comparator_area_m2,
    flip_flop_area_m2,
    full_adder_area_m2,
)
from archsim.validation.estimate import CircuitClass, ConfigurationKind, Estimate, Outcome


class SynapticDevice(Component):
    """A device of the table: how it is programmed, and what it conducts when on.

    `levels` pulses of one sign take it through its range.  `cells_per_weight` is 1 but for digital
    cells of one bit; `cell_features` its cell in squares of the feature size.
    """

    levels: Annotated[int, Quantity(integer=True, minimum=1)] | None = None
    pulse_up_s: Annotated[float, Quantity("s", above=0)] | None = None
    pulse_down_s: Annotated[float, Quantity("s", above=0)] | None = None
    resistance_on_ohm: Annotated[float, Quantity("Ohm", above=0)] | None = None
    cells_per_weight: Annotated[int, Quantity(integer=True, minimum=1)] = 1
    cell_features: Annotated[float, Quantity(above=0)]


class NeurosimMlpKind(ConfigurationKind):
    """Write time without skipping, and area, for each device of the publication's table.

    Weights are written row by row; `write_mux` columns share a write driver, so that a row takes
    ceil(cols / ceil(cols / write_mux)) writes.  Without skipping each write takes all `levels` pulses
    up and all down: `DEVICE.latency_naive`, over all `images`.

    `DEVICE.area`: cells; per row a decoder output with its driver (twice a flip-flop) and a switch
    with its flip-flop; per column a switch and a multiplexer decoder (twice a flip-flop); pass gates
    of rows and columns that take `drop_share` of the voltage; a read circuit for `read_mux` columns
    (counter and register of `output_bits`, comparator), and behind it an adder, a subtractor and a
    register.  The authors lay out all logic in squares of the feature size, side by side and without
    wiring, and so does this.
    """

    kind: Literal["neurosim_mlp"]
    node_m: Annotated[float, Quantity("m", minimum=7e-9, maximum=130e-9)]
    layers: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)]
    images: Annotated[float, Quantity(above=0)]
    write_mux: Annotated[int, Quantity(integer=True, minimum=1)]
    read_mux: Annotated[int, Quantity(integer=True, minimum=1)]
    output_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    drop_share: Annotated[float, Quantity(above=0, maximum=1)]
    devices: dict[str, SynapticDevice] = Field(min_length=1)

    def estimates(self) -> Mapping[str, Outcome]:
        """Both figures of every device; the write time of those that are programmed by pulses."""
        found: dict[str, Outcome] = {}
        for name, device in self.devices.items():
            found[f"{name}.area"] = self._area(device)
            if device.levels and device.pulse_up_s and device.pulse_down_s:
                pulses = device.levels * (device.pulse_up_s + device.pulse_down_s)
                found[f"{name}.latency_naive"] = Estimate(
                    {CircuitClass.WRITE: self.images * self.row_writes * pulses},
                    "s",
                    "time",
                    "rollup",
                )
        return found

    @property
    def row_writes(self) -> int:
        """Writes per image: rows times the column groups of each layer."""
        return sum(rows * ceil(cols / ceil(cols / self.write_mux)) for rows, cols in self.layers)

    def _area(self, device: SynapticDevice) -> Estimate:
        shrink = (self.node_m / LOGIC_NODE_M) ** 2
        flip_flop = shrink * UTILISATION * flip_flop_area_m2(LOGIC_NODE_M)
        adder = shrink * UTILISATION * full_adder_area_m2(LOGIC_NODE_M)
        comparator = shrink * comparator_area_m2(LOGIC_NODE_M)
        bits = self.output_bits
        cells = drivers = digital = converters = 0.0
        for rows, weights in self.layers:
            cols = weights * device.cells_per_weight
            readers = ceil(weights / self.read_mux)
            cells += rows * cols * device.cell_features * self.node_m**2
            drivers += (3.0 * rows + 2.0 * cols) * flip_flop
            if device.resistance_on_ohm is not None:
                on = device.resistance_on_ohm
                drivers += rows * pass_gate_area_m2(on, cols, self.drop_share, self.node_m)
                drivers += cols * pass_gate_area_m2(on, rows, self.drop_share, self.node_m)
            converters += readers * (2.0 * bits * flip_flop + comparator)
            digital += readers * (2.0 * bits * adder + bits * flip_flop)
        parts = {
            CircuitClass.ADC: converters,
            CircuitClass.DRIVERS: drivers,
            CircuitClass.CELLS: cells,
            CircuitClass.DIGITAL: digital,
        }
        return Estimate(parts, "m^2", "area", "prediction")
