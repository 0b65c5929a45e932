"""What a sweep has done, in a file that grows as it goes: an interrupted sweep goes on from there.

One JSON document a line.  The first says of which sweep the file is, every other holds the numbers of
a pass of the analytic fidelity or of one simulated point.  A kill in the middle of a line costs that
line: it has no end, and is dropped.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from archsim.errors import InputError
from archsim.explore.points import Failure

JOURNAL_FILE: Final = "points.unfinished.jsonl"
_FORMAT = 1
# A power cut may cost this much of what was done; a kill costs none of it.
_SYNC_PERIOD_S = 1.0

# Headline numbers by name; nan where there is none.
Headlines: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PricedPass:
    """Points that were priced at once: `columns` holds each headline number of each of them."""

    workload: str
    points: tuple[int, ...]
    columns: Mapping[str, tuple[float, ...]]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class SimulatedPoint:
    """Headline numbers of one point by workload, or why the cycle fidelity refused it."""

    point: int
    numbers: Mapping[str, Headlines]
    failures: tuple[Failure, ...]


class Journal:
    """The passes and simulated points of one sweep, in a file; without a `path` nothing is kept.

    `identity` says what decides the numbers: words for each part, and a digest of it.  The file is made
    with the first entry.  What it held at first is found again; what is added to it is not, as
    a sweep does nothing twice.  Make one with `new_journal` or `resumed_journal`.
    """

    def __init__(self, path: Path | None = None, identity: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._identity = dict(identity or {})
        self._passes: dict[tuple[str, tuple[int, ...]], PricedPass] = {}
        self._simulated: dict[int, SimulatedPoint] = {}
        self._synced = 0.0
        self._begun = False

    @property
    def priced(self) -> int:
        """Points of which a pass on some workload is found."""
        return len({point for _, points in self._passes for point in points})

    @property
    def simulated(self) -> int:
        """Points that the cycle fidelity has priced or refused, and that are found."""
        return len(self._simulated)

    def find_pass(self, workload: str, points: Sequence[int]) -> PricedPass | None:
        """The pass over exactly these points, if it is found."""
        return self._passes.get((workload, tuple(points)))

    def find_point(self, point: int) -> SimulatedPoint | None:
        """The numbers of a simulated point, if they are found."""
        return self._simulated.get(point)

    def keep(self, entry: PricedPass | SimulatedPoint) -> None:
        """Store an entry; raises `InputError` if the file cannot be written."""
        if self._path is not None:
            self._append(self._path, entry)

    def discard(self) -> None:
        """Remove the file: what it stood for is stored elsewhere."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def take_over(self, entries: Iterable[PricedPass | SimulatedPoint]) -> None:
        """Know what the file already holds."""
        for entry in entries:
            match entry:
                case PricedPass():
                    self._passes[entry.workload, entry.points] = entry
                case SimulatedPoint():
                    self._simulated[entry.point] = entry
        self._begun = True

    def _append(self, path: Path, entry: PricedPass | SimulatedPoint) -> None:
        lines: list[object] = [entry]
        if not self._begun:
            lines.insert(0, {"format": _FORMAT, "identity": self._identity})
        text = "".join(
            f"{json.dumps(line, separators=(',', ':'), default=_plain)}\n" for line in lines
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as stream:
                stream.write(text.encode())
                stream.flush()
                now = time.monotonic()
                if now - self._synced > _SYNC_PERIOD_S:
                    os.fsync(stream.fileno())
                    self._synced = now
        except OSError as error:
            raise InputError(
                f"what is done cannot be stored ({error.strerror or error}).",
                place=str(path),
                remedy="Make room, and go on with --resume.",
            ) from None
        self._begun = True


def _plain(entry: Any) -> dict[str, Any]:
    """The fields of a dataclass; `asdict` would copy each number in it."""
    return {field.name: getattr(entry, field.name) for field in fields(entry)}


def new_journal(path: Path, identity: Mapping[str, str]) -> Journal:
    """An empty journal; raises `InputError` where that of an unfinished sweep lies."""
    if path.exists():
        raise InputError(
            "an unfinished sweep is stored there.",
            place=str(path),
            remedy="Go on with --resume, give another folder with --out, or remove the file.",
        )
    return Journal(path, identity)


def resumed_journal(path: Path, identity: Mapping[str, str]) -> Journal:
    """The journal at `path`, whose end is cut off where a kill broke a line; empty if there is none.

    Raises `InputError` if it is damaged, or of a sweep with another `identity`.
    """
    journal = Journal(path, identity)
    if not path.is_file():
        return journal
    whole = _whole_lines(path)
    if not whole:
        return journal
    documents = [_read(path, number, line) for number, line in enumerate(whole, start=1)]
    head, *rest = documents
    changed = _changes(head.get("identity"), identity, same_format=head.get("format") == _FORMAT)
    if changed:
        raise InputError(
            f"the unfinished sweep stored there is another one: {', '.join(changed)} changed since.",
            place=str(path),
            remedy="Give what it was started with, another folder with --out, or remove the file.",
        )
    journal.take_over(
        _entry(path, number, document) for number, document in enumerate(rest, start=2)
    )
    return journal


def _read(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise _damaged(path, number, error) from None
    if not isinstance(document, dict):
        raise _damaged(path, number, "it is no mapping")
    return document


def _damaged(path: Path, number: int, why: object) -> InputError:
    return InputError(
        f"the stored sweep is damaged at line {number} ({why}).",
        place=str(path),
        remedy="Remove it to start anew.",
    )


def _changes(found: object, wanted: Mapping[str, str], *, same_format: bool) -> list[str]:
    """What differs between two identities, in the order of the one that is wanted."""
    found = found if isinstance(found, dict) else {}
    parts = [*wanted, *(part for part in found if part not in wanted)]
    changed = [part for part in parts if found.get(part) != wanted.get(part)]
    return changed if same_format else ["the format of the file", *changed]


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of the file that have an end; a broken rest is cut off."""
    try:
        content = path.read_bytes()
        length = content.rfind(b"\n") + 1
        if length < len(content):
            os.truncate(path, length)
    except OSError as error:
        raise InputError(
            f"the stored sweep cannot be read ({error.strerror or error}).", place=str(path)
        ) from None
    return content[:length].splitlines()


def _entry(path: Path, number: int, document: Mapping[str, Any]) -> PricedPass | SimulatedPoint:
    """The inverse of `_plain`."""
    try:
        return _point(document) if "point" in document else _pass(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, number, error) from None


def _point(document: Mapping[str, Any]) -> SimulatedPoint:
    numbers = {
        workload: {name: float(value) for name, value in columns.items()}
        for workload, columns in document["numbers"].items()
    }
    return SimulatedPoint(int(document["point"]), numbers, _failures(document))


def _pass(document: Mapping[str, Any]) -> PricedPass:
    columns = {name: tuple(map(float, values)) for name, values in document["columns"].items()}
    points = tuple(map(int, document["points"]))
    if any(len(values) != len(points) for values in columns.values()):
        raise ValueError("columns of another length than the points")
    return PricedPass(str(document["workload"]), points, columns, _failures(document))


def _failures(document: Mapping[str, Any]) -> tuple[Failure, ...]:
    return tuple(Failure(**failure) for failure in document["failures"])
