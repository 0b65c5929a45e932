"""If, Loop and Scan, replaced by what they run.

A branch whose condition is known is the only one; else both are understood, the heavier one is what
the network costs, and the other leaves its weights, which exist.  A loop is unrolled: every
iteration uses the same weights, and its states pass from one to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.errors import InputError
from archsim.workload.graph import Note
from archsim.workload.onnx_reader.bodies import Body, body_of, inline
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.sequences import alias, concatenate, split

if TYPE_CHECKING:
    from archsim.workload.onnx_reader.operators import Piece
    from archsim.workload.onnx_reader.trace import Tracer

# More nodes than that by loops alone are no network that anyone trains.
LARGEST_UNROLLED_NODES = 30_000
# A loop that only its condition ends may turn out to be endless.
_LONGEST_OPEN_LOOP = 1_000
# Trip counts that exporters write for "as often as the condition says".
_UNLIMITED = 2**31 - 1


def expand_if(node: Node, tracer: Tracer) -> None:
    """One branch if its condition is known, else the heavier one, with a note."""
    condition = tracer.scope.value(node.input(0))
    if condition is not None:
        chosen = "then_branch" if bool(condition.any()) else "else_branch"
        results = _branch(node, chosen, tracer)
    else:
        results = _heavier(node, tracer)
    for name, result in zip(node.outputs, results, strict=False):
        alias(tracer, node, name, result)


def _branch(node: Node, attribute: str, tracer: Tracer) -> list[str]:
    body = body_of(node, attribute, tracer)
    place = f"{node.name}/{attribute}"
    return inline(tracer, node, body, {}, place, f"{node.origin}/{attribute}")


def _heavier(node: Node, tracer: Tracer) -> list[str]:
    found = []
    for attribute in ("then_branch", "else_branch"):
        start = len(tracer.pieces)
        results = _branch(node, attribute, tracer)
        pieces = tracer.pieces[start:]
        del tracer.pieces[start:]
        found.append((_weight([piece for _, piece in pieces]), attribute, results, pieces))
    then, other = found
    chosen, left = (then, other) if then[0] >= other[0] else (other, then)
    tracer.pieces += chosen[3]
    tracer.dormant += left[3]
    tracer.notes.append(
        Note(
            "branch_chosen_at_run_time",
            f"Which branch of '{node.name}' runs depends on the data; the heavier one "
            f"({chosen[1]}) is counted, and the weights of both are held.",
            node.name,
        )
    )
    return chosen[2]


def _weight(pieces: Sequence[Piece]) -> int:
    """Multiply-accumulates, scalar operations and elements moved, to compare branches by."""
    return sum(
        piece.macs + piece.forward.operations + piece.forward.read + piece.forward.written
        for piece in pieces
    )


def _count(node: Node, tracer: Tracer) -> int | None:
    """How often the user says that the loop runs, by its path in the file or its own name."""
    return tracer.given_count(node)


def _budget(node: Node, body: Body, trips: int, tracer: Tracer) -> None:
    """Refuse early what `Tracer.charge` would refuse after many iterations."""
    if tracer.unrolled + trips * max(len(body.nodes), 1) > LARGEST_UNROLLED_NODES:
        raise InputError(
            f"unrolling {trips:,} iterations of {len(body.nodes):,} nodes would make more than "
            f"{LARGEST_UNROLLED_NODES:,} nodes.",
            place=node.place,
            remedy="Export the network with a recurrent operator (LSTM, GRU), or for a shorter "
            "sequence.",
        )


def expand_loop(node: Node, tracer: Tracer) -> None:
    """Loop, iteration by iteration: states first, then what each iteration adds to a result."""
    body = body_of(node, "body", tracer)
    limit, given = _trip_limit(node, tracer), _count(node, tracer)
    if given is not None and limit is not None and given > limit:
        raise InputError(
            f"{given} iterations were given, and the file allows {limit}.", place=node.place
        )
    trips = limit if given is None else given
    states = list(node.inputs[2:])
    if len(body.inputs) != len(states) + 2 or len(body.outputs) < len(states) + 1:
        raise InputError("its body does not fit its inputs and outputs.", place=node.place)
    condition = node.input(1)
    collected: list[list[str]] = [[] for _ in body.outputs[len(states) + 1 :]]
    if trips is not None:
        _budget(node, body, trips, tracer)
    step = 0
    while trips is None or step < trips:
        if given is None and not _continues(node, condition, tracer):
            break
        if trips is None and step == _LONGEST_OPEN_LOOP:
            raise _endless(node)
        place = f"{node.name}/{step}"
        number = tracer.define_value(f"{place}/iteration", np.asarray(step, np.int64))
        on = condition or tracer.define_value(f"{place}/condition", np.asarray(True))
        bound = dict(zip(body.inputs, (number, on, *states), strict=True))
        results = inline(tracer, node, body, bound, place, node.origin)
        condition, states = results[0], results[1 : len(states) + 1]
        for parts, part in zip(collected, results[len(states) + 1 :], strict=True):
            parts.append(part)
        step += 1
    for name, result in zip(node.outputs, states, strict=False):
        alias(tracer, node, name, result)
    for name, parts in zip(node.outputs[len(states) :], collected, strict=False):
        if name:
            concatenate(tracer, node, name, parts, axis=0, stack=True)


def _endless(node: Node) -> InputError:
    return InputError(
        f"its condition still holds after {_LONGEST_OPEN_LOOP:,} iterations.",
        place=node.place,
        remedy=f"Say how often it runs with --trip-count {node.origin}=N.",
    )


def _trip_limit(node: Node, tracer: Tracer) -> int | None:
    """The stated number of iterations, or None where the condition alone ends the loop."""
    name = node.input(0)
    if not name:
        if not node.input(1) and _count(node, tracer) is None:
            raise InputError(
                "the loop never ends: it has neither a trip count nor a condition.",
                place=node.place,
            )
        return None
    value = tracer.scope.value(name)
    if value is not None:
        count = max(int(value.ravel()[0]), 0)
        return None if count >= _UNLIMITED else count
    if _count(node, tracer) is None:
        raise _unknown_trips(node)
    return None


def _unknown_trips(node: Node) -> InputError:
    return InputError(
        "how often the loop runs depends on the data.",
        place=node.place,
        remedy=f"Say it with --trip-count {node.origin}=N (trip_counts in Python).",
    )


def _continues(node: Node, condition: str, tracer: Tracer) -> bool:
    if not condition:
        return True
    value = tracer.scope.value(condition)
    if value is None:
        raise _unknown_trips(node)
    return bool(value.any())


def expand_scan(node: Node, tracer: Tracer) -> None:
    """Scan: one iteration per slice of its scanned inputs."""
    body = body_of(node, "body", tracer)
    scanned = node.integer("num_scan_inputs", 0)
    first = 1 if node.version < 9 else 0  # opset 8 has the lengths of sequences before the states
    operands = list(node.inputs[first:])
    count = len(operands) - scanned
    if scanned < 1 or count < 0 or len(body.inputs) != len(operands):
        raise InputError("its body does not fit its inputs.", place=node.place)
    if node.version < 9:
        raise InputError(
            "Scan of opset 8 is not understood.",
            place=node.place,
            remedy="Export the network with opset 9 or newer.",
        )
    states, sequences = operands[:count], operands[count:]
    axes = node.integers("scan_input_axes", (0,) * scanned)
    backward = node.integers("scan_input_directions", (0,) * scanned)
    lengths = {tracer.scope.shape(name)[axis] for name, axis in zip(sequences, axes, strict=True)}
    if len(lengths) != 1:
        raise InputError(
            f"its scanned inputs have different lengths: {sorted(lengths)}.", place=node.place
        )
    (trips,) = lengths
    _budget(node, body, trips, tracer)
    parts = [
        split(tracer, node, name, axis, keep=False)[:: -1 if reverse else 1]
        for name, axis, reverse in zip(sequences, axes, backward, strict=True)
    ]
    collected: list[list[str]] = [[] for _ in body.outputs[count:]]
    for step in range(trips):
        bound = dict(zip(body.inputs, (*states, *(part[step] for part in parts)), strict=True))
        results = inline(tracer, node, body, bound, f"{node.name}/{step}", node.origin)
        states = results[:count]
        for kept, part in zip(collected, results[count:], strict=True):
            kept.append(part)
    for name, result in zip(node.outputs, states, strict=False):
        alias(tracer, node, name, result)
    out_axes = node.integers("scan_output_axes", (0,) * len(collected))
    reverse = node.integers("scan_output_directions", (0,) * len(collected))
    for name, kept, axis, turned in zip(
        node.outputs[count:], collected, out_axes, reverse, strict=False
    ):
        if name:
            ordered = kept[::-1] if turned else kept
            concatenate(tracer, node, name, ordered, axis=axis, stack=True)


def expand_sequence_map(node: Node, tracer: Tracer) -> None:
    """SequenceMap: its body for every element of the sequence, which other sequences go along with."""
    body = body_of(node, "body", tracer)
    first = tracer.sequences.get(node.input(0))
    if first is None or len(body.inputs) != len(node.inputs):
        raise InputError("its body does not fit its inputs.", place=node.place)
    _budget(node, body, len(first), tracer)
    collected: list[list[str]] = [[] for _ in body.outputs]
    for step in range(len(first)):
        given = [
            tracer.sequences[name][step] if name in tracer.sequences else name
            for name in node.inputs
        ]
        bound = dict(zip(body.inputs, given, strict=True))
        results = inline(tracer, node, body, bound, f"{node.name}/{step}", node.origin)
        for kept, part in zip(collected, results, strict=True):
            kept.append(part)
    for name, kept in zip(node.outputs, collected, strict=False):
        tracer.sequences[name] = tuple(kept)
