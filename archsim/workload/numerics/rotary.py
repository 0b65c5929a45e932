"""Rotary positions: pairs of elements are turned by the angle of their position."""

from __future__ import annotations

import numpy as np

from archsim.workload.numerics.attention import joined_heads, split_heads
from archsim.workload.numerics.kernel import Array, Call, Kernel


def _rotary(call: Call) -> Array:
    """Operands: data [B, H, L, D] or [B, L, H * D], cosines, sines, and positions [B, L].

    With positions the tables are [positions, D/2], without them [B, L, D/2].
    """
    node = call.node
    packed = call[0].ndim == 3
    data = split_heads(call[0], node.integer("num_heads", 1)) if packed else call[0]
    size = node.integer("rotary_embedding_dim", 0) or data.shape[-1]
    tables = [call[index] for index in (1, 2)]
    places = call.optional(3)
    if places is not None:
        tables = [table[places] for table in tables]
    cos, sin = (table[:, None, :, : size // 2] for table in tables)
    turning, kept = data[..., :size], data[..., size:]
    interleaved = bool(node.integer("interleaved", 0))
    first, second = (
        (turning[..., 0::2], turning[..., 1::2])
        if interleaved
        else (turning[..., : size // 2], turning[..., size // 2 :])
    )
    parts = (first * cos - second * sin, first * sin + second * cos)
    turned = (
        np.stack(parts, -1).reshape(turning.shape) if interleaved else np.concatenate(parts, -1)
    )
    found = np.concatenate([turned, kept], -1).astype(data.dtype)
    return joined_heads(found) if packed else found


KERNELS = (Kernel("RotaryEmbedding", _rotary),)
