"""Which circuit class a component of an architecture's energy, area or static power belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.fields import Scalar
from archsim.validation.estimate import CircuitClass, Part

# What is not named is digital.
_CLASS_OF: Mapping[str, CircuitClass] = {
    "adc": CircuitClass.ADC,
    "input_drivers": CircuitClass.DRIVERS,
    "pulse_drivers": CircuitClass.DRIVERS,
    "array_devices": CircuitClass.CELLS,
    "array_lines": CircuitClass.LINES,
    "access_transistors": CircuitClass.LINES,
    "integrators": CircuitClass.ANALOG,
    "sample_hold": CircuitClass.ANALOG,
    "multiplexers": CircuitClass.ANALOG,
    "update_lines": CircuitClass.WRITE,
    "update_devices": CircuitClass.WRITE,
    "update_channels": CircuitClass.WRITE,
    "update_supply_loss": CircuitClass.WRITE,
    "tile_buffers": CircuitClass.MEMORY,
    "activation_buffer": CircuitClass.MEMORY,
    "algorithm_state": CircuitClass.MEMORY,
    "algorithm_state_dram": CircuitClass.MEMORY,
    "dram": CircuitClass.MEMORY,
    "mesh": CircuitClass.INTERCONNECT,
}
# How the static power of a component, and the energy of transfers between arrays, are called.
_PREFIXES = ("static_", "transfer_")


def class_of_component(component: str) -> CircuitClass:
    """The class of a component by its name in a result."""
    for prefix in _PREFIXES:
        component = component.removeprefix(prefix)
    return _CLASS_OF.get(component, CircuitClass.DIGITAL)


def classed(values: Mapping[str, Scalar]) -> tuple[Part, ...]:
    """A breakdown by component as parts by class, one for each component."""
    return tuple((class_of_component(name), float(value)) for name, value in values.items())
