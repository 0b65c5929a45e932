"""`archsim accuracy`: the network trained on the tiles of an architecture, beside float32."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli import options

NO_GPU = "none"


@click.command(
    epilog="Example: archsim accuracy mlp-digits --arch protonic_256 --recipe digits --target 0.95"
)
@options.model_argument
@options.one_architecture_option
@click.option(
    "--data",
    metavar="NAME|PATH",
    help="digits, a folder with the files of MNIST (IDX) or CIFAR-10, or a .npz file. Default: what"
    " the recipe says.",
)
@click.option("--recipe", metavar="NAME|PATH", help="How to train. Default: see the docs.")
@click.option("--epochs", type=options.WholeNumber(1), help="Instead of the recipe's.")
@click.option("--seeds", type=options.WholeNumber(1), help="Instead of the recipe's.")
@click.option(
    "--target",
    type=options.FiniteRange(0, 1, min_open=True),
    help="Share of right answers to reach, such as 0.97; exit code 1 if the tiles miss it.",
)
@click.option(
    "--gpu",
    metavar="NAME|PATH",
    default="h100",
    show_default=True,
    help="GPU for the float32 twin, or 'none'.",
)
@options.binding_options
@options.set_option
@options.out_option
@click.option("--resume", is_flag=True, help="Go on with what an interrupted training has stored.")
@options.json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    model: str,
    arch: str,
    data: str | None,
    recipe: str | None,
    epochs: int | None,
    seeds: int | None,
    target: float | None,
    gpu: str,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    trip_counts: dict[str, int],
    settings: dict[str, options.SettingValue],
    out: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Train MODEL on the analog tiles of an architecture, and in float32 from the same start.

    Prints both accuracies, their gap and what reaching the target takes, and writes a report
    folder with accuracy.json, curves.csv, accuracy.svg and the files of `archsim run`, whose
    activities are then measured ones. A checkpoint in that folder allows for --resume.
    """
    from archsim.cli.accuracy_job import AccuracyJob, carry_out_job
    from archsim.cli.accuracy_summary import print_accuracy
    from archsim.cli.console import note, write_json
    from archsim.cli.progress import progress_bar

    words = options.command_words(
        "accuracy",
        model,
        arch=arch,
        data=data,
        recipe=recipe,
        epochs=epochs,
        seeds=seeds,
        target=target,
        gpu=gpu,
        dims=dims,
        shapes=shapes,
        trip_counts=trip_counts,
        settings=settings,
        out=out,
    )
    job = AccuracyJob(
        model=model,
        arch=arch,
        data=data,
        recipe=recipe,
        epochs=epochs,
        seeds=seeds,
        target=target,
        gpu=None if gpu == NO_GPU else gpu,
        dims=dims,
        shapes=shapes,
        trip_counts=trip_counts,
        settings=settings,
        out=out,
        resume=resume,
        words=tuple(words),
    )
    with progress_bar("training") as progress:
        document, page = carry_out_job(job, progress, note)
    if as_json:
        write_json(document)
        note(f"Report: {page}")
    else:
        print_accuracy(document, str(page))
    if target is not None and document["steps_to_target"] is None:
        context.exit(1)
