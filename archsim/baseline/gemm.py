"""Time of dense matrix products on a GPU, with tile and wave quantisation.

A product [m, k] x [k, n] is cut into output tiles; one multiprocessor works on one tile at a time,
so `tiles` take `ceil(tiles / sms)` waves of the time of a full tile, padding included.  Where the
output has few tiles, the reduction is split (split-K) so that the waves fill, and the partial sums
are written and read once more.  The library is taken to choose the fastest shape and split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.baseline.gpu_spec import GpuSpec
from archsim.fields import FloatArray, Scalar

# Threadblock tiles that matrix libraries for tensor cores offer (rows, columns).
TILE_SHAPES: tuple[tuple[int, int], ...] = (
    (256, 128),
    (128, 256),
    (128, 128),
    (128, 64),
    (64, 128),
    (64, 64),
    (64, 32),
    (32, 64),
)
TILE_DEPTH = 32
SPLITS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
PARTIAL_SUM_BITS = 32

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class GemmRows:
    """`count` equal products [m, k] x [k, n], `repeats` times in sequence; arrays of shape [G].

    The dimension named by the `scales_*` flags (count, m or k) is that of one sample and grows
    with the batch; `grouped` marks the blocks of a grouped convolution.
    """

    count: FloatArray
    m: FloatArray
    n: FloatArray
    k: FloatArray
    repeats: FloatArray
    scales_count: BoolArray
    scales_m: BoolArray
    scales_k: BoolArray
    grouped: BoolArray

    def at_batch(self, batch: Scalar) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """count, m, n, k at `batch` (a number or [C, 1]), each broadcastable to [C, G]."""
        count = np.where(self.scales_count, self.count * batch, self.count)
        m = np.where(self.scales_m, self.m * batch, self.m)
        k = np.where(self.scales_k, self.k * batch, self.k)
        return count, m, self.n, k


@dataclass(frozen=True, slots=True, eq=False)
class GemmTime:
    """Per row, shape [..., G]: elapsed time, and how long all multiprocessors would be busy."""

    elapsed_s: FloatArray
    busy_s: FloatArray


def gemm_time(rows: GemmRows, gpu: GpuSpec, batch: Scalar, peak_flop_per_s: Scalar) -> GemmTime:
    """Fastest time of each row over tile shapes and splits, or on vector units if grouped.

    `batch` and the numbers of `gpu` are scalars or [C, 1]; the result is [G] or [C, G].
    elapsed >= 2 * count * m * n * k * repeats / peak, for any efficiency <= 1.
    """
    count, m, n, k = rows.at_batch(batch)
    bandwidth = gpu.memory_bandwidth_bit_per_s * gpu.stack.bandwidth_efficiency
    best = np.full(np.broadcast_shapes(count.shape, m.shape, k.shape), np.inf)
    busy = np.zeros_like(best)
    for tile_m, tile_n in TILE_SHAPES:
        outputs = count * np.ceil(m / tile_m) * np.ceil(n / tile_n)
        reuse = tile_m * tile_n / (tile_m + tile_n)
        efficiency = gpu.stack.gemm_efficiency * reuse / (reuse + gpu.stack.tile_half_reuse)
        step_s = 2.0 * tile_m * tile_n * TILE_DEPTH * gpu.sms / (peak_flop_per_s * efficiency)
        for split in SPLITS:
            tile_s = step_s * np.ceil(k / (split * TILE_DEPTH))
            tiles = outputs * split
            partial_bits = 2.0 * split * count * m * n * PARTIAL_SUM_BITS if split > 1 else 0.0
            elapsed = np.ceil(tiles / gpu.sms) * tile_s + partial_bits / bandwidth
            faster = elapsed < best
            busy = np.where(faster, tiles / gpu.sms * tile_s, busy)
            best = np.where(faster, elapsed, best)
    direct = _vector_unit_time(count * m * n * k, gpu)
    use_direct = rows.grouped & (direct < best)
    best = np.where(use_direct, direct, best)
    busy = np.where(use_direct, direct, busy)
    return GemmTime(best * rows.repeats, busy * rows.repeats)


def _vector_unit_time(macs: FloatArray, gpu: GpuSpec) -> FloatArray:
    rate = gpu.peak.fp32_flop_per_s * gpu.stack.grouped_compute_efficiency
    return np.asarray(2.0 * macs / rate)
