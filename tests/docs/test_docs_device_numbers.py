"""The page that lists every number of every device, with its source, is up to date.

With the variable ARCHSIM_UPDATE_DOCS set, the page is rewritten.
"""

from __future__ import annotations

import os
from pathlib import Path

from archsim.config.assumptions import Assumption, assumptions
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.resources import data_folder

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "device-numbers.md"
FOLDER = data_folder("arch_configs") / "devices"
HEAD = """# Numbers of the devices

Every number of every device that ships, with the keys of the bibliography
(`arch_configs/references.yaml`) behind it, or `assumed`. Written by a test from the files in
`arch_configs/devices/`.
"""


def table(name: str) -> str:
    loaded = load(name, Device, FOLDER)
    rows = [row(entry) for entry in assumptions(loaded)]
    head = ["| value | number | source | note |", "|---|---|---|---|"]
    return "\n".join([f"## {name}", "", loaded.value.description, "", *head, *rows])


def row(entry: Assumption) -> str:
    cells = (entry.path, entry.value, entry.source, entry.note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def test_every_number_of_every_device_is_listed() -> None:
    """The page is what the files say."""
    wanted = "\n".join([HEAD, *(table(name) + "\n" for name in names_in(FOLDER))])
    if os.environ.get("ARCHSIM_UPDATE_DOCS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
