"""Fuzzing the importer: mutated real files, of which each is read or refused with a sentence.

    python -m tests.fuzz.fuzz_importer --seconds 3600 --seed 1 [--corpus FOLDER] [--out FOLDER]

A case is read, differentiated and lowered in a process of its own; it may end in a training program
or in an `InputError`, within 10 s and 1 GiB.  Anything else (another exception, a crash, a hang, a
message nobody can read) is a finding: its file and what happened are stored in the output folder.
A run is repeatable: case N of seed S is always the same file for the same corpus.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.seeds import corpus
from tests.fuzz.worker import SECONDS_PER_CASE, case_bytes

_CASES_PER_PROCESS = 2000
# Making the corpus takes a few seconds before the first case.
_PATIENCE_S = SECONDS_PER_CASE + 20.0


@dataclass
class Tally:
    """What a run has found so far."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    peak_bytes: int = 0
    findings: list[str] = field(default_factory=list)


def _spawn(
    seed: int, first: int, count: int, folder: Path, corpora: Sequence[Path]
) -> subprocess.Popen[str]:
    numbers = [str(n) for n in (seed, first, count)]
    words = [sys.executable, "-m", "tests.fuzz.worker", *numbers, str(folder), *map(str, corpora)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def _lines(process: subprocess.Popen[str]) -> queue.Queue[str | None]:
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found.put(line.strip())
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    return found


def _store(
    tally: Tally, seed: int, number: int, folder: Path, corpora: Sequence[Path], what: str
) -> None:
    name, content = case_bytes(corpus(corpora), seed, number)
    (folder / f"case-{seed}-{number}.onnx").write_bytes(content)
    (folder / f"case-{seed}-{number}.txt").write_text(f"{name}\n{what}\n")
    tally.findings.append(f"case {number} ({name}): {what}")


def _one_process(
    tally: Tally, seed: int, first: int, end: float, folder: Path, corpora: Sequence[Path]
) -> int:
    """Let a process try cases from `first` on; the number of the next case to try."""
    process = _spawn(seed, first, _CASES_PER_PROCESS, folder, corpora)
    lines, at = _lines(process), first
    try:
        while time.monotonic() < end:
            try:
                line = lines.get(timeout=_PATIENCE_S)
            except queue.Empty:
                _store(tally, seed, at, folder, corpora, f"no end within {_PATIENCE_S:.0f} s")
                return at + 1
            if line is None:
                code = process.wait()
                _store(tally, seed, at, folder, corpora, f"the process ended with code {code}")
                return at + 1
            word, _, rest = line.partition(" ")
            if word == "defect":
                tally.findings.append(rest)
            elif word == "done":
                accepted, refused, peak = (int(n) for n in rest.split())
                tally.accepted += accepted
                tally.refused += refused
                tally.peak_bytes = max(tally.peak_bytes, peak)
                return at + 1
            else:
                at = int(word)
                tally.tried += 1
    finally:
        process.kill()
        process.wait()
    return at + 1


def fuzz(seconds: float, seed: int, folder: Path, corpora: Sequence[Path] = ()) -> Tally:
    """Try cases for `seconds`; findings are stored in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tally, number, start = Tally(), 0, time.monotonic()
    while time.monotonic() < start + seconds:
        known = len(tally.findings)
        number = _one_process(tally, seed, number, start + seconds, folder, corpora)
        for finding in tally.findings[known:]:
            print(f"FOUND {finding}", flush=True)
        print(
            f"{time.monotonic() - start:7.0f} s: {tally.tried} tried, {tally.accepted} accepted and "
            f"{tally.refused} refused in whole processes, peak {tally.peak_bytes >> 20} MiB, "
            f"{len(tally.findings)} findings",
            flush=True,
        )
    return tally


def main() -> int:
    """Run, and say what was found; 1 if there is anything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "archsim-fuzz")
    options = parser.parse_args()
    tally = fuzz(options.seconds, options.seed, options.out, options.corpus)
    for finding in tally.findings:
        print(finding)
    print(f"{tally.tried} files tried, {len(tally.findings)} findings")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
