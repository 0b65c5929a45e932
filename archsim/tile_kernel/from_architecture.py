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
    _check(crossbar)
    read = crossbar.read
    apart = _apart(crossbar, direction)
    serial = read.encoding == "bit_serial"
    return ReadParameters(
        dac=Quantiser.of_bits(1.0, float(read.input_bits)),
        adc=Quantiser.of_bits(float(read.output_bound), float(crossbar.adc.bits)),
        noise_management=noise_management,
        bound_management=bound_management or ("none" if serial else "iterative"),
        # Two columns have half of the variance each.
        output_noise=analog_noise(crossbar, direction) / math.sqrt(2.0 if apart else 1.0),
        ir_drop=ir_drop(crossbar, direction),
        serial_bits=serial,
        pair_reference=_reference(crossbar) if apart else None,
    )


def analog_noise(crossbar: Crossbar, direction: Direction) -> float:
    """Noise before the converter, devices and integrator, one sigma.

    Of an output, in units of weight 1 times input 1, from `archsim.hardware.limits`; columns that
    are converted apart have half of the variance each.
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
    loading = float(crossbar.wired.cell_resistance_ohm) * float(
        limits.weight_conductance_siemens(crossbar)
    )
    if loading == 0:
        return None
    far = direction is Direction.TRANSPOSED and crossbar.periphery.sides == "doubled"
    return IrDrop(
        row_loading=loading,
        col_loading=loading,
        reference=_reference(crossbar),
        layout=crossbar.array.encoding,
        ends="far" if far else "near",
    )


def _reference(crossbar: Crossbar) -> float:
    """Conductance of the reference device in units of weights."""
    unit = float(limits.weight_conductance_siemens(crossbar))
    return float(crossbar.device.conductance_reference_siemens) / unit


def _apart(crossbar: Crossbar, direction: Direction) -> bool:
    """Whether the two columns of a weight are converted one by one."""
    return (
        direction is Direction.FORWARD
        and crossbar.array.encoding == "differential"
        and not crossbar.periphery.subtract_before_adc
    )


def _check(crossbar: Crossbar) -> None:
    if np.ndim(crossbar.read.voltage_v) > 0:
        raise InputError(
            "the tile kernel computes with one configuration, but this architecture holds many",
            place="architecture",
        )
