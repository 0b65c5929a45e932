"""Which stored tensors are one parameter, where that is not what the file stores.

Exporters lose ties (a transposed head is written a second time) and invent some (equal tensors of an
untrained network are merged); only the user knows what is meant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ties:
    """`tie` lists groups of stored tensors that are one; `untie` globs of those that are several.

    A tensor that is untied becomes a parameter of its own for each operator that reads it, named
    after that operator's output.
    """

    tie: tuple[tuple[str, ...], ...] = ()
    untie: tuple[str, ...] = ()


NO_TIES = Ties()
