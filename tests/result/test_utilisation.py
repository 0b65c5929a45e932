"""How busy every resource is: the work of the step over its time, whatever the schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.evaluate import Evaluation, evaluate
from archsim.result.utilisation import LISTED
from archsim.simulation.cycle.placed import PlacedMesh
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain

LAYERS = [Layer(300, 300, 20), Layer(300, 500, 20), Layer(500, 100, 20)]


def run(chip: str = "protonic_256", **settings: Any) -> Evaluation:
    loaded = override(load(chip, Architecture, data_folder("arch_configs")), settings)
    graph = training_graph(chain(LAYERS), TrainingOptions(loss="mse"))
    return evaluate(graph, lower(graph), loaded, 12, fidelity="cycle")


def test_units_and_arrays_work_as_long_as_their_tasks_take() -> None:
    """Busy share times the step is the sum of what the tasks hold, for all of them; none is left out."""
    done = run()
    assert done.cycle is not None
    costs, program = done.cycle.run.costs, done.estimate.program
    often = np.where(program.per_step, 1.0, 12.0)
    step_s = done.result["accelerator"]["step_latency_s"]
    found = done.result["cycle"]["utilisation"]
    for unit in ("vector_unit", "matrix_unit", "activation_buffer", "dram"):
        busy_s = float((costs.shared_s[unit][0] * often).sum())
        assert found["units"][unit] * step_s == pytest.approx(busy_s, rel=1e-6, abs=1e-14)
    assert list(found["arrays"]) == list(program.matrices.names)
    for m, name in enumerate(program.matrices.names):
        busy_s = float((costs.array_s[0] * often)[program.matrix == m].sum())
        assert found["arrays"][name] * step_s == pytest.approx(busy_s, rel=1e-6)


def test_links_that_are_named_and_those_that_are_not_carry_all_data() -> None:
    """Shares of all links times their bandwidth are the bits times hops of the step."""
    done = run()
    assert done.cycle is not None
    placed = done.cycle.run.placed
    assert isinstance(placed, PlacedMesh)
    cycle, step_s = done.result["cycle"], done.result["accelerator"]["step_latency_s"]
    links = cycle["utilisation"]["mesh_links"]
    assert len(links["busiest"]) == LISTED
    assert LISTED + links["others"] == cycle["mesh"]["links"]["used"]
    shares = list(links["busiest"].values())
    assert shares == sorted(shares, reverse=True)
    assert links["others_mean"] <= shares[-1] * (1 + 1e-9)
    carried = (
        (sum(shares) + links["others"] * links["others_mean"]) * placed.link_bit_per_s * step_s
    )
    assert carried == close(cycle["mesh"]["bit_hops_per_sample"] * 12)
    for link in cycle["mesh"]["busiest"]:
        assert links["busiest"][link["link"]] == close(link["utilisation"])


def test_the_resource_that_stalls_are_stated_of_is_the_busiest() -> None:
    done = run(**{"vector_unit.units": 1, "vector_unit.clock": "1 MHz"})
    cycle = done.result["cycle"]
    assert cycle["stalls"]["resource"] == "vector_unit"
    found = cycle["utilisation"]
    assert found["units"]["vector_unit"] == close(cycle["stalls"]["utilisation"])
    assert max([*found["units"].values(), *found["arrays"].values()]) <= 1


def test_every_chip_and_link_between_chips_has_a_share() -> None:
    small = {"mesh.side": 2, "tile.arrays": 2, "mapping.replication": "none"}
    done = run("protonic_256_system", **small)
    chips = done.result["architecture"]["chips"]
    assert chips > 1
    units = done.result["cycle"]["utilisation"]["units"]
    assert {f"activation_buffer:chip {c}" for c in range(chips)} <= set(units)
    assert {f"chip_link:{c}->{c + 1}" for c in range(chips - 1)} <= set(units)
    assert all(name.startswith("mesh:chip ") for name in _links(done))


def _links(done: Evaluation) -> dict[str, float]:
    found: dict[str, float] = done.result["cycle"]["utilisation"]["mesh_links"]["busiest"]
    return found
