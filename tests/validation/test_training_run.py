"""A published epoch through the product's own mapping and schedule, recalculated by hand."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import pytest

from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.validation.configurations.training_run import TrainingRun
from archsim.validation.estimate import CircuitClass, Estimate
from archsim.validation.shipped_network import shipped_graph
from tests.closeness import close


class Layer(NamedTuple):
    """Inputs and outputs of a weight matrix, vectors of one image, copies."""

    inputs: int
    outputs: int
    vectors: int
    copies: int


# VGG-8 with 32 x 32 images; copies as the manual prints them.
VGG8 = (
    Layer(3 * 9, 128, 1024, 64),
    Layer(128 * 9, 128, 1024, 16),
    Layer(128 * 9, 256, 256, 8),
    Layer(256 * 9, 256, 256, 4),
    Layer(256 * 9, 512, 64, 2),
    Layer(512 * 9, 512, 64, 1),
    Layer(8192, 1024, 1, 1),
    Layer(1024, 10, 1, 8),
)
SYSTEM = "neurosim_v2_vgg8_epoch"
IMAGES, BATCH = 50_000, 200
BITS, READ_S, CLOCK_S, COLUMNS_PER_CONVERTER = 8, 10e-9, 1e-9, 8


def arrays(layer: Layer) -> int:
    return ceil(layer.inputs / 128) * ceil(layer.outputs / 128)


def read_s(sensed: int, built_for: int) -> float:
    """Eight bits of 10 ns, then rounds of conversions of 1 ns: columns over converters."""
    converters = ceil(built_for / COLUMNS_PER_CONVERTER)
    return BITS * READ_S + ceil(BITS * sensed / converters) * CLOCK_S


def test_time_of_forward_reads_is_rounds_of_vectors_of_each_layer_in_turn(
    found: dict[str, Estimate],
) -> None:
    """One vector per copy at a time; an array has a reference column beside its outputs."""
    image_s = sum(
        ceil(layer.vectors / layer.copies) * read_s(min(layer.outputs, 128) + 1, 129)
        for layer in VGG8
    )
    assert found["peak.latency.forward"].value() == close(IMAGES * image_s)


def test_transposed_reads_sense_the_rows_and_skip_the_first_layer(
    found: dict[str, Estimate],
) -> None:
    image_s = sum(
        ceil(layer.vectors / layer.copies) * read_s(min(layer.inputs, 128), 128)
        for layer in VGG8[1:]
    )
    assert found["peak.latency.backward"].value() == close(IMAGES * image_s)


def test_an_update_writes_rows_one_by_one_sixteen_arrays_at_once(
    found: dict[str, Estimate],
) -> None:
    """Rows of an array take a pulse of 50 ns of either sign; copies take the same pulses at once."""
    groups = [(ceil(arrays(layer) / 16), min(layer.inputs, 128), layer.outputs) for layer in VGG8]
    # Of 0.001 pulses per device and image a row of n devices gets none with chance (1 - 0.2)^n.
    pulses = 0.001 * BATCH
    step_s = sum(
        turns * rows * (1.0 - (1.0 - pulses) ** outputs) * 2 * 50e-9
        for turns, rows, outputs in groups
    )
    assert found["peak.latency.update"].value() == close(IMAGES / BATCH * step_s)


def test_cells_conduct_for_half_of_the_bits(found: dict[str, Estimate]) -> None:
    """V^2 g t of every cell that holds a weight, and of the reference column of each array."""
    cell_j = 0.5**2 * 5.5e-6 * BITS * READ_S / 2
    cells = sum(
        layer.vectors * (layer.inputs * layer.outputs + arrays(layer) * min(layer.inputs, 128))
        for layer in VGG8
    )
    parts = found["peak.energy.forward"].parts
    assert parts[CircuitClass.CELLS] == close(IMAGES * cells * cell_j)


def test_converters_take_what_their_comparators_do(found: dict[str, Estimate]) -> None:
    """63 comparators with their encoders, for each bit, column and part of a column."""
    conversion_j = 63 * (3.7e-15 + 2.7e-15)
    conversions = sum(
        layer.vectors * BITS * (layer.outputs * ceil(layer.inputs / 128) + arrays(layer))
        for layer in VGG8
    )
    parts = found["peak.energy.forward"].parts
    assert parts[CircuitClass.ADC] == close(IMAGES * conversions * conversion_j)


def test_forward_and_backward_add_up_to_the_part_of_the_step_before_the_weight_gradients(
    run: TrainingRun, found: dict[str, Estimate]
) -> None:
    """A chain of layers, one image after the other: phases are what the schedule says."""
    step = estimate(lower(shipped_graph("vgg8")), [run.architecture], [BATCH])
    before_s = float(step.timeline.latency_s[0, 0]) * IMAGES
    both_s = found["latency.forward"].value() + found["latency.backward"].value()
    assert both_s == close(before_s)


def test_the_cycle_fidelity_times_the_same_step(run: TrainingRun) -> None:
    """Layer after layer there is nothing to wait for but the work itself and the routes of its data."""
    step = estimate(lower(shipped_graph("vgg8")), [run.architecture], [4])
    simulated = simulate_step(step, run.architecture)
    by_cycle_s = timed_by_cycle(step, run.architecture, simulated).step_latency_s[0]
    assert by_cycle_s == close(float(step.step_latency_s[0]), rel=0.02)


def test_whatever_is_moved_comes_on_top_of_the_arrays(found: dict[str, Estimate]) -> None:
    for phase in ("forward", "backward", "update"):
        assert found[f"latency.{phase}"].value() > found[f"peak.latency.{phase}"].value()
    for phase in ("forward", "backward"):
        whole, inside = found[f"energy.{phase}"].parts, found[f"peak.energy.{phase}"].parts
        assert whole[CircuitClass.MEMORY] > 0.0
        assert CircuitClass.MEMORY not in inside
        assert whole[CircuitClass.ADC] == inside[CircuitClass.ADC]


def test_a_phase_that_is_not_stated_has_no_row(found: dict[str, Estimate]) -> None:
    assert "energy.update" not in found
    assert "latency.weight_gradient" not in found


def test_phases_of_a_pipeline_are_refused(run: TrainingRun) -> None:
    fields = run.model_dump()
    fields["architecture"]["schedule"]["mode"] = "pipelined"
    with pytest.raises(ValueError, match=r"add up only with schedule\.mode"):
        TrainingRun.model_validate(fields)
