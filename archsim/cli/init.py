"""`archsim init`: example files to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archsim.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECTURE = "protonic_256"
WORKLOAD = "vgg8"


@click.command(epilog="Example: archsim init my_project")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@options.json_option
def command(*, folder: Path, as_json: bool) -> None:
    """Copy a commented architecture, its device, a network and a study into DIR.

    Nothing that exists is overwritten: if one of the files is there already, none is written.
    """
    from archsim.cli.console import show, write_json

    written = write_examples(folder, example_files())
    if as_json:
        write_json({"folder": str(folder), "files": written})
        return
    show(
        *(f"wrote {folder / name}" for name in written),
        "",
        "Try, in that folder:",
        "  archsim run network.yaml --arch ./chip.yaml --gpu h100",
        "  archsim sweep study.yaml",
    )


def example_files() -> dict[str, str]:
    """The example files: path inside the new folder -> text."""
    from archsim.resources import data_folder

    shipped = data_folder("arch_configs")
    chip = (shipped / f"{ARCHITECTURE}.yaml").read_text(encoding="utf-8")
    chip = re.sub(r"^name: .*$", "name: my_chip", chip, count=1, flags=re.MULTILINE)
    files = {"chip.yaml": chip}
    # What the architecture is built from comes along, so that it can be changed as well.
    for name in re.findall(r"^\s*extends:\s*(\S+)", chip, re.MULTILINE):
        part = name if name.endswith(".yaml") else f"{name}.yaml"
        files[part] = (shipped / part).read_text(encoding="utf-8")
    network = data_folder("workloads") / f"{WORKLOAD}.yaml"
    files["network.yaml"] = network.read_text(encoding="utf-8")
    study = Path(__file__).parent / "examples" / "study.yaml"
    files["study.yaml"] = study.read_text(encoding="utf-8")
    return files


def write_examples(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write `files` below `folder`; returns their names, sorted.

    Raises `InputError` if one of them exists, or the folder is named as a file or cannot be written;
    what had been written until then is removed again.
    """
    from archsim.errors import InputError

    if folder.suffix in (".yaml", ".yml"):
        raise InputError(
            "that is the name of a file, and the examples are several.",
            place=str(folder),
            remedy=f"Give a folder, such as '{folder.with_suffix('')}'.",
        )
    for name in files:
        if (folder / name).exists():
            raise InputError(
                f"'{name}' is there already, and nothing is overwritten.",
                place=str(folder),
                remedy="Give another folder.",
            )
    done: list[Path] = []
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                done.append(path)
                stream.write(text)
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        raise InputError(
            f"the examples cannot be written ({error.strerror or error}).",
            place=str(folder),
            remedy="Give a writable folder.",
        ) from None
    return sorted(files)
