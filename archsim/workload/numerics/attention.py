"""Attention as one operator: softmax(scale * Q K^T + mask) V."""

from __future__ import annotations

import math

import numpy as np

from archsim.errors import InputError
from archsim.workload.numerics.functions import softmax
from archsim.workload.numerics.kernel import Array, Call, Kernel


def scores_and_values(
    call: Call,
    queries: Array,
    keys: Array,
    values: Array,
    mask: Array | None,
    scale: float,
    softcap: float = 0.0,
) -> Array:
    """Attention of `queries` [B, H, L, D] over `keys` [B, G, S, D] and `values` [B, G, S, E].

    Heads of queries share those of keys in groups of H/G.  `mask` is added to the scores
    [B, H, L, S].  Two products of activations are counted.
    """
    batch, heads, length, size = queries.shape
    group = heads // keys.shape[1]
    keys, values = np.repeat(keys, group, 1), np.repeat(values, group, 1)
    span = keys.shape[2]
    scores = call.products.dynamic(
        queries.reshape(-1, length, size), keys.reshape(-1, span, size).swapaxes(1, 2)
    )
    scores = scores.reshape(batch, heads, length, span) * queries.dtype.type(scale)
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if mask is not None:
        scores = scores + mask
    # A query that may see no key gets no values, as the operator's definition has it.
    blind = np.isneginf(scores.max(-1, keepdims=True))
    shares = np.where(blind, 0, softmax(np.where(blind, 0, scores), -1))
    found = call.products.dynamic(
        shares.reshape(-1, length, span).astype(values.dtype, copy=False),
        values.reshape(-1, span, values.shape[-1]),
    )
    return found.reshape(batch, heads, length, -1).astype(queries.dtype, copy=False)


def split_heads(data: Array, heads: int) -> Array:
    """[B, L, heads * D] as [B, heads, L, D]; a tensor of four axes is returned as it is."""
    if data.ndim == 4:
        return data
    batch, length, width = data.shape
    return data.reshape(batch, length, heads, width // heads).swapaxes(1, 2)


def joined_heads(data: Array) -> Array:
    """[B, heads, L, D] as [B, L, heads * D]."""
    batch, heads, length, size = data.shape
    return data.swapaxes(1, 2).reshape(batch, length, heads * size)


def causal_mask(length: int, span: int, past: int) -> Array:
    """[length, span] of 0 and minus infinity: a query sees keys up to its own place."""
    allowed = np.tri(length, span, past, dtype=bool)
    return np.where(allowed, 0.0, -np.inf)


def _additive(mask: Array) -> Array:
    return np.where(mask, 0.0, -np.inf) if mask.dtype == np.bool_ else mask


def _attention(call: Call) -> list[Array]:
    node = call.node
    packed = call[0].ndim == 3
    queries = split_heads(call[0], node.integer("q_num_heads", 0))
    keys = split_heads(call[1], node.integer("kv_num_heads", 0))
    values = split_heads(call[2], node.integer("kv_num_heads", 0))
    past = 0
    if call.optional(4) is not None:
        past = call[4].shape[2]
        keys, values = np.concatenate([call[4], keys], 2), np.concatenate([call[5], values], 2)
    if call.wants(3) or call.optional(6) is not None:
        raise InputError(
            "scores as an output, and padded keys, are not evaluated.", place=node.place
        )
    length, span = queries.shape[2], keys.shape[2]
    mask = np.zeros((length, span))
    if node.integer("is_causal", 0):
        mask = causal_mask(length, span, past)
    given = call.optional(3)
    if given is not None:
        mask = mask + _padded(_additive(given), span)
    scale = node.real("scale", 1 / math.sqrt(queries.shape[-1]))
    found = scores_and_values(
        call,
        queries,
        keys,
        values,
        mask.astype(queries.dtype),
        scale,
        node.real("softcap", 0.0),
    )
    result = joined_heads(found) if packed else found
    return [result, keys, values][: len(node.outputs)]


def _padded(mask: Array, span: int) -> Array:
    """`mask` with keys beyond its last axis hidden."""
    missing = span - mask.shape[-1]
    if missing <= 0 or mask.shape[-1] == 1:
        return mask
    return np.pad(mask, [*[(0, 0)] * (mask.ndim - 1), (0, missing)], constant_values=-np.inf)


KERNELS = (Kernel("Attention", _attention),)
