"""Digits, 64-128-64-10, trained by six update algorithms: our accuracies beside those of aihwkit.

OPENBLAS_NUM_THREADS=1 python benchmarks/training.py [--seeds N] [--only NAME] [--merge sample]

The recipe is that of the reference results (tests/data/aihwkit/training.csv, twelve seeds each,
aihwkit 1.2.0): minibatches of 10, rate 0.1, 30 epochs, weights and biases drawn as torch draws them.
A row agrees if the means differ by at most 0.5 points plus two combined standard errors.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from pydantic import TypeAdapter

from archsim.algorithm import Algorithm
from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.cotraining.plan import Plan, make_plan
from archsim.cotraining.recipe import Recipe, TileRecipe
from archsim.cotraining.schedule import ConstantRate
from archsim.cotraining.training import Training
from archsim.hardware.device import Device
from archsim.resources import data_folder
from archsim.tile_kernel.aihwkit.device import import_device
from archsim.tile_kernel.aihwkit.io import import_read
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.trains import UpdateParameters
from archsim.workload.builders.mlp import mlp
from archsim.workload.executable import executable

REFERENCE = Path(__file__).parent.parent / "tests" / "data" / "aihwkit" / "training.csv"
EPOCHS, BATCH = 30, 10
# Fields of the EcRam preset that differ from its class; the two others are defaults of theirs.
ECRAM = {
    "_class": "EcRamPresetDevice",
    "dw_min": 0.002,
    "dw_min_dtod": 0.1,
    "dw_min_std": 0.3,
    "up_down_dtod": 0.01,
    "w_max": 1.1724,
    "w_min": -0.8276,
    "w_max_dtod": 0.05,
    "w_min_dtod": 0.05,
    "gamma_up": 0.1153,
    "gamma_down": 0.5085,
    "gamma_up_dtod": 0.05,
    "gamma_down_dtod": 0.05,
}
PRESET_READ = {"out_bound": 20.0, "out_noise": 0.1}


@dataclass(frozen=True)
class Case:
    """A row of the reference: device, algorithm, train length, rate."""

    device: Mapping[str, object]
    read: Mapping[str, object]
    algorithm: Mapping[str, object]
    train_length: int = 31
    rate: float = 0.1


CASES: Mapping[str, Case] = {
    "constantstep": Case({"_class": "ConstantStepDevice"}, {}, {"kind": "sgd"}),
    "softbounds": Case({"_class": "SoftBoundsDevice"}, {}, {"kind": "sgd"}, rate=0.05),
    "ecram": Case(ECRAM, PRESET_READ, {"kind": "sgd"}),
    "tikitaka_ecram": Case(ECRAM, PRESET_READ, {"kind": "tiki_taka"}),
    "ttv2_ecram": Case(ECRAM, PRESET_READ, {"kind": "tiki_taka_v2"}, 100),
    "cttv2_ecram": Case(ECRAM, PRESET_READ, {"kind": "chopped_tiki_taka_v2"}, 100),
    "agad_ecram": Case(ECRAM, PRESET_READ, {"kind": "agad"}),
    "mixedprecision_ecram": Case(ECRAM, PRESET_READ, {"kind": "mixed_precision"}),
}


def main() -> None:
    """Train every case and print it beside its reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--only", choices=["fp", *CASES])
    parser.add_argument("--merge", choices=["minibatch", "sample"], default="minibatch")
    options = parser.parse_args()
    with REFERENCE.open(encoding="utf-8") as stream:
        rows = {(row["config"], float(row["lr"])): row for row in csv.DictReader(stream)}
    print("| configuration | ours | s.e. | reference | s.e. | difference | bar | s/epoch |")
    print("|---|---|---|---|---|---|---|---|")
    for name in [options.only] if options.only else ["fp", *CASES]:
        case = CASES.get(name, CASES["constantstep"])
        row = rows[name, case.rate]
        started = time.process_time()
        found = [
            100 * train(plan_of(case, options.merge, options.epochs), seed, exact=name == "fp")
            for seed in range(options.seeds)
        ]
        spent = (time.process_time() - started) / options.seeds / options.epochs
        error = float(np.std(found, ddof=1) / np.sqrt(len(found))) if len(found) > 1 else 0.0
        theirs, their_error = float(row["mean_acc_pct"]), float(row["se_pct"])
        bar = 0.5 + 2 * float(np.hypot(error, their_error))
        difference = float(np.mean(found)) - theirs
        verdict = "" if abs(difference) <= bar else " missed"
        print(
            f"| {name} | {np.mean(found):.2f} | {error:.2f} | {theirs:.2f} | {their_error:.2f} | "
            f"{difference:+.2f}{verdict} | {bar:.2f} | {spent:.2f} |"
        )
        sys.stdout.flush()


def train(plan: Plan, seed: int, *, exact: bool) -> float:
    """The share of right test answers after the last epoch."""
    training = Training(plan, "float32" if exact else "analog", seed)
    training.run()
    accuracy = training.curve[-1].accuracy
    assert accuracy is not None
    return accuracy


def plan_of(case: Case, merge: str, epochs: int) -> Plan:
    """The case as a plan: device and reads of the reference, on arrays that hold each layer."""
    base = load("protonic_256", Architecture, data_folder("arch_configs")).value
    device, scale = device_of(case.device)
    algorithm: Algorithm = TypeAdapter(Algorithm).validate_python(dict(case.algorithm))
    architecture = base.model_copy(update={"device": device, "algorithm": algorithm})
    read = import_read({"_class": "IOParameters", **case.read}).parameters
    # Reads are in units of device weights, of which one stands for `scale` of the network's.
    assert read.adc.step > 0
    read = replace(
        read,
        adc=Quantiser(read.adc.bound / scale, read.adc.step / scale),
        output_noise=read.output_noise / scale,
    )
    exact_bounds = replace(read, bound_management="none")
    line = replace(exact_bounds, noise_management="none")
    update = UpdateParameters(train_length=case.train_length, merge=merge)  # type: ignore[arg-type]
    recipe = Recipe(
        epochs=epochs,
        batch=BATCH,
        learning_rate=ConstantRate(kind="constant", rate=case.rate),
        initial="uniform",
        test_every=epochs,
        tiles=TileRecipe(weight_scale=scale),
    )
    graph = executable(mlp("digits", widths=(64, 128, 64, 10), activation="tanh"))
    parameters = MatrixParameters(read, exact_bounds, line, update, scale)
    return make_plan(graph, recipe, architecture, frozenset(graph.matrices), {}, parameters)


def device_of(document: Mapping[str, object]) -> tuple[Device, float]:
    """A device with the steps of a document, and the weight that its half range stands for."""
    imported = import_device(document, leave_out=("gamma_up_dtod", "gamma_down_dtod"))
    base = load("ecram_li", Device, data_folder("arch_configs") / "devices").value
    low, high = float(base.conductance_min_siemens), float(base.conductance_max_siemens)
    zero = low + 0.5 * (high - low) * (imported.range.zero_state + 1.0)
    update = {
        "response": imported.response,
        "spread": imported.spread,
        "conductance_reference_siemens": zero,
    }
    return base.model_copy(update=update), imported.range.half


if __name__ == "__main__":
    main()
