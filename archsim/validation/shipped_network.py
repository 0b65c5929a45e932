"""Networks that archsim builds: those that ship, by name, and others by family and size."""

from __future__ import annotations

from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.workload.network_spec import NetworkSpec
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL, TrainingSpec
from archsim.workload.training import TrainingGraph, training_graph


def shipped_graph(name: str) -> TrainingGraph:
    """The training graph of a network that archsim builds itself, one sample.

    Raises `InputError` with the nearest name if there is none.
    """
    spec = load(name, WORKLOAD_MODEL, data_folder("workloads")).value
    workload = workload_from_model(spec.build(), name=name, dims=spec.dims, ties=spec.ties.ties())
    return training_graph(workload, spec.training.options())


def built_graph(network: NetworkSpec, training: TrainingSpec) -> TrainingGraph:
    """The training graph of a network that a publication describes, one sample."""
    workload = workload_from_model(network.build("published"), name="published")
    return training_graph(workload, training.options())
