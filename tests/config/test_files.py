"""Files are found by name or path, and what cannot be read is refused with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archsim.config.files import LARGEST_FILE_BYTES, locate, read_text, shown
from archsim.errors import InputError
from archsim.resources import data_folder


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_text(path)
    return str(caught.value)


def not_found(name: str, *folders: Path) -> str:
    with pytest.raises(InputError) as caught:
        locate(name, folders)
    return str(caught.value)


def test_a_name_means_a_yaml_file_of_the_first_folder_that_has_it(folder: Path) -> None:
    """`.yaml` is understood, subfolders may be named, earlier folders win."""
    assert locate("base", (folder,)) == folder / "base.yaml"
    assert locate("devices/soft", (folder,)) == folder / "devices" / "soft.yaml"
    assert locate("soft.yaml", (folder, folder / "devices")) == folder / "devices" / "soft.yaml"
    assert locate(str(folder / "base.yaml"), (Path(),)) == folder / "base.yaml"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("bse", "'base'"),
        ("BASE", "'base'"),
        ("bse.yaml", "'base.yaml'"),
        ("devices/sofd", "'devices/soft'"),
    ],
)
def test_a_missing_name_names_the_nearest(folder: Path, name: str, nearest: str) -> None:
    """A typing error is answered with the name that was meant, in the form that was used."""
    assert not_found(name, folder) == f"there is no '{name}'. Did you mean {nearest}?"


def test_a_missing_name_without_neighbour_lists_what_there_is(folder: Path) -> None:
    """When nothing is close, all names of the folder are listed."""
    assert not_found("zzz", folder / "devices") == "there is no 'zzz'. Known: linear, soft."


def test_a_file_of_the_working_directory_is_offered_as_a_path(folder: Path) -> None:
    """A bare name is looked up in the library; the user's own file needs a path."""
    assert not_found("base", folder / "devices").endswith("Did you mean './base.yaml'?")


def test_folders_and_odd_names(folder: Path) -> None:
    """A folder, an empty name, a null byte and an endless name are refused."""
    assert "'devices' is a folder" in not_found("devices", folder)
    assert "Known: devices/linear, devices/soft." in not_found("devices", folder)
    assert "an empty name" in not_found("  ", folder)
    assert "an empty name" in not_found("a\0b", folder)
    assert "there is no" in not_found("x" * 5000, folder)


def test_unreadable_contents(tmp_path: Path) -> None:
    """Missing, folder, too large, empty, not UTF-8: each has its sentence."""
    assert "No such file" in refused(tmp_path / "none.yaml")
    assert "is a folder" in refused(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a" * (LARGEST_FILE_BYTES + 1))
    assert f"expected at most {LARGEST_FILE_BYTES}" in refused(path)
    path.write_bytes(b" \n\n")
    assert "the file is empty" in refused(path)
    path.write_bytes("a: 1\nb: µ\n".encode("latin-1"))
    assert "a.yaml:2: the file is not UTF-8 (byte 0xb5). Save it" in refused(path)
    path.write_bytes("a: 1\n".encode("utf-16"))
    assert "not UTF-8" in refused(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    """Reading never blocks."""
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "not a regular file" in refused(tmp_path / "pipe.yaml")


def test_denied_permission_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system is passed on in its own words."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")

    def deny(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert "the file cannot be read (Permission denied)" in refused(path)


def test_shown_paths_are_relative(folder: Path) -> None:
    """Neither messages nor results hold an absolute path."""
    assert shown(folder / "base.yaml") == "base.yaml"
    assert shown(folder.parent / "x.yaml") == "../x.yaml"
    shipped = data_folder("arch_configs")
    assert shown(shipped / "gpu" / "any.yaml") == "arch_configs/gpu/any.yaml"
