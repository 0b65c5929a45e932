"""The network's input over a link from the host instead of from DRAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.memory import Link
from archsim.resources import data_folder
from archsim.simulation.columns import HOST_LINK
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import Estimate, estimate
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(PROTONIC, mapping__replication="none", schedule__batchnorm="running")
LINK = Link(
    bandwidth_bit_per_s=4e12,
    energy_j_per_bit=11e-12,
    latency_s=300e-9,
    static_power_w=2.0,
    area_m2=8e-6,
)
LAYERS = [Layer(64, 32, 10), Layer(32, 8, 10)]
# 10 vectors of 64 inputs, as activations of 16 bit.
INPUT_BIT = 10 * 64 * 16


def priced(samples: int = 6, **link: float) -> Estimate:
    tree = changed(PLAIN, host_link=LINK.model_copy(update=link))
    return estimate(program_of(LAYERS), [tree], [samples])


def test_inputs_take_the_link_and_no_longer_dram() -> None:
    """Bits over bandwidth, energy by bit, once for every sample; area and static power come on top."""
    with_link, without = priced(), estimate(program_of(LAYERS), [PLAIN], [6])
    busy = dict(zip(with_link.timeline.resources, with_link.timeline.resource_s[0], strict=True))
    assert busy[HOST_LINK] == close(6 * INPUT_BIT / 4e12)
    assert with_link.costs.energy_j[HOST_LINK].sum() == close(INPUT_BIT * 11e-12)
    from_dram = without.costs.energy_j["dram"] - with_link.costs.energy_j["dram"]
    assert from_dram.sum() == close(INPUT_BIT * float(PLAIN.dram.energy_j_per_bit))
    assert HOST_LINK not in without.timeline.resources
    assert HOST_LINK not in without.costs.energy_j
    assert with_link.area_m2[0] - without.area_m2[0] == pytest.approx(8e-6, rel=1e-6)
    assert with_link.static_power_w["static_host_link"][0] == close(2.0)


def test_the_first_sample_waits_for_the_way_of_its_input() -> None:
    """A longer way delays the step once, not for every sample."""
    near, far = (priced(latency_s=s) for s in (0.0, 1e-6))
    assert far.step_latency_s[0] - near.step_latency_s[0] == close(1e-6, rel=1e-6)


def test_a_slow_link_sets_the_pace_in_both_fidelities() -> None:
    """At 1 Mbit/s nothing else counts: the samples' bits, and a way that is waited for once."""
    slow = priced(samples=9, bandwidth_bit_per_s=1e6)
    stream_s = 9 * INPUT_BIT / 1e6
    assert slow.step_latency_s[0] == pytest.approx(stream_s, rel=0.01)
    lowered = lower_cycle(slow.program, slow.costs, Execution(9, "pipelined", "deferred", False))
    run = simulate(expand(lowered.template))
    assert run.makespan_s == pytest.approx(stream_s, rel=0.01)
    assert run.makespan_s >= stream_s * (1 - 1e-9)
    kinds = dict(zip(run.tasks.resources.names, run.tasks.resources.kind, strict=True))
    assert kinds[HOST_LINK] == "link"


def test_only_the_first_consumer_of_an_input_uses_the_link() -> None:
    program = program_of(LAYERS)
    users = np.flatnonzero(priced().costs.shared_s[HOST_LINK][0])
    assert [program.names[task] for task in users] == ["layer0:forward"]


def test_shipped_links_can_be_the_host_link(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: protonic_256\nhost_link: {extends: links/pcie5}\n", encoding="utf-8")
    tree = load(str(own), Architecture, data_folder("arch_configs")).value
    assert tree.host_link is not None
    assert tree.host_link.name == "pcie5"
    assert float(tree.host_link.bandwidth_bit_per_s) == close(63e9 * 8)
