"""How a network is held that takes more, or less, than arrays of its own on one chip."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.architecture import Architecture
from archsim.mapping.rounds import ALWAYS
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.estimate import Estimate
from archsim.simulation.rounds import rounds_in, times_written


def large_system(priced: Estimate, tree: Architecture) -> dict[str, Any]:
    """`system`, `rounds` and `packing` of the first configuration, each only where it is in use."""
    found: dict[str, Any] = {}
    if priced.costs.chips is not None:
        found["system"] = _system(priced, tree, priced.costs.chips)
    if rounds(priced) > 1:
        found["rounds"] = _rounds(priced)
    if tree.mapping.packing != "none":
        found["packing"] = _packing(priced)
    return found


def rounds(priced: Estimate) -> int:
    """Rounds in which the weights come to the arrays; 1 if all are there at once."""
    round_of = priced.mapping.round_of
    return 1 if round_of is None else rounds_in(round_of[0])


def cut_matrices(priced: Estimate) -> int:
    """Matrices that lie on several chips."""
    spread = priced.costs.chips
    return 0 if spread is None else int((spread.matrix_count[0] > 1).sum())


def shared(priced: Estimate) -> list[list[str]]:
    """Names of the matrices of every array that holds several."""
    array_of, names = priced.mapping.array_of, priced.program.matrices.names
    if array_of is None:
        return []
    together: dict[int, list[str]] = {}
    for matrix, first in enumerate(array_of[0].tolist()):
        together.setdefault(first, []).append(names[matrix])
    return [found for found in together.values() if len(found) > 1]


def _system(priced: Estimate, tree: Architecture, spread: ChipSpread) -> dict[str, Any]:
    assert tree.system is not None
    use, batch = spread.links[0], float(priced.batch[0])
    repeats = np.where(priced.program.per_step, 1.0, batch)[use.task]
    bits = np.bincount(use.link, use.bits * repeats, minlength=1)
    names = priced.program.matrices.names
    on_array = priced.mapping.on_array[0]
    first, count = spread.matrix_first[0].tolist(), spread.matrix_count[0].tolist()
    return {
        "link": tree.system.link.name,
        "links": int(tree.system.links(float(spread.chips[0]))),
        "link_bytes": float(bits.sum() / 8.0),
        "busiest_link_bytes": float(bits.max() / 8.0),
        "cut_matrices": cut_matrices(priced),
        "chips_of": {
            name: [first[m], first[m] + count[m] - 1] for m, name in enumerate(names) if on_array[m]
        },
    }


def _rounds(priced: Estimate) -> dict[str, Any]:
    assert priced.mapping.round_of is not None
    names, round_of = priced.program.matrices.names, priced.mapping.round_of[0]
    on_array = priced.mapping.on_array[0]
    return {
        "rounds": rounds_in(round_of),
        "writing_s": float(priced.timeline.writing_s[0].sum()),
        "most_writes": int(times_written(priced.program, round_of).max(initial=0)),
        "dram_bytes": float(priced.waiting_bits[0]) / 8.0,
        "round_of": {
            name: None if round_of[m] == ALWAYS else int(round_of[m])
            for m, name in enumerate(names)
            if on_array[m]
        },
    }


def _packing(priced: Estimate) -> dict[str, Any]:
    together = shared(priced)
    per_weight = priced.mapping.arrays_per_copy.min(initial=1.0)
    return {
        "arrays_saved": int(per_weight) * sum(len(names) - 1 for names in together),
        "shared": together,
    }
