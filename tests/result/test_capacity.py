"""What a step keeps has to fit into buffers and DRAM."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.errors import InputError
from archsim.explore.physical import beyond_memory
from archsim.result.capacity import check_memory
from archsim.simulation.estimate import estimate
from tests.closeness import close
from tests.networks import Layer
from tests.result.test_result import LOADED, evaluated
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of
from tests.simulation.test_rounds_of_writing import PAIRS, SMALL

# Six matrices of 64 x 64 that all leave the arrays, at 32 bits.
WEIGHTS = 6 * 64 * 64 * 32


@pytest.mark.parametrize(("capacity", "refused"), [(WEIGHTS - 1.0, True), (WEIGHTS + 1e6, False)])
def test_weights_of_other_rounds_need_room_in_dram(capacity: float, refused: bool) -> None:
    tree = changed(SMALL, dram__capacity_bit=capacity)
    priced = estimate(program_of(PAIRS), [tree], [5])
    assert priced.waiting_bits.tolist() == [WEIGHTS]
    assert beyond_memory(priced, [tree]).tolist() == [refused]
    if not refused:
        check_memory(tree, priced)
        return
    with pytest.raises(
        InputError, match=r"wait for their round of writing take 98\.3 kB"
    ) as caught:
        check_memory(tree, priced)
    assert caught.value.place == "dram.capacity"


def test_activations_have_what_weights_of_other_rounds_leave() -> None:
    """The batch that the refusal recommends fits, and one more sample does not."""
    tree = changed(SMALL, dram__capacity_bit=WEIGHTS + 1e5, activation_buffer__capacity_bit=1e5)
    program = program_of(PAIRS)

    def check(batch: int) -> None:
        check_memory(tree, estimate(program, [tree], [batch]))

    with pytest.raises(InputError, match="beside weights of other rounds") as caught:
        check(100_000)
    most = int(str(caught.value).split("at most ")[1].split(" ")[0].rstrip(",").replace(",", ""))
    check(most)
    with pytest.raises(InputError):
        check(most + 1)
    assert beyond_memory(estimate(program, [tree], [most]), [tree]).tolist() == [False]
    assert beyond_memory(estimate(program, [tree], [most + 1]), [tree]).tolist() == [True]


def test_a_single_sample_is_not_told_to_be_fewer() -> None:
    """What remains is more memory; and what is less than a byte is told in bits."""
    tree = changed(PROTONIC, dram__capacity_bit=1.0, activation_buffer__capacity_bit=2.0)
    with pytest.raises(InputError, match="hold 3 bit") as caught:
        check_memory(tree, estimate(program_of(PAIRS), [tree], [1]))
    assert caught.value.remedy == "Enlarge dram.capacity."


def test_no_weights_wait_where_all_are_on_the_arrays() -> None:
    for overflow in ("error", "reprogram"):
        tree = changed(SMALL, mesh__side=4, mapping__overflow=overflow)
        assert estimate(program_of(PAIRS), [tree], [5]).waiting_bits.tolist() == [0.0]


def test_a_result_says_how_much_dram_waiting_weights_take() -> None:
    small = replace(LOADED, value=SMALL)
    found = evaluated([Layer(64, 64, 3)] * 6, small, 5).result["architecture"]["rounds"]
    assert found["dram_bytes"] == close(WEIGHTS / 8)
