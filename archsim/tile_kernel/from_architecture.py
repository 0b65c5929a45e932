"""The parameters of a read, from the same configuration that prices it."""

from __future__ import annotations

import math

import numpy as np

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.hardware import limits
from archsim.hardware.crossbar import Crossbar
from archsim.hardware.placement import Direction
from archsim.tile_kernel.ir_drop import IrDrop
from archsim.tile_kernel.parameters import BoundManagement, NoiseManagement, ReadParameters
from archsim.tile_kernel.quantiser import Quantiser


def read_parameters(
    architecture: Architecture,
    direction: Direction,
    noise_management: NoiseManagement,
    bound_management: BoundManagement | None,
) -> ReadParameters:
    """See `ReadParameters.from_architecture`."""
    crossbar = architecture.crossbar
    _check(crossbar, direction)
    read = crossbar.read
    serial = read.encoding == "bit_serial"
    return ReadParameters(
        dac=Quantiser.of_bits(1.0, float(read.input_bits)),
        adc=Quantiser.of_bits(float(read.output_bound), float(crossbar.adc.bits)),
        noise_management=noise_management,
        bound_management=bound_management or ("none" if serial else "iterative"),
        output_noise=analog_noise(crossbar, direction),
        ir_drop=ir_drop(crossbar, direction),
        serial_bits=serial,
    )


def analog_noise(crossbar: Crossbar, direction: Direction) -> float:
    """Noise before the converter, devices and integrator, one sigma per conversion.

    In units of weight 1 times input 1, from `archsim.hardware.limits`.
    """
    variance = np.square(limits.device_noise(crossbar, direction)) + np.square(
        limits.integrator_noise(crossbar, direction)
    )
    return float(math.sqrt(variance) / float(limits.bit_weight(crossbar)))


def ir_drop(crossbar: Crossbar, direction: Direction) -> IrDrop | None:
    """Wire resistance in units of the weights, or None for wires without.

    A shared periphery is switched to either use, so it sits at one end of each line and serves
    both directions there.  A doubled one has drivers at one end and converters at the other, which
    is an assumption: the transposed read then drives and senses the far ends.
    """
    loading = float(crossbar.array.cell_resistance_ohm) * float(
        limits.weight_conductance_siemens(crossbar)
    )
    if loading == 0:
        return None
    far = direction is Direction.TRANSPOSED and crossbar.periphery.sides == "doubled"
    unit = float(limits.weight_conductance_siemens(crossbar))
    return IrDrop(
        row_loading=loading,
        col_loading=loading,
        reference=float(crossbar.device.conductance_reference_siemens) / unit,
        layout=crossbar.array.encoding,
        ends="far" if far else "near",
    )


def _check(crossbar: Crossbar, direction: Direction) -> None:
    """Refuse what the kernel would compute wrongly."""
    separate = not crossbar.periphery.subtract_before_adc
    if separate and crossbar.array.encoding == "differential" and direction is Direction.FORWARD:
        raise InputError(
            "periphery.subtract_before_adc is false, but the tile kernel converts the difference "
            "of a pair of columns",
            place="architecture",
            remedy="Set periphery.subtract_before_adc to true to compute with this architecture.",
        )
    if np.ndim(crossbar.read.voltage_v) > 0:
        raise InputError(
            "the tile kernel computes with one configuration, but this architecture holds many",
            place="architecture",
        )
