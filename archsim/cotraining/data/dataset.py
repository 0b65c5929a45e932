"""A data set: samples to train with and samples to judge by, checked, and scaled when they are used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

F32: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]
Normalisation = Literal["unit", "standard", "none"]

_BYTE_SCALE = 255.0
_FEW = 5


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs [n, ...] as they were read, and what is wanted of each.

    `labels` are class numbers [n, ...], or floating-point targets.  `place` names the file in
    messages.  `full_scale` is the number that stands for 1; None means 255 for bytes and 1 else.
    `shift` and `scale` [channel, 1, ...] or scalars turn an input x into (x - shift) * scale.
    Inputs that are not `scaled` are whole numbers, such as those of words.
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]
    place: str
    full_scale: float | None = None
    shift: Any = 0.0
    scale: Any = 1.0
    scaled: bool = True

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.inputs.shape[1:]

    @property
    def unit(self) -> float:
        """The number that stands for 1."""
        if self.full_scale is not None:
            return self.full_scale
        return _BYTE_SCALE if self.inputs.dtype == np.uint8 else 1.0

    def batch(self, indices: NDArray[np.intp] | slice) -> NDArray[Any]:
        """Inputs of some samples: float32 and scaled, or whole numbers (of words) as they are."""
        raw = self.inputs[indices]
        if not self.scaled:
            return raw.astype(np.int64, copy=False)
        values = raw.astype(np.float32)
        if self.unit != 1.0:
            values *= np.float32(1.0 / self.unit)
        if np.ndim(self.scale) or self.scale != 1.0 or self.shift != 0.0:
            values -= np.asarray(self.shift, dtype=np.float32)
            values *= np.asarray(self.scale, dtype=np.float32)
        return values

    def wanted(self, indices: NDArray[np.intp] | slice) -> NDArray[Any]:
        """Class numbers int64, or targets float32, of some samples."""
        some = self.labels[indices]
        return some.astype(np.int64 if some.dtype.kind in "iu" else np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Training and test samples; `source` says where they are from, `scaling` what was done."""

    name: str
    train: Samples
    test: Samples
    source: str
    scaling: str = "as stored"

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        return int(max(self.train.labels.max(), self.test.labels.max())) + 1


def checked(data: DataSet) -> DataSet:
    """The same data, if they can be trained with.

    InputError for: no samples, counts of inputs and labels that differ, inputs of different shapes
    in training and test, numbers that are not finite, labels that are negative or no class numbers.
    """
    for part in (data.train, data.test):
        _check_counts(part)
        _check_finite(part)
        _check_labels(part)
    if data.train.shape != data.test.shape:
        raise InputError(
            f"training inputs have the shape {_size(data.train.shape)}, test inputs "
            f"{_size(data.test.shape)}.",
            place=data.test.place,
            remedy="Both must be alike.",
        )
    return data


def _check_counts(part: Samples) -> None:
    empty = 0 in part.inputs.shape[1:] or 0 in part.labels.shape[1:]
    if part.inputs.ndim < 2 or part.labels.ndim < 1 or empty:
        raise InputError(
            f"inputs have the shape {list(part.inputs.shape)} and labels "
            f"{list(part.labels.shape)}.",
            place=part.place,
            remedy="Expected inputs [samples, ...] and labels [samples], with numbers in them.",
        )
    if len(part.inputs) != len(part.labels) or len(part.inputs) == 0:
        raise InputError(
            f"there are {len(part.inputs):,} inputs and {len(part.labels):,} labels.",
            place=part.place,
            remedy="Expected one label for each input, and at least one of them.",
        )


def _check_finite(part: Samples) -> None:
    for what, values in (("input", part.inputs), ("label", part.labels)):
        if values.dtype.kind != "f":
            continue
        with np.errstate(over="ignore"):
            fits = np.isfinite(values.astype(np.float32, copy=False))
        bad = np.flatnonzero(~fits.reshape(len(values), -1).all(axis=1))
        if bad.size:
            raise InputError(
                f"{bad.size:,} samples have a number as {what} that is infinite, beyond float32, or "
                f"no number; the first is sample {bad[0]}.",
                place=part.place,
                remedy="Leave them out.",
            )


def _check_labels(part: Samples) -> None:
    labels = part.labels
    if labels.dtype.kind == "b":
        raise InputError("labels are truth values; expected class numbers.", place=part.place)
    if labels.dtype.kind == "i" and labels.min() < 0:
        first = int(np.flatnonzero((labels < 0).reshape(len(labels), -1).any(axis=1))[0])
        raise InputError(
            f"label {labels.min()} is negative (sample {first}).",
            place=part.place,
            remedy="Expected class numbers from 0.",
        )


def normalised(data: DataSet, kind: Normalisation) -> DataSet:
    """The data scaled as `kind` says, the test set like the training set.

    `unit`: full scale is 1.  `standard`: then each channel of the TRAINING set (the whole input,
    if it has no more than two axes) is brought to mean 0 and deviation 1.  `none`: as stored.
    """
    if kind == "none":
        parts = [replace(part, full_scale=1.0) for part in (data.train, data.test)]
        return replace(data, train=parts[0], test=parts[1], scaling="as stored")
    unit = data.train.unit
    said = "as stored" if unit == 1.0 else f"divided by {unit:g}"
    if kind == "unit":
        return replace(data, scaling=said)
    inputs = data.train.inputs
    axes = (0, *range(2, inputs.ndim)) if inputs.ndim == 4 else tuple(range(inputs.ndim))
    mean = inputs.mean(axis=axes, dtype=np.float64) / unit
    deviation = inputs.std(axis=axes, dtype=np.float64) / unit
    scale = 1.0 / np.where(deviation > 0, deviation, 1.0)
    column = (-1, 1, 1) if inputs.ndim == 4 else ()
    shift, scale = np.reshape(mean, column), np.reshape(scale, column)
    parts = [replace(part, shift=shift, scale=scale) for part in (data.train, data.test)]
    return replace(
        data,
        train=parts[0],
        test=parts[1],
        scaling=f"{said}, then mean 0 and deviation 1 over the training set",
    )


def shaped(data: DataSet, wanted: tuple[int, ...], input_name: str) -> DataSet:
    """The data as inputs of shape `wanted` (without the batch).

    Axes of length 1 may come and go, images may be flattened or unfolded in their order, and images
    with the channel last are turned.  InputError if that does not give `wanted`.
    """
    parts = [replace(p, inputs=_reshape(p, wanted, input_name)) for p in (data.train, data.test)]
    return replace(data, train=parts[0], test=parts[1])


def _reshape(part: Samples, wanted: tuple[int, ...], input_name: str) -> NDArray[Any]:
    found = part.shape
    if found == wanted:
        return part.inputs
    if len(found) == 3 and wanted == (found[2], *found[:2]):
        return np.ascontiguousarray(np.moveaxis(part.inputs, -1, 1))
    plain = tuple(n for n in found if n != 1) == tuple(n for n in wanted if n != 1)
    flat = 1 in (len(found), len(wanted)) and np.prod(found) == np.prod(wanted)
    if not (plain or flat):
        raise InputError(
            f"a sample has the shape {_size(found)} ({int(np.prod(found)):,} numbers), but the "
            f"network's input '{input_name}' takes {_size(wanted)} "
            f"({int(np.prod(wanted)):,} numbers).",
            place=part.place,
            remedy="Give data of that shape with --data, or a network for these.",
        )
    return part.inputs.reshape(len(part), *wanted)


def as_whole_numbers(data: DataSet, input_name: str) -> DataSet:
    """The data as whole numbers, unscaled; InputError if they are none."""
    for part in (data.train, data.test):
        if part.inputs.dtype.kind not in "iu":
            raise InputError(
                f"inputs are of type {part.inputs.dtype}, but the network's input '{input_name}' "
                "takes whole numbers.",
                place=part.place,
                remedy="Give the numbers of words or classes as integers.",
            )
    parts = [replace(part, scaled=False) for part in (data.train, data.test)]
    return replace(data, train=parts[0], test=parts[1], scaling="whole numbers as stored")


def check_classes(data: DataSet, outputs: int) -> None:
    """InputError if a label has no output of the network (labels are class numbers)."""
    for part in (data.train, data.test):
        if part.labels.dtype.kind not in "iu":
            raise InputError(
                f"labels are of type {part.labels.dtype}; this loss takes class numbers.",
                place=part.place,
                remedy="Set loss: mse for targets that are numbers.",
            )
        largest = int(part.labels.max())
        if largest >= outputs:
            first = int(np.flatnonzero((part.labels >= outputs).reshape(len(part), -1).any(1))[0])
            raise InputError(
                f"label {largest} has no output (sample {first} is the first such): the network "
                f"has {outputs} outputs, for labels 0 to {outputs - 1}.",
                place=part.place,
                remedy="Give data with fewer classes, or a network with more outputs.",
            )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
