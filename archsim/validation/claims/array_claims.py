"""Claims about arrays and chips: time of a product, and the RPU projection."""

from __future__ import annotations

import math

from archsim.baseline.numerics import Precision
from archsim.hardware.crossbar import Direction, Placement
from archsim.hardware.limits import device_noise, ir_drop, settling_ratios
from archsim.units import format_quantity
from archsim.validation.claims.array_limits import largest, of_size
from archsim.validation.claims.claim import COMPUTED, Claim, Figure, Verdict, verdict
from archsim.validation.claims.network_step import network_step
from archsim.validation.claims.yardsticks import YARDSTICKS, Court
from archsim.validation.configurations.priced_architecture import PricedArchitecture
from archsim.validation.estimate import Estimate

_SIZES = (64, 1024, 4096)


def constant_time(court: Court) -> Claim:
    """The time of a matrix product does not depend on the matrix."""
    y, chip = court.yardsticks, court.chip
    times = {size: _product_s(court, size) for size in _SIZES}
    settled = largest(chip, lambda x: float(settling_ratios(x)["forward read"]), y.settling_bound)
    dropped = largest(chip, lambda x: float(ir_drop(x)), y.ir_drop_bound)
    noisy = largest(chip, lambda x: float(device_noise(x)), y.noise_bound)
    same = max(times.values()) <= min(times.values()) * 1.001
    limits = (settled, dropped, noisy)
    unbounded = all(limit >= _SIZES[-1] for limit in limits)
    return Claim(
        "constant_time",
        "The time of a matrix-vector product does not depend on the size of the matrix.",
        (Verdict.HOLDS if unbounded else Verdict.CONDITIONS) if same else Verdict.FAILS,
        "Read out in parallel with converters in proportion to the columns, it does, inside one "
        f"array. How large that may be is physics: IR drop reaches {100 * y.ir_drop_bound:.0f} % at "
        f"{dropped:,} cells, lines stop settling at {settled:,}, and at the published read voltage "
        f"thermal noise passes {y.noise_bound:g} at {noisy} rows. Larger matrices take several "
        "arrays whose partial sums are added digitally.",
        (
            *(Figure(f"product, {n} x {n} array", t, "s", COMPUTED) for n, t in times.items()),
            Figure("largest array, IR drop", dropped, "", COMPUTED),
            Figure("largest array, lines settle", settled, "", COMPUTED),
            Figure("largest array, thermal noise", noisy, "", COMPUTED),
        ),
    )


def rpu_acceleration(court: Court) -> Claim:
    """30,000 times faster than the machines of the time."""
    y = court.yardsticks
    chip = float(court.projection.arrays_available)
    rate = _projected(court, "training.throughput")
    amp = float(court.gpu.peak_flop_per_s(Precision.AMP))
    fp32 = float(court.gpu.peak_flop_per_s(Precision.FP32))
    ratios = (rate / amp, rate / fp32)
    step = network_step(y.workload, court.projection, court.gpu, y.batch)
    whole = step.gpu_s / step.chip_s
    equal_gpu = rate / y.acceleration
    pace = f"{whole:,.1f} times faster" if whole > 1 else f"{1 / whole:,.1f} times slower"
    return Claim(
        "rpu_acceleration",
        f"An RPU chip trains {y.acceleration:,.0f} times faster than CPUs and GPUs.",
        verdict([ratio >= y.acceleration for ratio in (*ratios, whole)]),
        f"All {chip:.0f} arrays busy all the time with dense products make "
        f"{format_quantity(rate, 'OPS')}, {ratios[0]:.0f} times the peak of a {court.gpu.name} in "
        f"mixed precision and {ratios[1]:,.0f} times that in float32; {y.acceleration:,.0f} times "
        f"means a rival of {equal_gpu / 1e12:.1f} TFLOP/s. A training step of {y.workload} at batch "
        f"{y.batch}, whose small layers fill few arrays and wait for each other, is {pace} than on "
        "that GPU.",
        (
            Figure("training throughput at full load", rate, "OPS", court.projection.name),
            Figure("against mixed-precision peak", ratios[0], "", court.gpu.name),
            Figure("against float32 peak", ratios[1], "", court.gpu.name),
            Figure(f"against a step of {y.workload}", whole, "", court.gpu.name),
            Figure("rate that the claim implies for its rival", equal_gpu, "OPS", COMPUTED),
            Figure("claimed ratio", y.acceleration, "", YARDSTICKS),
        ),
    )


def rpu_efficiency(court: Court) -> Claim:
    """84 TOPS/W."""
    y, array = court.yardsticks, court.projection.array
    peak = _projected(court, "training.efficiency")
    bare = _projected(court, "array.efficiency")
    layer = (y.layer_inputs, y.layer_outputs)
    small = _projected(court, "training.efficiency", layer)
    fill = layer[0] * layer[1] / (float(array.rows) * float(array.weight_columns))
    return Claim(
        "rpu_efficiency",
        f"An RPU chip makes {y.efficiency / 1e12:.0f} TOPS/W.",
        verdict([peak >= y.efficiency, small >= y.efficiency]),
        f"With full arrays archsim estimates {peak / 1e12:.0f} TOPS/W for a training step with "
        f"buffers, mesh and static power. A layer of {layer[0]:.0f} x {layer[1]:.0f} fills "
        f"{100 * fill:.1f} % of an array and is left with {small / 1e12:.1f} TOPS/W.",
        (
            Figure("training, full arrays, whole chip", peak, "OPS/W", court.projection.name),
            Figure("forward, array and periphery alone", bare, "OPS/W", court.projection.name),
            Figure("training, small layer", small, "OPS/W", court.projection.name),
            Figure("claimed", y.efficiency, "OPS/W", YARDSTICKS),
        ),
    )


def _product_s(court: Court, size: int) -> float:
    crossbar = of_size(court.chip, size)
    place = Placement(float(size), float(crossbar.array.weight_columns), 1.0, 1.0, 1.0, 1.0)
    return float(crossbar.read_cost(place, Direction.FORWARD).interval_s)


def _projected(court: Court, quantity: str, layer: tuple[float, float] | None = None) -> float:
    """A figure of the projected chip, every array busy, one coincidence per device and update."""
    projection = court.projection
    slots = float(projection.update.train_length)
    configuration = PricedArchitecture(
        kind="architecture",
        architecture=projection,
        arrays=float(projection.arrays_available),
        pulse_probability=1.0 / math.sqrt(slots),
        layer_inputs=None if layer is None else layer[0],
        layer_outputs=None if layer is None else layer[1],
    )
    outcome = configuration.estimates()[quantity]
    assert isinstance(outcome, Estimate)
    return outcome.value()
