"""How long and how much memory it takes to read networks: medians and peaks, each in one process.

    OPENBLAS_NUM_THREADS=1 python benchmarks/importer.py [--runs N] [MODEL.onnx ...]

For each network: seconds to read the file, to derive the training graph and to lower it, and the
largest resident memory of the process that did so.  Files that are named are measured as well;
their symbolic dimensions are bound to 1 (batch) and 128 (others).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import onnx
from large_networks import LLAMA_1B, LLAMA_70B, chain, llama
from peak_memory import peak_mib

from archsim.simulation.program import lower
from archsim.workload.onnx_reader import read_workload
from archsim.workload.training import training_graph

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
TOKENS = 128


def bindings(path: Path) -> dict[str, int]:
    """Sizes for the symbolic dimensions of a file."""
    inputs = onnx.load(path, load_external_data=False).graph.input
    names = [dim.dim_param for value in inputs for dim in value.type.tensor_type.shape.dim]
    return {name: 1 if "batch" in name else TOKENS for name in names if name.isidentifier()}


def measure(path: Path, runs: int) -> dict[str, float]:
    """Medians of the three stages in seconds, nodes and operators, and the peak memory in MiB."""
    dims = bindings(path)
    seconds: dict[str, list[float]] = {"read": [], "train": [], "lower": []}
    for _ in range(runs):
        gc.collect()
        start = time.process_time()
        workload = read_workload(path, dims=dims)
        read = time.process_time()
        training = training_graph(workload)
        trained = time.process_time()
        lower(training)
        seconds["read"].append(read - start)
        seconds["train"].append(trained - read)
        seconds["lower"].append(time.process_time() - trained)
    return {
        **{stage: statistics.median(found) for stage, found in seconds.items()},
        "operators": len(workload.ops),
        "parameters": workload.parameter_count,
        "peak": peak_mib(),
    }


def in_its_own_process(path: Path, runs: int) -> Mapping[str, float]:
    """`measure` in a fresh process, so that the peak is that of this file alone."""
    words = [sys.executable, __file__, "--one", str(path), "--runs", str(runs)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print one line per network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.runs)))
        return
    made: dict[str, tuple[str, Callable[[], onnx.ModelProto]]] = {
        "llama-1.1b": ("1.5 s, 500 MiB", lambda: llama(LLAMA_1B)),
        "llama-70b": ("seconds", lambda: llama(LLAMA_70B)),
        "chain-10k": ("", lambda: chain(10_000)),
        "chain-30k": ("", lambda: chain(30_000)),
        "chain-100k": ("8 s", lambda: chain(100_000)),
    }
    print(
        f"{'network':28s} {'operators':>9s} {'read':>9s} {'train':>9s} {'lower':>9s} {'peak':>9s}"
    )
    with tempfile.TemporaryDirectory() as folder:
        cases = [(LIGHT / "light_resnet50.onnx", "100 ms")]
        for name, (bar, build) in made.items():
            path = Path(folder) / f"{name}.onnx"
            onnx.save(build(), path)
            cases.append((path, bar))
        for path, bar in [*cases, *((path, "") for path in options.files)]:
            found = in_its_own_process(path, options.runs)
            times = " ".join(f"{1e3 * found[s]:6.0f} ms" for s in ("read", "train", "lower"))
            limit = f"  (bar {bar})" if bar else ""
            print(
                f"{path.stem:28s} {found['operators']:9.0f} {times} {found['peak']:5.0f} MiB{limit}",
                flush=True,
            )


if __name__ == "__main__":
    main()
