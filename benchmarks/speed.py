"""How long users wait: medians of whole commands and of warm stages, in one run.

OPENBLAS_NUM_THREADS=1 python benchmarks/speed.py [--runs N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import onnx

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.cycle import analyse, attribute_path
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.onnx_reader import read_workload, workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import training_graph

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median wall time of `runs` runs after one that warms up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command(*words: str) -> Callable[[], object]:
    """A whole process of the command line, its output thrown away."""
    return lambda: subprocess.run(
        [sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def built_in(name: str, dims: dict[str, int] | None = None) -> Program:
    """A built-in network, lowered, at one sample."""
    network = Job(model=name, dims=dims or {}).read()
    return lower(training_graph(network.workload, network.options))


def by_cycle(program: Program, chip: Architecture, batch: int) -> Callable[[], object]:
    """A step by the cycle fidelity: priced, simulated, analysed, attributed."""

    def work() -> object:
        priced = estimate(program, [chip], [batch])
        found = analyse(simulate_step(priced, chip))
        return attribute_path(priced, found), timed_by_cycle(priced, chip, found.run)

    return work


def main() -> None:
    """Print one line per case: median, bar."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    spec = load("resnet50", WORKLOAD_MODEL, data_folder("workloads")).value
    workload = workload_from_model(spec.build(), name="resnet50")
    program = lower(training_graph(workload, spec.training.options()))
    gpt2, vgg8 = built_in("gpt2", {"seq": 1024}), built_in("vgg8")
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    chip = loaded.value
    thousand = [
        override(loaded, {"array.rows": 64 + 8 * (i % 32), "adc.rate": 1e8 + 1e6 * i}).value
        for i in range(1000)
    ]
    light = LIGHT / "light_resnet50.onnx"
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "report")
        run = ("-m", "archsim", "run", "resnet50", "--arch", "protonic_256", "--gpu", "h100")
        system = ("--arch", "protonic_256_system", "--batch", "32")
        gpt3 = ("-m", "archsim", "run", "gpt3-175b", *system)
        cases: list[tuple[str, str, Callable[[], object]]] = [
            ("import archsim (process)", "0.5 s", command("-c", "import archsim")),
            ("archsim --help (process)", "", command("-m", "archsim", "--help")),
            ("archsim run resnet50 (process)", "4 s", command(*run, "--out", out)),
            ("GPT-3, 1,541 chips (process)", "5 s", command(*gpt3, "--out", out)),
            ("import light_resnet50", "150 ms", lambda: read_workload(light)),
            ("simulate ResNet-50, warm", "20 ms", lambda: estimate(program, [chip], [256])),
            ("simulate VGG-8 (an epoch), warm", "10 ms", lambda: estimate(vgg8, [chip], [256])),
            ("ResNet-50 cycle by cycle", "1 s", by_cycle(program, chip, 256)),
            ("GPT-2, 1024 tokens, by cycle", "3 s", by_cycle(gpt2, chip, 256)),
            (
                "simulate 1000 configurations",
                "",
                lambda: estimate(program, thousand, [256] * 1000),
            ),
        ]
        for name, bar, work in cases:
            seconds = median_s(work, runs)
            limit = f"  (bar {bar})" if bar else ""
            print(f"{name:34s} {1e3 * seconds:9.1f} ms{limit}")


if __name__ == "__main__":
    main()
