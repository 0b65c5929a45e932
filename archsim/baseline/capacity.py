"""Memory that a training step needs on a GPU, and the largest batch that fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.gpu_table import GpuTable
from archsim.baseline.numerics import MASTER_BYTES, Optimizer, Precision, optimizer_cost


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes whatever the batch (weights, gradients, optimizer state), and bytes per sample.

    Per sample: what the forward pass keeps for the backward pass, and what comes on top at the
    worst moment.
    """

    fixed_bytes: float
    per_sample_bytes: float

    def at_batch(self, batch: float) -> float:
        """Bytes that tensors take at `batch`."""
        return self.fixed_bytes + self.per_sample_bytes * batch


def memory_need(table: GpuTable, precision: Precision, optimizer: Optimizer) -> MemoryNeed:
    """Weights + gradients + optimizer state, and saved and transient activations per sample."""
    size = precision.activation_bytes
    state_bytes = MASTER_BYTES * optimizer_cost(optimizer).state_words
    fixed = table.parameters * (
        MASTER_BYTES + precision.weight_copy_bytes
    ) + table.trained_parameters * (size + state_bytes)
    elements = table.activations
    kept = elements.value * size + elements.index + elements.mask / 8.0
    return MemoryNeed(float(fixed), kept + elements.transient * size)


def usable_bytes(gpu: GpuSpec) -> float:
    """Bytes of one GPU that tensors can have (0 if the workspace takes all of it)."""
    return max(0.0, float(gpu.usable_bit) / 8.0)


# No training recipe asks for more, and a tiny network would otherwise get batches of millions.
LARGEST_BATCH = 2**16


def largest_batch(need: MemoryNeed, gpu: GpuSpec) -> int:
    """Largest batch whose need fits, at most `LARGEST_BATCH`; 0 if not even one sample does."""
    room = usable_bytes(gpu) - need.fixed_bytes
    if room < need.per_sample_bytes or room < 0:
        return 0
    if need.per_sample_bytes <= 0:
        return LARGEST_BATCH
    return int(min(LARGEST_BATCH, np.floor(room / need.per_sample_bytes)))
