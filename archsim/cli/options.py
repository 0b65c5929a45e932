"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import click

from archsim.errors import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])
OptimizerName: TypeAlias = Literal["sgd", "momentum", "adam", "adamw"]
FidelityName: TypeAlias = Literal["analytic", "cycle"]
SettingValue: TypeAlias = str | int | float | bool | None

_INTEGER = re.compile(r"[+-]?\d+\Z")


def parse_dimension(text: str) -> tuple[str, int]:
    """`seq=384`: a symbolic dimension and its size."""
    name, equals, size = text.rpartition("=")
    if not (equals and name.strip() and _INTEGER.match(size.strip())):
        raise click.BadParameter(
            f"'{text}' is no dimension; expected NAME=SIZE, such as seq=384.{_meant(size.strip())}"
        )
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


class FiniteRange(click.FloatRange):
    """A number of a range, and neither infinite nor `nan`, which compares with nothing."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; raises `click.BadParameter`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class OneOf(click.Choice[str]):
    """One of a few words; another one gets the nearest as a suggestion."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """What was given, and what was probably meant, or all that is known."""
        del ctx
        return f"there is no '{value}'. {did_you_mean(str(value), self.choices)}"


class WholeNumber(click.ParamType[int]):
    """A whole number, at least `least`; says what to write for 1e3 or 2.0."""

    name = "integer"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; raises `click.BadParameter`."""
        text = str(value).strip()
        if not _INTEGER.match(text):
            self.fail(f"'{value}' is not a whole number.{_meant(text)}", param, ctx)
        number = int(text)
        if number < self._least:
            self.fail(f"{number} is too small; expected at least {self._least}.", param, ctx)
        return number


def _meant(text: str) -> str:
    """What to write instead of a number such as 1e3, where that is a whole one."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f" Write {number:.0f}." if number.is_integer() and abs(number) < 1e15 else ""


def _one_of_several(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> str:
    """The only architecture; several belong to another command."""
    if len(names) > 1:
        raise click.UsageError(
            f"--arch is given {len(names)} times; `archsim {context.info_name}` takes one "
            "architecture, `archsim compare` several.",
            context,
        )
    if not names:
        raise click.MissingParameter(ctx=context, param=parameter)
    return names[0]


def one_architecture_option(command: F) -> F:
    """`--arch`, exactly once."""
    return click.option(
        "--arch",
        multiple=True,
        metavar="NAME|PATH",
        callback=_one_of_several,
        help="Architecture.  [required]",
    )(command)


def model_argument(command: F) -> F:
    """The network: a path to an ONNX file or a built-in name."""
    return click.argument("model", metavar="MODEL")(command)


def parse_count(text: str) -> tuple[str, int]:
    """`decoder/loop=20`: a node whose count only a run would tell, and that count."""
    name, equals, count = text.rpartition("=")
    if not (equals and name.strip() and count.strip().isdecimal() and int(count) > 0):
        raise click.BadParameter(f"'{text}' is no count; expected NODE=N, such as decoder/loop=20.")
    return name.strip(), int(count)


def binding_options(command: F) -> F:
    """`--dim`, `--shape` and `--trip-count`, repeatable."""
    command = click.option(
        "--trip-count",
        "trip_counts",
        multiple=True,
        metavar="NODE=N",
        callback=_mapping_of(parse_count),
        help="How often a loop runs, or how many elements a search finds, where the data decide."
        " Repeatable.",
    )(command)
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
        type=WholeNumber(1),
        help="Samples in a training step. Default: what a workload's own file says, what the network"
        " or --shape fixes, or 256.",
    )(command)


def optimizer_option(command: F) -> F:
    """`--optimizer`, the same on both machines."""
    return click.option(
        "--optimizer",
        type=OneOf(get_args(OptimizerName)),
        help="Optimizer of the digital parameters and of the GPU. Default: what a workload's own"
        " file says, else sgd.",
    )(command)


def fidelity_option(command: F) -> F:
    """`--fidelity`, how a step is timed."""
    return click.option(
        "--fidelity",
        type=OneOf(get_args(FidelityName)),
        default="analytic",
        show_default=True,
        help="How a step is timed: from fill and bottleneck, or task by task with contention, which"
        " also says what waits for what.",
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


_FLAGS = {
    "dims": "--dim",
    "shapes": "--shape",
    "trip_counts": "--trip-count",
    "settings": "--set",
}


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
