"""How the hardware is used: mapping and schedule policies of an architecture."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.fields import Component, Quantity, Scalar


class MappingPolicy(Component):
    """How weight matrices are laid onto arrays.

    `replication: auto` copies matrices until the array budget is used where that shortens the step;
    `none` keeps one copy of each.
    `sync` keeps the copies of one matrix equal. `broadcast`: every copy takes every update, so
    updating is not sped up by copies. `average`: each copy takes its own share with its learning
    rate scaled by the number of copies, and every `sync_interval` steps all copies are read out,
    averaged digitally and written back.
    `max_copies` bounds the copies of one matrix.
    `grouped` maps grouped convolutions `block_diagonal` on arrays, on the `digital` matrix unit, or
    (`auto`) wherever energy times time of a training sample is lower.
    """

    replication: Literal["auto", "none"]
    sync: Literal["broadcast", "average"]
    sync_interval: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)]
    max_copies: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e6)]
    grouped: Literal["auto", "block_diagonal", "digital"]


class SchedulePolicy(Component):
    """How a minibatch moves through the chip.

    `mode: pipelined` lets layers work on different samples; `sequential` passes one sample through
    the whole network before the next.
    `update: immediate` updates an array as soon as a sample's error is there, `deferred` after the
    minibatch.
    `batchnorm: batch` normalises by the statistics of the minibatch, exactly as a GPU does: every
    such layer is then a barrier that the whole minibatch must reach.  `running`, `frozen` and
    `group` remove the barrier and are a different training algorithm.
    """

    mode: Literal["pipelined", "sequential"]
    update: Literal["immediate", "deferred"]
    batchnorm: Literal["batch", "running", "frozen", "group"]


class NumberFormats(Component):
    """Widths of numbers in the buffers and on the mesh, in bits.

    `activation_bits` holds activations and errors, `partial_sum_bits` outputs of an array before
    they are combined, `parameter_bits` digital parameters and their optimizer state.
    """

    activation_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
    partial_sum_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
    parameter_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
