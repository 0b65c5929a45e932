"""The `archsim` command: a group whose commands are imported when they are asked for.

Exit codes: 0 done; 1 a bar that the user set was missed; 2 wrong use or bad input; 70 a defect in
archsim (EX_SOFTWARE of sysexits.h); 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, TextIO

import click

from archsim import __version__
from archsim.cli.console import note
from archsim.errors import InputError, did_you_mean

EXIT_BAD_INPUT = 2
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
_LAST_STANDARD_DESCRIPTOR = 2
TRACEBACK_VARIABLE = "ARCHSIM_TRACEBACK"

# name -> (module that defines `command`, one line of help); the line is repeated here so that
# `archsim --help` imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("archsim.cli.run", "Price one network on one architecture against one GPU."),
    "compare": ("archsim.cli.compare", "Set architectures side by side and attribute differences."),
    "sweep": ("archsim.cli.sweep", "Explore a design space described by a study file."),
    "accuracy": ("archsim.cli.accuracy", "Train the network on the tiles and in float32."),
    "limits": ("archsim.cli.limits", "Show how large an array may be and how long it lasts."),
    "validate": ("archsim.cli.validate", "Reproduce published results and show the errors."),
    "fit-device": ("archsim.cli.fit_device", "Turn a measured curve into a device file."),
    "inspect": ("archsim.cli.inspect", "Show what the importer understood of a network."),
    "list": ("archsim.cli.list", "List what is built in, with a description."),
    "schema": ("archsim.cli.schema", "Print the JSON Schema of a configuration file or a result."),
    "init": ("archsim.cli.init", "Copy commented example configurations to start from."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports one when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called `cmd_name`, imported now, or None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown name gets the nearest one as a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"there is no command '{args[0]}'. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, from the one-line helps above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(  # type: ignore[override]  # click's overloads describe the mode that returns
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and exit; every failure becomes a sentence and an exit code."""
        name = prog_name or "archsim"
        _replace_closed_streams()
        # A terminal that cannot show a character shows another; it does not end the command.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        arguments = list(sys.argv[1:] if args is None else args)
        self._main_shell_completion(extra, name)
        extra.pop("standalone_mode", None)
        sys.exit(self._guarded(arguments, name, extra))

    def _guarded(self, arguments: list[str], name: str, extra: dict[str, Any]) -> int:
        try:
            with self.make_context(name, arguments, **extra) as context:
                self.invoke(context)
            sys.stdout.flush()
        except click.exceptions.Exit as request:
            return request.exit_code
        except InputError as error:
            note(f"error: {error}")
            return EXIT_BAD_INPUT
        except click.ClickException as error:
            _complain_usage(error)
            return EXIT_BAD_INPUT
        except (KeyboardInterrupt, click.Abort):
            note("interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            _silence_stdout()
            return EXIT_PIPE
        except Exception as error:  # noqa: BLE001 - a defect is reported readably as well
            return _report_defect(error)
        return 0


def _replace_closed_streams() -> None:
    """Discard what goes to a standard stream that the caller has closed (`>&-`).

    The descriptors are taken, so that no file that is opened later becomes standard output.
    """
    if sys.stdout is not None and sys.stderr is not None:
        return
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD_DESCRIPTOR:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # as a stream, for good


def _complain_usage(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    # Some of click's messages are lists over several lines, with tabs.
    note(f"error: {' '.join(error.format_message().split())}")
    if context is not None:
        note(f"Try '{context.command_path} --help'.")


def _report_defect(error: Exception) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        note(f"error: {where}{error.strerror}")
        return EXIT_BAD_INPUT
    detail = " ".join(str(error).split()) or "no message"
    note(
        f"error: unexpected {type(error).__name__}: {detail[:300]} "
        f"(a defect in archsim; set {TRACEBACK_VARIABLE}=1 to see where)"
    )
    return EXIT_DEFECT


def _silence_stdout() -> None:
    """Point standard output at nothing, so that closing it at exit does not fail again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # a stream without a descriptor, in a test
        return


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Example: archsim run resnet50 --arch protonic_256 --gpu h100",
)
@click.version_option(__version__, prog_name="archsim")
@click.pass_context
def cli(context: click.Context) -> None:
    """Training latency, energy and area of a neural network (ONNX) on tiled crossbars of
    protonic programmable resistors with their digital periphery, against a GPU.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
