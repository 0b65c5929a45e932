"""How long a training step of a perceptron takes on the arrays of shipped architectures.

OPENBLAS_NUM_THREADS=1 python benchmarks/tile_matrix.py [--runs N]

Forward and backward reads and updates of a 784-256-128-10 perceptron through `AnalogMatrix`, with
wires, noise and half-select disturb as the architecture has them, a tenth of spread between devices
and 30 % of noise per pulse: processor time of one step, one thread, by algorithm and batch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.hardware.spread import Spread
from archsim.resources import data_folder
from archsim.tile_kernel.analog_matrix import AnalogMatrix
from benchmarks.tile_update import LAYERS, median_ms

ASSUMED = Spread(
    step_devices=0.1,
    bounds_devices=0.1,
    asymmetry_devices=0.02,
    bounds_cycles=0,
    step_cycles=0.3,
    write_noise=0,
)
RATE = 0.05


def matrices(architecture: Architecture) -> list[AnalogMatrix]:
    """The weight matrices of the perceptron, each with a generator of its own."""
    drawn = np.random.default_rng(0)
    return [
        AnalogMatrix.from_architecture(
            architecture,
            drawn.uniform(-0.05, 0.05, layer),
            np.random.Generator(np.random.SFC64(seed)),
            unknown=ASSUMED,
        )
        for seed, layer in enumerate(LAYERS)
    ]


def training_step(layers: list[AnalogMatrix], batch: int) -> Callable[[], None]:
    """One step on random images with random labels; tanh between layers, softmax at the end."""
    drawn = np.random.default_rng(1)
    x = np.abs(drawn.standard_normal((batch, LAYERS[0][0]))).astype(np.float32)
    labels = drawn.integers(0, LAYERS[-1][1], batch)
    last = len(layers) - 1

    def step() -> None:
        values = [x]
        for index, layer in enumerate(layers):
            y = layer.forward(values[-1])
            values.append(np.tanh(y) if index < last else y)
        odds = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True)
        error[np.arange(batch), labels] -= 1
        error = (error / batch).astype(np.float32)
        for index in reversed(range(len(layers))):
            below = layers[index].backward(error) if index else error
            layers[index].update(values[index], error, RATE)
            layers[index].end_of_minibatch()
            if index:
                error = below * (1 - values[index] ** 2)

    return step


def main() -> None:
    """Print one line per architecture, algorithm and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(f"{'step of 784-256-128-10':44} {'ms':>7}  pulses per device and step, by layer")
    for name, kinds in (
        ("protonic_256", ("sgd", "tiki_taka_v2", "chopped_tiki_taka_v2", "agad")),
        ("rpu_4096", ("sgd",)),
    ):
        loaded = load(name, Architecture, data_folder("arch_configs"))
        for kind in kinds:
            architecture = override(loaded, {"algorithm": {"kind": kind}}).value
            for batch in (1, 64):
                layers = matrices(architecture)
                took = median_ms(training_step(layers, batch), runs)
                pulses = [f"{batch * layer.totals.pulses_per_vector:.2f}" for layer in layers]
                print(f"{f'{name}, {kind}, batch {batch}':44} {took:7.2f}  {' '.join(pulses)}")


if __name__ == "__main__":
    main()
