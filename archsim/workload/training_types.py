"""The vocabulary of the training graph: tasks, options, multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

import networkx as nx

from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    DynamicMatmul,
    Note,
    OpKind,
    Saved,
    WeightUse,
    Workload,
)
from archsim.workload.recompute import Recompute

Loss: TypeAlias = Literal["cross_entropy", "mse", "none"]
Optimizer: TypeAlias = Literal["sgd", "momentum", "adam", "adamw"]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What a training step computes.

    `loss` is taken on the network's outputs; with `none` their gradients are given from outside at
    no cost.  `frozen` are globs over parameter names that are not trained; `input_gradients` names
    network inputs whose gradient is wanted; `optimizer` updates the digital parameters.
    `loss_outputs` are globs over the outputs that the loss is taken on (empty: all floating ones);
    `recompute` names what is computed again instead of kept (see `archsim.workload.recompute`).
    """

    loss: Loss = "cross_entropy"
    frozen: tuple[str, ...] = ()
    input_gradients: tuple[str, ...] = ()
    optimizer: Optimizer = "sgd"
    loss_outputs: tuple[str, ...] = ()
    recompute: Recompute = "none"


class TaskKind(StrEnum):
    """What a training task is."""

    FORWARD = "forward"
    LOSS = "loss"
    INPUT_GRADIENT = "input_gradient"  # weight matmul: transposed product with the error
    WEIGHT_GRADIENT = "weight_gradient"  # weight matmul: outer products; in-array update
    DIGITAL_BACKWARD = "digital_backward"  # backward of a digital op, bias gradients
    GRADIENT_SUM = "gradient_sum"  # sum of the gradients of a tensor with several consumers
    OPTIMIZER = "optimizer"  # update of the digital parameters, once per minibatch


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One node of the training graph.

    Counts are over one evaluation of the graph (`Workload.samples` samples), except for `per_step`
    tasks, whose work happens once per minibatch.  `op` is the forward operator the task belongs to: for
    GRADIENT_SUM the tensor's producer (its first consumer, for a network input), for LOSS and
    OPTIMIZER the task's own name.  `weight` is set for FORWARD, INPUT_GRADIENT and WEIGHT_GRADIENT
    tasks of weight matmuls; `dynamic` for products of two activations.  `input_elements` and
    `output_elements` are the activation or gradient elements that the task takes from and hands to
    other tasks: activations in and out for FORWARD; errors in and gradients out for INPUT_GRADIENT,
    DIGITAL_BACKWARD and GRADIENT_SUM (what they read of saved tensors is in `work`); activations
    and errors in for WEIGHT_GRADIENT, which hands nothing on.  `batch_barrier`: needs all samples
    of the minibatch before it can finish.  `per_step`: happens once per minibatch, whatever its
    size (the optimizer, and what computes weights from parameters).  `recomputes`: a FORWARD task
    that runs its operator again in the backward pass.
    """

    name: str
    op: str
    kind: TaskKind
    op_kind: OpKind
    weight: WeightUse | None = None
    dynamic: tuple[DynamicMatmul, ...] = ()
    work: DigitalWork = NO_WORK
    input_elements: int = 0
    output_elements: int = 0
    batch_barrier: bool = False
    error_signed: bool = True
    input_signed: bool = True
    per_step: bool = False
    recomputes: bool = False


@dataclass(frozen=True, slots=True)
class TrainingMacs:
    """Multiply-accumulates of one evaluation, plain SGD, as exact integers.

    `recompute` are those of forward operators that run again in the backward pass.
    """

    forward: int
    input_gradient: int
    weight_gradient: int
    dynamic_backward: int
    recompute: int = 0

    @property
    def total(self) -> int:
        """Forward and backward together."""
        forward = self.forward + self.recompute
        return forward + self.input_gradient + self.weight_gradient + self.dynamic_backward


@dataclass(frozen=True)
class TrainingGraph:
    """A training step's dataflow graph: node name -> attribute `task` (a `TrainingTask`).

    Edges are dependences within one sample.  `saved` lists what the accelerator keeps from the
    forward pass for the backward pass, each tensor once, `framework_saved` what PyTorch keeps (see
    `archsim.workload.framework_saved`); `digital_parameters` is the number of trainable elements that
    a digital optimizer updates, `analog_parameters` that of the weights of weight matmuls (a table
    that is both an embedding and a matmul weight counts there).  `trained` names
    the parameters that get a gradient, in the order of the file; `notes` are remarks for a reader.
    """

    workload: Workload
    graph: nx.DiGraph[str]
    saved: tuple[Saved, ...]
    macs: TrainingMacs
    digital_parameters: int
    analog_parameters: int
    trained: tuple[str, ...] = ()
    framework_saved: tuple[Saved, ...] = ()
    notes: tuple[Note, ...] = ()

    def task(self, name: str) -> TrainingTask:
        """The task called `name`."""
        found: TrainingTask = self.graph.nodes[name]["task"]
        return found

    @property
    def tasks(self) -> tuple[TrainingTask, ...]:
        """All tasks, in the order in which they were derived (forward first)."""
        return tuple(self.task(name) for name in self.graph.nodes)
