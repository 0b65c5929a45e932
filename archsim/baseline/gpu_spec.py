"""A GPU: what its data sheet says, and how well a training stack uses it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from archsim.baseline.numerics import Precision
from archsim.errors import InputError
from archsim.fields import Component, Quantity, Scalar

_Rate = Quantity("FLOP/s", above=0, maximum=1e18)
_Fraction = Quantity(above=0, maximum=1)
_Share = Quantity(minimum=0, maximum=1)


class PeakRates(Component):
    """Dense peak rates, one multiply-accumulate being two operations.

    `fp32_flop_per_s` is the rate of the vector units and also serves digital work in every
    precision.  `tf32_flop_per_s` is None where the GPU has no such mode.  `amp_flop_per_s` is
    that of fp16 or bf16 products accumulated in float32.
    """

    fp32_flop_per_s: Annotated[Scalar, _Rate]
    tf32_flop_per_s: Annotated[Scalar, _Rate] | None = None
    amp_flop_per_s: Annotated[Scalar, _Rate]


class TrainingStack(Component):
    """How well libraries and framework use a GPU; what published throughputs would calibrate.

    Rates that the kernels reach are `gemm_efficiency` (of peak, for tiles with much reuse) times
    h / (h + `tile_half_reuse`), where h = rows * columns / (rows + columns) of a tile counts the
    multiply-accumulates per operand element fetched, and `bandwidth_efficiency` of the memory's
    bandwidth.  Grouped convolutions outside tensor cores reach `grouped_compute_efficiency` of the
    vector peak and `grouped_bandwidth_efficiency` of the memory's bandwidth.  The second-level
    cache is `l2_bandwidth_ratio` times as fast as the memory, and `l2_share` of it keeps a tensor
    for the next kernel.  The host issues a kernel every `launch_s` at best, and a kernel takes `ramp_s` to start on
    all multiprocessors and to drain.  A transcendental function takes `special_function_ops` vector operations.  `fusion` merges element-wise chains
    into the kernel that feeds them, `attention` fuses softmax(Q K^T) V.
    `usable_memory` is the fraction of capacity that tensors can have (the rest is the context and
    fragmentation), `workspace_bit` what libraries take of it.
    """

    gemm_efficiency: Annotated[Scalar, _Fraction]
    tile_half_reuse: Annotated[Scalar, Quantity(minimum=0, maximum=1000)]
    bandwidth_efficiency: Annotated[Scalar, _Fraction]
    grouped_compute_efficiency: Annotated[Scalar, _Fraction]
    grouped_bandwidth_efficiency: Annotated[Scalar, _Fraction]
    l2_bandwidth_ratio: Annotated[Scalar, Quantity(minimum=1, maximum=100)]
    l2_share: Annotated[Scalar, _Share]
    launch_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1.0)]
    ramp_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1.0)]
    special_function_ops: Annotated[Scalar, Quantity(minimum=1, maximum=1000)]
    usable_memory: Annotated[Scalar, _Fraction]
    workspace_bit: Annotated[Scalar, Quantity("bit", minimum=0)]
    fusion: bool = True
    attention: Literal["fused", "unfused"] = "fused"


class PowerModel(Component):
    """What a GPU draws: `idle_w`, and shares of the span up to the limit for what is busy.

    A running kernel takes `active_share` of (limit - idle), fully busy arithmetic
    `compute_share`, a fully busy memory `memory_share`; the sum is capped at the limit.
    """

    idle_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1e4)]
    limit_w: Annotated[Scalar, Quantity("W", above=0, maximum=1e4)]
    active_share: Annotated[Scalar, _Share]
    compute_share: Annotated[Scalar, _Share]
    memory_share: Annotated[Scalar, _Share]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.idle_w >= self.limit_w:
            raise ValueError("idle must be below limit, the power that the GPU never exceeds")
        return self


class GpuSpec(Component):
    """One GPU and the software stack that drives it.

    `sms` is the number of streaming multiprocessors; `calibrated` says whether `stack` was fitted
    to published training throughputs.
    """

    name: str
    description: str = ""
    sms: Annotated[Scalar, Quantity(minimum=1, maximum=10_000, integer=True)]
    memory_bit: Annotated[Scalar, Quantity("bit", above=0)]
    memory_bandwidth_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    l2_bit: Annotated[Scalar, Quantity("bit", minimum=0)]
    peak: PeakRates
    power: PowerModel
    stack: TrainingStack
    default_precision: Precision = Precision.AMP
    calibrated: bool = False

    @property
    def usable_bit(self) -> Scalar:
        """Memory that weights, optimizer state and activations can have, in bits."""
        return self.memory_bit * self.stack.usable_memory - self.stack.workspace_bit

    def peak_flop_per_s(self, precision: Precision) -> Scalar:
        """Dense peak of matrix products in `precision`; `InputError` if the GPU lacks it."""
        peaks: dict[Precision, Scalar | None] = {
            Precision.FP32: self.peak.fp32_flop_per_s,
            Precision.TF32: self.peak.tf32_flop_per_s,
            Precision.AMP: self.peak.amp_flop_per_s,
        }
        rate = peaks[precision]
        if rate is None:
            has = ", ".join(p.value for p, value in peaks.items() if value is not None)
            raise InputError(
                f"{self.name} has no {precision.value} mode.", remedy=f"It has: {has}."
            )
        return rate
