"""What a user gets: the wheel and the source archive are complete."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from archsim import __version__

ROOT = Path(__file__).parent.parent


def files_under(*folders: str, root: Path = ROOT) -> set[str]:
    """The data and source files under folders of the checkout, as relative paths."""
    return {
        str(path.relative_to(root))
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    list(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    list(SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    return folder


def test_the_wheel_holds_the_package_and_its_data(built: Path) -> None:
    """Every module, template, configuration and workload of the checkout is in the wheel."""
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = files_under("archsim")
    wanted |= {f"archsim/{name}" for name in files_under("arch_configs", "workloads", "recipes")}
    assert wanted <= names
    assert f"archsim-{__version__}.dist-info/licenses/LICENSE" in names
    scripts = zipfile.ZipFile(wheel).read(f"archsim-{__version__}.dist-info/entry_points.txt")
    assert b"archsim = archsim.cli.main:cli" in scripts


def test_the_source_archive_can_build_and_test(built: Path) -> None:
    """The source archive holds the package, its data, its tests and the build files."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    wanted = files_under("archsim", "arch_configs", "workloads", "recipes", "tests", ".ci")
    wanted |= {"pyproject.toml", "constraints.txt", "LICENSE", "Makefile"}
    assert wanted <= names


def test_constraints_are_exact_versions() -> None:
    """Every line of the constraints pins one version, and names no address."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 20
    for pin in pins:
        name, equals, version = pin.partition("==")
        assert equals == "=="
        assert name
        assert version
        assert "/" not in pin
