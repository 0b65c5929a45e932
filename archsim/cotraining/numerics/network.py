"""A network run forward and backward on a batch, with its matrices in a backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from archsim.cotraining.numerics.backend import MatrixBackend
from archsim.cotraining.numerics.contract import (
    Array,
    BatchNormMode,
    Call,
    Forward,
    Pullback,
    Result,
    Setting,
)
from archsim.cotraining.numerics.errors import Direction, NonFiniteError
from archsim.cotraining.numerics.registry import check_known, operator_of
from archsim.cotraining.numerics.stationary import HeldMatrix, Stationary
from archsim.errors import InputError, did_you_mean
from archsim.workload.executable_types import ExecutableGraph, ExecutableNode


@dataclass(frozen=True, slots=True)
class _Plan:
    """What of a node is the same in every run.

    `reads` are its inputs, empty where absent or held by the backend; `needs` tells which get a
    gradient; `trains` whether the backward pass has something to do here.
    """

    node: ExecutableNode
    forward: Forward
    reads: tuple[str, ...]
    needs: tuple[bool, ...]
    trains: bool
    finished: tuple[str, ...]


@dataclass
class _Entry:
    """A node that has run: its pullback, and the inputs that get a gradient."""

    node: ExecutableNode
    pullback: Pullback
    needs: tuple[bool, ...]


@dataclass
class Tape:
    """What a forward pass leaves for one backward pass.

    `statistics` are the running means and variances after this minibatch, by tensor; they stay when
    the rest is used up.
    """

    statistics: dict[str, Array] = field(default_factory=dict)
    entries: list[_Entry] = field(default_factory=list)
    uses_left: Counter[str] = field(default_factory=Counter)
    used: bool = False


class Network:
    """A graph ready to be run on batches of any size; it holds no numbers that change.

    `dtype` is the element type of all floating tensors, `batchnorm` what batch normalisations do in
    training (see `SchedulePolicy`).  Raises `InputError` that names all operators without numerics.
    """

    def __init__(
        self,
        graph: ExecutableGraph,
        *,
        dtype: DTypeLike = np.float32,
        batchnorm: BatchNormMode = "batch",
    ) -> None:
        check_known(graph.nodes, graph.name)
        self.graph = graph
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._batchnorm: BatchNormMode = batchnorm
        self._constants = {name: self._cast(value) for name, value in graph.constants.items()}
        self._digital = _digital(graph)
        self._plans = _plans(graph)
        self._read_names = frozenset(graph.outputs).union(
            *(node.digital_inputs for node in graph.nodes)
        )

    def forward(
        self,
        parameters: Mapping[str, Array],
        inputs: Mapping[str, Array],
        backend: MatrixBackend,
        rng: np.random.Generator | None = None,
        *,
        training: bool = True,
    ) -> tuple[dict[str, Array], Tape]:
        """The outputs for a batch, and what `backward` needs (nothing, unless `training`).

        `parameters` hold what is read digitally and the running statistics; weights of the
        backend's matrices are not looked at.  `rng` is for dropout.  Raises `InputError` for inputs
        that do not fit, and `NonFiniteError` for the first node that makes infinite or undefined
        numbers of finite ones.
        """
        tape = Tape()
        setting = Setting(self._dtype, training, self._batchnorm, rng)
        values = {**self._constants, **self._given(inputs), **self._read(parameters)}
        with np.errstate(all="ignore"):
            for plan in self._plans:
                result = self._run(plan, values, backend, setting, tape)
                made = zip(plan.node.outputs, result.outputs, strict=False)
                values.update((name, value) for name, value in made if name)
                for name in plan.finished:
                    values.pop(name, None)
        return {name: values[name] for name in self.graph.outputs}, tape

    def backward(self, tape: Tape, output_grads: Mapping[str, Array]) -> dict[str, Array]:
        """Gradients of digitally read parameters, from those of the outputs (others are zero).

        Uses of the backend's matrices are recorded there.  The tape is used up.  A parameter that
        the gradient does not reach is absent.  Raises `NonFiniteError` as `forward`.
        """
        if tape.used:
            raise ValueError("a tape serves one backward pass, and this one has served")
        tape.used = True
        self._check_outputs(output_grads)
        tape.uses_left.update(_uses_reached(tape, output_grads))
        grads: dict[str, Array] = {
            name: grad.astype(self._dtype, copy=False) for name, grad in output_grads.items()
        }
        with np.errstate(all="ignore"):
            while tape.entries:
                self._back(tape.entries.pop(), grads)
        return {name: grad for name, grad in grads.items() if name in self._digital}

    def _cast(self, value: Array) -> Array:
        floating = np.issubdtype(value.dtype, np.floating) or value.dtype.kind == "V"
        # What ONNX has beyond numpy (bfloat16) reports no kind of its own.
        return value.astype(self._dtype) if floating else value

    def _given(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = {}
        for entry in self.graph.inputs:
            value = inputs.get(entry.name)
            if value is None:
                raise InputError(
                    f"no array is given for the input '{entry.name}'.",
                    place=self.graph.name,
                    remedy=did_you_mean(entry.name, inputs),
                )
            sizes = zip(entry.shape, value.shape, strict=False)
            if len(value.shape) != len(entry.shape) or any(n not in (None, m) for n, m in sizes):
                shown = "x".join("batch" if n is None else str(n) for n in entry.shape)
                raise InputError(
                    f"the array for the input '{entry.name}' has the shape {value.shape}, and the "
                    f"network takes {shown}.",
                    place=self.graph.name,
                )
            found[entry.name] = value.astype(self._dtype, copy=False) if entry.floating else value
        return found

    def _read(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        needed = (*self._digital, *self.graph.statistics)
        absent = [name for name in needed if name not in parameters]
        if absent:
            raise InputError(
                f"{len(absent)} parameters are absent, the first is '{absent[0]}'.",
                place=self.graph.name,
            )
        return {name: parameters[name].astype(self._dtype, copy=False) for name in needed}

    def _run(
        self,
        plan: _Plan,
        values: Mapping[str, Array],
        backend: MatrixBackend,
        setting: Setting,
        tape: Tape,
    ) -> Result:
        node = plan.node
        inputs = tuple([values[name] if name else None for name in plan.reads])
        call = Call(node, inputs, plan.needs, setting, self._weights(node, backend, tape))
        try:
            result = plan.forward(call)
        except MemoryError as error:
            raise InputError(
                f"there is not enough memory for it: {error}.",
                place=node.place,
                remedy="Take a smaller batch.",
            ) from error
        except (ArithmeticError, LookupError, ValueError) as error:
            raise InputError(
                f"its inputs {[None if x is None else x.shape for x in inputs]} do not fit the "
                f"operator: {error}.",
                place=node.place,
                remedy="Check the shape of the data, and the sizes given with --dim.",
            ) from error
        unmade = self._read_names.intersection(node.outputs[len(result.outputs) :])
        if unmade:
            raise InputError(
                f"its output '{min(unmade)}' is read, and has no numerics here.", place=node.place
            )
        _check_finite(node, inputs, result.outputs, "forward")
        if setting.training:
            tape.statistics.update(result.statistics)
            if result.pullback is not None and plan.trains:
                tape.entries.append(_Entry(node, result.pullback, plan.needs))
        return result

    def _weights(
        self, node: ExecutableNode, backend: MatrixBackend, tape: Tape
    ) -> tuple[Stationary, ...]:
        return tuple(
            HeldMatrix(
                backend,
                use.matrix,
                use.shape,
                transposed=use.transposed,
                trainable=self.graph.matrices[use.matrix].trainable,
                is_last=_counting(tape.uses_left, use.matrix),
            )
            for use in node.uses
        )

    def _back(self, entry: _Entry, grads: dict[str, Array]) -> None:
        node = entry.node
        arrived = [grads.pop(name, None) if name else None for name in node.outputs]
        if all(grad is None for grad in arrived):
            return
        found = entry.pullback(arrived)
        _check_finite(node, arrived, [g for g in found if g is not None], "backward")
        for name, grad, needed in zip(node.inputs, found, entry.needs, strict=False):
            if grad is None or not needed:
                continue
            known = grads.get(name)
            grads[name] = grad if known is None else known + grad

    def _check_outputs(self, output_grads: Mapping[str, Array]) -> None:
        for name in output_grads:
            if name not in self.graph.outputs:
                raise InputError(
                    f"the network has no output '{name}'.",
                    place=self.graph.name,
                    remedy=did_you_mean(name, self.graph.outputs),
                )


def _counting(left: Counter[str], matrix: str) -> Callable[[], bool]:
    def is_last() -> bool:
        left[matrix] -= 1
        return left[matrix] <= 0

    return is_last


def _plans(graph: ExecutableGraph) -> tuple[_Plan, ...]:
    active, finished = _active(graph), _last_readers(graph)
    found = []
    for index, node in enumerate(graph.nodes):
        held = node.weight_slots
        reads = tuple("" if slot in held else name for slot, name in enumerate(node.inputs))
        needs = tuple(bool(name) and name in active for name in reads)
        trained = any(graph.matrices[use.matrix].trainable for use in node.uses)
        forward = operator_of(node).forward
        trains = trained or any(needs)
        found.append(_Plan(node, forward, reads, needs, trains, finished[index]))
    return tuple(found)


def _active(graph: ExecutableGraph) -> frozenset[str]:
    """Tensors with something that is trained upstream."""
    found = {p.name for p in graph.parameters.values() if p.trainable}
    for node in graph.nodes:
        if not operator_of(node).differentiable:
            continue
        trained = any(graph.matrices[use.matrix].trainable for use in node.uses)
        if trained or any(name in found for name in node.digital_inputs):
            found.update(filter(None, node.outputs))
    return frozenset(found)


def _digital(graph: ExecutableGraph) -> tuple[str, ...]:
    """Parameters that some node reads as an array."""
    read = {name for node in graph.nodes for name in node.digital_inputs} | set(graph.outputs)
    return tuple(name for name in graph.parameters if name in read)


def _last_readers(graph: ExecutableGraph) -> list[tuple[str, ...]]:
    """By node, the tensors that no later node reads and that are no outputs."""
    last: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        for name in (*filter(None, node.outputs), *node.digital_inputs):
            last[name] = index
    found: list[list[str]] = [[] for _ in graph.nodes]
    for name, index in last.items():
        if name not in graph.outputs:
            found[index].append(name)
    return [tuple(names) for names in found]


def _uses_reached(tape: Tape, output_grads: Mapping[str, Array]) -> Counter[str]:
    """How often each matrix is used by the nodes that the gradient reaches."""
    reached = set(output_grads)
    found: Counter[str] = Counter()
    for entry in reversed(tape.entries):
        if reached.isdisjoint(entry.node.outputs):
            continue
        found.update(use.matrix for use in entry.node.uses)
        for name, needed in zip(entry.node.inputs, entry.needs, strict=True):
            if needed:
                reached.add(name)
    return found


def _check_finite(
    node: ExecutableNode,
    inputs: Sequence[Array | None],
    outputs: Sequence[Array],
    direction: Direction,
) -> None:
    """Raise `NonFiniteError` if `outputs` are not finite and `inputs` are.

    A sum is quicker than a look at every element, and not finite if one of these is not.
    """
    suspect = [x for x in outputs if x.dtype.kind == "f" and not np.isfinite(x.sum())]
    if not suspect or all(np.isfinite(x).all() for x in suspect):
        return
    if all(x is None or x.dtype.kind != "f" or np.isfinite(x).all() for x in inputs):
        matrix = node.uses[0].matrix if node.uses else None
        raise NonFiniteError(node.name, node.op_type, direction, matrix)


def merge_gradients(*parts: Mapping[str, Array]) -> dict[str, Array]:
    """The sums of gradients by name: of digital reads, and of matrices, of the same parameter."""
    found: dict[str, Array] = {}
    for part in parts:
        for name, gradient in part.items():
            found[name] = found[name] + gradient if name in found else gradient
    return found
