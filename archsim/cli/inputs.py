"""From what the user names to what is priced: networks, architectures, GPUs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.config.loading import Loaded, load
from archsim.errors import InputError
from archsim.resources import data_folder
from archsim.workload.training import TrainingOptions

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.baseline.gpu_spec import GpuSpec
    from archsim.cli.options import SettingValue
    from archsim.explore.study import Study
    from archsim.workload.graph import Workload
    from archsim.workload.onnx_reader.reader import Bindable

_SPEC_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class Network:
    """A bound network and how it is usually trained."""

    workload: Workload
    options: TrainingOptions


def gpu_folder() -> Path:
    """The folder of the GPUs that ship with archsim."""
    return data_folder("arch_configs") / "gpu"


def read_network(
    model: str,
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Network:
    """The network that `model` names: an ONNX file, a workload's YAML file or a built-in name.

    `batch`, `dims` and `shapes` bind what is symbolic (see `archsim.workload.onnx_reader`); a
    built-in network brings defaults for its own dimensions.  Raises `InputError`.
    """
    if _is_onnx_path(model):
        from archsim.workload.onnx_reader import read_workload

        workload = read_workload(Path(model), batch=batch, dims=dims or {}, shapes=shapes or {})
        return Network(workload, TrainingOptions())
    return _built_in(model, batch, dims or {}, shapes or {})


def read_two_networks(
    models: tuple[str, str],
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> tuple[Network, Network]:
    """Both networks, as `read_network`; each binding must fit one of them, and binds where it fits.

    Exporters name dimensions and inputs differently, and may fix what another leaves open.
    """
    dims, shapes = dims or {}, shapes or {}
    one, two = (_bindable(model) for model in models)
    strange_dims = dims.keys() - one.symbols - two.symbols
    strange_shapes = shapes.keys() - one.inputs - two.inputs
    found = [
        read_network(
            model,
            batch=batch,
            dims={k: v for k, v in dims.items() if k in names.symbols | strange_dims},
            shapes={k: v for k, v in shapes.items() if k in names.inputs | strange_shapes},
        )
        for model, names in zip(models, (one, two), strict=True)
    ]
    return found[0], found[1]


def _bindable(model: str) -> Bindable:
    from archsim.workload.onnx_reader.loading import load_model
    from archsim.workload.onnx_reader.reader import bindable

    if _is_onnx_path(model):
        return bindable(load_model(Path(model))[0])
    from archsim.workload.spec import WORKLOAD_MODEL

    return bindable(load(model, WORKLOAD_MODEL, data_folder("workloads")).value.build())


def load_architecture(
    name: str, settings: Mapping[str, SettingValue] | None = None
) -> Loaded[Architecture]:
    """The architecture called `name` (shipped, or a path), with `settings` applied."""
    from archsim.architecture import Architecture

    loaded = load(name, Architecture, data_folder("arch_configs"))
    if not settings:
        return loaded
    from archsim.config.overriding import override

    return override(loaded, settings)


def load_gpu(name: str) -> Loaded[GpuSpec]:
    """The GPU called `name` (shipped, or a path)."""
    from archsim.baseline.gpu_spec import GpuSpec

    return load(name, GpuSpec, gpu_folder())


def _is_onnx_path(model: str) -> bool:
    path = Path(model)
    if path.suffix.lower() in _SPEC_SUFFIXES:
        return False
    if path.suffix or len(path.parts) != 1:
        return True
    built_in = (data_folder("workloads") / f"{model}.yaml").is_file()
    return not built_in and path.exists()


def _built_in(
    model: str,
    batch: int | None,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> Network:
    from archsim.workload.onnx_reader import workload_from_model
    from archsim.workload.spec import WORKLOAD_MODEL

    spec = load(model, WORKLOAD_MODEL, data_folder("workloads")).value
    built = spec.build()
    digest = hashlib.sha256(built.SerializeToString(deterministic=True)).hexdigest()
    # A shape fixes every dimension of its input, so defaults only fill in where none is given.
    bound = {**({} if shapes else spec.dims), **dims}
    workload = workload_from_model(
        built,
        name=spec.name or Path(model).stem,
        sha256=digest,
        batch=batch,
        dims=bound,
        shapes=shapes,
    )
    return Network(workload, spec.training.options())


def refuse_same_names(names: list[str], what: str) -> None:
    """Raise `InputError` if a name occurs twice."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{what} '{name}' is given twice.")


def load_study(path: Path) -> Study:
    """The study in the file `path`."""
    from archsim.explore.study import Study

    name = str(path) if path.suffix in _SPEC_SUFFIXES else f"{path}.yaml"
    return load(name, Study, Path()).value
