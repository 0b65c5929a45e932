"""A workload's YAML file: a built-in network or the user's own, bound and with its training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli.inputs import Network
from archsim.config.files import is_bare_name
from archsim.config.loading import Loaded, load
from archsim.config.nodes import Block, Position, find
from archsim.errors import InputError, did_you_mean
from archsim.resources import data_folder
from archsim.workload.spec import WORKLOAD_MODEL, WorkloadSpec
from archsim.workload.training import TrainingOptions, check_options

if TYPE_CHECKING:
    from archsim.workload.executable_types import ExecutableGraph
    from archsim.workload.graph import Workload
    from archsim.workload.onnx_reader.loading import Model
    from archsim.workload.ties import Ties


def read_workload_file(
    name: str,
    *,
    batch: int | None,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    trip_counts: Mapping[str, int],
) -> Network:
    """The network of the workload called `name` (shipped, or a path to a YAML file).

    `batch`, `dims`, `shapes` and `trip_counts` come before what the file says.  Raises `InputError` with file,
    line and column for what the file says and the network does not have.
    """
    loaded = _load(name)
    spec = loaded.value
    workload = (
        _built(loaded, batch, dims, shapes, trip_counts)
        if spec.model is None
        else _imported(loaded, batch, dims, shapes, trip_counts)
    )
    options = spec.training.options()
    _check_training(loaded, workload, options)
    if is_bare_name(name):
        return Network(workload, options)
    said = find(loaded.block, ("training", "optimizer")) is not None
    return Network(workload, options, spec.batch, options.optimizer if said else None)


def model_of(name: str) -> Model:
    """The ONNX model that the workload called `name` builds or names."""
    loaded = _load(name)
    if loaded.value.model is None:
        return loaded.value.build()
    from archsim.workload.onnx_reader.loading import load_model

    with _at(_position(loaded.block, "model")):
        return load_model(_model_path(loaded))[0]


def executable_of(
    name: str,
    *,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    trip_counts: Mapping[str, int],
) -> ExecutableGraph:
    """The network of the workload called `name`, ready to be trained, bound as `read_workload_file`."""
    from archsim.workload.executable import executable

    loaded = _load(name)
    spec = loaded.value
    source = spec.build() if spec.model is None else _model_path(loaded)
    given = {**spec.shapes, **shapes}
    defaults = {} if given and spec.model is None else spec.dims
    return executable(
        source,
        name=spec.name or Path(loaded.path).stem,
        dims={**defaults, **dims},
        shapes=given,
        trip_counts={**spec.counts, **trip_counts},
        ties=spec.ties.ties(),
        frozen=spec.training.frozen,
    )


def _load(name: str) -> Loaded[WorkloadSpec]:
    return load(name, WORKLOAD_MODEL, data_folder("workloads"))


def _built(
    loaded: Loaded[WorkloadSpec],
    batch: int | None,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    trip_counts: Mapping[str, int],
) -> Workload:
    from archsim.workload.onnx_reader import workload_from_model

    spec = loaded.value
    model = spec.build()
    # A shape fixes every dimension of its input, so defaults only fill in where none is given.
    given = {**spec.shapes, **shapes}
    return workload_from_model(
        model,
        name=spec.name or Path(loaded.path).stem,
        sha256=hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(),
        batch=batch,
        dims={**({} if given else spec.dims), **dims},
        shapes=given,
        trip_counts={**spec.counts, **trip_counts},
        ties=spec.ties.ties(),
    )


def _imported(
    loaded: Loaded[WorkloadSpec],
    batch: int | None,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    trip_counts: Mapping[str, int],
) -> Workload:
    from archsim.workload.onnx_reader import read_workload

    spec, path = loaded.value, _model_path(loaded)
    _check_names(loaded)
    ties = spec.ties.ties()

    def read(ties: Ties) -> Workload:
        return read_workload(
            path,
            name=spec.name,
            batch=batch,
            dims={**spec.dims, **dims},
            shapes={**spec.shapes, **shapes},
            trip_counts={**spec.counts, **trip_counts},
            ties=ties,
        )

    try:
        return read(ties)
    except InputError as error:
        section = _section(loaded.block, error.message)
        if section is None:
            raise
        raise InputError(error.message, place=str(section), remedy=error.remedy) from None


def _section(block: Block, message: str) -> Position | None:
    """Where the file says what a message of the importer is about: a tie that cannot be."""
    for path, leaf in block.leaves():
        if path[0] == "ties" and f"'{leaf.text}' is to be" in message:
            return leaf.position
    return None


def _model_path(loaded: Loaded[WorkloadSpec]) -> Path:
    """The ONNX file, which the YAML file names relative to itself."""
    written = loaded.value.model or ""
    position = _position(loaded.block, "model")
    folder = Path(position.file).parent
    path = folder / written
    if path.is_file():
        return path
    beside = sorted(p.relative_to(folder).as_posix() for p in path.parent.glob("*.onnx"))
    raise InputError(
        f"there is no file '{written}' beside '{Path(position.file).name}'.",
        place=str(position),
        remedy=did_you_mean(written, beside[:50]) or "Give the path of an ONNX file.",
    )


def _check_names(loaded: Loaded[WorkloadSpec]) -> None:
    """Refuse dimensions and inputs that the ONNX file does not have, where the YAML names them."""
    spec, block = loaded.value, loaded.block
    if not (spec.dims or spec.shapes):
        return
    from archsim.workload.onnx_reader.loading import load_model
    from archsim.workload.onnx_reader.reader import bindable

    with _at(_position(block, "model")):
        names = bindable(load_model(_model_path(loaded))[0])
    for section, given, known, what in (
        ("dims", spec.dims, names.symbols, "symbolic dimension"),
        ("shapes", spec.shapes, names.inputs, "input"),
    ):
        for name in given:
            if name not in known:
                raise InputError(
                    f"'{spec.model}' has no {what} '{name}'.",
                    place=str(_key_position(block, section, name)),
                    remedy=did_you_mean(name, known) or f"It has no {what}s.",
                )


def _check_training(
    loaded: Loaded[WorkloadSpec], workload: Workload, options: TrainingOptions
) -> None:
    """Refuse names and patterns that the network does not have, where the file gives them."""
    recompute = () if isinstance(options.recompute, str) else options.recompute
    singles = {
        "frozen": [TrainingOptions(frozen=(text,)) for text in options.frozen],
        "input_gradients": [
            TrainingOptions(input_gradients=(text,)) for text in options.input_gradients
        ],
        "loss_outputs": [TrainingOptions(loss_outputs=(text,)) for text in options.loss_outputs],
        "recompute": [TrainingOptions(recompute=(text,)) for text in recompute],
    }
    for section, given in singles.items():
        for index, single in enumerate(given):
            with _at(_position(loaded.block, "training", section, str(index))):
                check_options(workload, single)


def _position(block: Block, *path: str) -> Position:
    """Where the file says the value at `path`."""
    found = find(block, path)
    return block.position if found is None else found.position


def _key_position(block: Block, section: str, key: str) -> Position:
    """Where the file names `key` in a section."""
    parent = find(block, (section,))
    entry = parent.entries.get(key) if isinstance(parent, Block) else None
    return block.position if entry is None else entry.position


@contextmanager
def _at(position: Position) -> Iterator[None]:
    """Say where in the file lies what an error from inside is about."""
    try:
        yield
    except InputError as error:
        place = f"{position}: {error.place}" if error.place else str(position)
        raise InputError(error.message, place=place, remedy=error.remedy) from None
