"""How fast arrays are updated, beside what matrix products and random numbers alone take.

OPENBLAS_NUM_THREADS=1 python benchmarks/tile_update.py [--runs N] [--only PART]

The floor of a dense update is its three matrix products at the rate of this machine, its bits (one
random byte for each line and slot) and one normal number per device at the rate of numpy's
generator; all are measured in the same run.  The bars are aihwkit 1.2.0 on one thread: updates of
512 x 512 soft-bounds devices with spread, batch 64, and training steps of a 784-256-128-10
perceptron.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from archsim.algorithm import Algorithm, PlainSgd, TikiTakaV2
from archsim.tile_kernel.algorithms import Step, create, learn, read_weights
from archsim.tile_kernel.normal import normals
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.read import read_forward, read_transposed
from archsim.tile_kernel.state import DeviceArray, make_devices
from archsim.tile_kernel.step_law import Bounds, ending_law
from archsim.tile_kernel.trains import Kernel, UpdateParameters, pulse_trains
from archsim.tile_kernel.update import update

SIZE, BATCH, STEP = 512, 64, 0.001
READ = ReadParameters(
    dac=Quantiser.of_bits(1.0, 7),
    adc=Quantiser.of_bits(12.0, 9),
    noise_management="abs_max",
    bound_management="iterative",
    output_noise=0.06,
)
LAYERS = ((784, 256), (256, 128), (128, 10))


@dataclass(frozen=True)
class Case:
    """One update: nominal pulses per device and minibatch, managements, bar."""

    pulses: float
    managed: bool
    kernel: Kernel
    bar_ms: float | None


CASES = (
    Case(100, False, "auto", 71.0 / 6),
    Case(100, False, "pulsed", None),
    Case(128, True, "auto", 319.0),
    Case(12.8, True, "auto", 30.0),
    Case(1.28, True, "auto", 3.9),
    Case(1.28, True, "events", None),
    Case(0.13, True, "auto", 1.85),
    Case(0.13, True, "counts", None),
)


def median_ms(work: Callable[[], object], runs: int) -> float:
    """Median processor time of `runs` runs after two that warm up."""
    for _ in range(2):
        work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def soft_bounds(rows: int, cols: int, rng: np.random.Generator) -> DeviceArray:
    """Soft-bounds devices with 30 % of spread in step and bounds."""
    shape = (1, rows, cols)

    def spread(mean: float, deviation: float) -> Any:
        drawn = rng.standard_normal(shape, dtype=np.float32)
        return np.abs(np.float32(mean) * (1 + np.float32(deviation) * drawn))

    up, upper, lower = spread(STEP, 0.3), spread(0.6, 0.3), spread(0.6, 0.3)
    down = up * spread(1.0, 0.01)
    law = ending_law(up, down, Bounds(-lower, upper))
    return make_devices(shape, law, (-lower, upper), STEP, cycle_noise=0.3)


def inputs() -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (BATCH, SIZE)).astype(np.float32)
    return x, (0.1 * rng.standard_normal((BATCH, SIZE))).astype(np.float32)


def rates(runs: int) -> dict[str, float]:
    """Matrix product in GFLOP/s, and random numbers in millions per second."""
    rng = np.random.Generator(np.random.SFC64(1))
    a = rng.random((SIZE, SIZE), dtype=np.float32)
    thin = rng.random((SIZE, BATCH), dtype=np.float32)
    out, wide = np.empty_like(a), thin.T.copy()
    numbers = np.empty(32768, dtype=np.float32)
    fill = 2**64 - 1
    return {
        "sgemm 512^3, GFLOP/s": 2e-6 * SIZE**3 / median_ms(lambda: a @ a, runs),
        "sgemm inner 64, GFLOP/s": 2e-6
        * SIZE**2
        * BATCH
        / median_ms(lambda: np.matmul(thin, wide, out=out), runs),
        "normal numbers (numpy), 1e6/s": numbers.size
        / 1e3
        / median_ms(lambda: rng.standard_normal(out=numbers, dtype=np.float32), runs),
        "normal numbers (ours), 1e6/s": numbers.size
        / 1e3
        / median_ms(lambda: normals(rng, numbers.size), runs),
        "random bytes, 1e6/s": 8
        * 16384
        / 1e3
        / median_ms(
            lambda: rng.integers(0, fill, size=16384, dtype=np.uint64, endpoint=True), runs
        ),
    }


def floor_ms(slots: int, rate: dict[str, float]) -> float:
    """Three products of inner dimension 64, bits of all lines, a normal number per device."""
    products = 3 * 2e-6 * SIZE**2 * BATCH / rate["sgemm inner 64, GFLOP/s"]
    bits = 2 * BATCH * slots * SIZE / rate["random bytes, 1e6/s"] / 1e3
    noise = SIZE**2 / rate["normal numbers (numpy), 1e6/s"] / 1e3
    return products + bits + noise


def updates(runs: int) -> None:
    rate = rates(runs)
    for name, value in rate.items():
        print(f"{name:32} {value:8.0f}")
    rng = np.random.Generator(np.random.SFC64(3))
    devices = soft_bounds(SIZE, SIZE, rng)
    x, error = inputs()
    mean = float(np.mean(np.abs(x).T @ np.abs(error)))
    print(f"{'update of 512 x 512, batch 64':40} {'ms':>7} {'bar':>7} {'over dense floor':>17}")
    for case in CASES:
        learning_rate = case.pulses * STEP / mean
        parameters = UpdateParameters(31, case.managed, case.managed, kernel=case.kernel)
        trains = pulse_trains(devices, x, error, learning_rate, parameters)

        def work(learning_rate: float = learning_rate, parameters: Any = parameters) -> object:
            return update(devices, x, error, learning_rate, parameters, rng)

        took = median_ms(work, runs)
        bar = f"{case.bar_ms:7.2f}" if case.bar_ms else " " * 7
        over = took / floor_ms(trains.tiles[0].slots, rate)
        label = f"{case.pulses:g} pulses per device, {case.kernel}"
        print(f"{label:40} {took:7.2f} {bar} {over:17.2f}")


def training_step(algorithm: Algorithm, parameters: UpdateParameters, runs: int) -> float:
    """Processor time of one step of the perceptron: reads, activations, updates."""
    rng = np.random.Generator(np.random.SFC64(5))
    states = []
    for rows, cols in LAYERS:
        states.append(create(algorithm, lambda r=rows, c=cols: soft_bounds(r, c, rng)))
    data = np.random.default_rng(2)
    x = np.abs(data.standard_normal((BATCH, LAYERS[0][0]))).astype(np.float32)
    labels = data.integers(0, 10, BATCH)

    def step() -> None:
        values = [x]
        for index, state in enumerate(states):
            y = read_forward(read_weights(algorithm, state)[0], values[-1], READ, rng).y
            values.append(np.tanh(y) if index < len(states) - 1 else y)
        odds = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True)
        error[np.arange(BATCH), labels] -= 1
        error = (error / BATCH).astype(np.float32)
        for index in reversed(range(len(states))):
            weights = read_weights(algorithm, states[index])[0]
            below = read_transposed(weights, error, READ, rng).y if index else error
            learn(algorithm, states[index], Step(values[index], error, 0.1, parameters, rng, READ))
            if index:
                error = below * (1 - values[index] ** 2)

    return median_ms(step, runs)


def steps(runs: int) -> None:
    print(f"{'step of 784-256-128-10, batch 64':40} {'ms':>7} {'bar':>7}")
    plain = training_step(PlainSgd(kind="sgd"), UpdateParameters(31), runs)
    print(f"{'plain SGD':40} {plain:7.2f} {8.0:7.2f}")
    second = TikiTakaV2(kind="tiki_taka_v2")
    took = training_step(second, UpdateParameters(100), runs)
    print(f"{'Tiki-Taka v2, train length 100':40} {took:7.2f} {25.0:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--only", choices=["updates", "steps"])
    arguments = parser.parse_args()
    if arguments.only != "steps":
        updates(arguments.runs)
    if arguments.only != "updates":
        steps(arguments.runs)


if __name__ == "__main__":
    main()
