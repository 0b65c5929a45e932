"""Networks of many families, as PyTorch's two exporters write them, against counts made in PyTorch.

The counts are those of a dispatch mode that adds up every convolution and matrix product of one
forward and one backward pass of the network that was exported: a product is linear if an operand is
a parameter or made of parameters only, dynamic if both depend on the network's inputs, and expert
weights that are chosen at run time are weights.  The files hold structure only; networks of which
the exporter folded parameters away are left out.
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
from archsim.workload.training import TrainingOptions, training_graph

DATA = Path(__file__).parents[2] / "data" / "exports"
ROWS = {
    row["file"]: row for row in csv.DictReader((DATA / "networks.csv").read_text().splitlines())
}
NAMES = sorted(ROWS)


@cache
def archive() -> dict[str, bytes]:
    with lzma.open(DATA / "networks.tar.xz") as file, tarfile.open(fileobj=file) as tar:
        return {
            entry.name.removesuffix(".onnx"): found.read()
            for entry in tar
            if (found := tar.extractfile(entry)) is not None
        }


@cache
def read(name: str) -> Workload:
    model = onnx.ModelProto.FromString(archive()[name])
    pairs = (text.rsplit(":", 1) for text in ROWS[name]["inputs"].split())
    # An exporter drops inputs that the network does not use, and knows scalars.
    declared = {value.name for value in model.graph.input if value.type.tensor_type.shape.dim}
    shapes = {key: tuple(map(int, size.split("x"))) for key, size in pairs if key in declared}
    return workload_from_model(model, name=name, shapes=shapes)


def test_every_file_has_counts_and_both_exporters_are_there() -> None:
    assert set(archive()) == set(ROWS)
    assert {name.split(".")[1] for name in NAMES} == {"legacy", "dynamo"}
    assert len({name.split(".")[0] for name in NAMES}) > 60


@pytest.mark.parametrize("name", NAMES)
def test_forward_macs_are_those_that_pytorch_executes(name: str) -> None:
    """Convolutions, linear layers and products of activations, each as an exact integer."""
    found = forward_macs(read(name))
    expected = {key: int(ROWS[name][key]) for key in ("convolution", "linear", "dynamic")}
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("name", NAMES)
def test_backward_macs_are_those_that_autograd_executes(name: str) -> None:
    """Input gradients, weight gradients and products of activations, with all outputs' errors."""
    macs = training_graph(read(name), TrainingOptions(loss="none")).macs
    row = ROWS[name]
    assert macs.input_gradient == int(row["input_gradient"])
    assert macs.weight_gradient == int(row["weight_gradient"])
    assert macs.dynamic_backward == int(row["dynamic_backward"])


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_network(name: str) -> None:
    """Within 1 %: batch norms folded into convolutions and lost ties are accounted for."""
    expected = int(ROWS[name]["parameters"])
    assert abs(read(name).parameter_count - expected) <= 0.01 * expected
