"""`archsim schema`: JSON Schemas, so that editors complete and check YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from archsim.cli.console import write_json

if TYPE_CHECKING:
    from archsim.fields import Component


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


# What can be asked for: the model of the file, and the schema's title.
SCHEMAS: dict[str, tuple[Callable[[], type[Component]], str]] = {
    "arch": (_architecture, "archsim architecture"),
    "gpu": (_gpu, "archsim GPU"),
    "study": (_study, "archsim study"),
    "workload": (_workload, "archsim workload"),
}


# A result is no configuration file; its schema is written out in full.
RESULT = "result"


@click.command(epilog="Example: archsim schema arch > arch.schema.json")
@click.argument("what", type=click.Choice([*SCHEMAS, RESULT]))
@click.option("--json", "as_json", is_flag=True, help="The output is JSON in any case.")
def command(*, what: str, as_json: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of a kind of configuration file, or of result.json.

    With the YAML extension of an editor, a first line such as
    "# yaml-language-server: $schema=arch.schema.json" switches completion and checks on.
    """
    del as_json
    write_json(schema_of(what))


def schema_of(what: str) -> dict[str, Any]:
    """The schema called `what`: one of `SCHEMAS`, or `result`."""
    if what == RESULT:
        from archsim.result.schema import result_schema

        return result_schema()
    from archsim.config.json_schema import json_schema

    model, title = SCHEMAS[what]
    return json_schema(model(), title)
