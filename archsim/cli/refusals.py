"""What is refused before it is priced, and what a user is told about the files that were given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.config.loading import Loaded
    from archsim.workload.training import TrainingGraph

# A warning that names more keys than these is a list.
_MOST_KEYS = 3


def refuse_nothing_to_train(graph: TrainingGraph) -> None:
    """Raise `InputError` for a network without operators, or without a parameter to train."""
    workload = graph.workload
    if not workload.ops:
        why = "the network has no operators"
    elif not workload.parameters:
        why = "the network has no weights"
    elif not graph.analog_parameters and not graph.digital_parameters:
        why = "no parameter of the network is trained"
    else:
        return
    raise InputError(
        f"{why}, so there is nothing to train.",
        place=workload.name,
        remedy="`archsim inspect` shows what was read.",
    )


def reference_warnings(loaded: Iterable[Loaded[Any]]) -> list[dict[str, str]]:
    """One warning, as results hold them, for each file that cites unknown references."""
    from archsim.config.references import unknown_references

    found = []
    for file in loaded:
        unknown = unknown_references(file)
        if not unknown:
            continue
        listed = "; ".join(
            f"'{entry.key}' for {entry.path}{f'. {entry.hint}' if entry.hint else ''}"
            for entry in unknown[:_MOST_KEYS]
        )
        more = f"; and {len(unknown) - _MOST_KEYS} more" if len(unknown) > _MOST_KEYS else ""
        keys = "a reference that is" if len(unknown) == 1 else "references that are"
        message = f"{file.path} cites {keys} not in the bibliography: {listed}{more}"
        found.append(
            {
                "code": "unknown_reference",
                "message": message if message.endswith("?") else f"{message}.",
                "layer": "",
            }
        )
    return found
