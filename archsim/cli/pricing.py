"""What `run` and `compare` share: a network as the user bound it, priced on an architecture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli.inputs import Network, read_network
from archsim.cli.refusals import reference_warnings, refuse_nothing_to_train
from archsim.errors import InputError
from archsim.workload.training import training_graph

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.baseline.gpu_spec import GpuSpec
    from archsim.cli.options import FidelityName, OptimizerName
    from archsim.config.loading import Loaded
    from archsim.result import Evaluation
    from archsim.result.evaluate import Baseline
    from archsim.simulation.cycle.fast import Progress
    from archsim.workload.training import TrainingGraph

DEFAULT_BATCH = 256
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Job:
    """A network with its minibatch, optimizer, way of timing and the sizes of what is symbolic."""

    model: str
    batch: int | None = None
    optimizer: OptimizerName | None = None
    fidelity: FidelityName = "analytic"
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trip_counts: Mapping[str, int] = field(default_factory=dict)

    def read(self) -> Network:
        """The network, with the optimizer of the job, else that of its file, else plain SGD.

        It is bound at one sample where the file leaves the batch open: the minibatch is a matter of
        the schedule, and counts are per sample.
        """
        network = read_network(
            self.model, dims=self.dims, shapes=self.shapes, trip_counts=self.trip_counts
        )
        # That the graph is bound at one sample is no assumption here: the minibatch is given.
        notes = tuple(n for n in network.workload.notes if n.code != "batch_assumed")
        optimizer = self.optimizer or network.optimizer or "sgd"
        return replace(
            network,
            workload=replace(network.workload, notes=notes),
            options=replace(network.options, optimizer=optimizer),
        )

    def minibatch(self, network: Network) -> int:
        """Samples in a step.

        Without `--batch` it is what the workload's file says, or what the ONNX file or `--shape`
        fixes, else 256.  A graph that is bound at several samples is evaluated a whole number of
        times; otherwise `InputError` is raised.
        """
        samples = network.workload.samples
        batch = network.batch if self.batch is None else self.batch
        if batch is None:
            return samples if samples > 1 else DEFAULT_BATCH
        if batch % samples:
            raise InputError(
                f"the batch of {batch} is no multiple of {samples}, the samples for which "
                "the network's shape is fixed.",
                place="--batch",
                remedy=f"Give {max(1, batch // samples) * samples}, or leave it out.",
            )
        return batch

    def as_options(self) -> dict[str, Any]:
        """The job as options of the command line."""
        return {
            "batch": self.batch,
            "optimizer": self.optimizer,
            "fidelity": None if self.fidelity == "analytic" else self.fidelity,
            "dims": self.dims,
            "shapes": self.shapes,
            "trip_counts": self.trip_counts,
        }


def price(
    job: Job,
    network: Network,
    architecture: Loaded[Architecture],
    gpu: Loaded[GpuSpec] | None,
    command: Sequence[str],
    progress: Progress | None = None,
) -> Evaluation:
    """The evaluation of a training step; `command` is what the result says it came from.

    `progress` hears how far the cycle fidelity is.
    """
    from archsim.result import evaluate
    from archsim.simulation.program import lower

    graph = training_graph(network.workload, network.options)
    refuse_nothing_to_train(graph)
    batch = job.minibatch(network)
    baseline = (
        None if gpu is None else price_gpu(graph, gpu.value, batch, network.options.optimizer)
    )
    found = evaluate(
        graph,
        lower(graph),
        architecture,
        batch,
        baseline,
        command,
        fidelity=job.fidelity,
        progress=progress,
    )
    cited = reference_warnings([architecture] if gpu is None else [architecture, gpu])
    # What the user can mend at once comes first.
    return replace(found, result={**found.result, "warnings": [*cited, *found.result["warnings"]]})


def price_gpu(graph: TrainingGraph, gpu: GpuSpec, batch: int, optimizer: OptimizerName) -> Baseline:
    """The GPU at the same batch and optimizer, at its best batch, and with its usual optimizer."""
    from archsim.baseline.estimate import best_batch, estimate, usual_optimizer
    from archsim.result.evaluate import Baseline

    return Baseline(
        asked=estimate(graph, gpu, batch, optimizer=optimizer),
        best=best_batch(graph, gpu, optimizer=optimizer),
        usual=estimate(graph, gpu, batch, optimizer=usual_optimizer(graph)),
    )


def default_folder(workload: str, architecture: str) -> Path:
    """`reports/<workload>-<architecture>`, with what no file name should hold replaced."""
    return Path("reports") / f"{file_name(workload)}-{file_name(architecture)}"


def file_name(text: str) -> str:
    """`text` as a part of a file name: letters, digits and the signs `_.-+=,~`.

    A long one is cut and ends in a digest, so that different names stay different.
    """
    cleaned = re.sub(r"[^\w.+=,~-]+", "_", text, flags=re.ASCII).strip("._")
    if len(cleaned) > _LONGEST_NAME:
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
        cleaned = f"{cleaned[: _LONGEST_NAME - 9]}-{digest}"
    return cleaned or "unnamed"
