"""From what the user names to what is priced: networks, architectures, GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli.kinds import ARCHITECTURE, GPU, RECIPE, STUDY, WORKLOAD, load_as, told_apart
from archsim.config.files import names_in
from archsim.config.loading import Loaded
from archsim.errors import InputError
from archsim.resources import data_folder
from archsim.workload.training import Optimizer, TrainingOptions

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.baseline.gpu_spec import GpuSpec
    from archsim.cli.options import SettingValue
    from archsim.cotraining.recipe import Recipe
    from archsim.explore.study import Study
    from archsim.workload.executable_types import ExecutableGraph
    from archsim.workload.graph import Workload
    from archsim.workload.onnx_reader.reader import Bindable

_SPEC_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class Network:
    """A bound network and how it is trained.

    `batch` and `optimizer` are what a workload's file of the user asks for; None where it is silent,
    and for what ships with archsim, whose files only say what is usual.
    """

    workload: Workload
    options: TrainingOptions
    batch: int | None = None
    optimizer: Optimizer | None = None


def gpu_folder() -> Path:
    """The folder of the GPUs that ship with archsim."""
    return data_folder("arch_configs") / "gpu"


def read_network(
    model: str,
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    trip_counts: Mapping[str, int] | None = None,
) -> Network:
    """The network that `model` names: an ONNX file, a workload's YAML file or a built-in name.

    `batch`, `dims` and `shapes` bind what is symbolic, `trip_counts` what the data decide (see `archsim.workload.onnx_reader`); a
    built-in network brings defaults for its own dimensions.  Raises `InputError`.
    """
    if _is_onnx_path(model):
        from archsim.workload.onnx_reader import read_workload

        _refuse_missing_built_in(model)
        workload = read_workload(
            Path(model),
            batch=batch,
            dims=dims or {},
            shapes=shapes or {},
            trip_counts=trip_counts or {},
        )
        return Network(workload, TrainingOptions())
    from archsim.cli.workload_file import read_workload_file

    return told_apart(
        model,
        data_folder("workloads"),
        WORKLOAD,
        lambda: read_workload_file(
            model,
            batch=batch,
            dims=dims or {},
            shapes=shapes or {},
            trip_counts=trip_counts or {},
        ),
    )


def read_executable(
    model: str,
    *,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    trip_counts: Mapping[str, int],
) -> ExecutableGraph:
    """The network that `model` names (see `read_network`), ready to be trained."""
    if _is_onnx_path(model):
        from archsim.workload.executable import executable

        _refuse_missing_built_in(model)
        return executable(Path(model), dims=dims, shapes=shapes, trip_counts=trip_counts)
    from archsim.cli.workload_file import executable_of

    return executable_of(model, dims=dims, shapes=shapes, trip_counts=trip_counts)


def load_recipe(name: str | None) -> Loaded[Recipe] | None:
    """The training recipe called `name` (shipped, or a path); None without a name."""
    from archsim.cotraining.recipe import RECIPE_MODEL

    if name is None:
        return None
    return load_as(name, RECIPE_MODEL, data_folder("recipes"), RECIPE)


def _refuse_missing_built_in(model: str) -> None:
    """Raise `InputError` for `resnet50.onnx` where there is no such file but a built-in network."""
    path = Path(model)
    known = {name.lower(): name for name in names_in(data_folder("workloads"))}
    built_in = known.get(path.stem.lower())
    if built_in is not None and not path.exists():
        raise InputError(
            "there is no such file.",
            place=model,
            remedy=f"Did you mean the built-in network '{built_in}'?",
        )


def read_two_networks(
    models: tuple[str, str],
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    trip_counts: Mapping[str, int] | None = None,
) -> tuple[Network, Network]:
    """Both networks, as `read_network`; each binding must fit one of them, and binds where it fits.

    Exporters name dimensions and inputs differently, and may fix what another leaves open.
    """
    dims, shapes, trip_counts = dims or {}, shapes or {}, trip_counts or {}
    one, two = (_bindable(model) for model in models)
    strange_dims = dims.keys() - one.symbols - two.symbols
    strange_shapes = shapes.keys() - one.inputs - two.inputs
    strange_counts = trip_counts.keys() - one.counted - two.counted
    found = [
        read_network(
            model,
            batch=batch,
            dims={k: v for k, v in dims.items() if k in names.symbols | strange_dims},
            shapes={k: v for k, v in shapes.items() if k in names.inputs | strange_shapes},
            trip_counts={
                k: v for k, v in trip_counts.items() if k in names.counted | strange_counts
            },
        )
        for model, names in zip(models, (one, two), strict=True)
    ]
    return found[0], found[1]


def _bindable(model: str) -> Bindable:
    from archsim.workload.onnx_reader.loading import load_model
    from archsim.workload.onnx_reader.reader import bindable

    if _is_onnx_path(model):
        return bindable(load_model(Path(model))[0])
    from archsim.cli.workload_file import model_of

    return bindable(model_of(model))


def load_architecture(
    name: str, settings: Mapping[str, SettingValue] | None = None
) -> Loaded[Architecture]:
    """The architecture called `name` (shipped, or a path), with `settings` applied.

    Settings show in its name and its description, so that results of a variant are told apart.
    """
    from archsim.architecture import Architecture

    loaded = load_as(name, Architecture, data_folder("arch_configs"), ARCHITECTURE)
    if not settings:
        return loaded
    from archsim.cli.variants import as_variant
    from archsim.config.overriding import override

    return override(loaded, as_variant(loaded.value, settings))


def load_gpu(name: str) -> Loaded[GpuSpec]:
    """The GPU called `name` (shipped, or a path)."""
    from archsim.baseline.gpu_spec import GpuSpec

    return load_as(name, GpuSpec, gpu_folder(), GPU)


def _is_onnx_path(model: str) -> bool:
    path = Path(model)
    if path.suffix.lower() in _SPEC_SUFFIXES:
        return False
    if path.suffix or len(path.parts) != 1:
        return True
    built_in = (data_folder("workloads") / f"{model}.yaml").is_file()
    return not built_in and path.exists()


def refuse_same_names(names: list[str], what: str) -> None:
    """Raise `InputError` if a name occurs twice."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{what} '{name}' is given twice.")


def load_study(path: Path) -> Loaded[Study]:
    """The study in the file `path`."""
    from archsim.explore.study import Study

    name = str(path) if path.suffix in _SPEC_SUFFIXES else f"{path}.yaml"
    return load_as(name, Study, Path(), STUDY)


def input_files(*loaded: Loaded[Any]) -> list[Path]:
    """The files that configurations were read from, with those that they extend."""
    names = {file.path for file in loaded}
    names |= {leaf.position.file for file in loaded for _, leaf in file.block.leaves()}
    return [Path(name) for name in sorted(names)]
