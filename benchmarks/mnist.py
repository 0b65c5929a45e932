"""MNIST on resistive devices: the published setting, convolutions with and without management,
protonic devices under several update algorithms.

OPENBLAS_NUM_THREADS=1 python benchmarks/mnist.py [--data FOLDER] [--case NAME] [--only ROW] [--seeds N]
    [--first-seed N] [--epochs N] [--train N] [--rate R] [--out FILE.csv]

FOLDER holds the four files of MNIST.  Every row is one training of every seed in float32 and on the
tiles; with --out each curve is appended to a CSV file as it is done.  `--train` takes the first so
many images: the tables say what was run.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnx

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.cotraining.activity import measured_settings, together
from archsim.cotraining.gap import mean_of
from archsim.cotraining.outcome import measured
from archsim.cotraining.plan import Plan, make_plan
from archsim.cotraining.recipe import Recipe
from archsim.cotraining.session import Run, carry_out
from archsim.resources import data_folder
from archsim.result.limits import limit_rows
from archsim.result.proxies import proxies_section
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.trains import UpdateParameters
from archsim.workload.builders.layers import conv, gemm
from archsim.workload.builders.mlp import mlp
from archsim.workload.builders.writer import GraphWriter
from archsim.workload.executable import executable
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TrainingOptions, training_graph

# The device of Gokmen and Vlasov (2016): steps of 0.001, weights up to 0.6.
SCALE = 0.6
RPU_DEVICE = {
    "device.response": {"kind": "constant", "step_up": 0.001 / SCALE, "step_down": 0.001 / SCALE},
    "device.spread.asymmetry_devices": 0.02,
    "device.spread.write_noise": 0,
    "update.train_length": 10,
}


@dataclass(frozen=True)
class Row:
    """One line of a table: network, hardware, recipe."""

    network: Callable[[], onnx.ModelProto]
    base: str
    settings: Mapping[str, Any]
    recipe: Mapping[str, Any]
    parameters: MatrixParameters | None = field(default=None, repr=False)


def perceptron(activation: str) -> Callable[[], onnx.ModelProto]:
    """784-256-128-10."""
    return lambda: mlp("mlp", widths=(784, 256, 128, 10), activation=activation)  # type: ignore[arg-type]


def digits_perceptron() -> onnx.ModelProto:
    """64-128-64-10."""
    return mlp("mlp_digits", widths=(64, 128, 64, 10), activation="tanh")


def published_lenet() -> onnx.ModelProto:
    """Two convolutions of 5 x 5 to 16 and 32 maps, each pooled, then 512-128-10; tanh."""
    g = GraphWriter("lenet_rpu")
    x = g.input("x", ["batch", 1, 28, 28])
    for index, channels in enumerate(((1, 16), (16, 32)), start=1):
        x = conv(g, x, f"conv{index}", channels, 5, bias=True)
        x = g.node("Tanh", [x], f"act{index}")
        x = g.node("MaxPool", [x], f"pool{index}", kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Flatten", [x], "flatten", axis=1)
    x = g.node("Tanh", [gemm(g, x, "fc1", 512, 128)], "act3")
    g.output("logits", gemm(g, x, "fc2", 128, 10), ["batch", 10])
    return g.model()


def rpu_parameters(*, managed: bool) -> MatrixParameters:
    """Converters of 7 and 9 bits, bound 12, noise 0.06, trains of 10; in units of device weights.

    The vectors of one image (one of a perceptron, hundreds of a convolution) are one update.
    """
    read = ReadParameters(
        dac=Quantiser.of_bits(1.0, 7),
        adc=Quantiser.of_bits(12.0 / SCALE, 9),
        noise_management="abs_max" if managed else "none",
        bound_management="iterative" if managed else "none",
        output_noise=0.06 / SCALE,
    )
    update = UpdateParameters(
        train_length=10, update_management=managed, length_management=False, merge="minibatch"
    )
    return MatrixParameters(read, read, read, update, SCALE)


DIGITS_RECIPE = {
    "data": "digits",
    "batch": 10,
    "epochs": 20,
    "seeds": 3,
    "initial": "uniform",
    "learning_rate": {"kind": "constant", "rate": 0.1},
}
RPU_RECIPE = {
    "batch": 1,
    "epochs": 30,
    "initial": "uniform",
    "learning_rate": {"kind": "steps", "rates": [0.01, 0.005, 0.0025], "epochs_each": 10},
}
PROTONIC_RECIPE = {
    "batch": 64,
    "epochs": 9,
    "initial": "fresh",
    "learning_rate": {"kind": "steps", "rates": [0.5, 0.2, 0.05], "epochs_each": 3},
    "targets": [0.97, 0.98],
}
# Transistors in the cells, which stand the programming voltage: nothing is half-selected.
ACCESS = {
    "array.access": {"extends": "access/transistor_10v"},
    "array.line_map.gate": "column",
    "array.line_map.floating_in_update": "none",
    "update.select": "access_transistor",
}
# Reads with little noise and updates without disturb: what the device then does itself.
QUIET = {"read.voltage": "1 V", **ACCESS}
# The same device with equal steps up and down.
SYMMETRIC = {
    "device.response": {"kind": "constant", "step_up": 0.0025, "step_down": 0.0025},
    "device.conductance_reference": "122.5 nS",
}
# Bounds that do not wander from cycle to cycle.
STEADY = {"device.spread.bounds_cycles": 0}
# C is not written in the first period of a chopper, 200 passes over all lines as shipped.  Here it
# is 20, and means forget as much per pass as they do there.
SHORT_AGAD = {"kind": "agad", "chop_probability": 0.05, "tail_weighting": 5}


def cases() -> dict[str, dict[str, Row]]:
    """All rows by case."""
    sigmoid, relu = perceptron("sigmoid"), perceptron("relu")
    rpu = {
        "managed": Row(sigmoid, "rpu_4096", RPU_DEVICE, RPU_RECIPE, rpu_parameters(managed=True)),
        "naive": Row(sigmoid, "rpu_4096", RPU_DEVICE, RPU_RECIPE, rpu_parameters(managed=False)),
    }
    constant = {"learning_rate": {"kind": "constant", "rate": 0.01}}
    lenet = {
        name: replace(row, network=published_lenet, recipe={**RPU_RECIPE, **constant})
        for name, row in rpu.items()
    }

    def protonic(settings: Mapping[str, Any]) -> Row:
        return Row(relu, "protonic_256", settings, PROTONIC_RECIPE)

    algorithms = {
        "as shipped": protonic({}),
        "sgd": protonic(QUIET),
        "symmetric": protonic({**QUIET, **SYMMETRIC}),
        "tiki_taka_v2": protonic({**QUIET, "algorithm": {"kind": "tiki_taka_v2"}}),
        "chopped": protonic({**QUIET, "algorithm": {"kind": "chopped_tiki_taka_v2"}}),
        "agad": protonic({**QUIET, "algorithm": {"kind": "agad"}}),
        "agad, short periods": protonic({**QUIET, "algorithm": SHORT_AGAD}),
        "tiki_taka_v2, steady bounds": protonic(
            {**QUIET, **STEADY, "algorithm": {"kind": "tiki_taka_v2"}}
        ),
    }
    digits = {
        name: Row(digits_perceptron, "protonic_256", settings, DIGITS_RECIPE)
        for name, settings in {
            "as shipped": {},
            "1 V": {"read.voltage": "1 V"},
            "access": ACCESS,
            "access, 1 V": QUIET,
            "access, 1 V, symmetric": {**QUIET, **SYMMETRIC},
            "access, 1 V, tiki_taka_v2": {**QUIET, "algorithm": {"kind": "tiki_taka_v2"}},
            "access, 1 V, chopped": {**QUIET, "algorithm": {"kind": "chopped_tiki_taka_v2"}},
            "access, 1 V, agad": {**QUIET, "algorithm": {"kind": "agad"}},
            "as shipped, tiki_taka_v2": {"algorithm": {"kind": "tiki_taka_v2"}},
        }.items()
    }
    return {"digits": digits, "rpu": rpu, "lenet": lenet, "protonic": algorithms}


def plan_of(row: Row, options: argparse.Namespace) -> tuple[Plan, Loaded[Architecture]]:
    """The row as a plan, on the architecture as the row changes it."""
    base = load(row.base, Architecture, data_folder("arch_configs"))
    hardware = {
        key if key.partition(".")[0] not in ("response", "spread") else f"device.{key}": value
        for key, value in row.settings.items()
    }
    loaded = override(base, hardware)
    given: dict[str, Any] = {
        "data": options.data,
        "seeds": options.seeds,
        "first_seed": options.first_seed,
        "epochs": options.epochs,
        "train_samples": options.train,
    }
    if options.rate is not None:
        given["learning_rate"] = {"kind": "constant", "rate": options.rate}
    asked = {**row.recipe, **{key: value for key, value in given.items() if value is not None}}
    graph = executable(row.network())
    recipe = Recipe.model_validate(asked)
    identity = {"row": repr(sorted(row.settings.items()))}
    on_tiles = frozenset(graph.matrices)
    return make_plan(graph, recipe, loaded.value, on_tiles, identity, row.parameters), loaded


def step_of(row: Row, loaded: Loaded[Architecture], runs: tuple[Run, ...], batch: int) -> list[str]:
    """Time and energy of a step with the measured activities, and the worst proxies."""
    known = measured(runs)
    assert known is not None
    tree = override(loaded, measured_settings(known, loaded.value.algorithm)).value
    model = row.network()
    workload = workload_from_model(model, name="net", sha256="", batch=1)
    program = lower(training_graph(workload, TrainingOptions()))
    priced = estimate(program, [tree], [batch])
    proxies = proxies_section(priced, tree, limit_rows(priced, tree))
    cells = [f"{float(priced.step_latency_s[0]):.3g}", f"{float(priced.step_energy_j[0]):.3g}"]
    if proxies is None:
        return [*cells, "", ""]
    return [*cells, f"{proxies['worst_read_snr']:.3g}", f"{proxies['worst_update_snr']:.3g}"]


COLUMNS = (
    "row",
    "machine",
    "seed",
    "epoch",
    "step",
    "accuracy",
    "step_latency_s",
    "step_energy_j",
    "read_snr",
    "update_snr",
    "wear",
    "seconds",
)


def written(
    name: str, runs: tuple[Run, ...], step: list[str], seconds: float
) -> Iterator[list[str]]:
    """The curves as lines of the CSV file."""
    for run in runs:
        every = together(run.activity)
        wear = "" if every is None else f"{every.wear:.4g}"
        tail = step if run.kind == "analog" else [""] * 4
        for p in run.curve:
            score = "" if p.accuracy is None else f"{p.accuracy:.5f}"
            head = [name, run.kind, str(run.seed), str(p.epoch), str(p.step), score]
            yield [*head, *tail, wear, f"{seconds:.0f}"]


def main() -> None:
    """Train the rows that are asked for."""
    table = cases()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder; not needed for the case digits")
    parser.add_argument("--case", choices=table, default="protonic")
    parser.add_argument("--only")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first-seed", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--train", type=int)
    parser.add_argument("--rate", type=float, help="a constant learning rate")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    print("| row | tiles | float32 | gap | to 97 % | to 98 % | step | energy | wear | time |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, row in table[options.case].items():
        if options.only is not None and options.only != name:
            continue
        plan, loaded = plan_of(row, options)
        started = time.process_time()
        runs = carry_out(plan)
        spent = time.process_time() - started
        step = step_of(row, loaded, runs, plan.recipe.batch)
        report(f"{options.case} {name}", runs, step, spent)
        if options.out is not None:
            fresh = not options.out.exists()
            with options.out.open("a", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                if fresh:
                    writer.writerow(COLUMNS)
                writer.writerows(written(name, runs, step, spent))


def report(name: str, runs: tuple[Run, ...], step: list[str], spent: float) -> None:
    """One line of the table."""
    tiles = [run for run in runs if run.kind == "analog"]
    exact = [run for run in runs if run.kind == "float32"]
    final = mean_of([run.last.accuracy or 0.0 for run in tiles])
    twin = mean_of([run.last.accuracy or 0.0 for run in exact])
    known = measured(runs)
    assert known is not None
    reached = [
        [next((p.step for p in run.curve if (p.accuracy or 0) >= level), None) for run in tiles]
        for level in (0.97, 0.98)
    ]
    shown = [to_target(steps, float(step[0]), float(step[1])) for steps in reached]
    deviation = "" if final.deviation is None else f" ± {100 * final.deviation:.2f}"
    print(
        f"| {name} | {100 * final.mean:.2f}{deviation} | {100 * twin.mean:.2f} | "
        f"{100 * (twin.mean - final.mean):.2f} | {shown[0]} | {shown[1]} | {step[0]} s | "
        f"{step[1]} J | {100 * known.wear:.3g} % | {spent:.0f} s |"
    )
    sys.stdout.flush()


def to_target(steps: Sequence[int | None], step_s: float, step_j: float) -> str:
    """Mean steps until a test reached a target, their time and energy; a dash if a seed missed it."""
    known = [count for count in steps if count is not None]
    if len(known) < len(steps):
        return "-"
    mean = float(np.mean(known))
    return f"{mean:.0f} steps, {1e3 * mean * step_s:.3g} ms, {1e3 * mean * step_j:.3g} mJ"


if __name__ == "__main__":
    main()
