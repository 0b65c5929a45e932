"""Laws that every training step obeys, whatever the network and the architecture."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.fields import NotStackable
from archsim.resources import data_folder
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain, layer_lists
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value


def program_of(layers: list[Layer], loss: str = "mse") -> Program:
    return lower(training_graph(chain(layers), TrainingOptions(loss=loss)))


layers = layer_lists(
    most=5, inputs=600, outputs=600, vectors=400, blocks=(1, 1, 1, 4, 33), norm=True
)
architectures = st.builds(
    changed,
    st.just(PROTONIC),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    mapping__replication=st.sampled_from(["auto", "none"]),
    mapping__sync=st.sampled_from(["average", "broadcast"]),
    mapping__grouped=st.sampled_from(["auto", "block_diagonal", "digital"]),
    array__rows=st.integers(16, 512),
    array__cols=st.integers(16, 512),
    array__bias_row=st.booleans(),
    adc__outputs_per_adc=st.integers(1, 64),
    read__encoding=st.sampled_from(["pulse_width", "bit_serial", "amplitude"]),
    update__scheme=st.sampled_from(["half_bias", "two_phase"]),
    periphery__sides=st.sampled_from(["doubled", "shared"]),
    periphery__subtract_before_adc=st.booleans(),
    activation_buffer__capacity_bit=st.floats(1e3, 1e9),
)
batches = st.integers(1, 300)


def longest_path(program: Program, priced: Estimate) -> float:
    """Longest path of one sample through the whole graph, by a plain loop."""
    duration = (priced.costs.main_s + priced.costs.transfer_s)[0]
    finish = duration.copy()
    for task in range(program.size):
        sources = [
            int(a) for a, b in zip(program.edge_from, program.edge_to, strict=True) if b == task
        ]
        finish[task] += max((finish[s] for s in sources), default=0.0)
    return float(finish[~program.per_step].max(initial=0.0))


@given(layers=layers, architecture=architectures, batch=batches)
def test_a_step_is_no_shorter_than_its_critical_path_and_its_busiest_resource(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    priced = estimate(program, [architecture], [batch])
    step = priced.step_latency_s[0]
    assert step >= longest_path(program, priced) * (1 - 1e-12)
    assert step >= priced.timeline.resource_s[0].max() * (1 - 1e-12)


@given(layers=layers, architecture=architectures, batch=batches)
def test_a_pipeline_is_never_slower_than_one_sample_after_the_other(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    fixed = changed(architecture, schedule__update="deferred", mapping__grouped="block_diagonal")
    pipelined = estimate(program, [changed(fixed, schedule__mode="pipelined")], [batch])
    sequential = estimate(program, [changed(fixed, schedule__mode="sequential")], [batch])
    assert pipelined.step_latency_s[0] <= sequential.step_latency_s[0] * (1 + 1e-12)


@given(layers=layers, architecture=architectures, batch=batches)
def test_automatic_copies_are_never_slower_than_none(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    fixed = changed(architecture, mapping__grouped="block_diagonal")
    auto = estimate(program, [changed(fixed, mapping__replication="auto")], [batch])
    none = estimate(program, [changed(fixed, mapping__replication="none")], [batch])
    assert auto.step_latency_s[0] <= none.step_latency_s[0] * (1 + 1e-12)


@given(layers=layers, architecture=architectures, batch=batches)
def test_choosing_units_automatically_costs_no_more_energy_times_time_than_either_policy(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)

    def product(policy: str) -> float:
        priced = estimate(program, [changed(architecture, mapping__grouped=policy)], [batch])
        fits = bool(priced.fits[0])
        return (
            float(priced.dynamic_energy_j[0] * priced.step_latency_s[0]) if fits else float("inf")
        )

    best = min(product("block_diagonal"), product("digital"))
    assert product("auto") <= best * (1 + 1e-12)


@given(layers=layers, architecture=architectures, batch=batches)
def test_input_gradients_move_data_as_a_forward_read_of_the_transpose_would(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    """Mesh time and energy of a layer's transposed read equal those of the mirrored layer."""
    layer = layers[0]
    # One column of arrays per weight column: the two sides of an array are alike.
    square = changed(
        architecture,
        array__cols=architecture.array.rows * 2,
        periphery__subtract_before_adc=True,
        numbers__partial_sum_bits=16,
        mapping__replication="none",
        mapping__grouped="block_diagonal",
        tile__arrays=1,
    )
    here = Layer(layer.inputs, layer.outputs, layer.vectors)
    mirror = Layer(layer.outputs, layer.inputs, layer.vectors)
    options = TrainingOptions(loss="none", input_gradients=("x",))
    found = []
    for chosen, kind in ((here, TaskKind.INPUT_GRADIENT), (mirror, TaskKind.FORWARD)):
        program = lower(training_graph(chain([chosen]), options))
        priced = estimate(program, [square], [batch])
        task = program.select(kind)[0]
        found.append(
            (
                priced.costs.energy_j["mesh"][0, task],
                priced.costs.shared_s["mesh"][0, task],
                priced.costs.energy_j["adc"][0, task],
            )
        )
    assert found[0] == close(found[1], rel=1e-9)


@given(layers=layers, architecture=architectures, batch=batches)
def test_energy_is_counts_times_costs_plus_static_power_times_time(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    priced = estimate(program, [architecture], [batch])
    dynamic = 0.0
    for energy in priced.costs.energy_j.values():
        for task in range(program.size):
            assert energy[0, task] >= 0.0
            dynamic += energy[0, task] * (1 if program.per_step[task] else batch)
    static = sum(power[0] for power in priced.static_power_w.values())
    total = dynamic + static * priced.step_latency_s[0]
    assert priced.step_energy_j[0] == close(total, rel=1e-9)


FASTER = [
    ("adc__rate_hz", 2.0),
    ("vector_unit__lanes", 2),
    ("vector_unit__clock_hz", 2.0),
    ("matrix_unit__units", 2),
    ("matrix_unit__clock_hz", 2.0),
    ("mesh__link_bit_per_s", 2.0),
    ("activation_buffer__bandwidth_bit_per_s", 2.0),
    ("dram__bandwidth_bit_per_s", 2.0),
    ("device__pulse_width_s", 0.5),
    ("read__time_step_s", 0.5),
    ("update__setup_s", 0.5),
    ("periphery__output_digital__latency_s", 0.5),
]


@pytest.mark.parametrize(("path", "factor"), FASTER)
@given(layers=layers, architecture=architectures, batch=batches)
def test_more_of_a_resource_or_a_shorter_task_never_slows_a_step(
    path: str, factor: float, layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    # Where a unit or copies are chosen by cost, the choice itself may change; it is fixed here.
    fixed = changed(architecture, mapping__replication="none", mapping__grouped="block_diagonal")
    value: Any = fixed
    for name in path.split("__"):
        value = getattr(value, name)
    better = changed(fixed, **{path: value * factor})
    program = program_of(layers)
    before = estimate(program, [fixed], [batch]).step_latency_s[0]
    after = estimate(program, [better], [batch]).step_latency_s[0]
    assert after <= before * (1 + 1e-12)


@given(
    layers=layers,
    chosen=st.lists(
        st.tuples(st.integers(32, 512), st.floats(5e7, 1e9), st.integers(1, 64)),
        min_size=2,
        max_size=6,
    ),
    base=architectures,
)
def test_configurations_priced_together_equal_each_priced_alone(
    layers: list[Layer], chosen: list[tuple[int, float, int]], base: Architecture
) -> None:
    program = program_of(layers)
    variants = [changed(base, array__rows=rows, adc__rate_hz=rate) for rows, rate, _ in chosen]
    sizes = [batch for _, _, batch in chosen]
    together = estimate(program, variants, sizes)
    for i, (variant, batch) in enumerate(zip(variants, sizes, strict=True)):
        alone = estimate(program, [variant], [batch])
        assert together.step_latency_s[i] == close(alone.step_latency_s[0], rel=1e-12)
        assert together.step_energy_j[i] == close(alone.step_energy_j[0], rel=1e-12)
        assert together.area_m2[i] == alone.area_m2[0]
        assert (together.mapping.copies[i] == alone.mapping.copies[0]).all()


def test_architectures_that_differ_in_more_than_numbers_are_not_stacked() -> None:
    program = program_of([Layer(8, 8)])
    with pytest.raises(NotStackable, match="mode"):
        estimate(program, [PROTONIC, changed(PROTONIC, schedule__mode="sequential")], [1, 1])


@given(layers=layers, architecture=architectures, batch=batches)
def test_copies_stay_within_the_budget_and_every_matrix_has_one(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    priced = estimate(program_of(layers), [architecture], [batch])
    assert (priced.mapping.copies >= 1).all()
    if priced.fits[0]:
        assert priced.mapping.arrays_used[0] <= priced.arrays_available[0]


def test_equal_stages_in_a_pipeline_take_fill_plus_one_interval_per_sample() -> None:
    """With k equal stages, B samples take (k + B - 1) intervals of the slowest unit."""
    quiet = changed(
        PROTONIC,
        schedule__mode="pipelined",
        schedule__update="deferred",
        mapping__replication="none",
        periphery__sample_hold__double_buffered=False,
        periphery__output_digital__latency_s=0.0,
        mesh__hop_latency_s=0.0,
        mesh__link_bit_per_s=1e30,
        activation_buffer__bandwidth_bit_per_s=1e30,
        dram__bandwidth_bit_per_s=1e30,
        dram__latency_s=0.0,
    )
    # The same shape throughout, nothing trained: forward reads only.
    workload = chain([Layer(128, 128, vectors=7)] * 5)
    options = TrainingOptions(loss="none", frozen=("w*",))
    program = lower(training_graph(workload, options))
    # Seven vectors, each integrated for 80 ns; 128 outputs on 128/16 converters of 200 MS/s.
    interval = 7 * (80e-9 + 16 * 5e-9)
    for batch in (1, 2, 50):
        step = estimate(program, [quiet], [batch]).step_latency_s[0]
        assert step == close((5 + batch - 1) * interval, rel=1e-9)
