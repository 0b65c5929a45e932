"""Whether buffers and DRAM hold what a step keeps."""

from __future__ import annotations

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import lone
from archsim.simulation.estimate import Estimate
from archsim.units import format_quantity


def check_memory(tree: Architecture, priced: Estimate) -> None:
    """Refuse a step whose weights, state and waiting data exceed the buffers and the DRAM of all chips.

    `priced` has one configuration, `tree`.  Weights that wait for their round are in DRAM only, the
    rest is in either.  Raises `InputError` for the first of them that finds no room.
    """
    chips = int(priced.mapping.chips[0])
    dram = lone(tree.dram.capacity_bit) * chips - _checked_weights(tree, priced)
    room = lone(tree.activation_buffer.capacity_bit) * chips + dram
    state = float(priced.state.bits[0])
    if state > room:
        raise InputError(
            f"algorithm '{tree.algorithm.kind}' keeps {format_quantity(state / 8, 'B')} of digital "
            f"state, and buffer and DRAM hold {format_quantity(room / 8, 'B')}{_beside(priced, 0.0)}.",
            place="algorithm.kind",
            remedy="Choose an algorithm with less state (archsim list algorithms), or enlarge "
            "dram.capacity.",
        )
    room -= state
    stored, batch = float(priced.stored_bits[0]), int(priced.batch[0])
    if stored > room:
        raise InputError(
            f"a batch of {batch:,} keeps {format_quantity(stored / 8, 'B')} between layers, and buffer "
            f"and DRAM hold {format_quantity(room / 8, 'B')}{_beside(priced, state)}.",
            place="--batch",
            remedy=_smaller_batch(batch, room / stored),
        )


def _smaller_batch(batch: int, share: float) -> str:
    """What to do about a batch of which memory holds a `share`, below 1."""
    enlarge = "nlarge dram.capacity."
    if batch == 1:
        return f"E{enlarge}"
    return f"Use a batch of at most {max(1, int(batch * share)):,}, or e{enlarge}"


def _checked_weights(tree: Architecture, priced: Estimate) -> float:
    """DRAM, in bits, that weights take which wait for their round."""
    weights, dram = float(priced.waiting_bits[0]), lone(tree.dram.capacity_bit)
    if weights > dram:
        raise InputError(
            f"the weights that wait for their round of writing take {format_quantity(weights / 8, 'B')} "
            f"at numbers.parameter_bits of {lone(tree.numbers.parameter_bits):.0f}, and DRAM holds "
            f"{format_quantity(dram / 8, 'B')}.",
            place="dram.capacity",
            remedy=f"Enlarge dram.capacity to {format_quantity(weights / 8, 'B')} or more, keep weights "
            "with fewer bits, or use mapping.overflow: multi_chip.",
        )
    return weights


def _beside(priced: Estimate, state_bits: float) -> str:
    """What else takes memory, as the end of a clause."""
    others = (("the state", state_bits), ("weights of other rounds", priced.waiting_bits[0]))
    names = [name for name, bits in others if bits > 0]
    return f" beside {' and '.join(names)}" if names else ""
