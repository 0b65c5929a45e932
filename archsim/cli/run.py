"""`archsim run`: one network on one architecture against one GPU."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli import options


@click.command(epilog="Example: archsim run resnet50 --arch protonic_256 --gpu h100")
@options.model_argument
@options.one_architecture_option
@click.option("--gpu", metavar="NAME|PATH", help="GPU to compare with. Default: none.")
@options.batch_option
@options.optimizer_option
@options.fidelity_option
@options.binding_options
@options.set_option
@options.out_option
@options.json_option
def command(
    *,
    model: str,
    arch: str,
    gpu: str | None,
    batch: int | None,
    optimizer: options.OptimizerName | None,
    fidelity: options.FidelityName,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    trip_counts: dict[str, int],
    settings: dict[str, options.SettingValue],
    out: Path | None,
    as_json: bool,
) -> None:
    """Price a training step of MODEL, a path to an ONNX file or a built-in name.

    Prints a one-screen summary and writes a report folder with result.json, layers.csv,
    energy.csv, the resolved architecture.yaml and report.html; with --fidelity cycle also
    timeline.json, which Perfetto opens. With --json the result is printed instead of the summary.
    """
    from archsim.cli.console import note, write_json
    from archsim.cli.inputs import input_files, load_architecture, load_gpu
    from archsim.cli.pricing import Job, default_folder, price
    from archsim.cli.progress import progress_bar
    from archsim.cli.run_summary import print_summary
    from archsim.config.dumping import dump
    from archsim.report.folder import check_output_folder, write_report
    from archsim.report.timeline import timeline_file

    # What is cheap to refuse is refused first.
    if out is not None:
        check_output_folder(out)
    architecture = load_architecture(arch, settings)
    rival = load_gpu(gpu) if gpu is not None else None
    given = [Path(model), *input_files(architecture, *([rival] if rival is not None else []))]
    job = Job(
        model=model,
        batch=batch,
        optimizer=optimizer,
        fidelity=fidelity,
        dims=dims,
        shapes=shapes,
        trip_counts=trip_counts,
    )
    words = options.command_words(
        "run", model, arch=arch, gpu=gpu, settings=settings, out=out, **job.as_options()
    )
    network = job.read()
    folder = out or default_folder(network.workload.name, architecture.value.name)
    check_output_folder(folder, inputs=given)
    with progress_bar("simulating") as progress:
        evaluation = price(job, network, architecture, rival, words, progress)
    timeline = None if evaluation.cycle is None else timeline_file(evaluation.cycle)
    paths = write_report(
        folder, evaluation.result, evaluation.energy_rows, dump(architecture), timeline
    )
    if as_json:
        write_json(evaluation.result)
        note(f"Report: {paths.page}")
        return
    print_summary(evaluation.result, str(paths.page))
