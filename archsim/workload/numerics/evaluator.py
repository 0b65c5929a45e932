"""The forward graph of a network evaluated in numpy, op by op, as the workload counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx

from archsim.errors import InputError, did_you_mean
from archsim.workload.graph import TensorInfo, Workload
from archsim.workload.numerics.covers import Cover, Network
from archsim.workload.numerics.flattening import flatten
from archsim.workload.numerics.kernel import Array
from archsim.workload.numerics.products import Ledger, Matrices, MiscountError
from archsim.workload.numerics.registry import check_known
from archsim.workload.numerics.values import Constants, Values

_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation gave.

    `outputs` are the network's outputs that depend on its inputs; `activations` all tensors of the
    file that the ops wrote, empty unless they were asked for; `nodes` the names of the file's nodes
    that each op stands for (for a node that became several ops, those of the last of them).
    """

    outputs: Mapping[str, Array]
    activations: Mapping[str, Array]
    nodes: Mapping[str, tuple[str, ...]]


class Evaluator:
    """A network made ready to be evaluated many times: its constants are computed once.

    `workload` was read from `model`; for `trip_counts` see `read_workload`.  Raises `InputError` for
    operators without a numeric kernel, and `MiscountError` for ops that no nodes stand for.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        workload: Workload,
        *,
        trip_counts: Mapping[str, int] = _NONE,
    ) -> None:
        flat = flatten(model, workload, trip_counts)
        self._workload = workload
        self._constants = Constants(Network(flat.nodes, flat.stored, workload), flat)
        self._covers = self._constants.network.covers()
        self._finished = _last_readers(self._covers, workload)
        check_known(node for cover in self._covers for node in cover.nodes)

    def run(self, inputs: Mapping[str, Array], *, keep: bool = False) -> Evaluation:
        """Evaluate every op on `inputs`, as `evaluate` does; `keep` keeps all activations."""
        workload = self._workload
        values = Values(self._constants)
        for name in workload.inputs:
            values.define(name, _input(workload.tensors[name], inputs))
        held = Matrices()
        kept: dict[str, Array] = {}
        for index, cover in enumerate(self._covers):
            for name, value in _run(cover, workload, values, held).items():
                values.define(name, value)
                if keep:
                    kept[name] = value
            values.forget(self._finished.get(index, ()))
        outputs = {name: values[name] for name in workload.outputs}
        pairs = {
            cover.ops[-1].name: tuple(node.name for node in cover.nodes) for cover in self._covers
        }
        return Evaluation(outputs, kept, pairs)


def evaluate(
    model: onnx.ModelProto,
    workload: Workload,
    inputs: Mapping[str, Array],
    *,
    keep: bool = False,
    trip_counts: Mapping[str, int] = _NONE,
) -> Evaluation:
    """Evaluate every op of `workload`, which was read from `model`, on `inputs`.

    Products by weights are computed as they are counted: vectors [blocks, V, K] times the matrix
    [blocks, K, N] of the op, recurrent steps one after the other; and the number of vectors, K, N,
    blocks and steps, sizes of dynamic products, shapes of all tensors and declared signs are
    compared with the workload's.  Of a branch that depends on the data the counted side runs; for
    `trip_counts` see `read_workload`.  `keep` keeps all activations.  Raises `MiscountError` where
    the workload is not what the file computes, and `InputError` for inputs that do not fit, absent
    weights and operators without a numeric kernel.
    """
    return Evaluator(model, workload, trip_counts=trip_counts).run(inputs, keep=keep)


def _input(info: TensorInfo, inputs: Mapping[str, Array]) -> Array:
    found = inputs.get(info.name)
    if found is None:
        raise InputError(
            f"no array is given for the input '{info.name}'.",
            remedy=did_you_mean(info.name, inputs),
        )
    if found.shape != info.shape:
        raise InputError(
            f"the array for the input '{info.name}' has the shape {found.shape}, and the network "
            f"is bound for {info.shape}."
        )
    return found


def _last_readers(covers: list[Cover], workload: Workload) -> dict[int, list[str]]:
    """By cover, the tensors that no later cover reads and that are no outputs."""
    last = {name: index for index, cover in enumerate(covers) for name in cover.inputs}
    found: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in workload.outputs:
            found.setdefault(index, []).append(name)
    return found


def _run(cover: Cover, workload: Workload, values: Values, held: Matrices) -> dict[str, Array]:
    """The outputs of the cover, after comparing all that was counted."""
    ledger = Ledger([op.name for op in cover.ops], cover.expected(workload), held)
    for name in cover.inputs:
        if name not in values:
            raise MiscountError(
                f"op '{cover.ops[-1].name}': no op and no input gives its input '{name}'."
            )
    inner: list[str] = []
    for node in cover.nodes:
        with np.errstate(all="ignore"):
            for name, value in values.run(node, ledger).items():
                values.define(name, value)
                inner.append(name)
    ledger.close()
    found = {name: values[name] for name in cover.outputs}
    values.forget(inner)
    for name, value in found.items():
        _check(cover, workload.tensors[name], value)
    return found


def _check(cover: Cover, info: TensorInfo, value: Array) -> None:
    if value.shape != info.shape:
        raise MiscountError(
            f"op '{cover.ops[-1].name}': the tensor '{info.name}' is counted with the shape "
            f"{info.shape}, and has {value.shape}."
        )
    with np.errstate(all="ignore"):
        negative = info.nonnegative and bool((value < 0).any())
    if negative:
        raise MiscountError(
            f"op '{cover.ops[-1].name}': the tensor '{info.name}' is said to be nonnegative, and "
            f"has {value.min()}."
        )
