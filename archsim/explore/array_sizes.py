"""Physical limits and costs of one architecture's array against its size.

Square arrays of n rows and n columns with everything else unchanged: what n does to noise, IR drop,
settling, time and energy, and the largest n that keeps each stated bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray, Scalar
from archsim.hardware import limits
from archsim.hardware.crossbar import Crossbar, Direction, Placement, PulseStatistics
from archsim.hardware.nodal import uniform_drop

DEFAULT_SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
# As far as `array.rows` goes.
LARGEST = 65536


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an array may do wrong: noise in units of weight 1 times input 1, the rest as shares."""

    read_noise: float
    ir_drop: float
    settling: float


@dataclass(frozen=True, slots=True)
class SizeStudy:
    """Limits and costs of S array sizes; every array is [S].

    `mac_energy_j` is the energy of a forward read per multiply-accumulate, `update_energy_j` that
    of an outer-product update per weight and vector pair, with what the lines, drivers and pulse
    generators take; `adc_share` the converters' part of the read.
    """

    sizes: NDArray[np.int64]
    device_noise: FloatArray
    integrator_noise: FloatArray
    converter_noise: FloatArray
    read_noise: FloatArray
    ir_drop: FloatArray
    ir_drop_farthest: FloatArray
    ir_drop_nodal: FloatArray
    settling_read: FloatArray
    settling_update: FloatArray
    far_amplitude: FloatArray
    far_step: FloatArray
    read_s: FloatArray
    update_s: FloatArray
    mac_energy_j: FloatArray
    update_energy_j: FloatArray
    adc_share: FloatArray
    line_share: FloatArray
    ops_per_s: FloatArray


@dataclass(frozen=True, slots=True)
class LargestArray:
    """The largest square array that keeps a bound; 0 if none does, None if every size does."""

    limit: str
    bound: float
    size: int | None


def of_size(architecture: Architecture, sizes: Scalar) -> Crossbar:
    """The architecture's crossbar with `sizes` rows and columns (a number or an array)."""
    array = architecture.array.model_copy(update={"rows": sizes, "cols": sizes})
    return architecture.model_copy(update={"array": array}).crossbar


def size_study(
    architecture: Architecture, sizes: Sequence[int] = DEFAULT_SIZES, vectors: float = 1.0
) -> SizeStudy:
    """Limits and costs at each size; `vectors` (> 0) is how often a sample updates an array.

    Sizes must hold at least one weight.
    """
    n = np.asarray(sizes, dtype=np.float64)
    crossbar = of_size(architecture, n)
    place = Placement(n, np.asarray(crossbar.array.weight_columns), 1.0, 1.0, 1.0, 1.0)
    weights = n * place.outputs
    read = crossbar.read_cost(place, Direction.FORWARD)
    update = crossbar.update_cost(place, pulse_statistics(architecture, vectors))
    read_j = np.asarray(sum(read.energy_j.values()))
    update_j = np.asarray(sum(update.energy_j.values()))
    settling = limits.settling_ratios(crossbar)
    drop = np.asarray(limits.ir_drop(crossbar))  # 2/3 of g * r * n^2

    def column(value: Scalar) -> FloatArray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), n.shape).copy()

    return SizeStudy(
        sizes=n.astype(np.int64),
        device_noise=column(limits.device_noise(crossbar)),
        integrator_noise=column(limits.integrator_noise(crossbar)),
        converter_noise=column(limits.converter_noise(crossbar)),
        read_noise=column(limits.read_noise(crossbar)),
        ir_drop=column(limits.ir_drop(crossbar)),
        ir_drop_farthest=column(limits.ir_drop_farthest(crossbar)),
        ir_drop_nodal=np.array([uniform_drop(float(x)) for x in 1.5 * drop]),
        settling_read=column(settling["forward read"]),
        settling_update=column(settling["update"]),
        far_amplitude=column(limits.far_amplitude(crossbar)),
        far_step=column(limits.far_step(crossbar)),
        read_s=column(read.interval_s),
        update_s=column(update.duration_s),
        mac_energy_j=column(read_j / weights),
        update_energy_j=column(update_j / weights),
        adc_share=column(read.energy_j["adc"] / read_j),
        line_share=column(update.energy_j["update_lines"] / update_j),
        ops_per_s=column(2.0 * weights / read.interval_s),
    )


def pulse_statistics(architecture: Architecture, vectors: float) -> PulseStatistics:
    """Firing of a layer behind a ReLU (unsigned inputs, signed errors) with `vectors` per sample."""
    fires = architecture.update.firing_probability(vectors)
    return PulseStatistics(fires, fires, 1.0, 2.0)


def largest_arrays(architecture: Architecture, bounds: Bounds) -> tuple[LargestArray, ...]:
    """For each limit the largest square array that keeps its bound; all grow with the size."""
    settling = limits.settling_ratios

    def slowest(crossbar: Crossbar, what: str) -> Scalar:
        return settling(crossbar)[what]

    questions: tuple[tuple[str, float, Callable[[Crossbar], Scalar]], ...] = (
        ("read_noise", bounds.read_noise, limits.read_noise),
        ("ir_drop", bounds.ir_drop, limits.ir_drop),
        ("settling_read", bounds.settling, lambda c: slowest(c, "forward read")),
        ("settling_update", bounds.settling, lambda c: slowest(c, "update")),
    )
    sizes = np.arange(1, LARGEST + 1, dtype=np.float64)
    crossbar = of_size(architecture, sizes)
    found = []
    for name, bound, function in questions:
        kept = np.broadcast_to(np.asarray(function(crossbar)) <= bound, sizes.shape)
        size = int(kept.sum()) if kept.all() or not kept[-1] else LARGEST
        found.append(LargestArray(name, bound, None if size == LARGEST else size))
    return tuple(found)


def lifetime(architecture: Architecture, samples: float, vectors: float) -> dict[str, float | None]:
    """How long devices last in training runs of `samples` samples, `vectors` updates in each.

    A device takes `update.pulses_per_sample` pulses per sample, up and down together, as long as
    its lines can fire that often.  `half_selects_per_pulse` are the slots in which it sees a part
    of the voltage, for each wanted pulse.

    An update algorithm that only writes line by line (mixed precision) gives a device its
    `written_pulses_per_sample` instead; how often lines fire then depends on the network, and what
    is stated of it is None.
    """
    operations = structure(architecture)
    if not np.any(operations.per_vector.parallel_updates):
        return _lasts(
            architecture, samples, float(np.asarray(operations.written_pulses_per_sample))
        )
    statistics = pulse_statistics(architecture, vectors)
    fires = float(np.asarray(statistics.probability_x))
    pulses = vectors * float(np.asarray(architecture.update.train_length)) * fires**2
    return _lasts(architecture, samples, pulses) | {
        "firing_probability": fires,
        "half_selects_per_pulse": float(
            np.asarray(limits.half_selects_per_pulse(architecture.crossbar, statistics))
        ),
        "disturb_per_pulse": float(
            np.asarray(limits.disturb_per_pulse(architecture.crossbar, statistics))
        ),
    }


def _lasts(architecture: Architecture, samples: float, pulses: float) -> dict[str, float | None]:
    """The lifetime of devices that take so many pulses per sample, without what lines see of it."""
    endurance = float(np.asarray(architecture.device.endurance_pulses))
    return {
        "samples_per_run": samples,
        "pulses_per_device_per_sample": pulses,
        "firing_probability": None,
        "endurance_pulses": endurance,
        "samples_to_wear_out": endurance / pulses,
        "training_runs": endurance / (pulses * samples),
        "half_selects_per_pulse": None,
        "disturb_per_pulse": None,
    }


def size_rows(study: SizeStudy) -> list[dict[str, float | int]]:
    """One mapping per size, with the names of the fields of `SizeStudy`."""
    names = [field.name for field in fields(study) if field.name != "sizes"]
    return [
        {"size": int(n)} | {name: float(getattr(study, name)[i]) for name in names}
        for i, n in enumerate(study.sizes)
    ]
