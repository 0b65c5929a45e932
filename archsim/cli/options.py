"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import click

F = TypeVar("F", bound=Callable[..., Any])
OptimizerName: TypeAlias = Literal["sgd", "momentum", "adam", "adamw"]
SettingValue: TypeAlias = str | int | float | bool | None

_INTEGER = re.compile(r"[+-]?\d+\Z")


def parse_dimension(text: str) -> tuple[str, int]:
    """`seq=384`: a symbolic dimension and its size."""
    name, equals, size = text.rpartition("=")
    if not (equals and name.strip() and _INTEGER.match(size.strip())):
        raise click.BadParameter(f"'{text}' is no dimension; expected NAME=SIZE, such as seq=384.")
    return name.strip(), int(size)


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`input_ids=8x384`: an input and its whole shape."""
    name, equals, sizes = text.rpartition("=")
    parts = re.split(r"[x,]", sizes.strip())
    if not (equals and name.strip() and all(_INTEGER.match(part) for part in parts)):
        raise click.BadParameter(
            f"'{text}' is no shape; expected INPUT=AxBxC, such as input_ids=8x384."
        )
    return name.strip(), tuple(int(part) for part in parts)


def parse_setting(text: str) -> tuple[str, SettingValue]:
    """`array.rows=128`: a dotted path of a configuration file and its new value."""
    path, equals, value = text.partition("=")
    if not (equals and path.strip() and value.strip()):
        raise click.BadParameter(f"'{text}' sets nothing; expected PATH=VALUE, such as adc.bits=7.")
    from archsim.config.scalars import ScalarError, read_scalar

    try:
        return path.strip(), read_scalar(value.strip())
    except ScalarError as error:
        raise click.BadParameter(f"{error}.") from None


def _mapping_of(parse: Callable[[str], tuple[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A callback for a repeatable option: every text parsed, no name given twice."""

    def callback(
        _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for text in texts:
            name, value = parse(text)
            if name in found:
                raise click.BadParameter(f"'{name}' is given twice.")
            found[name] = value
        return found

    return callback


def model_argument(command: F) -> F:
    """The network: a path to an ONNX file or a built-in name."""
    return click.argument("model", metavar="MODEL")(command)


def binding_options(command: F) -> F:
    """`--dim` and `--shape`, repeatable."""
    command = click.option(
        "--shape",
        "shapes",
        multiple=True,
        metavar="INPUT=AxBxC",
        callback=_mapping_of(parse_shape),
        help="Shape of one input, which also fixes the batch: input_ids=8x384. Repeatable.",
    )(command)
    return click.option(
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=SIZE",
        callback=_mapping_of(parse_dimension),
        help="Size of a symbolic dimension: seq=384. Repeatable.",
    )(command)


def set_option(command: F) -> F:
    """`--set PATH=VALUE`, repeatable."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        callback=_mapping_of(parse_setting),
        help="Change one value of the architecture: adc.bits=7. Repeatable.",
    )(command)


def json_option(command: F) -> F:
    """`--json`: machine-readable on standard output, everything else on standard error."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write JSON on standard output, and nothing else."
    )(command)


def batch_option(command: F) -> F:
    """`--batch`, the samples of a training step."""
    return click.option(
        "--batch",
        type=click.IntRange(min=1),
        help="Samples in a training step. Default: 256, or what the file or --shape fixes.",
    )(command)


def optimizer_option(command: F) -> F:
    """`--optimizer`, the same on both machines."""
    return click.option(
        "--optimizer",
        type=click.Choice(get_args(OptimizerName)),
        default="sgd",
        show_default=True,
        help="Optimizer of the digital parameters and of the GPU.",
    )(command)


def out_option(command: F) -> F:
    """`--out`, the report folder."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Report folder. Default: reports/<workload>-<architecture>.",
    )(command)


def command_words(name: str, model: str, **given: Any) -> list[str]:
    """The words of the command line that asks for the same again, with paths relative to the present folder.

    `given` holds options by their parameter names: text, numbers, None (left out), mappings
    (repeated options) or lists (given several times).
    """
    words = ["archsim", name, relative(model)]
    for option, value in given.items():
        flag = _FLAGS.get(option, f"--{option}")
        for word in _option_words(value):
            words += [flag, word]
    return [shlex.quote(word) for word in words]


_FLAGS = {"dims": "--dim", "shapes": "--shape", "settings": "--set"}


def _option_words(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{key}={_value_word(entry)}" for key, entry in value.items()]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [relative(str(entry)) for entry in values]


def _value_word(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def relative(text: str) -> str:
    """A path from the root as a path from the present folder; any other text as it is."""
    if not Path(text).is_absolute():
        return text
    try:
        return os.path.relpath(text)
    except ValueError:  # another drive
        return Path(text).name
