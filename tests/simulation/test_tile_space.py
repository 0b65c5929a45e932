"""A tile's buffer must hold one vector and its outputs."""

from __future__ import annotations

import pytest

from archsim.errors import InputError
from archsim.simulation.estimate import estimate
from archsim.simulation.tile_space import check_tile_buffers, vector_bits
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(PROTONIC, mapping__replication="none", tile__arrays=1)


def test_a_tile_of_one_array_holds_its_rows_and_columns() -> None:
    """100 inputs and 60 outputs of 16 bit each."""
    program = program_of([Layer(100, 60)])
    found = estimate(program, [PLAIN], [1])
    assert vector_bits(PLAIN, found.mapping)[0] == close([(100 + 60) * 16])


def test_the_matrix_that_needs_most_is_named_and_what_fits_passes() -> None:
    program = program_of([Layer(100, 60), Layer(60, 120)])
    found = estimate(program, [PLAIN], [1])
    need = (60 + 120) * 16
    check_tile_buffers(
        changed(PLAIN, tile__buffer__capacity_bit=float(need)), program.matrices, found.mapping
    )
    small = changed(PLAIN, tile__buffer__capacity_bit=need - 1.0)
    with pytest.raises(InputError, match="'w1' and its outputs") as error:
        check_tile_buffers(small, program.matrices, found.mapping)
    assert error.value.place == "tile.buffer.capacity"
    assert "at least 360 B" in error.value.remedy


def test_what_is_held_digitally_needs_no_tile() -> None:
    program = program_of([Layer(8, 8, blocks=40)])
    digital = changed(PLAIN, mapping__grouped="digital", tile__buffer__capacity_bit=1.0)
    found = estimate(program, [digital], [1])
    assert not found.mapping.on_array.any()
    check_tile_buffers(digital, program.matrices, found.mapping)
