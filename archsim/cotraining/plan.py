"""What is to be trained, checked as a whole before anything is computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.cotraining.averaged_copies import AveragedCopies
from archsim.cotraining.data import (
    DataSet,
    Samples,
    as_whole_numbers,
    check_classes,
    normalised,
    read_data,
    shaped,
)
from archsim.cotraining.holders import F32, ExactMatrix, MatrixHolder
from archsim.cotraining.initial import initial_values
from archsim.cotraining.machine import Machine
from archsim.cotraining.numerics.network import Network
from archsim.cotraining.recipe import Recipe
from archsim.cotraining.tiles import tiled_matrix
from archsim.cotraining.update_order import EACH_MINIBATCH, UpdateOrder, update_order
from archsim.errors import InputError
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.workload.executable_start import without_softmax
from archsim.workload.executable_types import ExecutableGraph

Kind = Literal["analog", "float32"]
KINDS: tuple[Kind, ...] = ("float32", "analog")

# Domain of the random numbers of tiles: device spread, noise and pulses of one seed.
_TILES = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A network with its data, its recipe and the hardware under it.

    `input` and `output` are the names of the tensors that data go in by and answers come out by.
    `on_tiles` names the matrices that lie on arrays; all others stay exact.  `key` is a digest of
    all that decides the outcome.  `parameters` are reads and updates in place of those of the
    architecture, for comparisons with other simulators.  `step_s` is the time of a step on the
    hardware, for which devices drift.  `staleness` is how many samples late immediate updates come
    there (None: not simulated), `copies` how many arrays hold the same matrix, by matrix, where these
    are averaged (None: not known).
    """

    graph: ExecutableGraph
    recipe: Recipe
    data: DataSet
    architecture: Architecture
    on_tiles: frozenset[str]
    input: str
    output: str
    key: str
    parameters: MatrixParameters | None = None
    step_s: float = 0.0
    staleness: float | None = None
    copies: Mapping[str, int] | None = None

    def network(self) -> Network:
        """The numerics of the network."""
        return Network(self.graph, batchnorm=self.architecture.schedule.batchnorm)

    def order(self, kind: Kind) -> UpdateOrder:
        """When the training learns: as the schedule says; the float32 twin after each minibatch."""
        if kind == "float32":
            return EACH_MINIBATCH
        return update_order(
            self.architecture.schedule,
            self.recipe.batch,
            self.staleness,
            has_statistics=bool(self.graph.statistics),
        )

    def machine(self, kind: Kind, values: Mapping[str, NDArray[Any]], seed: int) -> Machine:
        """The matrices of the network, holding `values`: on tiles, or all exact."""
        holders: dict[str, MatrixHolder] = {}
        for index, (name, matrix) in enumerate(self.graph.matrices.items()):
            weights = np.asarray(matrix.take(values[matrix.parameter]), dtype=np.float32)
            if kind == "analog" and name in self.on_tiles:
                rng = np.random.Generator(np.random.SFC64([seed, _TILES, index]))
                holders[name] = self._on_tiles(name, weights, rng)
            else:
                holders[name] = ExactMatrix(weights)
        return Machine(holders, self.order(kind).queue())

    def _on_tiles(self, name: str, weights: F32, rng: np.random.Generator) -> MatrixHolder:
        tree, recipe = self.architecture, self.recipe.tiles
        copies = self.copies_trained().get(name, 1)
        made = [tiled_matrix(tree, recipe, weights, rng, self.parameters) for _ in range(copies)]
        if copies == 1:
            return made[0]
        period = int(tree.mapping.sync_interval) * int(tree.schedule.accumulate)
        return AveragedCopies(made, period)

    def copies_trained(self) -> Mapping[str, int]:
        """Copies of the matrices on tiles that are trained apart, by matrix."""
        if self.recipe.tiles.copies == "one" or self.copies is None:
            return {}
        return {name: number for name, number in self.copies.items() if name in self.on_tiles}


def make_plan(
    graph: ExecutableGraph,
    recipe: Recipe,
    architecture: Architecture,
    on_tiles: frozenset[str],
    identity: Mapping[str, str],
    parameters: MatrixParameters | None = None,
    step_s: float = 0.0,
    staleness: float | None = None,
    copies: Mapping[str, int] | None = None,
) -> Plan:
    """Everything checked: operators, shapes, labels, and that the tiles can be computed.

    `identity` holds digests of network and architecture; `step_s`, `staleness` and `copies` are those
    of the simulated step (see `Plan`).  Raises `InputError`.
    """
    graph = without_softmax(graph) if recipe.loss == "cross_entropy" else graph
    Network(
        graph, batchnorm=architecture.schedule.batchnorm
    )  # names every operator without numerics
    _check_reads(graph)
    if recipe.targets and recipe.loss != "cross_entropy":
        raise InputError(
            f"the recipe has targets, which are shares of right answers, and the loss {recipe.loss}, "
            "which knows none.",
            place="targets",
            remedy="Leave targets out, or set loss: cross_entropy.",
        )
    source, target = _ends(graph)
    data = shaped(read_data(recipe.data), _free_shape(graph, source), source)
    data = _limited(data, recipe)
    if graph.inputs[0].floating:
        data = normalised(data, recipe.normalisation)
    else:
        data = as_whole_numbers(data, source)
    if len(data.train) < recipe.batch:
        raise InputError(
            f"the training set has {len(data.train):,} samples, and a minibatch {recipe.batch:,}.",
            place=data.train.place,
            remedy="Give a smaller batch.",
        )
    content = recipe.model_dump(mode="json") | {"seeds": None, "checkpoint_s": None}
    simulated = [step_s, staleness, None if copies is None else dict(copies)]
    text = json.dumps([content, dict(identity), _digest(data), *simulated], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    plan = Plan(
        graph=graph,
        recipe=recipe,
        data=data,
        architecture=architecture,
        on_tiles=on_tiles,
        input=source,
        output=target,
        key=key,
        parameters=parameters,
        step_s=step_s,
        staleness=staleness,
        copies=copies,
    )
    _try(plan)
    return plan


def _check_reads(graph: ExecutableGraph) -> None:
    """InputError for a weight matrix that some node reads element by element as well.

    Its elements are conductances during training, and no read of an array gives them.
    """
    held = {matrix.parameter: matrix.name for matrix in graph.matrices.values()}
    for node in graph.nodes:
        for name in node.digital_inputs:
            if name in held:
                raise InputError(
                    f"it reads the parameter '{name}' element by element, which is also the weight "
                    f"matrix '{held[name]}'; an array is read by products and by rows of a table.",
                    place=node.place,
                    remedy="Export the network without that node, or with a copy of the parameter.",
                )


def _ends(graph: ExecutableGraph) -> tuple[str, str]:
    """The one input and the one output of a network."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(
            f"the network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; "
            "training takes one of each.",
            place=graph.name,
            remedy="Export the network with one input and one output.",
        )
    return graph.inputs[0].name, graph.outputs[0]


def _free_shape(graph: ExecutableGraph, name: str) -> tuple[int, ...]:
    """The shape of one sample at the input."""
    shape = next(i.shape for i in graph.inputs if i.name == name)
    if not shape or shape[0] is not None or any(size is None for size in shape[1:]):
        words = " x ".join("?" if size is None else str(size) for size in shape) or "()"
        raise InputError(
            f"the input '{name}' has the shape {words}; expected a free batch first and nothing "
            "else free.",
            place=graph.name,
            remedy="Export with a symbolic batch, and bind other dimensions with --dim.",
        )
    return tuple(size for size in shape[1:] if size is not None)


def _limited(data: DataSet, recipe: Recipe) -> DataSet:
    train = _first(data.train, recipe.train_samples)
    return replace(data, train=train, test=_first(data.test, recipe.test_samples))


def _first(part: Samples, count: int | None) -> Samples:
    if count is None or count >= len(part):
        return part
    return replace(part, inputs=part.inputs[:count], labels=part.labels[:count])


def _digest(data: DataSet) -> str:
    digest = hashlib.sha256()
    for part in (data.train, data.test):
        for array in (part.inputs, part.labels):
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _try(plan: Plan) -> None:
    """Feed single samples through, so that what cannot work is refused before training starts."""
    values = initial_values(plan.graph, plan.recipe, plan.recipe.first_seed)
    machine = plan.machine("float32", values, plan.recipe.first_seed)
    network = plan.network()
    one = plan.data.test.batch(slice(0, 1))
    outputs, _ = network.forward(values, {plan.input: one}, machine, training=False)
    for part in () if plan.data.test.scaled else (plan.data.train, plan.data.test):
        # Numbers of words beyond the vocabulary show at the extremes.
        for index in {_of_extreme(part.inputs, at) for at in (np.argmin, np.argmax)}:
            some = part.batch(slice(index, index + 1))
            network.forward(values, {plan.input: some}, machine, training=False)
    answer = outputs[plan.output].shape
    wanted = plan.data.test.wanted(slice(0, 1)).shape
    if plan.recipe.loss == "cross_entropy":
        expected, what = answer[:-1], "labels"
        check_classes(plan.data, answer[-1])
    else:
        expected, what = answer, "targets"
    if wanted != expected:
        raise InputError(
            f"the network answers with {list(answer[1:])} numbers per sample, which asks for "
            f"{what} of shape {list(expected[1:])}; found {list(wanted[1:])}.",
            place=plan.data.test.place,
        )
    plan.machine("analog", values, plan.recipe.first_seed)


def _of_extreme(inputs: NDArray[Any], at: Callable[[NDArray[Any]], np.intp]) -> int:
    """The sample that holds the extreme of all `inputs` that `at` finds."""
    return int(at(inputs)) // max(int(np.prod(inputs.shape[1:])), 1)
