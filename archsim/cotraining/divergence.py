"""Trainings that leave the numbers: a sentence that says where first, and what is kept."""

from __future__ import annotations

from typing import NoReturn

from archsim.errors import InputError


def refuse_diverged(where: str, first: str, epochs_done: int) -> NoReturn:
    """Raise `InputError` for a training at `where` in which `first` went wrong."""
    kept = (
        f"The checkpoint of epoch {epochs_done} is kept" if epochs_done else "No epoch was finished"
    )
    raise InputError(
        f"the training diverged: {first.rstrip('.')}.",
        place=where,
        remedy=f"{kept}; use a smaller learning_rate, or another algorithm or device.",
    )
