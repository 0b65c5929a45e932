"""From the options of `archsim accuracy` to its documents: check, train, price, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim import __version__
from archsim.architecture.weight_arrays import structure
from archsim.cli.inputs import (
    Network,
    input_files,
    load_architecture,
    load_gpu,
    load_recipe,
    read_executable,
)
from archsim.cli.pricing import Job, default_folder, price
from archsim.config.dumping import dump
from archsim.config.nodes import Source
from archsim.config.overriding import override
from archsim.config.reciting import recited
from archsim.cotraining.activity import Activity, measured_settings
from archsim.cotraining.checkpoint import CHECKPOINT_FILE, discard_checkpoint
from archsim.cotraining.outcome import StepCost, accuracy_section, measured
from archsim.cotraining.plan import Plan, make_plan
from archsim.cotraining.recipe import Recipe
from archsim.cotraining.session import carry_out
from archsim.errors import InputError
from archsim.report.accuracy_folder import ACCURACY, DOCUMENT_FILE, write_accuracy
from archsim.report.folder import check_output_folder, write_report
from archsim.result.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.cli.options import SettingValue
    from archsim.config.loading import Loaded
    from archsim.result import Evaluation


@dataclass(frozen=True, slots=True)
class AccuracyJob:
    """What the user asks for; `words` are the command line that asks for the same again."""

    model: str
    arch: str
    data: str | None
    recipe: str | None
    epochs: int | None
    seeds: int | None
    target: float | None
    gpu: str | None
    dims: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    trip_counts: Mapping[str, int]
    settings: Mapping[str, SettingValue]
    out: Path | None
    resume: bool
    words: tuple[str, ...]


def carry_out_job(
    job: AccuracyJob,
    progress: Callable[[float], None] | None,
    tell: Callable[[str], None] | None = None,
) -> tuple[dict[str, Any], Path]:
    """`accuracy.json` as a document, and the path of the report's page.

    `tell` hears in a sentence where a training goes on that is resumed.  Raises `InputError` before anything is trained for all that can be known by then.
    """
    if job.out is not None:
        _check_folder(job.out, [])
    architecture = load_architecture(job.arch, job.settings)
    rival = None if job.gpu is None else load_gpu(job.gpu)
    loaded = load_recipe(job.recipe)
    recipe = _recipe(Recipe() if loaded is None else loaded.value, job)
    _check_target(recipe, job.target)
    pricing = _pricing(job, recipe)
    network = pricing.read()
    folder = job.out or Path(
        f"{default_folder(network.workload.name, architecture.value.name)}-accuracy"
    )
    files = [*input_files(architecture), *([] if loaded is None else input_files(loaded))]
    _check_folder(folder, [Path(job.model), *files])
    if job.resume:
        _check_unfinished(folder)
    assumed = price(pricing, network, architecture, rival, job.words)
    plan = _plan(job, recipe, architecture, network, assumed)
    hear = None if progress is None else _share_only(progress)
    runs = carry_out(plan, folder, resume=job.resume, progress=hear, tell=tell)
    known = measured(runs)
    source = _source(job, recipe, network.workload.name)
    tree = architecture if known is None else _with_measured(architecture, known, source)
    priced = price(pricing, network, tree, rival, job.words)
    accelerator, gpu = _step_costs(priced)
    section = accuracy_section(plan, runs, job.target, accelerator, gpu)
    document = _document(job, priced, section)
    write_accuracy(folder, document)
    result = {**priced.result, "accuracy": section}
    paths = write_report(folder, result, priced.energy_rows, dump(tree))
    # Only now is everything stored that the checkpoint stood for.
    discard_checkpoint(folder)
    return document, paths.page


def _check_folder(folder: Path, inputs: list[Path]) -> None:
    check_output_folder(folder, ACCURACY, inputs)
    check_output_folder(folder, inputs=inputs)


def _check_unfinished(folder: Path) -> None:
    """InputError where the training that shall go on has ended: it would be replaced by a new one."""
    if (folder / DOCUMENT_FILE).is_file() and not (folder / CHECKPOINT_FILE).is_file():
        raise InputError(
            "there is nothing to go on with: the training stored there has ended.",
            place=str(folder / DOCUMENT_FILE),
            remedy="Leave --resume out to train anew, or give another folder with --out.",
        )


def _recipe(recipe: Recipe, job: AccuracyJob) -> Recipe:
    given = {"data": job.data, "epochs": job.epochs, "seeds": job.seeds}
    return recipe.model_copy(update={key: v for key, v in given.items() if v is not None})


def _check_target(recipe: Recipe, target: float | None) -> None:
    if target is not None and recipe.loss != "cross_entropy":
        raise InputError(
            f"a target is a share of right answers, and the recipe's loss {recipe.loss} knows none.",
            place="--target",
            remedy="Leave --target out, or set loss: cross_entropy.",
        )


def _pricing(job: AccuracyJob, recipe: Recipe) -> Job:
    return Job(
        model=job.model,
        batch=recipe.batch,
        optimizer=recipe.optimizer.kind,
        dims=job.dims,
        shapes=job.shapes,
        trip_counts=job.trip_counts,
    )


def _plan(
    job: AccuracyJob,
    recipe: Recipe,
    architecture: Loaded[Architecture],
    network: Network,
    assumed: Evaluation,
) -> Plan:
    graph = read_executable(
        job.model, dims=job.dims, shapes=job.shapes, trip_counts=job.trip_counts
    )
    priced = assumed.estimate
    on_array = priced.mapping.on_array[0]
    names = priced.program.matrices.names
    on_tiles = frozenset(name for name, on in zip(names, on_array, strict=True) if on)
    identity = {"network": network.workload.sha256, "architecture": architecture.sha256}
    accelerator = assumed.result["accelerator"]
    return make_plan(
        graph,
        recipe,
        architecture.value,
        on_tiles,
        identity,
        step_s=accelerator["step_latency_s"],
        staleness=accelerator["staleness_samples"],
        copies=_averaged(architecture.value, names, priced.mapping.copies[0].tolist()),
    )


def _averaged(
    architecture: Architecture, names: Sequence[str], copies: Sequence[float]
) -> dict[str, int]:
    """The copies of each matrix that has several, where they train apart and are averaged."""
    if architecture.mapping.sync != "average" or structure(architecture).copies_alike:
        return {}
    return {name: round(n) for name, n in zip(names, copies, strict=True) if n > 1}


def _share_only(progress: Callable[[float], None]) -> Callable[[float, str], None]:
    return lambda share, _words: progress(share)


def _source(job: AccuracyJob, recipe: Recipe, network: str) -> Source:
    """Which training measured what replaces assumed numbers: network, recipe, data, seeds."""
    first, last = recipe.first_seed, recipe.first_seed + recipe.seeds - 1
    seeds = f"seed {first}" if first == last else f"seeds {first} to {last}"
    how = "the default recipe" if job.recipe is None else f"recipe {Path(job.recipe).stem}"
    data = Path(recipe.data).name
    epochs = f"{recipe.epochs} epoch{'' if recipe.epochs == 1 else 's'} of {data}"
    note = f"in training {network} by archsim accuracy: {how}, {epochs}, {seeds}"
    return Source(note=note, measured=True)


def _with_measured(
    architecture: Loaded[Architecture], activity: Activity, source: Source
) -> Loaded[Architecture]:
    """The architecture with the activities that training has measured in place of the assumed."""
    settings = measured_settings(activity, architecture.value.algorithm)
    changed = override(architecture, settings)
    return recited(changed, lambda path, present: source if path in settings else present)


def _step_costs(priced: Evaluation) -> tuple[StepCost, StepCost | None]:
    """A step on the accelerator, and on the GPU at the same batch if it can hold that."""
    here = priced.result["accelerator"]
    there = priced.result["baseline"]
    gpu = None
    if there is not None and there["fits"]:
        gpu = StepCost(there["step_latency_s"], there["step_energy_j"])
    return StepCost(here["step_latency_s"], here["step_energy_j"]), gpu


def _document(job: AccuracyJob, priced: Evaluation, section: dict[str, Any]) -> dict[str, Any]:
    result = priced.result
    baseline = result["baseline"]
    return {
        "schema_version": SCHEMA_VERSION,
        "archsim_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(job.words),
        "workload": {key: result["workload"][key] for key in ("name", "onnx_sha256", "parameters")},
        "architecture": {
            key: result["architecture"][key] for key in ("name", "sha256", "device", "algorithm")
        },
        "step": {
            "batch": result["workload"]["batch"],
            "latency_s": result["accelerator"]["step_latency_s"],
            "energy_j": result["accelerator"]["step_energy_j"],
            "gpu": None if baseline is None else baseline["gpu"],
            "gpu_latency_s": None if baseline is None else baseline["step_latency_s"],
            "gpu_energy_j": None if baseline is None else baseline["step_energy_j"],
        },
        **section,
        "warnings": result["warnings"],
    }
