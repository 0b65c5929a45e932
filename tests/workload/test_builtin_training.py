"""Training a built-in network takes the products that an independent counter finds.

The counts are those of an operation counter written for PyTorch's dispatcher (forward and backward
of torchvision's and transformers' networks with batch 1), so they share nothing with archsim.
"""

from __future__ import annotations

import math
from functools import cache

import networkx as nx
import pytest

from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.workload.graph import SavedForm, Workload
from archsim.workload.onnx_reader.reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import (
    TaskKind,
    TrainingGraph,
    TrainingMacs,
    TrainingOptions,
    accelerator_saved_bytes,
    training_graph,
)

# forward, input gradient, weight gradient, dynamic backward
COUNTED = {
    "mlp": TrainingMacs(234_752, 34_048, 234_752, 0),
    "lenet": TrainingMacs(416_520, 298_920, 416_520, 0),
    "resnet18": TrainingMacs(1_814_073_344, 1_696_059_392, 1_814_073_344, 0),
    "resnet50": TrainingMacs(4_089_184_256, 3_971_170_304, 4_089_184_256, 0),
    "bert-base": TrainingMacs(11_174_215_680, 10_872_225_792, 10_872_225_792, 603_979_776),
    "gpt2": TrainingMacs(16_114_089_984, 15_812_100_096, 15_812_100_096, 603_979_776),
    "vit-b16": TrainingMacs(17_563_828_224, 16_732_895_232, 16_848_500_736, 1_430_654_976),
}


@cache
def built_in(name: str, **bound: int) -> Workload:
    spec = load(name, WORKLOAD_MODEL, data_folder("workloads")).value
    batch = bound.pop("batch", 1)
    return workload_from_model(spec.build(), name=name, batch=batch, dims=spec.dims | bound)


def trained(name: str, options: TrainingOptions | None = None, **bound: int) -> TrainingGraph:
    return training_graph(built_in(name, **bound), options or TrainingOptions())


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_training_macs_are_those_of_the_independent_counter(name: str) -> None:
    """Forward, input gradients, weight gradients and dynamic products, each to the last MAC."""
    assert trained(name).macs == COUNTED[name]


@pytest.mark.parametrize(("name", "ratio"), [("resnet18", 2.9349), ("resnet50", 2.9711)])
def test_training_a_residual_network_takes_three_forwards_less_the_first_layer(
    name: str, ratio: float
) -> None:
    """3 x forward less the input gradient of the 7 x 7 stem, the only one that nothing needs."""
    macs = trained(name).macs
    stem = 7 * 7 * 3 * 64 * 112 * 112
    assert macs.total == 3 * macs.forward - stem
    assert macs.total / macs.forward == pytest.approx(ratio, abs=5e-5)


def test_a_recurrence_carries_the_error_over_all_steps_but_the_first() -> None:
    """Per layer: T x 4h x h by the inputs' matrix, (T - 1) x 4h x h by the recurrent one."""
    steps, h, vocabulary = 7, 650, 10_000
    macs = trained("lstm-ptb", seq=steps).macs
    head = steps * h * vocabulary
    assert macs.forward == macs.weight_gradient == steps * 2 * 8 * h * h + head
    assert macs.input_gradient == 2 * (steps + steps - 1) * 4 * h * h + head


def test_a_recurrence_of_one_step_carries_nothing_back_in_time() -> None:
    """With one step there is no earlier state, so the recurrent matrix is not read transposed."""
    graph = trained("lstm-ptb", seq=1)
    assert not [t for t in graph.tasks if t.kind is TaskKind.INPUT_GRADIENT and "/R" in t.op]
    assert not [t for t in graph.tasks if t.kind is TaskKind.GRADIENT_SUM]
    assert graph.macs.input_gradient == 2 * 4 * 650 * 650 + 650 * 10_000


def test_what_enters_a_recurrent_cell_waits_for_the_whole_way_back() -> None:
    """The input products of a layer come after its gates' and its recurrent products' backward."""
    graph = trained("lstm-ptb")
    for kind in (TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT):
        before = nx.ancestors(graph.graph, f"lstm.0/W:{kind}")
        assert {"lstm.0/gates:digital_backward", "lstm.0/R:input_gradient"} <= before
    assert nx.is_directed_acyclic_graph(graph.graph)
    back = graph.task("lstm.1/R:input_gradient")
    assert back.weight is not None
    assert (back.weight.vectors, back.weight.sequential_steps) == (34, 34)
    assert (back.input_elements, back.output_elements) == (35 * 4 * 650, 34 * 650)


def bottlenecks() -> list[tuple[int, int, int, int, bool]]:
    """(input channels, width, side before, side after, has a shortcut) of ResNet-50's blocks."""
    found = []
    channels, side = 64, 56
    for stage, count in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for index in range(count):
            after = side // 2 if stage and not index else side
            found.append((channels, width, side, after, index == 0))
            channels, side = 4 * width, after
    return found


def test_resnet50_saves_inputs_of_convolutions_and_norms_and_little_else() -> None:
    """A count by hand: each input once, one mask and one index map at the stem, a last mask."""
    values = 3 * 224**2 + 64 * 112**2  # the image, the input of the first norm
    for channels, width, side, after, shortcut in bottlenecks():
        values += channels * side**2  # into the first convolution, and into the shortcut
        values += width * side**2 * 2  # into the first norm, into the second convolution
        values += width * after**2 * 2  # into the second norm, into the third convolution
        values += 4 * width * after**2 * (2 if shortcut else 1)  # into the last norms
    values += 2048  # into the classifier
    masks = 64 * 112**2 + 2048 * 7**2  # ReLUs whose result no convolution keeps
    indices = 64 * 56**2
    graph = trained("resnet50")
    saved = {form: sum(s.elements for s in graph.saved if s.form is form) for form in SavedForm}
    assert saved[SavedForm.VALUE] == values
    assert saved[SavedForm.MASK] == masks
    assert saved[SavedForm.INDEX] == indices
    assert accelerator_saved_bytes(graph) == 4 * values + math.ceil(masks / 8) + indices


@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "lstm-ptb"])
def test_counts_are_proportional_to_the_batch(name: str) -> None:
    """Twice the samples take twice the products and twice the memory for activations.

    (From two samples on: with one, the exchange of batch and time is a view and not a copy.)
    """
    two, four = trained(name, batch=2), trained(name, batch=4)
    for part in ("forward", "input_gradient", "weight_gradient", "dynamic_backward"):
        assert getattr(four.macs, part) == 2 * getattr(two.macs, part)
    assert accelerator_saved_bytes(four) == 2 * accelerator_saved_bytes(two)
    assert four.digital_parameters == two.digital_parameters
    assert four.analog_parameters == two.analog_parameters


def test_a_frozen_backbone_trains_the_head_only() -> None:
    """With all but the classifier frozen, one weight gradient and no transposed read is left."""
    frozen = ("conv1.*", "bn1.*", "layer*")
    graph = trained("resnet18", TrainingOptions(frozen=frozen))
    assert graph.macs.input_gradient == 0
    assert graph.macs.weight_gradient == 512 * 1000
    assert [(s.elements, s.form) for s in graph.saved] == [(512, SavedForm.VALUE)]
    assert graph.analog_parameters == 512_000
    assert graph.digital_parameters == 1000


def test_batch_norms_of_a_residual_network_are_barriers_in_both_directions() -> None:
    """20 normalisations: 20 forward and 20 backward barriers, and the optimizer."""
    barriers = [task.kind for task in trained("resnet18").tasks if task.batch_barrier]
    assert barriers.count(TaskKind.FORWARD) == barriers.count(TaskKind.DIGITAL_BACKWARD) == 20
    assert len(barriers) == 41


def test_inputs_behind_relu_have_one_sign_and_others_two() -> None:
    """In ResNet-18 only the image is signed; in BERT, whose norms and GELUs have no sign, all."""
    signed = {
        name: [t.input_signed for t in trained(name).tasks if t.kind is TaskKind.WEIGHT_GRADIENT]
        for name in ("resnet18", "bert-base")
    }
    assert signed["resnet18"].count(True) == 1
    assert all(signed["bert-base"])


def test_a_tied_head_is_one_matrix_in_the_arrays() -> None:
    """GPT-2's word table is updated in the arrays, not by the digital optimizer."""
    graph = trained("gpt2")
    width, vocabulary, longest = 768, 50_257, 1024
    inside = 12 * 12 * width * width
    assert graph.analog_parameters == inside + vocabulary * width
    norms_and_biases = 12 * (3 + 1 + 4 + 1 + 4) * width + 2 * width
    assert graph.digital_parameters == longest * width + norms_and_biases
    scatter = graph.task("wte:digital_backward")
    assert scatter.work.operations == 128 * width
