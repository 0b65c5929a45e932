"""Copies of weight matrices as the user states them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from archsim.architecture.policy import StatedCopies
from archsim.errors import InputError, did_you_mean
from archsim.fields import FloatArray


def stated_copies(stated: Sequence[StatedCopies], names: Sequence[str]) -> FloatArray:
    """Copies of the matrices called `names`, [M]: the first entry that matches, else one.

    An entry that is the name of a matrix means that matrix and no other, whatever characters of
    patterns the name holds (`rnn[h]`).  Raises `InputError` for an entry that matches no matrix.
    """
    found = np.ones(len(names))
    for entry in reversed(stated):
        hits = [i for i, name in enumerate(names) if name == entry.matrix] or [
            i for i, name in enumerate(names) if fnmatchcase(name, entry.matrix)
        ]
        if not hits:
            raise InputError(
                f"no weight matrix of the network is called '{entry.matrix}'.",
                place="mapping.copies",
                remedy=did_you_mean(entry.matrix, names)
                or "`archsim inspect` lists the weight matrices of a network.",
            )
        found[hits] = float(entry.number)
    return found
