"""`archsim schema`: JSON Schemas, so that editors complete and check YAML."""

from __future__ import annotations

from typing import Any

import click

from archsim.cli.console import write_json
from archsim.cli.kinds import ARCHITECTURE, GPU, PUBLISHED, RECIPE, STUDY, WORKLOAD, FileKind
from archsim.cli.options import OneOf

# What can be asked for: the kind of file, and the schema's title.
SCHEMAS: dict[str, tuple[FileKind, str]] = {
    "arch": (ARCHITECTURE, "archsim architecture"),
    "gpu": (GPU, "archsim GPU"),
    "published": (PUBLISHED, "archsim published system"),
    "recipe": (RECIPE, "archsim training recipe"),
    "study": (STUDY, "archsim study"),
    "workload": (WORKLOAD, "archsim workload"),
}


# A result is no configuration file; its schema is written out in full.
RESULT = "result"


@click.command(epilog="Example: archsim schema arch > arch.schema.json")
@click.argument("what", type=OneOf([*SCHEMAS, RESULT]))
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

    kind, title = SCHEMAS[what]
    return json_schema(kind.model(), title)
