"""A chip that archsim's own architecture describes, priced at full load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.fields import Quantity
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.hardware.digital import OPERATIONS
from archsim.validation.configurations.components import class_of_component, classed
from archsim.validation.estimate import (
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Outcome,
    Part,
    summed,
    total,
)

# Scale, bias and activation of an output.
_OUTPUT_WORK = frozenset({"mul", "add", "compare"})
# Memory beside the chip holds what a network needs, and is no part of a peak figure.
_OFF_CHIP = "static_dram"


@dataclass(frozen=True, slots=True)
class _Work:
    """One or more operations of one array: time, energy of array and periphery, bits moved.

    `fed_bits` go from the tile's buffer to the lines, `arriving_bits` and `leaving_bits` cross the
    mesh, `outputs` are scaled, biased and compared.
    """

    duration_s: float
    latency_s: float
    parts: tuple[Part, ...]
    fed_bits: float
    arriving_bits: float
    leaving_bits: float
    outputs: float

    def __add__(self, other: _Work) -> _Work:
        return _Work(
            self.duration_s + other.duration_s,
            self.latency_s + other.latency_s,
            self.parts + other.parts,
            self.fed_bits + other.fed_bits,
            self.arriving_bits + other.arriving_bits,
            self.leaving_bits + other.leaving_bits,
            self.outputs + other.outputs,
        )


class PricedArchitecture(ConfigurationKind):
    """An architecture of archsim in which every array works all the time on dense vectors.

    `arrays` is the number of arrays of the published chip; `pulse_probability` the chance that a
    line fires in a slot of an update of inputs of one sign and signed errors.  A layer of
    `layer_inputs` x `layer_outputs` uses part of each array; by default it fills them.  Rows:

    `array.throughput`, `chip.throughput`: forward products; 1 MAC = 2 op throughout.
    `array.efficiency`: an array with its periphery; `core.efficiency`: with the tile's buffer, the
    array's share of static power and clock, and scale, bias and activation of every output;
    `chip.efficiency`: with the way of inputs and outputs over the mesh.
    `training.throughput`, `training.efficiency`: forward, transposed and update, 2 op per weight
    each, on the whole chip.
    `forward.time`, `update.time`, `forward.energy`, `forward.energy_per_mac`: of one vector.
    `array.area`, `core.density`, `chip.weights`.

    `modes` are further ways to read, by name: how often a vector is read.  Their rows have the name
    in front (`four_phase.chip.throughput`).
    """

    kind: Literal["architecture"]
    architecture: Architecture
    arrays: Annotated[float, Quantity(integer=True, minimum=1)]
    pulse_probability: Annotated[float, Quantity(above=0, maximum=1)]
    layer_inputs: Annotated[float, Quantity(integer=True, minimum=1)] | None = None
    layer_outputs: Annotated[float, Quantity(integer=True, minimum=1)] | None = None

    modes: dict[str, Annotated[float, Quantity(minimum=1, maximum=100)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        array = self.architecture.array
        if (self.layer_inputs or 1) > array.rows or (self.layer_outputs or 1) > (
            array.weight_columns
        ):
            raise ValueError(
                f"a layer of {self._inputs:.0f} x {self._outputs:.0f} does not fit into one array "
                f"of {array.rows:.0f} x {array.weight_columns:.0f} weights"
            )
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """Throughput, efficiency, density and capacity at full load."""
        found = self._at_full_load()
        for name, repeats in self.modes.items():
            read = self.architecture.read.model_copy(update={"repeats": repeats})
            architecture = self.architecture.model_copy(update={"read": read})
            mode = self.model_copy(update={"architecture": architecture})
            found |= {f"{name}.{key}": value for key, value in mode._at_full_load().items()}
        return found

    def _at_full_load(self) -> dict[str, Outcome]:
        forward, update = self._read(Direction.FORWARD), self._update()
        cycle = forward + self._read(Direction.TRANSPOSED) + update
        once, macs = self.operations, 0.5 * self.operations
        rate = once / forward.duration_s
        training_rate = self.arrays * 3.0 * once / cycle.duration_s
        bare, area = summed(forward.parts), self._area()
        return {
            "array.throughput": _rate(rate),
            "chip.throughput": _rate(self.arrays * rate),
            "array.efficiency": _efficiency(once, bare),
            "core.efficiency": _efficiency(once, self._core(forward)),
            "chip.efficiency": _efficiency(once, self._chip(forward)),
            "training.throughput": _rate(training_rate),
            "training.efficiency": _efficiency(3.0 * once, self._chip(cycle)),
            "forward.time": total(forward.latency_s, "s", "time", "rollup"),
            "update.time": total(update.duration_s, "s", "time", "rollup"),
            "forward.energy": Estimate(bare, "J", "energy", "prediction"),
            "forward.energy_per_mac": Estimate(bare, "J", "energy", "prediction", 1.0 / macs),
            "array.area": Estimate(area, "m^2", "area", "prediction"),
            "core.density": Estimate(area, "OPS/m^2", "area", "prediction", rate, inverse=True),
            "chip.weights": total(self.arrays * macs, "", "count", "rollup"),
        }

    @property
    def operations(self) -> float:
        """Operations of one product of an array."""
        return 2.0 * self._inputs * self._outputs

    @property
    def _inputs(self) -> float:
        return float(self.layer_inputs or self.architecture.array.rows)

    @property
    def _outputs(self) -> float:
        return float(self.layer_outputs or self.architecture.array.weight_columns)

    def _place(self) -> Placement:
        return Placement(self._inputs, self._outputs, 1.0, 1.0, 1.0, 1.0)

    def _read(self, direction: Direction) -> _Work:
        cost = self.architecture.crossbar.read_cost(self._place(), direction)
        lines = (self._inputs, self._outputs)
        driven, sensed = lines if direction is Direction.FORWARD else lines[::-1]
        numbers, read = self.architecture.numbers, self.architecture.read
        return _Work(
            float(cost.interval_s),
            float(cost.latency_s),
            classed(cost.energy_j),
            fed_bits=driven * float(read.input_bits),
            arriving_bits=driven * float(numbers.activation_bits),
            leaving_bits=sensed * float(numbers.activation_bits),
            outputs=sensed,
        )

    def _update(self) -> _Work:
        p = self.pulse_probability
        pulses = PulseStatistics(p, p, input_signs=1.0, error_signs=2.0)
        cost = self.architecture.crossbar.update_cost(self._place(), pulses)
        numbers, read = self.architecture.numbers, self.architecture.read
        lines = self._inputs + self._outputs
        return _Work(
            float(cost.duration_s),
            float(cost.duration_s),
            classed(cost.energy_j),
            fed_bits=lines * float(read.input_bits),
            arriving_bits=lines * float(numbers.activation_bits),
            leaving_bits=0.0,
            outputs=0.0,
        )

    def _core(self, work: _Work) -> dict[CircuitClass, float]:
        """Energy with the tile's buffer, the share of static power, and the work on every output."""
        architecture = self.architecture
        seconds = work.duration_s / float(architecture.arrays_available)
        static = [
            (class_of_component(name), float(power) * seconds)
            for name, power in static_power(architecture)
            .whole_chip_w(architecture.arrays_available)
            .items()
            if name != _OFF_CHIP
        ]
        buffer = architecture.tile.buffer
        written = work.arriving_bits + work.leaving_bits
        moved_j = written * float(buffer.write_energy_j_per_bit) + (
            work.fed_bits + work.leaving_bits
        ) * float(buffer.read_energy_j_per_bit)
        per_output = [float(name in _OUTPUT_WORK) for name in OPERATIONS]
        scaled_j = work.outputs * float(architecture.vector_unit.energy_j(per_output))
        digital = (CircuitClass.DIGITAL, scaled_j)
        return summed([*work.parts, *static, digital, (CircuitClass.MEMORY, moved_j)])

    def _chip(self, work: _Work) -> dict[CircuitClass, float]:
        """Energy with the way over the mesh, the mean distance to and from a tile."""
        mesh = self.architecture.mesh
        bit_hops = (work.arriving_bits + work.leaving_bits) * mesh.spread_hops(1.0)
        moved = float(mesh.energy_j(bit_hops, self.architecture.hop_m))
        core = self._core(work)
        return summed([*core.items(), (CircuitClass.INTERCONNECT, moved)])

    def _area(self) -> dict[CircuitClass, float]:
        """Area of one array with its periphery."""
        return summed(classed(self.architecture.crossbar.area_by_component_m2()))


def _rate(operations_hz: float) -> Estimate:
    """A throughput: it follows from the times that the configuration states."""
    return total(operations_hz, "OPS", "time", "rollup")


def _efficiency(operations: float, parts: Mapping[CircuitClass, float]) -> Estimate:
    return Estimate(parts, "OPS/W", "energy", "prediction", operations, inverse=True)
