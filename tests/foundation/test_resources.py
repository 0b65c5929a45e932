"""Shipped data is found beside the package or inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim import resources
from archsim.errors import InputError
from archsim.resources import data_folder


def test_a_checkout_keeps_its_data_beside_the_package() -> None:
    """Both folders exist, and the bibliography is where the loader expects it."""
    assert (data_folder("arch_configs") / "references.yaml").is_file()
    assert data_folder("workloads").is_dir()


def test_data_inside_the_package_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package does not pick up a folder that happens to lie beside it."""
    package = tmp_path / "archsim"
    (tmp_path / "workloads").mkdir()
    (package / "arch_configs").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert data_folder("arch_configs") == package / "arch_configs"
    assert data_folder("workloads") == tmp_path / "workloads"
    (package / "workloads").mkdir()
    assert data_folder("workloads") == package / "workloads"


def test_a_broken_installation_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing data says what to do."""
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "archsim")
    with pytest.raises(InputError, match="Install archsim again"):
        data_folder("workloads")
