"""What becomes of hostile files, each examined in a process that may die of it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[3]
# Longer than a file may take, on a machine that is busy with other things.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a file ended: exit code (None if the process died or hung), streams, time and memory.

    `peak_bytes` is the largest resident memory of the process up to then, over all files before.
    """

    code: int | None
    out: str
    message: str
    seconds: float
    peak_bytes: int


def examine(paths: Sequence[Path]) -> dict[Path, Verdict]:
    """The verdict on each file; a new process goes on where one has died."""
    found: dict[Path, Verdict] = {}
    left = list(paths)
    while left:
        found |= dict(_one_process(left))
        if left[0] not in found:
            found[left[0]] = Verdict(None, "", "no process", 0.0, 0)
        left = [path for path in paths if path not in found]
    return found


def _one_process(paths: Sequence[Path]) -> Iterator[tuple[Path, Verdict]]:
    """Verdicts in order, up to the first file that kills the process or keeps it busy."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workload.hostile.examine", *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        for path in paths:
            try:
                line = lines.get(timeout=_PATIENCE_S)
            except queue.Empty:
                yield path, Verdict(None, "", "the process hangs", _PATIENCE_S, 0)
                return
            if line is None:
                yield path, Verdict(None, "", f"the process died ({process.wait()})", 0.0, 0)
                return
            row = json.loads(line)
            row.pop("path")
            yield path, Verdict(**row)
    finally:
        process.kill()
        process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
