"""A training step by phase in another simulator, recalculated from its stages by hand."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.validation.configurations.training_run import TrainingRun
from archsim.validation.estimate import CircuitClass, Estimate
from tests.closeness import close

SYSTEM = "panther_mlp_step"
BITS, STAGE_S, SIDE = 16, 128e-9, 128
# A column for references is converted with the others, in a forward product only.
CONVERTED = SIDE + 1
PRODUCT_S = CONVERTED * 1e-9 * BITS + STAGE_S + STAGE_S
TRANSPOSED_S = (BITS + 2) * STAGE_S


def test_a_product_is_its_bits_and_two_stages_more(found: dict[str, Estimate]) -> None:
    """2304 cycles in the trace; the trace holds no column for references, and moves data at once."""
    assert found["latency.backward"].value() == close(2304e-9, rel=0.01)
    assert found["latency.forward"].value() == close(2 * 2304e-9, rel=0.04)


def test_products_take_their_stages_and_data_come_on_top(found: dict[str, Estimate]) -> None:
    forward_s, backward_s = (found[f"latency.{p}"].value() for p in ("forward", "backward"))
    assert 2 * PRODUCT_S <= forward_s <= 1.03 * 2 * PRODUCT_S
    assert TRANSPOSED_S <= backward_s <= 1.03 * TRANSPOSED_S


def test_outer_products_take_four_phases_each(found: dict[str, Estimate]) -> None:
    """No activation lies between the layers, so that inputs and errors have two signs each."""
    assert found["peak.latency.weight_gradient"].value() == close(2 * 4 * 13e-9)


def test_products_take_what_eight_of_each_circuit_take(found: dict[str, Estimate]) -> None:
    """Powers of the circuits times the time that they work, for two products of 16 bits."""
    parts = found["peak.energy.forward"].parts
    products = 2 * BITS
    assert parts[CircuitClass.ADC] == close(products * CONVERTED * 8 * 2e-3 * 1e-9)
    drivers_j = products * SIDE * 8 * 3.896875e-6 * STAGE_S
    assert parts[CircuitClass.DRIVERS] == close(drivers_j, rel=1e-3)
    # 0.3 mW of each crossbar, with the cells of the reference column as well.
    cells_j = products * 8 * 0.3e-3 * STAGE_S * CONVERTED / SIDE
    assert parts[CircuitClass.CELLS] == close(cells_j, rel=1e-3)


def test_all_rows_of_stated_circuits_are_roll_ups(found: dict[str, Estimate]) -> None:
    assert {estimate.basis for estimate in found.values()} == {"rollup"}


@pytest.mark.parametrize(
    ("workload", "network", "words"),
    [("vgg8", {"kind": "mlp"}, "both of"), ("", None, "neither of")],
)
def test_a_run_trains_one_network(
    run: TrainingRun, workload: str, network: dict[str, Any] | None, words: str
) -> None:
    fields = run.model_dump() | {"workload": workload, "network": network}
    with pytest.raises(ValueError, match=words):
        TrainingRun.model_validate(fields)
