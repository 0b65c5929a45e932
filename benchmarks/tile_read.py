"""How fast arrays are read, beside what matrix products and random numbers alone take.

OPENBLAS_NUM_THREADS=1 python benchmarks/tile_read.py [--runs N]

The floor of a read is its matrix product and its normal variates at the rates of this machine, which
are measured in the same run; both are counted once, also where bound management reads again.  The bar
is the read of aihwkit 1.2.0: 5.6 ms for 512 x 512 with noise, batch 256, one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.placement import Direction
from archsim.resources import data_folder
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.ir_drop import IrDrop, wire_losses
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.read import (
    ReadOutput,
    read_forward,
    read_tiles,
    read_transposed,
    seen_by_read,
)

BAR_MS = 5.6
TYPICAL = ReadParameters(
    dac=Quantiser.of_bits(1.0, 7),
    adc=Quantiser.of_bits(12.0, 9),
    noise_management="abs_max",
    bound_management="iterative",
    output_noise=0.06,
)


@dataclass(frozen=True)
class Case:
    """One read: batch x rows through tiles of rows x cols, weights up to `weight`.

    `kept`: losses of the wires are computed before, and weights as seen through them are not.
    """

    name: str
    batch: int
    rows: int
    cols: int
    parameters: ReadParameters
    tiles: int = 1
    weight: float = 0.3
    transposed: bool = False
    kept: bool = False


def median_ms(work: Callable[[], object], runs: int) -> float:
    """Median processor time of `runs` runs after one that warms up."""
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def cases() -> list[Case]:
    chip = load("protonic_256", Architecture, data_folder("arch_configs")).value
    protonic = ReadParameters.from_architecture(chip)
    noisy_weights = replace(TYPICAL, weight_noise=0.02)
    wires = replace(TYPICAL, ir_drop=IrDrop(1.5e-7, 1.5e-7, 0.46))
    return [
        Case("512 x 512, batch 256", 256, 512, 512, TYPICAL),
        Case("the same, transposed", 256, 512, 512, TYPICAL, transposed=True),
        Case("the same, weights of up to 3", 256, 512, 512, TYPICAL, weight=3.0),
        Case("the same, noisy weights", 256, 512, 512, noisy_weights),
        Case("the same, wire resistance", 256, 512, 512, wires),
        Case("the same, losses of wires kept", 256, 512, 512, wires, kept=True),
        Case("one vector", 1, 512, 512, TYPICAL),
        Case("784 x 256, batch 64", 64, 784, 256, TYPICAL),
        Case("24 tiles of protonic_256, batch 64", 64, 256, 128, protonic, tiles=24),
        Case("64 x 64, 4096 vectors", 4096, 64, 64, TYPICAL),
    ]


_READS = {False: read_forward, True: read_transposed}


def read_kept(w: F32, case: Case) -> Callable[..., ReadOutput]:
    """A forward read of weights that have moved little since the wires were looked at."""
    assert case.parameters.ir_drop is not None
    losses = wire_losses(w, case.parameters.ir_drop)

    def read(
        weights: F32, x: F32, parameters: ReadParameters, rng: np.random.Generator
    ) -> ReadOutput:
        seen = seen_by_read(weights, parameters, Direction.FORWARD, losses)
        return read_tiles(seen, np.ascontiguousarray(x.swapaxes(0, 1)), parameters, rng)

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    runs = parser.parse_args().runs
    rng = np.random.Generator(np.random.SFC64(1))
    square = rng.standard_normal((512, 512), dtype=np.float32)
    product_ms = median_ms(lambda: square @ square, runs)
    flop_per_ms = 2 * 512**3 / product_ms
    normal_ms = median_ms(lambda: rng.standard_normal(1 << 17, dtype=np.float32), runs)
    normals_per_ms = (1 << 17) / normal_ms
    print(f"sgemm, 512^3: {flop_per_ms / 1e6:.0f} GFLOP/s")
    print(f"float32 normals: {normals_per_ms / 1e3:.0f} million per second")
    print(f"{'read':36} {'ms':>8} {'floor':>8} {'ratio':>6} {'reads':>6} {'Mnumbers/s':>11}")
    for case in cases():
        shape = (case.tiles, case.rows, case.cols)
        w = rng.uniform(-case.weight, case.weight, shape).astype(np.float32)
        lines = case.cols if case.transposed else case.rows
        x = rng.uniform(-1, 1, (case.batch, case.tiles, lines)).astype(np.float32)
        read = read_kept(w, case) if case.kept else _READS[case.transposed]
        taken = median_ms(lambda: read(w, x, case.parameters, rng), runs)  # noqa: B023
        repeats = read(w, x, case.parameters, rng).repeats.mean()
        outputs = case.batch * case.tiles * (case.rows if case.transposed else case.cols)
        floor = 2 * outputs * lines / flop_per_ms + outputs / normals_per_ms
        print(
            f"{case.name:36} {taken:8.2f} {floor:8.2f} {taken / floor:6.2f} {repeats:6.2f} "
            f"{outputs / taken / 1e3:11.1f}"
        )
    print(f"bar for the first: {BAR_MS} ms")


if __name__ == "__main__":
    main()
