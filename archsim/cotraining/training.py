"""One training: one network, one seed, one kind of machine, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.checkpoint import Checkpoint
from archsim.cotraining.divergence import refuse_diverged
from archsim.cotraining.initial import initial_values
from archsim.cotraining.judging import judge, loss_of
from archsim.cotraining.machine import Machine
from archsim.cotraining.numerics.errors import NonFiniteError
from archsim.cotraining.plan import Kind, Plan
from archsim.errors import InputError

# Domains of random numbers of one seed: what is drawn for one never depends on another.
_ORDER, _DROPOUT = 1, 2


@dataclass(frozen=True, slots=True)
class Point:
    """Where a training stands after an epoch.

    `epoch`, `step` and `samples` count what is done; `train_loss` is the mean of the epoch's
    minibatches, None before the first; `accuracy` (a share, None without classes) and `test_loss`
    are of the test set.
    """

    epoch: int
    step: int
    samples: int
    train_loss: float | None
    test_loss: float
    accuracy: float | None


@dataclass(slots=True)
class _Position:
    """How far a training is: epochs done, minibatches done of the present one, and its loss."""

    epoch: int = 0
    minibatch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    curve: list[Point] = field(default_factory=list)


Gradients: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Pass:
    """What samples that went through the network together gave."""

    loss: float
    gradients: Gradients
    statistics: Gradients


# Hears the share of the training that is done and a word about it.
Progress = Callable[[float, str], None]
# Takes a checkpoint of a running training.
Save = Callable[[Checkpoint], None]


class Training:
    """A training that can be stopped after any step and goes on to the same result."""

    def __init__(self, plan: Plan, kind: Kind, seed: int) -> None:
        self.plan, self.kind, self.seed = plan, kind, seed
        self.network = plan.network()
        values = initial_values(plan.graph, plan.recipe, seed)
        self.order = plan.order(kind)
        self.machine: Machine = plan.machine(kind, values, seed)
        held = {matrix.parameter for matrix in plan.graph.matrices.values()}
        self.parameters = {name: value for name, value in values.items() if name not in held}
        optimizer = plan.recipe.optimizer
        self.moments = {
            name: optimizer.start(self.parameters[name])
            for name, tensor in plan.graph.parameters.items()
            if tensor.trainable and name in self.parameters
        }
        # Gradients of digital parameters that wait for their optimizer, summed over minibatches.
        self._gathered: Gradients = {}
        self._rng = np.random.Generator(np.random.SFC64([seed, _DROPOUT]))
        self._at = _Position()

    @property
    def curve(self) -> tuple[Point, ...]:
        """What was measured so far."""
        return tuple(self._at.curve)

    @property
    def steps_per_epoch(self) -> int:
        """Whole minibatches of the training set."""
        return len(self.plan.data.train) // self.plan.recipe.batch

    def run(self, progress: Progress | None = None, save: Save | None = None) -> None:
        """Train to the end.

        `save` gets a checkpoint after every epoch and every `checkpoint` of the recipe.  Raises
        `InputError` where the training diverges.
        """
        recipe, at = self.plan.recipe, self._at
        if not at.curve:
            self._judge(None)
        saved = time.monotonic()
        while at.epoch < recipe.epochs and not self._enough():
            order = self._order(at.epoch)
            while at.minibatch < self.steps_per_epoch:
                start = at.minibatch * recipe.batch
                self._step(order[start : start + recipe.batch])
                if save is not None and time.monotonic() - saved > recipe.checkpoint_s:
                    save(self.checkpoint())
                    saved = time.monotonic()
                if progress is not None:
                    done = at.step / (self.steps_per_epoch * recipe.epochs)
                    progress(done, self._words())
            self._end_epoch()
            if save is not None:
                save(self.checkpoint())
                saved = time.monotonic()

    def _order(self, epoch: int) -> NDArray[np.intp]:
        """The order of samples in an epoch: a matter of seed and epoch, the same on all machines."""
        rng = np.random.Generator(np.random.SFC64([self.seed, _ORDER, epoch]))
        return rng.permutation(len(self.plan.data.train))

    def _step(self, indices: NDArray[np.intp]) -> None:
        plan, at = self.plan, self._at
        rate = plan.recipe.learning_rate.at(at.epoch, plan.recipe.epochs)
        by_sample = self.order.staleness is not None
        passes = np.split(indices, len(indices)) if by_sample else [indices]
        self.machine.rate = rate / len(passes)
        done = [self._pass(some) for some in passes]
        with self._located():
            self.machine.end_of_minibatch(plan.step_s)
        for one in done:
            self.parameters.update(one.statistics)
        self._step_digital(_summed([one.gradients for one in done]), len(passes), rate)
        at.loss_sum += sum(one.loss for one in done) / len(done)
        at.minibatch += 1
        at.step += 1

    def _pass(self, indices: NDArray[np.intp]) -> _Pass:
        """Forward and backward through the network with samples that are at once under way."""
        plan, at = self.plan, self._at
        inputs = plan.data.train.batch(indices)
        wanted = plan.data.train.wanted(indices)
        with self._located():
            outputs, tape = self.network.forward(
                self.parameters, {plan.input: inputs}, self.machine, self._rng
            )
            loss, gradient = loss_of(plan.recipe.loss)(outputs[plan.output], wanted)
        if not loss < _LARGEST_LOSS * (1.0 + at.curve[0].test_loss):
            grown = f"the loss has grown to {loss:.3g} behind '{plan.output}'"
            refuse_diverged(self.where(), grown, at.epoch)
        with self._located():
            gradients = self.network.backward(tape, {plan.output: gradient})
            self.machine.end_of_pass()
        return _Pass(loss, gradients, tape.statistics)

    def _step_digital(self, gradients: Gradients, passes: int, rate: float) -> None:
        """Step the digital parameters, or keep their gradients until enough minibatches have come."""
        count, every = self._at.step + 1, self.order.minibatches
        if every > 1:
            gradients = _summed([self._gathered, gradients])
            self._gathered = gradients if count % every else {}
            if self._gathered:
                return
        optimizer = self.plan.recipe.optimizer
        share = np.float32(1.0 / (passes * every))
        for name, moments in self.moments.items():
            if name in gradients:
                mean = gradients[name] if share == 1 else gradients[name] * share
                optimizer.step(self.parameters[name], mean, moments, rate, count // every)

    def _end_epoch(self) -> None:
        at, recipe = self._at, self.plan.recipe
        mean = at.loss_sum / self.steps_per_epoch
        at.epoch, at.minibatch, at.loss_sum = at.epoch + 1, 0, 0.0
        if at.epoch % recipe.test_every == 0 or at.epoch == recipe.epochs:
            self._judge(mean)

    def _judge(self, train_loss: float | None) -> None:
        at, plan = self._at, self.plan
        with self._located():
            found = judge(plan, self.network, self.parameters, self.machine)
        at.curve.append(
            Point(
                at.epoch, at.step, at.step * plan.recipe.batch, train_loss, found.loss, found.share
            )
        )

    def _enough(self) -> bool:
        """Whether every target was reached and training shall end with that."""
        recipe = self.plan.recipe
        best = max((p.accuracy or 0.0 for p in self._at.curve), default=0.0)
        return bool(recipe.stop_at_targets and recipe.targets and best >= max(recipe.targets))

    @contextmanager
    def _located(self) -> Iterator[None]:
        """Errors inside say where the training stands, and what diverged first."""
        try:
            yield
        except NonFiniteError as error:
            refuse_diverged(self.where(), str(error), self._at.epoch)
        except InputError as error:
            place = f"{self.where()}: {error.place}" if error.place else self.where()
            raise InputError(error.message, place=place, remedy=error.remedy) from None

    def where(self) -> str:
        """Which training this is and where it stands, for messages."""
        at = self._at
        return f"{self.kind}, seed {self.seed}, epoch {at.epoch + 1}, step {at.step + 1}"

    def _words(self) -> str:
        last = self._at.curve[-1].accuracy
        shown = "" if last is None else f", {100 * last:.1f} %"
        return f"{self.kind}, seed {self.seed}, epoch {self._at.epoch + 1}{shown}"

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on; the arrays are copies or are not changed later."""
        arrays: dict[str, NDArray[Any]] = {
            f"parameter\n{name}": value for name, value in self.parameters.items()
        }
        for name, moments in self.moments.items():
            arrays |= {f"moment{k}\n{name}": array for k, array in enumerate(moments)}
        arrays |= {f"machine\n{path}": array for path, array in self.machine.state().items()}
        arrays |= {f"queue\n{path}": array for path, array in self.machine.queue.state().items()}
        arrays |= {f"gathered\n{name}": array for name, array in self._gathered.items()}
        at = self._at
        document = {
            "kind": self.kind,
            "seed": self.seed,
            "epoch": at.epoch,
            "minibatch": at.minibatch,
            "step": at.step,
            "loss_sum": at.loss_sum,
            "curve": [asdict(point) for point in at.curve],
            "rng": _plain(self._rng.bit_generator.state),
        }
        return Checkpoint(self.plan.key, document, arrays)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where `checkpoint` was taken, which must be of this training."""
        document = checkpoint.document
        split: dict[str, dict[str, NDArray[Any]]] = {}
        for path, array in checkpoint.arrays.items():
            group, _, name = path.partition("\n")
            split.setdefault(group, {})[name] = array
        for name, value in split.get("parameter", {}).items():
            self.parameters[name] = value.copy()
        for name, moments in self.moments.items():
            for k, array in enumerate(moments):
                array[...] = split[f"moment{k}"][name]
        self.machine.restore(split.get("machine", {}))
        self.machine.queue.restore(split.get("queue", {}))
        self._gathered = split.get("gathered", {})
        self._rng.bit_generator.state = _numbers(document["rng"])
        self._at = _Position(
            epoch=document["epoch"],
            minibatch=document["minibatch"],
            step=document["step"],
            loss_sum=document["loss_sum"],
            curve=[Point(**point) for point in document["curve"]],
        )


def _summed(several: Sequence[Gradients]) -> Gradients:
    """The sum of gradients by parameter; those of a single pass as they are."""
    total = dict(several[0])
    for gradients in several[1:]:
        for name, gradient in gradients.items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


# Losses that have grown to so many times their start come down no more.
_LARGEST_LOSS = 1e3


def _plain(value: Any) -> Any:
    """A generator's state as JSON: arrays become lists."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _numbers(value: Any) -> Any:
    """The inverse of `_plain`."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    return np.array(value, dtype=np.uint64) if isinstance(value, list) else value
