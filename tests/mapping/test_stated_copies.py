"""Numbers of copies that the user states, matrix by matrix."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.architecture.policy import MappingPolicy, StatedCopies
from archsim.errors import InputError
from archsim.mapping import DoesNotFit, check_fit
from archsim.mapping.stated_copies import stated_copies
from archsim.simulation.estimate import estimate
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

LAYERS = [Layer(64, 32, 10), Layer(32, 8, 10)]


def stated(*entries: tuple[str, int]) -> tuple[StatedCopies, ...]:
    return tuple(StatedCopies(matrix=matrix, number=number) for matrix, number in entries)


def test_the_first_entry_that_matches_counts_and_others_keep_one() -> None:
    names = ("conv1.weight", "conv2.weight", "fc.weight")
    found = stated_copies(stated(("conv1.*", 3), ("conv*", 2)), names)
    np.testing.assert_array_equal(found, [3, 2, 1])


def test_a_name_means_its_matrix_even_where_it_reads_as_a_pattern() -> None:
    """The matrices of recurrent cells are called so; what is no name is a pattern still."""
    names = ("r[h]", "rh", "w[zr]", "[h]")
    np.testing.assert_array_equal(stated_copies(stated(("r[h]", 3)), names), [3, 1, 1, 1])
    np.testing.assert_array_equal(stated_copies(stated(("[rw]*", 2)), names), [2, 2, 2, 1])
    np.testing.assert_array_equal(stated_copies(stated(("r[gh]", 5)), names), [1, 5, 1, 1])


def test_a_pattern_without_a_matrix_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'conv1\.weight'"):
        stated_copies(stated(("conv1.weigth", 3)), ("conv1.weight", "fc.weight"))


def test_stated_copies_share_the_vectors_of_a_layer() -> None:
    """Ten vectors on three copies take four intervals, on one copy ten."""
    program = program_of(LAYERS)
    first = program.matrices.names[0]
    one = changed(PROTONIC, mapping__replication="none")
    three = changed(one, mapping__replication="stated", mapping__copies=stated((first, 3)))
    alone, shared = (estimate(program, [tree], [4]) for tree in (one, three))
    np.testing.assert_array_equal(shared.mapping.copies[0], [3, 1])
    reads = program.names.index("layer0:forward")
    ratio = shared.costs.array_s[0, reads] / alone.costs.array_s[0, reads]
    assert ratio == pytest.approx(4 / 10)


def test_more_copies_than_arrays_are_refused() -> None:
    """One copy of each fits; the sentence says what was stated and what there is."""
    program = program_of(LAYERS)
    tree = changed(PROTONIC, mapping__replication="stated", mapping__copies=stated(("*", 5000)))
    priced = estimate(program, [tree], [4])
    assert not priced.fits[0]
    with pytest.raises(DoesNotFit, match=r"mapping.copies states need 10,000 arrays.*has 4,096"):
        check_fit(tree, program.matrices, priced.mapping)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replication": "auto", "copies": [{"matrix": "a", "number": 2}]}, "only there"),
        ({"replication": "stated"}, "has 0 entries"),
        (
            {
                "replication": "stated",
                "copies": [{"matrix": "a", "number": 2}],
                "overflow": "reprogram",
            },
            "holds all copies on one chip",
        ),
    ],
)
def test_contradictory_policies_are_refused(changes: dict[str, object], message: str) -> None:
    fields = PROTONIC.mapping.model_dump() | changes
    with pytest.raises(ValueError, match=message):
        MappingPolicy.model_validate(fields)
