"""What a configuration file is, told from its keys, to answer for a file of the wrong kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from archsim.config.extending import EXTENDS, SOURCES
from archsim.config.files import is_bare_name, locate, names_in, shown
from archsim.config.loading import Loaded, load
from archsim.config.reader import read_file
from archsim.config.shapes import fields_of
from archsim.errors import InputError
from archsim.resources import DataKind, data_folder

if TYPE_CHECKING:
    from archsim.fields import Component, ComponentT

T = TypeVar("T")

# Keys that say nothing about the kind of a file.
_COMMON = frozenset({EXTENDS, SOURCES, "name", "description"})
# A file is of another kind if this share of its keys belongs to that one.
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: what it is called, where it is given, and the model of its content.

    `shipped` is the folder below the installed data in which archsim brings files of the kind.
    """

    noun: str
    use: str
    model: Callable[[], type[Component]]
    shipped: tuple[DataKind, *tuple[str, ...]] | None = None


def _architecture() -> type[Component]:
    from archsim.architecture import Architecture

    return Architecture


def _gpu() -> type[Component]:
    from archsim.baseline.gpu_spec import GpuSpec

    return GpuSpec


def _study() -> type[Component]:
    from archsim.explore.study import Study

    return Study


def _workload() -> type[Component]:
    from archsim.workload.spec import WORKLOAD_MODEL

    return WORKLOAD_MODEL


def _device() -> type[Component]:
    from archsim.hardware.device import Device

    return Device


def _published() -> type[Component]:
    from archsim.validation.published import PublishedSystem

    return PublishedSystem


def _recipe() -> type[Component]:
    from archsim.cotraining.recipe import RECIPE_MODEL

    return RECIPE_MODEL


def _bibliography() -> type[Component]:
    from archsim.config.references import Bibliography

    return Bibliography


ARCHITECTURE = FileKind(
    "an architecture", "`archsim run` takes it with --arch.", _architecture, ("arch_configs",)
)
GPU = FileKind("a GPU", "`archsim run` takes it with --gpu.", _gpu, ("arch_configs", "gpu"))
STUDY = FileKind("a study", "Give it to `archsim sweep`.", _study)
WORKLOAD = FileKind("a workload", "Give it as MODEL.", _workload, ("workloads",))
DEVICE = FileKind(
    "a device",
    "An architecture names it: `device: {extends: ...}`.",
    _device,
    ("arch_configs", "devices"),
)
PUBLISHED = FileKind(
    "a published system",
    "Give it to `archsim validate` with --system.",
    _published,
    ("arch_configs", "published"),
)
RECIPE = FileKind("a recipe", "`archsim accuracy` takes it with --recipe.", _recipe, ("recipes",))
_BIBLIOGRAPHY = FileKind("the bibliography", "Files cite its keys in `sources`.", _bibliography)
_KINDS = (_BIBLIOGRAPHY, ARCHITECTURE, GPU, STUDY, WORKLOAD, DEVICE, PUBLISHED, RECIPE)
_NETWORK_SUFFIX = ".onnx"


def load_as(
    name: str, model: type[ComponentT], folder: Path, expected: FileKind
) -> Loaded[ComponentT]:
    """`load`, but a file of another kind is refused with one sentence that says what it is."""
    return told_apart(name, folder, expected, lambda: load(name, model, folder))


def told_apart(name: str, folder: Path, expected: FileKind, read: Callable[[], T]) -> T:
    """What `read` makes of the file called `name`; if it fails, the kind of the file is looked at."""
    try:
        return read()
    except InputError:
        other = _other_kind(name, folder, expected)
        if other is not None:
            raise other from None
        raise


def _other_kind(name: str, folder: Path, expected: FileKind) -> InputError | None:
    """The refusal of a file that is evidently of another kind than `expected`, or None."""
    if Path(name).suffix.lower() == _NETWORK_SUFFIX and Path(name).is_file():
        return _refusal(Path(name), "a network (ONNX)", expected, WORKLOAD.use)
    try:
        path = locate(name, (folder,) if is_bare_name(name) else (Path(), folder))
    except InputError:
        return _shipped_as(name, expected)
    found = _kind_of(path, expected)
    return None if found is None else _refusal(path, found.noun, expected, found.use)


def _shipped_as(name: str, expected: FileKind) -> InputError | None:
    """The refusal of a bare name under which something of another kind ships, or None."""
    bare = name.removesuffix(".yaml")
    for kind in _KINDS:
        if kind.shipped is None or kind is expected:
            continue
        root, *parts = kind.shipped
        if bare in names_in(data_folder(root).joinpath(*parts)):
            return InputError(
                f"'{bare}' is {kind.noun}, expected {expected.noun}.", remedy=kind.use
            )
    return None


def _refusal(path: Path, noun: str, expected: FileKind, use: str) -> InputError:
    return InputError(f"this is {noun}, expected {expected.noun}.", place=shown(path), remedy=use)


def _kind_of(path: Path, expected: FileKind) -> FileKind | None:
    """The kind that most of the file's keys belong to, if that is not the expected one."""
    try:
        keys = frozenset(read_file(path).entries) - _COMMON
    except InputError:
        return None
    if not keys:
        return None
    fields = {kind.noun: fields_of(kind.model()).keys() for kind in _KINDS}
    share = {noun: len(keys & known) / len(keys) for noun, known in fields.items()}
    best = max(_KINDS, key=lambda kind: (share[kind.noun], -len(fields[kind.noun])))
    if share[best.noun] < _MOST or share[best.noun] <= share[expected.noun]:
        return None
    return best
