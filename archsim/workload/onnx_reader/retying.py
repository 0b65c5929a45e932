"""Tying and untying stored tensors as the user says, before the graph is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from archsim.errors import InputError, did_you_mean, nearest
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.ties import Ties


def retied(
    nodes: Sequence[Node], constants: Mapping[str, Constant], ties: Ties
) -> tuple[list[Node], dict[str, Constant]]:
    """`nodes` and the initializers `constants` with `ties` applied.

    Raises `InputError` for names that the file does not store and shapes that cannot be one tensor.
    """
    found = dict(constants)
    for group in ties.tie:
        _tie(group, found)
    changed = list(nodes)
    for glob in ties.untie:
        names = [name for name in constants if fnmatchcase(name, glob)]
        if not names:
            raise InputError(
                f"'{glob}' is to be untied, but the file stores no such tensor.",
                remedy=_hint(glob, constants),
            )
        for name in names:
            changed = _untie(name, changed, found)
    return changed, found


def _hint(name: str, constants: Mapping[str, Constant]) -> str:
    stored = [c.name for c in constants.values() if c.floating and c.elements > 1]
    if len(stored) > 50:
        close = nearest(name, stored[:2000])
        return f"Did you mean '{close}'?" if close else "'archsim inspect' lists the parameters."
    return did_you_mean(name, stored)


def _tie(group: Sequence[str], constants: dict[str, Constant]) -> None:
    """Let all of `group` be the first: its parameter, its matrix, perhaps transposed."""
    for name in group:
        if name not in constants:
            raise InputError(
                f"'{name}' is to be tied, but the file stores no such tensor.",
                remedy=_hint(name, constants),
            )
    first = constants[group[0]]
    for name in group[1:]:
        other = constants[name]
        transposed = other.shape == first.shape[::-1] and other.shape != first.shape
        if other.shape != first.shape and not transposed:
            raise InputError(
                f"'{name}' of shape {other.shape} is to be tied to '{first.name}' of shape "
                f"{first.shape}, and cannot be the same tensor.",
                remedy="Tie tensors of one shape, or of which one is the other transposed.",
            )
        flipped = first.flipped != transposed
        constants[name] = replace(other, roots=first.roots, view=first.view, flipped=flipped)


def _untie(name: str, nodes: Sequence[Node], constants: dict[str, Constant]) -> list[Node]:
    """Give each node that reads `name`, after the first, a tensor of its own."""
    changed, readers = [], 0
    for node in nodes:
        if name not in node.inputs:
            changed.append(node)
            continue
        readers += 1
        if readers == 1:
            changed.append(node)
            continue
        own = f"{name}@{node.outputs[0]}"
        stored = constants[name]
        roots = tuple(replace(root, name=own) for root in stored.roots)
        constants[own] = replace(stored, name=own, roots=roots, view=own)
        inputs = tuple(own if entry == name else entry for entry in node.inputs)
        changed.append(replace(node, inputs=inputs))
    return changed
