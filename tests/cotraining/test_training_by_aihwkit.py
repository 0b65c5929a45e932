"""Digits reach the accuracies that aihwkit 1.2.0 reaches with the same devices and recipe.

`benchmarks/training.py` runs all rows with ten seeds; here are a few seeds of some.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "data" / "aihwkit" / "training.csv"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The benchmark as a module; it is no part of the package."""
    name = "benchmark_training"
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / "training.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def agrees(benchmark: ModuleType, name: str, seeds: int) -> None:
    """The mean of our seeds lies within 0.5 points and two combined standard errors of theirs.

    Ours is taken from their deviation: that of a few seeds says little.
    """
    case = benchmark.CASES.get(name, benchmark.CASES["constantstep"])
    with REFERENCE.open(encoding="utf-8") as stream:
        rows = {(row["config"], float(row["lr"])): row for row in csv.DictReader(stream)}
    row = rows[name, case.rate]
    theirs = {key: float(row[key]) for key in ("mean_acc_pct", "sd_pct", "se_pct")}
    plan = benchmark.plan_of(case, "minibatch", benchmark.EPOCHS)
    ours = [100 * benchmark.train(plan, seed, exact=name == "fp") for seed in range(seeds)]
    bar = 0.5 + 2 * float(np.hypot(theirs["sd_pct"] / np.sqrt(seeds), theirs["se_pct"]))
    assert abs(np.mean(ours) - theirs["mean_acc_pct"]) <= bar, ours


def test_float32_agrees(benchmark: ModuleType) -> None:
    agrees(benchmark, "fp", 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ecram", "mixedprecision_ecram"])
def test_tiles_agree(benchmark: ModuleType, name: str) -> None:
    agrees(benchmark, name, 3)
