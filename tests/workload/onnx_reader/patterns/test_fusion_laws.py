"""Fusing changes what operators are called and what they cost digitally, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import onnx
import pytest

from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import reader, workload_from_model

ARCHIVE = Path(__file__).parents[3] / "data" / "torch_exports.zip"
NETWORKS = (
    "bert_sdpa.legacy.op17",
    "gpt2_eager.dynamo.op18",
    "llama_sdpa.dynamo.op18",
    "swin.legacy.op17",
    "group_norm.legacy.op17",
    "efficientnet_b0.dynamo.op18.plain",
)


def read(name: str) -> Workload:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return workload_from_model(onnx.load_from_string(archive.read(f"{name}.onnx")), name=name)


@pytest.fixture(params=NETWORKS)
def both(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[Workload, Workload]:
    """A network as it is read, and with every primitive left as it is written."""
    fused = read(request.param)
    with monkeypatch.context() as patched:
        patched.setattr(reader, "fuse_patterns", lambda pieces, scope: list(pieces))
        return fused, read(request.param)


def test_products_and_matrices_stay(both: tuple[Workload, Workload]) -> None:
    """Multiply-accumulates and what goes to arrays are those of the file."""
    fused, written = both
    assert sum(map(fused.macs, fused.ops)) == sum(map(written.macs, written.ops))
    assert fused.matrices == written.matrices


def test_parameters_stay_but_for_ones_and_zeros(both: tuple[Workload, Workload]) -> None:
    """No parameter is lost; those of a group norm's inner normalisation go."""
    fused, written = both
    gone = set(written.parameters) - set(fused.parameters)
    assert set(fused.parameters) <= set(written.parameters)
    assert sum(written.parameters[name].elements for name in gone) <= 16
    assert not gone or fused.name.startswith("group_norm")


def test_every_tensor_still_has_its_maker(both: tuple[Workload, Workload]) -> None:
    """The graph stays whole: inputs are made before they are read, outputs are the same."""
    fused, written = both
    assert len(fused.ops) < len(written.ops)
    assert (fused.inputs, fused.outputs) == (written.inputs, written.outputs)
    made = set(fused.inputs)
    for op in fused.ops:
        assert made.issuperset(op.inputs), op.name
        made.update(op.outputs)
    assert made.issuperset(fused.outputs)
