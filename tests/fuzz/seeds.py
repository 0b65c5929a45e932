"""What the fuzzer starts from: real files, as serialised ONNX models that are all parsable."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.workload.spec import WORKLOAD_MODEL

_LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
_BUILT_IN = ("mlp", "lenet", "vgg8", "resnet18", "lstm-ptb", "gpt2")
# A case on a large file costs as much as a hundred on small ones and finds no more.
_LARGEST_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class Seed:
    """A real model: where it comes from, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Corpus:
    """Seeds in groups that are drawn from equally often."""

    groups: tuple[tuple[Seed, ...], ...]

    def draw(self, random: np.random.Generator) -> Seed:
        """A seed: first a group, then one of it."""
        group = self.groups[int(random.integers(len(self.groups)))]
        return group[int(random.integers(len(group)))]


def operator_models() -> Iterator[Seed]:
    """One-operator models of every standard operator, as the onnx package makes them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in cases:
        if case.model is not None:
            yield Seed(f"operator:{case.name}", case.model.SerializeToString())


def light_models() -> Iterator[Seed]:
    """Whole networks inside the onnx package."""
    for path in sorted(_LIGHT.glob("*.onnx")):
        yield Seed(f"light:{path.name}", path.read_bytes())


def built_in_models() -> Iterator[Seed]:
    """Networks that archsim builds itself; their weights are stated by shape only."""
    for name in _BUILT_IN:
        spec = load(name, WORKLOAD_MODEL, data_folder("workloads")).value
        content = spec.build().SerializeToString()
        if len(content) <= _LARGEST_BYTES:
            yield Seed(f"built-in:{name}", content)


def folder_models(folder: Path) -> Iterator[Seed]:
    """The models in a folder of the user's own, and in the folders inside it."""
    for path in sorted(folder.rglob("*.onnx")):
        if path.stat().st_size <= _LARGEST_BYTES:
            yield Seed(f"folder:{path.name}", path.read_bytes())


def corpus(folders: Sequence[Path] = (), *, folders_only: bool = False) -> Corpus:
    """Everything to start from, in a fixed order; or what is in `folders` only."""
    groups = [tuple(folder_models(folder)) for folder in folders]
    if not folders_only:
        groups = [tuple(operator_models()), (*light_models(), *built_in_models()), *groups]
    return Corpus(tuple(group for group in groups if group))
