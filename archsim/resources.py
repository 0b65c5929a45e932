"""Where the data that ships with archsim lies."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from archsim.errors import InputError

DataKind = Literal["arch_configs", "workloads", "recipes"]

_PACKAGE = Path(__file__).resolve().parent


def data_folder(kind: DataKind) -> Path:
    """The folder of shipped data: inside the installed package, or beside it in a checkout.

    Raises `InputError` if neither exists, which means a broken installation.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        folder = root / kind
        if folder.is_dir():
            return folder
    raise InputError(
        f"the folder '{kind}' that ships with archsim is missing",
        remedy="Install archsim again.",
    )
