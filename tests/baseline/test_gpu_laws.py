"""Laws of the GPU baseline that hold for any network and any GPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.baseline.activations import activation_elements
from archsim.baseline.estimate import BoundBy, GpuEstimate, best_batch, estimate, usual_optimizer
from archsim.baseline.gemm import TILE_SHAPES, GemmRows, gemm_time
from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.gpu_table import gpu_table
from archsim.baseline.numerics import Optimizer, Precision, optimizer_traffic_bytes
from archsim.baseline.roofline import step_cost, step_time_s
from archsim.errors import InputError
from archsim.fields import stack
from archsim.workload.graph import OpKind, Saved
from archsim.workload.training import TaskKind, TrainingGraph
from tests.closeness import close

PEAK = 100e12


def variant(gpu: GpuSpec, **changes: float) -> GpuSpec:
    """`gpu` with fields replaced, those of `stack`, `peak` and `power` by their bare names."""
    parts = {}
    for part in ("stack", "peak", "power"):
        block = getattr(gpu, part)
        own = {k: v for k, v in changes.items() if k in type(block).model_fields}
        parts[part] = block.model_copy(update=own)
    rest = {k: v for k, v in changes.items() if k in GpuSpec.model_fields}
    return gpu.model_copy(update={**parts, **rest})


def product(m: float, n: float, k: float, *, grouped: bool = False, count: float = 1) -> GemmRows:
    one = np.ones(1)
    return GemmRows(
        one * count,
        one * m,
        one * n,
        one * k,
        one,
        np.array([False]),
        np.array([True]),
        np.array([False]),
        np.array([grouped]),
    )


def test_whole_waves_of_a_big_product_run_at_the_peak(gpu: GpuSpec) -> None:
    """100 multiprocessors, 10 x 10 tiles of 128 x 128: exactly 2*m*n*k / peak."""
    time = gemm_time(product(1280, 1280, 4096), gpu, 1.0, PEAK)
    assert time.elapsed_s[0] == close(2 * 1280 * 1280 * 4096 / PEAK, rel=1e-12)
    assert time.busy_s[0] == pytest.approx(time.elapsed_s[0])


def test_a_tail_wave_costs_a_whole_wave(gpu: GpuSpec) -> None:
    """Infinitely costly partial sums and one tile shape: ceil(tiles / sms) waves, closed form."""
    no_split = variant(gpu, memory_bandwidth_bit_per_s=1e-3)
    for m, n in ((1280, 1280), (1281, 1280), (2560, 1280), (2561, 1407)):
        waves = min(
            math.ceil(math.ceil(m / a) * math.ceil(n / b) / 100) * a * b for a, b in TILE_SHAPES
        )
        closed = waves * 100 * 2 * 4096 / PEAK
        found = gemm_time(product(m, n, 4096), no_split, 1.0, PEAK).elapsed_s[0]
        assert found == close(closed, rel=1e-12)


def test_a_long_reduction_into_a_small_output_is_split_over_multiprocessors(gpu: GpuSpec) -> None:
    """128 x 128 outputs over a reduction of 2**20: far better than one or two busy tiles."""
    time = gemm_time(product(128, 128, 2**20), gpu, 1.0, PEAK).elapsed_s[0]
    one_tile = 2 * 64 * 64 * 2**20 / (PEAK / 100)
    assert time < one_tile / 2
    assert time > 2 * 128 * 128 * 2**20 / PEAK


@given(
    m=st.integers(1, 5000),
    n=st.integers(1, 5000),
    k=st.integers(1, 5000),
    count=st.integers(1, 40),
    grouped=st.booleans(),
)
def test_no_product_beats_the_peak_and_none_is_busier_than_elapsed(
    gpu: GpuSpec, m: int, n: int, k: int, count: int, grouped: bool
) -> None:
    from_peak = 2.0 * m * n * k * count / PEAK
    time = gemm_time(product(m, n, k, count=count, grouped=grouped), gpu, 1.0, PEAK)
    assert time.elapsed_s[0] >= from_peak * (1 - 1e-12)
    assert time.busy_s[0] <= time.elapsed_s[0] * (1 + 1e-12)


@given(m=st.integers(1, 3000), n=st.integers(1, 3000), k=st.integers(1, 3000))
def test_doubling_the_rows_at_most_doubles_the_time(gpu: GpuSpec, m: int, n: int, k: int) -> None:
    rows = product(m, n, k)
    once = gemm_time(rows, gpu, 1.0, PEAK).elapsed_s[0]
    twice = gemm_time(rows, gpu, 2.0, PEAK).elapsed_s[0]
    assert twice <= 2 * once * (1 + 1e-12)
    assert twice >= once * (1 - 1e-12)


def test_a_depthwise_product_avoids_the_padding_of_tensor_core_tiles(gpu: GpuSpec) -> None:
    """N = 1 fills 1/32 of the narrowest tile; the vector units do only the real work."""
    depthwise = gemm_time(product(3136, 1, 9, grouped=True, count=64), gpu, 1.0, PEAK).elapsed_s[0]
    assert depthwise == close(2 * 3136 * 9 * 64 / (10e12 * 0.5))
    assert depthwise < gemm_time(product(3136, 1, 9, count=64), gpu, 1.0, PEAK).elapsed_s[0]


@given(
    batch=st.integers(1, 512),
    factor=st.floats(1.0, 10.0),
    field=st.sampled_from(["memory_bandwidth_bit_per_s", "l2_bit", "peak"]),
    optimizer=st.sampled_from(list(Optimizer)),
)
def test_a_better_gpu_is_never_slower(
    gpu: GpuSpec, cnn: TrainingGraph, batch: int, factor: float, field: str, optimizer: Optimizer
) -> None:
    base = variant(gpu, l2_bit=8e6, launch_s=3e-6)
    if field == "peak":
        better = variant(base, amp_flop_per_s=PEAK * factor, fp32_flop_per_s=10e12 * factor)
    else:
        better = variant(base, **{field: getattr(base, field) * factor})
    slow = estimate(cnn, base, batch, optimizer=optimizer).step_latency_s
    fast = estimate(cnn, better, batch, optimizer=optimizer).step_latency_s
    assert fast <= slow * (1 + 1e-12)


@given(
    batch=st.integers(1, 4096),
    precision=st.sampled_from(["fp32", "amp"]),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_power_lies_between_idle_and_limit_for_every_task(
    gpu: GpuSpec,
    cnn: TrainingGraph,
    batch: int,
    precision: str,
    shares: tuple[float, float, float],
) -> None:
    active, compute, memory = shares
    gpu = variant(
        gpu, active_share=active, compute_share=compute, memory_share=memory, launch_s=2e-6
    )
    found = estimate(cnn, gpu, batch, precision)
    assert np.all(found.task_energy_j >= 50.0 * found.task_time_s * (1 - 1e-12))
    assert np.all(found.task_energy_j <= 500.0 * found.task_time_s * (1 + 1e-12))
    assert found.step_energy_j == pytest.approx(found.task_energy_j.sum())
    assert found.average_power_w * found.step_latency_s == pytest.approx(found.step_energy_j)


def test_a_gpu_that_draws_for_nothing_but_idling_uses_idle_power(
    gpu: GpuSpec, cnn: TrainingGraph
) -> None:
    idle = variant(gpu, active_share=0.0, compute_share=0.0, memory_share=0.0)
    found = estimate(cnn, idle, 8)
    assert found.average_power_w == pytest.approx(50.0)


def test_step_time_is_the_sum_of_its_tasks_and_mfu_follows_from_it(
    gpu: GpuSpec, cnn: TrainingGraph
) -> None:
    found = estimate(cnn, gpu, 64)
    assert found.step_latency_s == pytest.approx(found.task_time_s.sum())
    assert found.samples_per_s == pytest.approx(64 / found.step_latency_s)
    by_hand = 2 * cnn.macs.total * 64 / found.step_latency_s / 100e12
    assert found.mfu == pytest.approx(by_hand)
    assert 0 < found.mfu <= 1
    assert len(found.task_names) == len(found.task_time_s) == len(found.task_bound_by)
    assert set(found.task_names) == {t.name for t in _tasks(cnn)} | {"optimizer"}


def _tasks(graph: TrainingGraph) -> list[object]:
    return [graph.graph.nodes[name]["task"] for name in graph.graph.nodes]


def test_a_launch_time_bounds_tiny_kernels_and_nothing_else(
    gpu: GpuSpec, cnn: TrainingGraph
) -> None:
    """Batch 1 with a 1 s launch: time = kernels * launch, since queued launches overlap."""
    slow = variant(gpu, launch_s=1.0)
    found = estimate(cnn, slow, 1)
    assert found.step_latency_s == pytest.approx(found.kernels)
    assert set(found.task_bound_by) <= {BoundBy.LAUNCH, BoundBy.FUSED}


def test_many_configurations_at_once_equal_each_alone(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    """Batches [C, 1] and stacked GPUs [C, 1] broadcast over tasks; a loop gives the same."""
    gpus = [
        variant(gpu, memory_bandwidth_bit_per_s=8e12 * (1 + i), sms=50 + 7 * i, launch_s=1e-6 * i)
        for i in range(5)
    ]
    batches = np.array([[1.0], [3.0], [8.0], [100.0], [256.0]])
    table = gpu_table(cnn, fusion=True, attention="fused")
    together = step_cost(table, stack(gpus), batches, Precision.AMP, Optimizer.ADAM)
    assert together.time_s.shape == (5, len(table.names))
    for i, one in enumerate(gpus):
        alone = step_cost(table, one, float(batches[i, 0]), Precision.AMP, Optimizer.ADAM)
        np.testing.assert_allclose(together.time_s[i], alone.time_s, rtol=1e-12)
        np.testing.assert_allclose(together.energy_j[i], alone.energy_j, rtol=1e-12)
    assert step_time_s(table, gpu, batches, Precision.AMP, Optimizer.SGD).shape == (5,)


@pytest.mark.parametrize("precision", list(Precision))
def test_optimizers_move_more_the_more_state_they_keep(precision: Precision) -> None:
    """Plain SGD in float32: gradient in, weight in and out, 12 bytes per parameter."""
    assert optimizer_traffic_bytes(Optimizer.SGD, Precision.FP32) == 12
    sizes = [optimizer_traffic_bytes(o, precision) for o in Optimizer]
    assert sizes[0] < sizes[1] < sizes[2] == sizes[3]
    assert sizes[1] - sizes[0] == 8


def test_memory_grows_with_the_batch_and_decides_what_fits(
    gpu: GpuSpec, cnn: TrainingGraph
) -> None:
    tight = variant(gpu, memory_bit=8 * 50e6)
    needs = [estimate(cnn, tight, b).memory_bytes for b in (1, 2, 64, 4096)]
    assert needs == sorted(needs)
    limit = estimate(cnn, tight, 1).largest_batch
    assert estimate(cnn, tight, limit).fits
    over = estimate(cnn, tight, limit + 1)
    assert not over.fits
    assert over.largest_batch == limit
    assert any(f"largest that fits is {limit}" in note for note in over.notes)


def test_memory_need_by_hand(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    """amp + Adam: 4+2 (weights) + 2 (gradient) + 8 (state) bytes per parameter, then activations."""
    parameters = 2 * 9 * 64 * 64
    n = 196 * 64
    values, bits, transient = 3 * n, n, 2 * n  # one mask's tensor is kept as a value anyway
    by_hand = parameters * 16 + 10 * (2 * values + bits / 8 + 2 * transient)
    found = estimate(cnn, gpu, 10, "amp", "adam")
    assert found.memory_bytes == pytest.approx(by_hand)


def test_best_batch_is_the_power_of_two_that_a_search_finds(
    gpu: GpuSpec, cnn: TrainingGraph
) -> None:
    tight = variant(gpu, memory_bit=8 * 40e6, launch_s=2e-6)
    found = best_batch(cnn, tight)
    tried: list[GpuEstimate] = [estimate(cnn, tight, 2**i) for i in range(12)]
    rates = {e.batch: e.samples_per_s for e in tried if e.fits}
    assert len(rates) > 2
    assert found.fits
    assert found.batch == max(rates, key=lambda b: rates[b])


def test_best_batch_where_nothing_fits_says_so(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    found = best_batch(cnn, variant(gpu, memory_bit=8.0))
    assert (found.batch, found.fits, found.largest_batch) == (1, False, 0)
    assert any("no batch fits" in note for note in found.notes)


def test_an_uncalibrated_gpu_says_so(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    found = estimate(cnn, gpu, 1)
    assert not found.calibrated
    assert any("not fitted" in note for note in found.notes)
    fitted = estimate(cnn, gpu.model_copy(update={"calibrated": True}), 1)
    assert fitted.calibrated
    assert not fitted.notes


@pytest.mark.parametrize(
    ("precision", "optimizer", "batch", "words"),
    [
        ("fp61", "sgd", 1, ("fp61", "fp32", "amp")),
        ("tf32", "sgd", 1, ("round has no tf32", "fp32", "amp")),
        ("amp", "adamx", 1, ("adamx", "adam", "momentum")),
        ("amp", "sgd", 0, ("batch is 0", "at least 1")),
    ],
)
def test_wrong_choices_are_refused_with_the_choices(
    gpu: GpuSpec,
    cnn: TrainingGraph,
    precision: str,
    optimizer: str,
    batch: int,
    words: tuple[str, ...],
) -> None:
    with pytest.raises(InputError) as refusal:
        estimate(cnn, gpu, batch, precision, optimizer)
    assert all(word in str(refusal.value) for word in words)


def test_the_usual_optimizer_follows_the_kind_of_network(
    cnn: TrainingGraph, attention: TrainingGraph
) -> None:
    assert usual_optimizer(cnn) is Optimizer.MOMENTUM
    assert usual_optimizer(attention) is Optimizer.ADAMW


def test_ramping_up_and_draining_adds_to_every_kernel(gpu: GpuSpec, cnn: TrainingGraph) -> None:
    """Unlike launching, it does not overlap: time = without + kernels * ramp."""
    plain = estimate(cnn, gpu, 64)
    ramped = estimate(cnn, variant(gpu, ramp_s=1e-3), 64)
    assert ramped.step_latency_s == pytest.approx(plain.step_latency_s + 1e-3 * plain.kernels)


def test_tensors_at_work_count_only_beyond_what_is_kept_at_that_moment(
    builder: Callable[..., Any],
) -> None:
    """A wide layer first: its output is large while little is kept, so nothing comes on top."""
    b = builder()
    wide, narrow = b.weight("w1", 10, 1000, 1), b.weight("w2", 1000, 10, 1)
    first = b.op(
        "wide", OpKind.WEIGHT_MATMUL, ["x"], (1, 1000), weight=wide, saved=(Saved("x", 10),)
    )
    kept = Saved("wide.out", 1000)
    second = b.op(
        "narrow", OpKind.WEIGHT_MATMUL, ["wide.out"], (1, 10), weight=narrow, saved=(kept,)
    )
    b.saved += [Saved("x", 10), kept]
    one = b.task(first, TaskKind.FORWARD, [], weight=wide, input_elements=10, output_elements=1000)
    b.task(second, TaskKind.FORWARD, [one], weight=narrow, input_elements=1000, output_elements=10)
    forward_only = activation_elements(b.build(), ())
    assert (forward_only.value, forward_only.transient) == (1010, 10)
    b.task(
        second, TaskKind.INPUT_GRADIENT, [], weight=narrow, input_elements=10, output_elements=1000
    )
    assert activation_elements(b.build(), ()).transient == 1010
