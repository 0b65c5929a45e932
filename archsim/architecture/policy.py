"""How the hardware is used: mapping and schedule policies of an architecture."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar


class StatedCopies(Component):
    """How many copies are kept of weight matrices: `matrix` is a name, else a pattern with * and ?."""

    matrix: str
    number: Annotated[int, Quantity(integer=True, minimum=1, maximum=1e6)]


class MappingPolicy(Component):
    """How weight matrices are laid onto arrays.

    `replication: auto` copies matrices until the array budget is used where that shortens the step;
    `none` keeps one copy of each; `stated` keeps as many as `copies` says, in order: the first entry
    whose pattern matches the name of a weight matrix counts, others keep one copy.
    `sync` keeps the copies of one matrix equal. `broadcast`: every copy takes every update, so
    updating is not sped up by copies. `average`: each copy takes its own share with its learning
    rate scaled by the number of copies, and every `sync_interval` steps all copies are read out,
    averaged digitally and written back.
    `max_copies` bounds the copies of one matrix.
    `grouped` maps grouped convolutions `block_diagonal` on arrays, on the `digital` matrix unit, or
    (`auto`) wherever energy times time of a training sample is lower.
    `overflow` says what to do with a network that needs more arrays than one chip has: `error`
    refuses it, `multi_chip` spreads its layers over the chips of `system` as a pipeline, `reprogram`
    writes the arrays of one chip anew several times in each step.
    `packing: shared_arrays` lets small matrices share an array; they then never work at the same
    moment, and keep one copy each.  With `replication: auto` they share only if the network does not
    fit, or takes longer, without.  Matrices of different chips, or rounds of writing, do not share.
    `placement` says where copies lie on the mesh, which the cycle fidelity routes their data over:
    along a `snake` in network order, or `improved` from the best snake by swapping tiles.
    """

    replication: Literal["auto", "none", "stated"]
    sync: Literal["broadcast", "average"]
    sync_interval: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)]
    max_copies: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e6)]
    grouped: Literal["auto", "block_diagonal", "digital"]
    overflow: Literal["error", "multi_chip", "reprogram"] = "error"
    packing: Literal["none", "shared_arrays"] = "none"
    placement: Literal["snake", "improved"] = "improved"
    copies: tuple[StatedCopies, ...] = ()

    @model_validator(mode="after")
    def _stated_copies(self) -> Self:
        if (self.replication == "stated") != bool(self.copies):
            raise ValueError(
                f"replication is '{self.replication}' and copies has {len(self.copies)} entries; "
                "numbers of copies are listed in copies with replication 'stated' and only there, "
                "such as 'copies: [{matrix: \"conv1.*\", number: 4}]'"
            )
        if self.replication == "stated" and (self.overflow, self.packing) != ("error", "none"):
            raise ValueError(
                f"replication 'stated' holds all copies on one chip; with overflow '{self.overflow}' and "
                f"packing '{self.packing}' use replication 'auto' or 'none'"
            )
        return self


class SchedulePolicy(Component):
    """How a minibatch moves through the chip.

    `row_blocks` cuts the images of one sample into that many blocks of rows: convolutions, pooling,
    elementwise operators and normalisations start on a block when the rows that they need are there.
    1, the default, waits for whole images.

    `accumulate` minibatches share one update: the digital optimizer, averaging of copies and, with
    `update: deferred`, the updates of the arrays come once for that many, and what these need is kept
    until then.  A step stays one minibatch; what happens once in several is spread over them.

    `mode: pipelined` lets layers work on different samples; `sequential` passes one sample through
    the whole network before the next.
    `update: immediate` updates an array as soon as a sample's error is there, `deferred` after the
    minibatch.
    `batchnorm: batch` normalises by the statistics of the minibatch, exactly as a GPU does: every
    such layer is then a barrier that the whole minibatch must reach.  `running`, `frozen` and
    `group` remove the barrier and are a different training algorithm.
    `data: streamed` moves data while units work, so that only what takes longer than the work is
    waited for; `staged` moves them before and after it: buffers of single banks, nothing prefetched.
    """

    mode: Literal["pipelined", "sequential"]
    update: Literal["immediate", "deferred"]
    batchnorm: Literal["batch", "running", "frozen", "group"]
    data: Literal["streamed", "staged"] = "streamed"
    row_blocks: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    accumulate: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e6)] = 1


class NumberFormats(Component):
    """Widths of numbers in the buffers and on the mesh, in bits.

    `activation_bits` holds activations and errors, `partial_sum_bits` outputs of an array before
    they are combined, `parameter_bits` digital parameters and their optimizer state.
    """

    activation_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
    partial_sum_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
    parameter_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=64)]
