"""Activation checkpointing: what is not kept but computed again in the backward pass.

A glob names places of the network.  Operators belong to the region of the shortest leading part of
their name, or of their module's name, that the glob matches, cut at '/' and '.': `*layers.?` makes
one region per layer, `*Relu*` one per operator; `all` is a single region.  As with
`torch.utils.checkpoint`, what an operator inside a region needs for its backward is not kept.
Instead the tensors that the region takes from outside are kept, and before the backward of its last
operator the region runs forward again, as far as anything of it is needed.  What operators outside
need is kept as ever, also where it comes from a region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from archsim.errors import InputError, nearest
from archsim.workload.graph import Op, Saved, Workload

Recompute: TypeAlias = Literal["none", "all"] | tuple[str, ...]
_EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Regions:
    """The region of each operator that is in one; both by name."""

    of: Mapping[str, str]

    def members(self, ops: Sequence[Op]) -> dict[str, tuple[Op, ...]]:
        """The operators of each region, in order."""
        found: dict[str, list[Op]] = {}
        for op in ops:
            if op.name in self.of:
                found.setdefault(self.of[op.name], []).append(op)
        return {region: tuple(entries) for region, entries in found.items()}


@dataclass(frozen=True, slots=True)
class Rerun:
    """A region in the backward pass: the operators that run again, and what is kept for them."""

    ops: tuple[Op, ...]
    kept: tuple[Saved, ...]


def regions(workload: Workload, ops: Sequence[Op], recompute: Recompute) -> Regions:
    """The regions that `recompute` makes; raises `InputError` for a glob that matches nothing."""
    if recompute == "none":
        return Regions({})
    if recompute == "all":
        return Regions({op.name: _EVERYTHING for op in ops})
    found: dict[str, str] = {}
    for glob in recompute:
        matched = {op.name: place for op in ops if (place := _place(op, glob)) is not None}
        if not matched:
            names = [op.name for op in ops]
            close = nearest(glob, names) if len(names) <= 2000 else None
            shown = ", ".join(f"'{name}'" for name in names[:6])
            raise InputError(
                f"the recompute pattern '{glob}' matches no operator of '{workload.name}'.",
                remedy=f"Did you mean '{close}'?" if close else f"They begin with {shown}.",
            )
        for name, place in matched.items():
            found.setdefault(name, f"{glob}: {place}")
    return Regions(found)


def _place(op: Op, glob: str) -> str | None:
    """The shortest leading part of the operator's name or module that `glob` matches."""
    for name in filter(None, (op.module, op.name)):
        cuts = [at for at, letter in enumerate(name) if letter in "/." and at]
        for end in (*cuts, len(name)):
            if fnmatchcase(name[:end], glob):
                return name[:end]
    return None


def rerun(
    members: Sequence[Op], saved: Callable[[Op], Sequence[Saved]], workload: Workload
) -> Rerun:
    """What of a region runs again; `saved` says what the backward of an operator needs.

    The closure of everything that backward operators of the region need, back to what comes from
    outside; an internal value of an operator (gates, probabilities) is made by running it again.
    """
    producer = {tensor: op for op in members for tensor in op.outputs}
    needed = dict.fromkeys((item.tensor, op.name) for op in members for item in saved(op))
    by_name = {op.name: op for op in members}
    again: set[str] = set()
    kept: dict[str, Saved] = {}
    stack: list[str] = []
    for tensor, user in needed:
        if tensor in workload.tensors and (tensor in producer or _outside(tensor, by_name[user])):
            stack.append(tensor)
        elif user not in again:
            again.add(user)
            stack.extend(by_name[user].inputs)
    while stack:
        tensor = stack.pop()
        maker = producer.get(tensor)
        if maker is None:
            kept.setdefault(tensor, Saved(tensor, workload.tensors[tensor].elements))
        elif maker.name not in again:
            again.add(maker.name)
            stack.extend(maker.inputs)
    return Rerun(tuple(op for op in members if op.name in again), tuple(kept.values()))


def _outside(tensor: str, user: Op) -> bool:
    """Whether a tensor that no operator of the region makes comes from elsewhere."""
    return tensor in user.inputs


def kept_with(
    ops: Sequence[Op],
    areas: Regions,
    saved: Callable[[Op], Sequence[Saved]],
    workload: Workload,
) -> list[Saved]:
    """What is kept between forward and backward, given the regions that run again."""
    kept = [item for op in ops if op.name not in areas.of for item in saved(op)]
    for members in areas.members(ops).values():
        kept.extend(rerun(members, saved, workload).kept)
    return kept
