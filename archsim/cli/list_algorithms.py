"""`archsim list algorithms`: update algorithms, with what each asks of arrays and digital side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, show, write_json

if TYPE_CHECKING:
    from archsim.algorithm import Operations
    from archsim.fields import Component

# A matrix for which what is asked per weight is per weight, and what is asked per line per line.
_INPUTS, _OUTPUTS = 256.0, 256.0


def list_algorithms(*, as_json: bool) -> None:
    """Print every algorithm that `algorithm.kind` may name, with its default operations."""
    entries = list(_entries())
    if as_json:
        write_json(entries)
        return
    table = plain_table("name", "arrays", "words", "every", "source", right=("words",), tight=True)
    for entry in entries:
        cells = (", ".join(entry["arrays"]), f"{entry['state_words_per_weight']:.3g}")
        literal_row(table, entry["name"], *cells, entry["transfer"], entry["source"])
    show(
        table,
        "",
        *(f"{entry['name']}: {entry['description']}" for entry in entries),
        "",
        "Arrays are those of one weight, words its digital state; a transfer or refresh comes every "
        "so many vector pairs or minibatches (defaults).  Sources are keys of "
        "arch_configs/references.yaml.",
    )


def _entries() -> Iterator[dict[str, Any]]:
    from archsim.architecture import Architecture
    from archsim.config.shapes import components_of, fields_of, kinds_of

    for model in components_of(fields_of(Architecture)["algorithm"].annotation):
        for kind in kinds_of(model):
            yield _entry(kind, model)


def _entry(kind: str, model: type[Component]) -> dict[str, Any]:
    algorithm: Any = model.model_validate({"kind": kind})
    asked: Operations = algorithm.operations(_INPUTS, _OUTPUTS)
    weights = _INPUTS * _OUTPUTS
    every = f"{asked.transfer_every:g} {asked.transfer_unit}" if asked.transfers else ""
    return {
        "name": kind,
        "description": " ".join((model.__doc__ or "").split("\n\n")[0].split()),
        "source": algorithm.published,
        "sources": [algorithm.published],
        "assumed": 0,
        "arrays": [str(array.role) for array in asked.arrays],
        "arrays_read": float(asked.arrays_read),
        "state_words_per_weight": float(asked.state_words) / weights,
        "transfer": every,
        "per_vector": _work(asked.per_vector),
        "per_transfer": _work(asked.per_transfer),
    }


def _work(work: Any) -> dict[str, float]:
    """What is not zero, for a matrix of 256 x 256; without a bound on slots that is left out."""
    counts = {name: float(getattr(work, name)) for name in work.__dataclass_fields__}
    return {name: count for name, count in counts.items() if 0 < count < float("inf")}
