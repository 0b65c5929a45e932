"""What a cycle result names as the cause of a large difference is the cause: without it, it is gone."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.evaluate import evaluate
from archsim.simulation.cycle.room import with_room
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TrainingGraph, training_graph
from tests.closeness import close
from tests.simulation.architectures import changed

LOADED = load("protonic_256", Architecture, data_folder("arch_configs"))
# What makes each resource plentiful.
PLENTY: dict[str, dict[str, Any]] = {
    "activation_buffer": {"activation_buffer.capacity": "64 GiB"},
    "mesh": {"mesh.link": "1 PB/s"},
    "update_power": {"chip.update_power_limit": "1 MW"},
    "converters": {"tile.arrays_per_converter_set": 1},
}
TINY = {"activation_buffer.capacity": "4 KiB"}
SLOW_DRAM = {**TINY, "dram.bandwidth": "1 GB/s"}
IMMEDIATE = {**SLOW_DRAM, "schedule.update": "immediate"}
SHARED = {"tile.arrays_per_converter_set": 16, "adc.outputs_per_adc": 128}


@cache
def network(name: str) -> tuple[TrainingGraph, Program]:
    found = Job(model=name).read()
    graph = training_graph(found.workload, found.options)
    return graph, lower(graph)


def result(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    graph, program = network(name)
    done = evaluate(graph, program, override(LOADED, changes), 24, fidelity="cycle")
    return done.result


def difference_s(found: dict[str, Any]) -> float:
    step_s: float = found["accelerator"]["step_latency_s"]
    return step_s - float(found["fidelity"]["other_step_latency_s"])


@pytest.mark.parametrize(
    ("name", "changes", "cause"),
    [
        ("lenet", SLOW_DRAM, "activation_buffer"),
        ("lenet", IMMEDIATE, "activation_buffer"),
        ("lenet", {"mesh.link": "100 MB/s"}, "mesh"),
        ("vgg8", {"mesh.link": "1 GB/s"}, "mesh"),
        ("lenet", {"chip.update_power_limit": "20 mW"}, "update_power"),
        ("mlp", SHARED, "converters"),
    ],
)
def test_relieving_what_is_named_takes_most_of_the_difference_away(
    name: str, changes: dict[str, Any], cause: str
) -> None:
    """And relieving anything else leaves more of it."""
    found = result(name, changes)
    told = found["fidelity"]["difference"]
    assert told["relative"] > 0.05
    assert told["resource"] == cause
    left = {
        resource: difference_s(result(name, {**changes, **plenty}))
        for resource, plenty in PLENTY.items()
        if resource in ("activation_buffer", "mesh", cause)
    }
    assert min(left, key=left.__getitem__) == cause
    assert left[cause] < 0.5 * difference_s(found)


@pytest.mark.parametrize("mode", ["pipelined", "sequential"])
@pytest.mark.parametrize("update", ["immediate", "deferred"])
@pytest.mark.parametrize("name", ["lenet", "resnet18"])
def test_the_step_with_room_is_that_of_a_larger_buffer(name: str, update: str, mode: str) -> None:
    """Exactly, where DRAM is so fast that nothing waits for what is saved there."""
    program = network(name)[1]
    fast = changed(
        LOADED.value,
        dram__bandwidth_bit_per_s=1e24,
        schedule__update=update,
        schedule__mode=mode,
        mapping__replication="none",
    )
    steps = []
    for bits in (3e4, 1e15):
        tree = changed(fast, activation_buffer__capacity_bit=bits)
        priced = estimate(program, [tree], [6])
        run = simulate_step(priced, tree)
        steps.append((run.makespan_s, with_room(run, priced, tree)))
    (tight_s, room), (wide_s, none) = steps
    assert none is None
    assert room is not None
    assert room.makespan_s == close(wide_s, rel=1e-9)
    assert tight_s >= wide_s * (1 - 1e-9)


def test_the_sentence_says_what_too_little_space_does() -> None:
    """How much there is, how many samples it lets in, what spills, and the time without."""
    text = result("lenet", SLOW_DRAM)["fidelity"]["difference"]["explanation"]
    wanted = re.search(r"a single sample is let in at once, of (\d+) that are wanted", text)
    assert wanted is not None
    # Of a batch of 24: no barrier asks for all of them.
    assert 1 < int(wanted[1]) < 24
    for part in (
        "the activation buffer holds 4.1 kB: a single sample",
        "outputs are so large that they pass through DRAM",
        "% of what waits for the next task goes to DRAM and back",
        "with room for all that waits the step takes",
    ):
        assert part in text


def test_of_two_causes_both_are_named() -> None:
    """A tiny buffer and a slow DRAM: either alone would leave much of the difference."""
    told = result("lenet", IMMEDIATE)["fidelity"]["difference"]
    assert told["resource"] == "activation_buffer"
    assert "a single sample is let in" in told["explanation"]
    assert "  DRAM takes " in told["explanation"]


def test_ways_that_are_shorter_than_the_mean_distance_are_named() -> None:
    """Long hops: placement, and not the pipeline, makes the step shorter than its estimate."""
    told = result("lenet", {"mesh.hop_latency": "1 us"})["fidelity"]["difference"]
    assert told["relative"] < -0.1
    assert told["resource"] == "data movement"
    assert "ways on the mesh are shorter" in told["explanation"]
    assert told["buffer_space_s"] == 0.0


def test_the_busiest_link_is_named() -> None:
    found = result("lenet", {"mesh.link": "100 MB/s"})
    link = next(iter(found["cycle"]["critical_path"]["queues_s"]))
    assert link.startswith("mesh:")
    told = found["fidelity"]["difference"]["explanation"]
    assert f"most of all for the link {link.removeprefix('mesh:')}" in told
