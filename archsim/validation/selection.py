"""Choosing what to validate by name: systems, or single rows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from archsim.errors import InputError, did_you_mean
from archsim.validation.comparison import Row
from archsim.validation.published import PublishedSystem


def row_filter(
    systems: Iterable[PublishedSystem], wanted: Sequence[str]
) -> Callable[[Row], bool] | None:
    """Whether a row is wanted, or None if nothing is, which means all.

    An id is that of a system (`isaac_ce`) or of a row (`isaac_ce.tile.power`).  Raises `InputError`
    with the nearest one for an id that there is not.
    """
    names = {system.name for system in systems if system.role != "peer"}
    rows = {f"{system.name}.{row.id}" for system in systems for row in system.published}
    for name in wanted:
        if name not in names | rows:
            # A name without a dot is meant to be a system: the list of all rows would not help.
            known = rows if "." in name else names
            raise InputError(
                f"nothing published has the id '{name}'.", remedy=did_you_mean(name, known)
            )
    if not wanted:
        return None
    chosen = frozenset(wanted)
    return lambda row: bool(chosen & {row.id, row.system})
