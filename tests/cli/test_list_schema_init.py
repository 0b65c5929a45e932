"""`archsim list`, `archsim schema` and `archsim init`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from archsim.architecture import Architecture
from archsim.cli.list import FOLDERS, folder_of
from archsim.cli.schema import SCHEMAS
from archsim.config.loading import load
from archsim.config.references import load_references
from archsim.resources import data_folder

Runner = Callable[..., Any]

SHIPPED = {
    "archs": "protonic_256",
    "devices": "protonic_onen2022",
    "gpus": "h100",
    "published": "isaac_ce",
    "workloads": "resnet50",
    "recipes": "mnist",
}
# A shipped file for each schema.
FILES = {
    "arch": lambda: data_folder("arch_configs") / "protonic_256.yaml",
    "gpu": lambda: data_folder("arch_configs") / "gpu" / "h100.yaml",
    "published": lambda: data_folder("arch_configs") / "published" / "puma.yaml",
    "recipe": lambda: data_folder("recipes") / "mnist_rpu.yaml",
    "workload": lambda: data_folder("workloads") / "resnet50.yaml",
    "study": lambda: Path(__file__).parents[2] / "archsim" / "cli" / "examples" / "study.yaml",
}


@pytest.mark.parametrize("what", FOLDERS)
def test_everything_that_ships_is_listed(archsim_here: Runner, what: str) -> None:
    """`list` names each file of its folder, with a description."""
    names = {p.stem for p in folder_of(what).glob("*.yaml")} - {"references"}
    found = archsim_here("list", what, "--json")
    assert found.code == 0
    assert {entry["name"] for entry in found.json} == names
    assert SHIPPED[what] in names
    assert all(entry["description"] for entry in found.json)
    text = archsim_here("list", what)
    assert text.code == 0
    assert all(name in text.out for name in names)
    assert max(map(len, text.out.splitlines())) <= 80


def test_sources_are_listed(archsim_here: Runner) -> None:
    """Each shipped file says what stands behind it: keys that the bibliography has, or texts."""
    known = load_references()
    for what in ("archs", "devices", "gpus"):
        for entry in archsim_here("list", what, "--json").json:
            assert set(entry["sources"]) <= set(known)
            assert entry["sources"]
            assert entry["source"]
    for entry in archsim_here("list", "workloads", "--json").json:
        assert entry["source"] == "; ".join(entry["sources"]) != ""


def test_algorithms_are_listed(archsim_here: Runner) -> None:
    """Every update algorithm that the schema of an architecture allows, with a sentence."""
    found = archsim_here("list", "algorithms", "--json").json
    chips = [
        load(name, Architecture, data_folder("arch_configs")).value.algorithm.kind
        for name in ("protonic_256", "rpu_4096")
    ]
    assert set(chips) <= {entry["name"] for entry in found}
    assert all(entry["description"].endswith(".") for entry in found)
    by_name = {entry["name"]: entry for entry in found}
    assert by_name["sgd"]["arrays"] == ["weight"]
    assert by_name["tiki_taka_v2"]["arrays"] == ["fast", "slow", "reference"]
    assert by_name["agad"]["state_words_per_weight"] > 3
    known = load_references()
    assert all(entry["source"] in known for entry in found)


def test_the_bibliography_is_no_architecture(archsim_here: Runner) -> None:
    """It is neither listed nor suggested."""
    assert "references" not in {e["name"] for e in archsim_here("list", "archs", "--json").json}
    found = archsim_here("run", "mlp", "--arch", "referenzes")
    assert found.code == 2
    assert "references" not in found.err


def test_every_schema_has_an_example() -> None:
    """The table of examples below misses no schema."""
    assert set(FILES) == set(SCHEMAS)


@pytest.mark.parametrize("what", SCHEMAS)
def test_schemas_accept_what_ships_and_refuse_a_misspelt_key(
    archsim_here: Runner, what: str
) -> None:
    """Each schema is valid, accepts the shipped example, and finds an unknown key in it."""
    schema = archsim_here("schema", what).json
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = yaml.safe_load(FILES[what]().read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(content)] == []
    assert not validator.is_valid({**content, "no_such_key": 1})


def test_init_gives_files_that_work(archsim_here: Runner, tmp_path: Path) -> None:
    """What `init` writes is listed, commented, and valid."""
    found = archsim_here("init", "project", "--json")
    assert found.code == 0
    for name in found.json["files"]:
        assert (tmp_path / "project" / name).is_file()
    assert {"chip.yaml", "network.yaml", "study.yaml"} <= set(found.json["files"])
    for name in ("chip.yaml", "study.yaml"):
        assert "# " in (tmp_path / "project" / name).read_text(encoding="utf-8")


def test_init_overwrites_nothing(archsim_here: Runner, tmp_path: Path) -> None:
    """If one of the files exists, none is written and the one stays as it was."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "study.yaml").write_text("mine", encoding="utf-8")
    found = archsim_here("init", "project")
    assert (found.code, found.out) == (2, "")
    assert "'study.yaml' is there already" in found.err
    assert [p.name for p in folder.iterdir()] == ["study.yaml"]
    assert (folder / "study.yaml").read_text(encoding="utf-8") == "mine"


def test_init_into_the_name_of_a_file_is_refused(archsim_here: Runner, tmp_path: Path) -> None:
    """Examples go into a folder: the name of a YAML file is refused, and a folder proposed."""
    found = archsim_here("init", "my.chip.yaml")
    assert found.code == 2
    assert "'my.chip'" in found.err
    assert not list(tmp_path.iterdir())


def test_a_missing_argument_is_named_on_one_line(archsim_here: Runner) -> None:
    """Without its argument, `schema` lists the choices in one line without control characters."""
    found = archsim_here("schema")
    assert found.code == 2
    first = found.err.splitlines()[0]
    assert all(f" {name}" in first for name in SCHEMAS)
    assert "\ufffd" not in found.err


def test_init_below_a_file_is_refused(archsim_here: Runner, tmp_path: Path) -> None:
    """A folder that cannot be made is a sentence, not a traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = archsim_here("init", "file/project")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("error: file/project: ")
