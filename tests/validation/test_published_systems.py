"""What ships of the published systems: complete, cited, and without hidden rows."""

from __future__ import annotations

import pytest

from archsim.config.assumptions import unsourced
from archsim.config.references import check_references, load_references
from archsim.errors import InputError
from archsim.validation.comparison import CAUSE_NEEDED, Validation, compare
from archsim.validation.document import as_document
from archsim.validation.published import (
    PublishedSystem,
    load_system,
    load_systems,
    published_names,
)
from archsim.validation.selection import row_filter

# Every table of the collection of published results from which the rows were taken.
TABLES = (
    "gokmen_vlasov_2016_hw",
    "gokmen_vlasov_2016_accuracy",
    "gokmen_2017_cnn",
    "training_algorithms_qualitative",
    "isaac_ce",
    "published_system_comparison",
    "pipelayer",
    "puma",
    "panther",
    "neurosim_v2_vgg8_training",
    "mlp_neurosim_v3_devices_32nm",
    "mlp_neurosim_v2_devices_14nm",
    "hermes_core_2021",
    "hermes_64core_2023",
    "ambrogio_2023",
    "jain_2022",
    "ambrogio_2018",
    "marinella_2018",
    "bruschi_2022",
    "jia_2020",
    "sinangil_2021",
    "wan_2022",
    "wang_2022",
    "cimloop_reported_errors",
    "colonnade_2021",
    "albireo_2021",
)
NAMES = published_names()


@pytest.fixture(scope="module")
def everything() -> Validation:
    return compare(load_systems())


def test_every_table_is_covered() -> None:
    assert set(TABLES) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source(name: str) -> None:
    """A number with a unit is cited or marked as assumed, and citations lead somewhere."""
    loaded = load_system(name)
    check_references(loaded, load_references())
    assert unsourced(loaded) == ()
    cited = {path.split(".")[0] for path in loaded.sources}
    assert "published" in cited, "the results have a source as well"


@pytest.mark.parametrize("name", NAMES)
def test_no_row_that_could_be_estimated_is_left_out(name: str) -> None:
    """`not_modelled` may not hide an estimate that the configuration makes."""
    system = load_system(name).value
    estimates = system.configuration.estimates()
    hidden = [row.id for row in system.published if row.not_modelled and row.id in estimates]
    assert hidden == []


def test_every_large_error_has_a_cause(everything: Validation) -> None:
    silent = [
        row.id
        for row in everything.rows
        if abs(row.relative_error or 0.0) > CAUSE_NEEDED and not row.cause
    ]
    assert silent == []


def test_every_row_without_estimate_has_a_cause(everything: Validation) -> None:
    assert [row.id for row in everything.rows if row.estimate is None and not row.cause] == []


def test_the_same_files_give_the_same_document(everything: Validation) -> None:
    again = compare(load_systems())
    assert as_document(everything, (), ()) == as_document(again, (), ())


def test_what_another_estimator_reports_is_no_row(everything: Validation) -> None:
    assert "cimloop_reported_errors" not in {row.system for row in everything.rows}
    assert load_system("cimloop_reported_errors").value.role == "peer"


def scaled(chip: PublishedSystem, energy: float) -> PublishedSystem:
    """The chip as if it had been measured to need `energy` times as much."""
    rows = tuple(
        row.model_copy(
            update={"value": row.value / energy if "efficiency" in row.id else row.value * energy}
        )
        if row.value
        else row
        for row in chip.published
    )
    return chip.model_copy(update={"published": rows})


def test_the_factors_of_a_chip_do_not_depend_on_what_it_published() -> None:
    """On the shipped rows: what a chip published leaves its own factors alone, what all others
    published decides them."""
    systems = list(load_systems())
    index = NAMES.index("hermes_64core_2023")
    group = systems[index].group
    before = compare(systems).factors_without
    own = [s if s.group != group else scaled(s, 2.0) for s in systems]
    assert compare(own).factors_without[group] == before[group]
    others = [s if s.group == group else scaled(s, 6.0) for s in systems]
    assert compare(others).factors_without[group] != before[group]


def test_the_projected_tile_makes_419_4_tops(everything: Validation) -> None:
    """2 x 4096^2 operations in 80 ns, within 0.5 %."""
    row = next(r for r in everything.rows if r.id == "gokmen_vlasov_2016_hw.array.throughput")
    assert row.estimate == pytest.approx(2 * 4096**2 / 80e-9 / 1e12, rel=1e-9)
    assert abs(row.relative_error or 0.0) < 0.005


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("isaac", "Did you mean 'isaac_ce'?"), ("isaac_ce.tile.powr", "'isaac_ce.tile.power'")],
)
def test_an_unknown_id_is_refused_with_the_nearest(wanted: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        row_filter(load_systems(["isaac_ce"]), [wanted])
    assert hint in str(caught.value)
