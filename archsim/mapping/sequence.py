"""A network as a sequence of layers, to be cut into parts that are on arrays together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.does_not_fit import DoesNotFit

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LayerSequence:
    """L layers in network order, all [L] but `crossing_bits`, which is [L + 1].

    `arrays` is what one layer takes with all of its copies, `load_s` its time per sample on what
    layers of a chip share (or its whole time, if they work one after the other), `weight_bits` what
    its weights are read or written as.  `crossing_bits[l]` are the bits per sample, forward and
    backward, that pass from layers before l to layers from l on; the first and last entry are the
    input and the output of the network.
    """

    arrays: IntArray
    load_s: FloatArray
    weight_bits: FloatArray
    crossing_bits: FloatArray


@dataclass(frozen=True, slots=True)
class Pieces:
    """A sequence whose layers are cut to at most one chip each: piece p is of `layer[p]`."""

    sequence: LayerSequence
    layer: IntArray


def crossing_bits(layers: int, source: IntArray, target: IntArray, bits: FloatArray) -> FloatArray:
    """Bits that pass every cut of a sequence, [layers + 1], from transfers between its layers [E].

    A transfer passes every cut between its ends, whichever way it goes; a source or target of -1 is
    outside of the network, before its first layer.
    """
    low, high = np.minimum(source, target), np.maximum(source, target)
    change = np.bincount(low + 1, weights=bits, minlength=layers + 2)
    change -= np.bincount(high + 1, weights=bits, minlength=layers + 2)
    return np.asarray(np.cumsum(change)[: layers + 1])


def repeated(
    head: LayerSequence, block: LayerSequence, times: int, tail: LayerSequence
) -> LayerSequence:
    """`head`, `times` equal blocks, `tail`; where two meet, what leaves the former crosses."""
    parts = [head] + [block] * times + [tail]
    parts = [part for part in parts if part.arrays.size]
    crossing = [part.crossing_bits[1:] for part in parts]
    first = parts[0].crossing_bits[:1] if parts else np.zeros(1)
    return LayerSequence(
        arrays=np.concatenate([part.arrays for part in parts]),
        load_s=np.concatenate([part.load_s for part in parts]),
        weight_bits=np.concatenate([part.weight_bits for part in parts]),
        crossing_bits=np.concatenate([first, *crossing]),
    )


def merged(sequence: LayerSequence, unit: NDArray[np.intp]) -> LayerSequence:
    """The sequence with all layers of one `unit` as one; `unit` [L] is numbered in network order."""
    first = np.searchsorted(unit, np.arange(int(unit.max(initial=-1)) + 1))
    return LayerSequence(
        arrays=np.asarray(np.rint(np.bincount(unit, sequence.arrays)), dtype=np.int64),
        load_s=np.asarray(np.bincount(unit, sequence.load_s), dtype=np.float64),
        weight_bits=np.asarray(np.bincount(unit, sequence.weight_bits), dtype=np.float64),
        crossing_bits=np.append(sequence.crossing_bits[first], sequence.crossing_bits[-1]),
    )


def cut_large_layers(sequence: LayerSequence, arrays_per_chip: int) -> Pieces:
    """Cut every layer that takes more arrays than a chip has into as few equal pieces as can be.

    The load and the weights of a layer are shared in proportion to arrays.  Between two pieces of a
    layer pass its input, which the later ones need too, and the outputs of the earlier ones; what
    merely passes the layer by is in both, so that this is an upper bound.
    """
    if arrays_per_chip < 1:
        raise DoesNotFit(
            "a chip without arrays cannot hold any layer.",
            remedy="Enlarge mesh.side or tile.arrays.",
        )
    count = np.maximum(-(-sequence.arrays // arrays_per_chip), 1)
    layer = np.repeat(np.arange(count.size), count)
    rank = np.arange(layer.size) - np.repeat(np.cumsum(count) - count, count)
    whole, parts = sequence.arrays[layer], count[layer]
    arrays = (rank + 1) * whole // parts - rank * whole // parts
    share = np.where(whole > 0, arrays / np.maximum(whole, 1), 1.0 / parts)
    before, after = sequence.crossing_bits[layer], sequence.crossing_bits[layer + 1]
    return Pieces(
        LayerSequence(
            arrays=arrays,
            load_s=sequence.load_s[layer] * share,
            weight_bits=sequence.weight_bits[layer] * share,
            crossing_bits=np.append(
                before + np.where(rank > 0, after * rank / parts, 0.0), sequence.crossing_bits[-1]
            ),
        ),
        layer,
    )
