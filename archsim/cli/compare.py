"""`archsim compare`: architectures side by side, and why they differ."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli import options


@click.command(
    epilog="Example: archsim compare resnet50 --arch protonic_256 --arch my_chip.yaml --gpu h100"
)
@options.model_argument
@click.option(
    "--arch",
    "archs",
    required=True,
    multiple=True,
    metavar="NAME|PATH",
    help="Architecture; twice or more. The others are compared with the first.",
)
@click.option("--gpu", metavar="NAME|PATH", help="GPU to compare with as well. Default: none.")
@options.batch_option
@options.optimizer_option
@options.fidelity_option
@options.binding_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Report folder. Default: reports/<workload>-comparison.",
)
@options.json_option
def command(
    *,
    model: str,
    archs: tuple[str, ...],
    gpu: str | None,
    batch: int | None,
    optimizer: options.OptimizerName | None,
    fidelity: options.FidelityName,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    trip_counts: dict[str, int],
    out: Path | None,
    as_json: bool,
) -> None:
    """Price MODEL on several architectures and attribute the differences.

    Every difference in time, energy and area to the first architecture is split by phase and by
    component. Writes comparison.html, comparison.csv and comparison.json; with
    --json the last one is printed as well.
    """
    from archsim.cli.compare_summary import print_comparison
    from archsim.cli.console import note, write_json
    from archsim.cli.inputs import input_files, load_architecture, load_gpu
    from archsim.cli.pricing import Job, file_name, price
    from archsim.cli.progress import progress_bar
    from archsim.report.attribution import comparison_json
    from archsim.report.folder import COMPARISON, check_output_folder, write_comparison

    if len(archs) < 2:
        raise click.UsageError("A comparison needs two architectures: give --arch twice or more.")
    if out is not None:
        check_output_folder(out, COMPARISON)
    architectures = [load_architecture(arch) for arch in archs]
    rival = load_gpu(gpu) if gpu is not None else None
    given = [
        Path(model),
        *input_files(*architectures, *([rival] if rival is not None else [])),
    ]
    job = Job(
        model=model,
        batch=batch,
        optimizer=optimizer,
        fidelity=fidelity,
        dims=dims,
        shapes=shapes,
        trip_counts=trip_counts,
    )
    network = job.read()
    folder = out or Path("reports") / f"{file_name(network.workload.name)}-comparison"
    check_output_folder(folder, COMPARISON, given)
    words = options.command_words(
        "compare", model, arch=list(archs), gpu=gpu, out=out, **job.as_options()
    )
    results = []
    for architecture in architectures:
        with progress_bar(f"simulating {architecture.value.name}") as progress:
            results.append(price(job, network, architecture, rival, words, progress).result)
    page = write_comparison(folder, results)
    if as_json:
        write_json(comparison_json(results))
        note(f"Report: {page}")
        return
    print_comparison(results, str(page))
