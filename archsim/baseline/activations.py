"""Activation memory of a training step: what is kept, and what comes on top at the worst moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from archsim.workload.graph import Saved, SavedForm
from archsim.workload.training import TaskKind, TrainingGraph


@dataclass(frozen=True, slots=True)
class ActivationElements:
    """Elements per sample: kept by form, and `transient`, the excess of the peak over all kept.

    The peak is over the step: in the forward pass, what is kept so far and the tensors at work; in
    the backward pass, what is still kept and the gradients at work.  A network whose largest tensors
    come first has no excess, since little is kept while they are at work.
    """

    value: float
    index: float
    mask: float
    transient: float


def activation_elements(graph: TrainingGraph, not_saved: Collection[str]) -> ActivationElements:
    """Counts of `graph`; tensors in `not_saved` are recomputed instead of kept.

    A mask is free where its tensor is kept as a value anyway.
    """
    kept = [item for item in graph.saved if item.tensor not in not_saved]
    values = {item.tensor for item in kept if item.form is SavedForm.VALUE}
    totals = dict.fromkeys(SavedForm, 0)
    for item in kept:
        if item.form is not SavedForm.MASK or item.tensor not in values:
            totals[item.form] += item.elements
    samples = graph.workload.samples
    return ActivationElements(
        value=totals[SavedForm.VALUE] / samples,
        index=totals[SavedForm.INDEX] / samples,
        mask=totals[SavedForm.MASK] / samples,
        transient=_excess(graph, [item for item in kept if item.tensor in values]) / samples,
    )


def _excess(graph: TrainingGraph, kept: list[Saved]) -> int:
    """Elements by which the peak exceeds the sum of all kept values; at least 0."""
    values = {item.tensor: item.elements for item in kept if item.form is SavedForm.VALUE}
    until = _kept_until(graph, values)
    total = sum(values.values())
    peak = 0
    for name in graph.graph.nodes:
        task = graph.graph.nodes[name]["task"]
        if task.kind is TaskKind.OPTIMIZER:
            continue
        at_work = task.output_elements
        if task.kind is TaskKind.FORWARD:
            outputs = graph.workload.op(task.op).outputs
            at_work -= sum(values.get(tensor, 0) for tensor in outputs)
        elif task.kind is not TaskKind.LOSS:
            at_work += task.input_elements
        peak = max(peak, until.get(task.op, total) + at_work)
    return max(0, peak - total)


def _kept_until(graph: TrainingGraph, values: Mapping[str, int]) -> dict[str, int]:
    """For each operator, the value elements kept when its forward task has run."""
    ops = graph.workload.ops
    produced = {tensor for op in ops for tensor in op.outputs}
    # What no operator makes, such as a network input, is there from the start.
    running = sum(n for tensor, n in values.items() if tensor not in produced)
    until = {}
    for op in ops:
        running += sum(values.get(tensor, 0) for tensor in op.outputs)
        until[op.name] = running
    return until
