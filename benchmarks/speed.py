"""How long users wait, and for how much memory: whole commands and warm stages, each in one process.

OPENBLAS_NUM_THREADS=1 python benchmarks/speed.py [--runs N]

Times are medians.  The peak is the largest resident memory of a process that does nothing else; of a
whole command it is the command's own, where that is more than the 0.1 GiB of the process that starts it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import onnx
from peak_memory import peak_mib

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.cycle import analyse, attribute_path
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.onnx_reader import read_workload
from archsim.workload.training import training_graph

Work: TypeAlias = Callable[[], object]

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


def chip() -> Loaded[Architecture]:
    """The example chip."""
    return load("protonic_256", Architecture, data_folder("arch_configs"))


def analytic(program: Program) -> Work:
    """A step by the analytic fidelity."""
    tree = chip().value
    return lambda: estimate(program, [tree], [256])


def thousand(program: Program) -> Work:
    """A step on a thousand chips at once."""
    trees = [
        override(chip(), {"array.rows": 64 + 8 * (i % 32), "adc.rate": 1e8 + 1e6 * i}).value
        for i in range(1000)
    ]
    return lambda: estimate(program, trees, [256] * 1000)


def by_cycle(program: Program) -> Work:
    """A step by the cycle fidelity: priced, simulated, analysed, attributed."""
    tree = chip().value

    def work() -> object:
        priced = estimate(program, [tree], [256])
        found = analyse(simulate_step(priced, tree))
        return attribute_path(priced, found), timed_by_cycle(priced, tree, found.run)

    return work


@dataclass(frozen=True)
class Case:
    """What is timed: a bar, and what makes the work (in a folder of its own)."""

    bar: str
    make: Callable[[str], Work]


def archsim(*words: str) -> Callable[[str], Work]:
    """A run of the command line that writes its report into a folder."""
    return lambda folder: command("-m", "archsim", *words, "--out", folder)


CASES: dict[str, Case] = {
    "import archsim (process)": Case("0.5 s", lambda _: command("-c", "import archsim")),
    "archsim --help (process)": Case("", lambda _: command("-m", "archsim", "--help")),
    "archsim run resnet50 (process)": Case(
        "4 s", archsim("run", "resnet50", "--arch", "protonic_256", "--gpu", "h100")
    ),
    "GPT-3, 1,541 chips (process)": Case(
        "5 s", archsim("run", "gpt3-175b", "--arch", "protonic_256_system", "--batch", "32")
    ),
    "import light_resnet50": Case(
        "150 ms", lambda _: lambda: read_workload(LIGHT / "light_resnet50.onnx")
    ),
    "simulate ResNet-50, warm": Case("20 ms", lambda _: analytic(built_in("resnet50"))),
    "simulate VGG-8 (an epoch), warm": Case("10 ms", lambda _: analytic(built_in("vgg8"))),
    "ResNet-50 cycle by cycle": Case("1 s", lambda _: by_cycle(built_in("resnet50"))),
    "GPT-2, 1024 tokens, by cycle": Case(
        "3 s", lambda _: by_cycle(built_in("gpt2", {"seq": 1024}))
    ),
    "simulate 1000 configurations": Case("", lambda _: thousand(built_in("resnet50"))),
}


def measured(name: str, runs: int) -> dict[str, float]:
    """Median seconds of a case in this process, and the peak memory of what did the work."""
    with tempfile.TemporaryDirectory() as folder:
        work = CASES[name].make(str(Path(folder) / "report"))
        seconds = median_s(work, runs)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"seconds": seconds, "peak": children or peak_mib()}


def in_its_own_process(name: str, runs: int) -> dict[str, float]:
    """`measured` in a fresh process, so that the peak is that of this case alone."""
    words = [sys.executable, __file__, "--one", name, "--runs", str(runs)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print one line per case: median, peak memory, bar."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.runs)))
        return
    for name, case in CASES.items():
        found = in_its_own_process(name, options.runs)
        limit = f"  (bar {case.bar})" if case.bar else ""
        print(f"{name:34s} {1e3 * found['seconds']:9.1f} ms {found['peak']:6.0f} MiB{limit}")


if __name__ == "__main__":
    main()
