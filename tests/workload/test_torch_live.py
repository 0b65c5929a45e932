"""PyTorch, asked anew, gives the answers that the other tests hold (needs the packages of the script).

Run with `-m torch` where torch, onnx, onnxscript and transformers are installed; the networks of
torchvision are left to `benchmarks/torch_reference.py`, since it has no build without a GPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from archsim.workload.onnx_reader import read_workload
from archsim.workload.training import TrainingOptions, saved_activation_bytes, training_graph

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
NETWORKS = ("group_norm", "unet", "bert_sdpa", "gpt2_eager", "llama_eager", "vit_eager", "branches")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_fresh_export_agrees_with_a_fresh_measurement(network: str, tmp_path: Path) -> None:
    """Products are equal and kept bytes within 5 %, for every export that folds no normalisation."""
    answers = tmp_path / "answers.json"
    script = ROOT / "benchmarks" / "torch_reference.py"
    subprocess.run(
        [sys.executable, str(script), str(answers), network, "--onnx", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    answer = json.loads(answers.read_text(encoding="utf-8"))["networks"][network]
    folded = network == "unet"
    assert answer["files"]
    for name in answer["files"]:
        workload = read_workload(tmp_path / name)
        frozen = tuple(glob for glob in answer["frozen"] if glob in workload.parameters)
        graph = training_graph(workload, TrainingOptions(loss="none", frozen=frozen))
        assert graph.macs.total == answer["macs"]["step"], name
        if not folded or "plain" in name or "legacy" in name:
            kept = saved_activation_bytes(graph)
            assert kept == pytest.approx(answer["saved_bytes"], rel=0.05), name
