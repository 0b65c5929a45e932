"""Networks as exporters and optimisers write them, against an independent counter in PyTorch.

The files hold structure only: their weights are external data that is not there.
"""

from __future__ import annotations

import csv
import lzma
import tarfile
from functools import cache
from pathlib import Path

import onnx
import pytest

from archsim.cli.counts import forward_macs
from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import training_graph

DATA = Path(__file__).parents[2] / "data"
TABLE = (DATA / "exported_networks.csv").read_text().splitlines()
ROWS = {row["model"]: row for row in csv.DictReader(TABLE)}

# What layout optimisers padded in the file itself: convolutions as the files compute them.
PADDED = {
    # 6 channels as 16: 28*28*16*25 + 10*10*16*6*25
    "lenet5.dynamo.op18.ortopt": 28 * 28 * 16 * 25 + 10 * 10 * 16 * 6 * 25,
    # counted from the shapes in the file
    "mobilenetv2.dynamo.op18.ortopt": 312_740_736,
}
# Parameters that the exporter folded away or stored twice, and by how much that shows.
FOLDED = {
    "frozen_backbone.dynamo": -96,  # two batch normalisations, folded into convolutions
    "shared_layers.dynamo": 1024,  # a transposed tie, stored twice
}


@cache
def archive() -> dict[str, bytes]:
    with lzma.open(DATA / "exported_networks.tar.xz") as file, tarfile.open(fileobj=file) as tar:
        return {
            Path(entry.name).stem: found.read()
            for entry in tar
            if (found := tar.extractfile(entry)) is not None
        }


NAMES = sorted(archive())


def shapes_of(row: dict[str, str]) -> dict[str, tuple[int, ...]]:
    pairs = (text.rsplit(":", 1) for text in row["input_shape"].split())
    return {name: tuple(map(int, size.split("x"))) for name, size in pairs}


@cache
def read(name: str) -> Workload:
    model = onnx.ModelProto.FromString(archive()[name])
    declared = {value.name for value in model.graph.input}
    shapes = shapes_of(ROWS[name.partition(".")[0]])
    bound = {key: size for key, size in shapes.items() if key in declared}
    return workload_from_model(model, name=name, shapes=bound)


def test_the_archive_has_the_networks_of_both_exporters() -> None:
    assert len(NAMES) > 120
    assert {name.partition(".")[0] for name in NAMES} == {
        row for row in ROWS if not row.startswith("light_")
    }


@pytest.mark.parametrize("name", NAMES)
def test_macs_of_an_exported_network_are_those_that_pytorch_executes(name: str) -> None:
    """Convolutions, linear layers and products of activations, each as an exact integer."""
    row, found = ROWS[name.partition(".")[0]], forward_macs(read(name))
    assert found["convolution"] == PADDED.get(name, int(row["macs_conv"]))
    assert found["linear"] == int(row["macs_linear"])
    assert found["dynamic"] == int(row["macs_dynamic"])
    padded = any(note.code == "padded_channels" for note in read(name).notes)
    assert padded == (name in PADDED)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_an_exported_network_are_those_of_the_model(name: str) -> None:
    """Within 1 %, ties counted once or twice: exporters fold, merge and lose some."""
    row, workload = ROWS[name.partition(".")[0]], read(name)
    folded = FOLDED.get(".".join(name.split(".")[:2]), 0)
    expected = {int(row[key]) + folded for key in ("params", "params_with_ties_counted_twice")}
    found = {workload.parameter_count, workload.parameter_count_untied}
    assert any(abs(a - b) <= 0.01 * b for a in found for b in expected), (found, expected)


# Padded products, and a backbone whose being frozen no file tells.
UNLIKE = (*PADDED, *(name for name in NAMES if name.startswith("frozen_backbone")))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNLIKE])
def test_backward_macs_of_an_exported_network_are_those_of_autograd(name: str) -> None:
    """Input gradients, weight gradients and products of activations of a whole step."""
    row, macs = ROWS[name.partition(".")[0]], training_graph(read(name)).macs
    assert macs.input_gradient == int(row["bwd_dx_static"])
    assert macs.weight_gradient == int(row["bwd_dw"])
    assert macs.dynamic_backward == int(row["bwd_dynamic"])
