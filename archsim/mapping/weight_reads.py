"""Forward and transposed reads of weights that are spread over several arrays."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_read
from archsim.fields import Scalar
from archsim.hardware.crossbar import Direction, Placement, ReadCost


def weight_read(architecture: Architecture, place: Placement, direction: Direction) -> ReadCost:
    """One vector through a matrix, through every array that the algorithm reads.

    The arrays integrate together and share converters: their conversions follow each other, and
    what they give is scaled and added digitally, as partial sums are.
    """
    cost = architecture.crossbar.read_cost(place, direction)
    arrays = arrays_read(architecture)
    if np.all(np.equal(arrays, 1.0)):
        return cost
    return _through(architecture, place, direction, cost, arrays)


def _through(
    architecture: Architecture,
    place: Placement,
    direction: Direction,
    cost: ReadCost,
    arrays: Scalar,
) -> ReadCost:
    circuits, repeats = architecture.periphery, architecture.read.repeats
    conversion_s = cost.conversion_s * arrays
    both_s = cost.integration_s + conversion_s
    double = circuits.sample_hold.double_buffered
    interval_s = repeats * (np.maximum(cost.integration_s, conversion_s) if double else both_s)
    first_s = cost.latency_s - (repeats - 1.0) / repeats * cost.interval_s
    digital_s = first_s - cost.integration_s - cost.conversion_s
    digital_s = digital_s + np.ceil(np.log2(arrays)) * circuits.output_digital.latency_s
    energy = {name: arrays * value for name, value in cost.energy_j.items()}
    outputs = place.outputs if direction is Direction.FORWARD else place.inputs
    sums = repeats * (arrays - 1.0) * outputs * place.blocks
    energy["output_digital"] = (
        energy["output_digital"] + sums * circuits.output_digital.partial_sum_energy_j
    )
    return ReadCost(
        interval_s=interval_s,
        latency_s=both_s + digital_s + (repeats - 1.0) / repeats * interval_s,
        integration_s=cost.integration_s,
        conversion_s=conversion_s,
        converters_s=cost.converters_s * arrays,
        energy_j=energy,
    )
