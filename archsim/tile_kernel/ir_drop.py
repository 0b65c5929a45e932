"""Wire resistance, to first order in closed form: the weights that an array seems to have.

A crossbar of resistors is a linear circuit, so that with its wires it still multiplies by a matrix,
only by another one.  A cell of conductance g loses a share of its current to two wires:

* along the driven line, the sum over the cells of that line of g times the segments that they share
  with this cell; it does not depend on other inputs, since all cells of the line see one input;
* along the sensed line, the same sum over the cells of that line: the inputs of other lines add to
  the voltage there, and by superposition each takes its share.

With s the sum of both, times the resistance of a segment, the cell acts as g / (1 + s).  This is
exact to first order in s; of the forms with that first order it is one that stays positive, and for
uniform arrays it keeps within a few per cent of the nodal solution (`archsim.hardware.nodal`) far
beyond the small-drop limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

Floats = NDArray[np.float32]
# Conductances of all cells, or the one that all have.
Cells: TypeAlias = NDArray[np.float32] | np.float32
Places: TypeAlias = NDArray[np.intp]
Layout = Literal["differential", "reference"]
Ends = Literal["near", "far"]

# Lines of a block: products of this width cost about as much as passing over the cells.
_BLOCK_LINES = 64


@dataclass(frozen=True, slots=True)
class IrDrop:
    """Wire resistance of an array in units of its weights.

    * `row_loading`, `col_loading`: resistance of one segment (one physical cell) of a row and of a
      column wire, times the conductance that stands for weight 1; at least 0.
    * `reference`: conductance of the reference device in that unit, at least 0.
    * `layout`: `differential`: two neighbouring columns per weight, reference + w and reference (a
      weight below -reference lowers the first to zero and raises the second).  `reference`: one
      column per weight, and one reference column behind the last; what is subtracted from each
      column is that reference as it would be read there, since its drop is known and corrected.
    * `ends`: rows meet their circuit beside the first column and columns theirs behind the last row
      (`near`), or both at the opposite ends (`far`).  A transposed read from the same ends sees
      the same weights, by reciprocity; one from the opposite ends does not.
    """

    row_loading: float
    col_loading: float
    reference: float
    layout: Layout = "differential"
    ends: Ends = "near"

    def __post_init__(self) -> None:
        for name in ("row_loading", "col_loading", "reference"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise InputError(
                    f"{name} is {value:g}, expected a finite number of at least 0", place="IR drop"
                )
        for name, allowed in (("layout", ("differential", "reference")), ("ends", ("near", "far"))):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} is '{getattr(self, name)}', expected one of {', '.join(allowed)}",
                    place="IR drop",
                )


@dataclass(frozen=True, slots=True)
class WireLosses:
    """What wires leave of each cell, 1 / (1 + s): of the two columns of each weight.

    `first` and `second` have the shape of the weights; `offset` is reference * (first - second).
    They depend on the currents of whole lines, hence little on any one weight, so they may be kept
    while weights move a little.
    """

    first: Floats
    second: Floats
    offset: Floats

    def of_rows(self, rows: Places) -> WireLosses:
        """Those of some rows."""
        parts = (self.first[..., rows, :], self.second[..., rows, :], self.offset[..., rows, :])
        return WireLosses(*parts)


def wire_losses(weights: Floats, drop: IrDrop) -> WireLosses:
    """The losses of an array that holds weights [..., row, col].

    Raises `InputError` for weights below -reference where a weight has one device.
    """
    _check_range(weights, drop)
    plus, minus = paired_columns(weights, drop.reference)
    plus_share, minus_share = _along_rows(plus, minus, drop)
    first, second = _left(plus, plus_share, drop), _left(minus, minus_share, drop)
    return WireLosses(first, second, np.float32(drop.reference) * (first - second))


def effective_weights(weights: Floats, drop: IrDrop, losses: WireLosses | None = None) -> Floats:
    """The weights [..., row, col] that a read applies; a new float32 array of that shape.

    `losses` are computed if not given.  Raises as `wire_losses`.
    """
    if losses is None:
        losses = wire_losses(weights, drop)
    if float(weights.min(initial=0.0)) >= -drop.reference:
        seen: Floats = weights * losses.first
        seen += losses.offset
        return seen
    plus, minus = effective_columns(weights, drop, losses)
    plus -= minus
    return plus


def effective_columns(
    weights: Floats, drop: IrDrop, losses: WireLosses | None = None
) -> tuple[Floats, Floats]:
    """What the two columns of each weight add to a read, [..., row, col] each; see `IrDrop`.

    Their difference is the weight that a read applies.  Raises as `effective_weights`.
    """
    if losses is None:
        losses = wire_losses(weights, drop)
    _check_range(weights, drop)
    plus, minus = paired_columns(weights, drop.reference)
    plus *= losses.first
    return plus, minus * losses.second


def _check_range(weights: Floats, drop: IrDrop) -> None:
    if drop.layout == "reference" and (lowest := float(weights.min(initial=0.0))) < -drop.reference:
        raise InputError(
            f"the lowest weight is {lowest:g}, expected at least {-drop.reference:g}, at which the "
            "device does not conduct",
            place="IR drop",
            remedy="Use a differential layout or smaller weights.",
        )


def paired_columns(weights: Floats, reference: float) -> tuple[Floats, Cells]:
    """Conductances of a pair: reference + w and reference, in units of weights.

    A weight below -reference takes all of the first device, and the rest from the second.
    """
    plus = weights + np.float32(reference)
    if float(weights.min(initial=0.0)) >= -reference:
        return plus, np.float32(reference)
    minus = np.maximum(-plus, np.float32(0.0)) + np.float32(reference)
    np.maximum(plus, np.float32(0.0), out=plus)
    return plus, minus


def _left(conductance: Cells, row_share: Floats, drop: IrDrop) -> Floats:
    """1 / (1 + s); overwrites `row_share`."""
    row_share *= np.float32(drop.row_loading)
    if drop.col_loading > 0:
        column_share = _along_columns(conductance, row_share.shape[-2], drop.ends)
        column_share *= np.float32(drop.col_loading)
        row_share += column_share
    row_share += np.float32(1.0)
    np.divide(np.float32(1.0), row_share, out=row_share)
    return row_share


def _along_columns(cells: Cells, rows: int, ends: Ends) -> Floats:
    """Sum over a column's cells of conductance times the segments shared with each cell.

    As `_shares`, across the rows: inside blocks of rows a matrix product, of other blocks only
    their current and its moment about the sensed end.
    """
    column: Floats = np.asarray(cells, dtype=np.float32)
    if column.ndim == 0:
        column = np.full((rows, 1), column, dtype=np.float32)
    at = np.arange(rows)[::-1] if ends == "near" else np.arange(rows)
    parts = [slice(k, min(k + _BLOCK_LINES, rows)) for k in range(0, rows, _BLOCK_LINES)]
    if ends == "near":
        parts.reverse()
    sums = np.empty_like(column)
    current = [column[..., part, :].sum(axis=-2, keepdims=True) for part in parts]
    behind: Floats = np.sum(current, axis=0)
    moment: Floats = np.zeros_like(behind)
    for part, own in zip(parts, current, strict=True):
        cells_here = column[..., part, :]
        behind = behind - own
        reach = (at[part] + 1).astype(np.float32)
        shared = np.minimum.outer(at[part], at[part]) + 1
        np.matmul(shared.astype(np.float32), cells_here, out=sums[..., part, :])
        if len(parts) > 1:
            sums[..., part, :] += behind * reach[:, np.newaxis] + moment
            moment = moment + np.expand_dims(reach @ cells_here, -2)
    return sums


def _along_rows(plus: Floats, minus: Cells, drop: IrDrop) -> tuple[Floats, Floats]:
    """The same sums along rows, for the first cell of each weight and for its reference.

    A reference column is read, in thought, beside each column, and loads the rows where it is.
    """
    cols = plus.shape[-1]
    if drop.layout == "reference":
        at = np.arange(cols)
        behind = np.full(1, cols)
        if drop.ends == "far":
            at, behind = cols - at, np.zeros(1, dtype=np.intp)
        (share,) = _shares(plus, at, [at])
        share += drop.reference * (np.minimum(behind, at) + 1).astype(np.float32)
        return share, share.copy()
    first, second = 2 * np.arange(cols), 2 * np.arange(cols) + 1
    if drop.ends == "far":
        last = 2 * cols - 1
        first, second = last - first, last - second
    plus_share, minus_share = _shares(plus, first, [first, second])
    row: Floats = np.zeros((1, cols), dtype=np.float32) + minus
    plus_more, minus_more = _shares(row, second, [first, second])
    plus_share += plus_more
    minus_share += minus_more
    return plus_share, minus_share


def _shares(cells: Floats, at: Places, seen: Sequence[Places]) -> list[Floats]:
    """Sum over n of cells[..., n] * (min(at[n], seen[j]) + 1) for each j, for each of `seen`.

    Places count cells from the driven end, and rise or fall with the column alike in all arguments;
    a cell shares with another the segments up to the nearer of the two.  Inside blocks of columns
    the sum is a matrix product; of other blocks only their current and its moment count.
    """
    flat = cells.reshape(-1, cells.shape[-1])
    parts = [slice(k, k + _BLOCK_LINES) for k in range(0, len(at), _BLOCK_LINES)]
    if at[0] > at[-1]:
        parts.reverse()
    current = np.zeros((len(parts) + 1, len(flat), 1), dtype=np.float32)
    moment = np.zeros_like(current)
    for k, part in enumerate(parts):
        current[k, :, 0] = flat[:, part].sum(axis=-1)
        moment[k + 1, :, 0] = moment[k, :, 0] + flat[:, part] @ (at[part] + 1).astype(np.float32)
    # What flows on behind each block.
    current = np.cumsum(current[::-1], axis=0)[::-1]
    found = [np.empty_like(flat) for _ in seen]
    for k, part in enumerate(parts):
        for share, places in zip(found, seen, strict=True):
            shared = np.minimum.outer(at[part], places[part]) + 1
            share[:, part] = flat[:, part] @ shared.astype(np.float32)
            if len(parts) > 1:
                reach = (places[part] + 1).astype(np.float32)
                share[:, part] += moment[k] + current[k + 1] * reach
    return [share.reshape(cells.shape) for share in found]
