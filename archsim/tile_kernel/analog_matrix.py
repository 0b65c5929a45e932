"""One weight matrix on the arrays of an architecture: read both ways, updated, saved, resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.algorithm import Algorithm
from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.placement import Direction
from archsim.hardware.spread import Spread
from archsim.tile_kernel.algorithms import (
    Step,
    arrays_of,
    arrays_read,
    create,
    learn,
    program,
    read_roles,
    read_weights,
)
from archsim.tile_kernel.algorithms.contract import LearnReport, read_lines
from archsim.tile_kernel.arrays import F32, finite
from archsim.tile_kernel.drift import kept_share, relax
from archsim.tile_kernel.ir_drop import IrDrop, WireLosses, wire_losses
from archsim.tile_kernel.line_writes import write_change
from archsim.tile_kernel.matrix_statistics import (
    DeviceStatistics,
    MatrixStatistics,
    MatrixTotals,
    ReadTotals,
)
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import ReadOutput, seen_by_read
from archsim.tile_kernel.snapshot import (
    Saved,
    check,
    restore_generator,
    restored,
    saved,
    saved_generator,
)
from archsim.tile_kernel.state import DeviceArray, sample_devices
from archsim.tile_kernel.tiling import Tiling, read_seen
from archsim.tile_kernel.trains import UpdateParameters
from archsim.tile_kernel.wander import wander

# A device this close to a bound, relative to its range, counts as saturated.
_AT_BOUND = 0.01
# Drift is carried out once it is this part of a weight: far above the rounding of float32, which
# would swallow what one short step takes, and far below what reads can tell.
_LEAST_DRIFT = 1e-5
# Kept losses of the wires are named by the direction of a read, or by this and the role of an array.
_TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class MatrixParameters:
    """How a matrix is read and updated.

    `weight_scale` is the weight of the network that a device weight of 1 (half the conductance
    range) stands for.  `forward` and `transposed` are the reads, `transfer` the read of lines
    inside an update algorithm (None: exact); `update` turns vector pairs into pulses.
    What wires lose depends on the currents of whole lines: it is computed anew when the devices
    have moved by `wire_tolerance` on average, in units of device weights; 0 is at every change.
    """

    forward: ReadParameters
    transposed: ReadParameters
    transfer: ReadParameters | None
    update: UpdateParameters
    weight_scale: float = 1.0
    wire_tolerance: float = 0.005

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight_scale) and self.weight_scale > 0):
            raise InputError(f"weight_scale is {self.weight_scale}; expected a number above 0")
        if not self.wire_tolerance >= 0:
            raise InputError(
                f"wire_tolerance is {self.wire_tolerance}; expected a number of at least 0"
            )

    @classmethod
    def from_architecture(
        cls, architecture: Architecture, weight_scale: float = 1.0
    ) -> MatrixParameters:
        """The reads and updates that the cost model prices; transfers are forward reads."""
        forward = ReadParameters.from_architecture(architecture)
        return cls(
            forward=forward,
            transposed=ReadParameters.from_architecture(architecture, Direction.TRANSPOSED),
            transfer=forward,
            update=UpdateParameters.from_architecture(architecture),
            weight_scale=weight_scale,
        )


@dataclass(frozen=True, slots=True)
class _KeptLosses:
    """Losses of the wires, and how far devices had moved when they were computed."""

    at: float
    losses: WireLosses


class AnalogMatrix:
    """A matrix [inputs, outputs] on the fewest arrays that hold it, under an update algorithm.

    Build with `from_architecture`.  Its devices change by `update`, `program`, `end_of_minibatch`
    and `restore` only, so that the weights as reads see them (with wires) are computed once per
    change.  All randomness comes from `rng`; the same seed and calls give the same bits.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        device: Device,
        tiling: Tiling,
        parameters: MatrixParameters,
        rng: np.random.Generator,
        *,
        unknown: Spread | None = None,
    ) -> None:
        """Devices drawn from the spread of `device`, at weight zero; see `sample_devices`."""
        self.algorithm, self.device, self.tiling = algorithm, device, tiling
        self.parameters, self.rng = parameters, rng
        self._state: Any = create(
            algorithm, lambda: sample_devices(device, tiling.shape, rng, unknown=unknown)
        )
        self._read_through = arrays_read(algorithm, self._state)
        self._seen: dict[Direction, tuple[tuple[int, ...], F32]] = {}
        self._wires: dict[str, _KeptLosses] = {}
        self._totals = MatrixTotals()
        self._bounded_share = 0.0
        self._age_s = 0.0
        self._kept = 1.0

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        weights: ArrayLike,
        rng: np.random.Generator,
        *,
        parameters: MatrixParameters | None = None,
        unknown: Spread | None = None,
    ) -> AnalogMatrix:
        """The matrix `weights` [inputs, outputs] on arrays of `architecture`, programmed.

        `parameters` default to those of the architecture; entries of the device's spread that
        nobody has published are taken from `unknown`, and refused without it.
        InputError for weights that are not a finite matrix, and for what the kernel does not model.
        """
        matrix = finite("weights", weights)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise InputError(
                f"weights have shape {list(matrix.shape)}; expected [inputs, outputs] with at "
                "least one of each"
            )
        array = architecture.array
        inputs, outputs = matrix.shape
        tiling = Tiling(inputs, outputs, int(array.rows), int(array.weight_columns))
        known = parameters or MatrixParameters.from_architecture(architecture)
        made = cls(architecture.algorithm, architecture.device, tiling, known, rng, unknown=unknown)
        made.program(matrix)
        return made

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.tiling.inputs, self.tiling.outputs

    def forward(self, x: ArrayLike) -> F32:
        """x [batch, inputs] times the matrix, [batch, outputs], as the arrays compute it."""
        return self._read(x, self.parameters.forward, Direction.FORWARD)

    def backward(self, error: ArrayLike) -> F32:
        """error [batch, outputs] times the transposed matrix, [batch, inputs]."""
        return self._read(error, self.parameters.transposed, Direction.TRANSPOSED)

    def _read(self, x: ArrayLike, parameters: ReadParameters, direction: Direction) -> F32:
        seen = self._seen_by(parameters, direction)
        output: ReadOutput = read_seen(seen, x, self.tiling, parameters, self.rng, direction)
        name = "forward" if direction is Direction.FORWARD else "transposed"
        total = getattr(self._totals, name) + ReadTotals.of(output)
        self._totals = replace(self._totals, **{name: total})
        y = output.y
        if self.parameters.weight_scale != 1.0:
            y *= np.float32(self.parameters.weight_scale)
        return y

    def _seen_by(self, parameters: ReadParameters, direction: Direction) -> F32:
        """The matrices of a read, computed when an array that it goes through has changed."""
        key = tuple(int(array.version[0]) for array in self._read_through)
        kept = self._seen.get(direction)
        if kept is None or kept[0] != key:
            weights = read_weights(self.algorithm, self._state)
            losses: WireLosses | None = None
            if parameters.ir_drop is not None:
                losses = self._losses(direction, self._read_through, weights, parameters.ir_drop)
            seen = seen_by_read(weights, parameters, direction, losses)
            kept = self._seen[direction] = (key, seen)
        return kept[1]

    def _losses(
        self, key: str, arrays: Iterable[DeviceArray], weights: F32, drop: IrDrop
    ) -> WireLosses:
        """The losses of the wires, kept while the devices that make the weights moved little."""
        moved = sum(float(array.moved[0]) for array in arrays) / weights.size
        kept = self._wires.get(key)
        # Also where the sum has become infinite, its difference is no number.
        if kept is None or not moved - kept.at < self.parameters.wire_tolerance:
            kept = self._wires[key] = _KeptLosses(moved, wire_losses(weights, drop))
        return kept.losses

    def _losses_of_transfer(self, role: str, weights: F32, drop: IrDrop) -> WireLosses:
        return self._losses(f"{_TRANSFER}.{role}", [self._arrays()[role]], weights, drop)

    def update(self, x: ArrayLike, error: ArrayLike, learning_rate: float) -> LearnReport:
        """One minibatch: towards W - learning_rate * x^T error, by the update algorithm.

        x [vectors, inputs] and error [vectors, outputs], all vector pairs of the minibatch in one
        call.  InputError for bad input, before anything is changed.
        """
        inputs = self.tiling.inputs_of(finite("x", x), Direction.FORWARD)
        errors = self.tiling.inputs_of(finite("error", error), Direction.TRANSPOSED, "error")
        scale = self.parameters.weight_scale
        step = self._step(inputs.swapaxes(0, 1), errors.swapaxes(0, 1), learning_rate / scale)
        report = learn(self.algorithm, self._state, step)
        vectors = inputs.shape[1]
        self._totals += MatrixTotals(
            learnt=report,
            minibatches=1,
            update_vectors=vectors,
            device_vectors=vectors * self.tiling.inputs * self.tiling.outputs,
        )
        self._age_s = 0.0
        return report

    def _step(self, x: F32, error: F32, learning_rate: float) -> Step:
        """A step of the algorithm; `x` [batch, tile, row], `error` [batch, tile, col]."""
        parameters = self.parameters
        return Step(
            x,
            error,
            learning_rate,
            parameters.update,
            self.rng,
            parameters.transfer,
            self._losses_of_transfer,
        )

    def read_out(self) -> dict[str, F32]:
        """Device weights [tile, row, col] of each array that reads go through, row by row.

        By role, as transfers read lines: through converter, noise and wires, or exactly where
        `parameters.transfer` is None.
        """
        nothing = np.empty((0, 0, 0), dtype=np.float32)
        step = self._step(nothing, nothing, 0.0)
        rows = np.arange(self.tiling.shape[1], dtype=np.intp)
        arrays = self._arrays()
        return {
            role: np.array(read_lines(arrays[role].weights, rows, step, role))
            for role in read_roles(self.algorithm)
        }

    def move(self, changes: Mapping[str, F32]) -> None:
        """Add `changes` [tile, row, col] to the device weights of the arrays, by role, row by row.

        See `write_change`; half-selected devices are disturbed as by updates.  Lines that no weight
        lies on are not written.
        """
        for role, change in changes.items():
            used = self.tiling.split(self.tiling.join(change))
            write_change(self._arrays()[role], used, self.parameters.update, self.rng)
        self._age_s = 0.0

    def end_of_minibatch(self, elapsed_s: float = 0.0) -> None:
        """Let bounds wander, and `elapsed_s` pass: devices drift from their last update on.

        Drift of less than 1e-5 of a weight is kept until it is as much.  InputError if time passes for a device whose retention is unknown.
        """
        if elapsed_s:
            self._rest(elapsed_s)
        for array in self._arrays().values():
            wander(array, self.rng)

    def _rest(self, elapsed_s: float) -> None:
        self._kept *= kept_share(self.device, self._age_s, elapsed_s)
        self._age_s += elapsed_s
        if 1.0 - self._kept < _LEAST_DRIFT:
            return
        for array in self._arrays().values():
            relax(array, self.device, self._kept)
        self._kept = 1.0

    def program(self, weights: ArrayLike) -> float:
        """Write the matrix [inputs, outputs] as far as devices reach; returns the share cut."""
        target = self.tiling.split(finite("weights", weights))
        target /= np.float32(self.parameters.weight_scale)
        self._bounded_share = program(self.algorithm, self._state, target, self.rng)
        return self._bounded_share

    def weights(self) -> F32:
        """The matrix [inputs, outputs] that the devices hold, as an exact read would give it."""
        held = self.tiling.join(read_weights(self.algorithm, self._state))
        held *= np.float32(self.parameters.weight_scale)
        return held

    def _arrays(self) -> Mapping[str, DeviceArray]:
        return arrays_of(self.algorithm, self._state)

    @property
    def totals(self) -> MatrixTotals:
        """Sums over all reads and updates so far; cheap."""
        return self._totals

    def statistics(self) -> MatrixStatistics:
        """Sums so far, and the wear and saturation of the devices of each role."""
        return MatrixStatistics(
            totals=self._totals,
            devices={role: self._statistics_of(array) for role, array in self._arrays().items()},
            bounded_share=self._bounded_share,
        )

    def _statistics_of(self, array: DeviceArray) -> DeviceStatistics:
        margin = np.float32(_AT_BOUND) * (array.upper - array.lower)
        at_bound = (array.stored >= array.upper - margin) | (array.stored <= array.lower + margin)
        pulses: NDArray[Any] = self.tiling.join(array.pulses)
        most = float(pulses.max())
        half: NDArray[Any] = self.tiling.join(array.half_selects)
        return DeviceStatistics(
            devices=pulses.size,
            pulses_mean=float(pulses.mean()),
            pulses_most=most,
            wear=most / float(self.device.endurance_pulses),
            half_selects_mean=float(half.mean()),
            half_selects_most=float(half.max()),
            saturated_share=float(self.tiling.join(at_bound).mean()),
        )

    def state(self) -> Saved:
        """All that changes, as arrays by name, for a checkpoint (copies; no pickled objects)."""
        return {
            "algorithm": np.array(self.algorithm.kind),
            "generator": saved_generator(self.rng),
            "bounded_share": np.array(self._bounded_share),
            "age_s": np.array(self._age_s),
            "kept": np.array(self._kept),
            **saved(self._totals, "totals"),
            **saved(self._state, "arrays"),
            **{
                name: value
                for key, kept in self._wires.items()
                for name, value in saved(kept, f"wires.{key}").items()
            },
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `state` gave: all that follows is then the same to the bit.

        InputError, before anything is changed, for the state of another configuration.
        """
        kind = str(state.get("algorithm", ""))
        if kind != self.algorithm.kind:
            raise InputError(
                f"the saved state is that of algorithm '{kind}', but this matrix is under "
                f"'{self.algorithm.kind}'",
                place="checkpoint",
            )
        check(self._state, "arrays", state)
        check(self._totals, "totals", state)
        uses = [*Direction, *(f"{_TRANSFER}.{role}" for role in self._arrays())]
        wires = {
            str(use): self._saved_losses(use, state) for use in uses if f"wires.{use}.at" in state
        }
        for name in ("generator", "bounded_share", "age_s", "kept"):
            if name not in state:
                raise InputError(f"the saved state has no '{name}'", place="checkpoint")
        restore_generator(self.rng, state["generator"])
        self._bounded_share = float(state["bounded_share"])
        self._age_s = float(state["age_s"])
        self._kept = float(state["kept"])
        self._totals = restored(self._totals, "totals", state)
        self._state = restored(self._state, "arrays", state)
        self._read_through = arrays_read(self.algorithm, self._state)
        self._wires = wires
        self._seen.clear()

    def _saved_losses(self, key: str, state: Mapping[str, NDArray[Any]]) -> _KeptLosses:
        empty = [np.empty(self.tiling.shape, dtype=np.float32) for _ in range(3)]
        return restored(_KeptLosses(0.0, WireLosses(*empty)), f"wires.{key}", state)
