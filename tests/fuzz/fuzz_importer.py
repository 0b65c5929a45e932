"""Fuzzing the importer: mutated real files, of which each is read or refused with a sentence.

    python -m tests.fuzz.fuzz_importer --seconds 3600 --seed 1 [--corpus FOLDER [--only]]
        [--out FOLDER]

A case is read, differentiated and lowered in a process of its own; it may end in a training program
or in an `InputError`, within 10 s of processor time and 1 GiB.  Anything else (another exception, a crash, a hang, a
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
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.seeds import Corpus, corpus
from tests.fuzz.worker import SECONDS_PER_CASE, case_bytes

_CASES_PER_PROCESS = 2000
# Making the corpus takes a few seconds before the first case, and the machine may be busy with other
# things: what does not come back after that hangs.
_PATIENCE_S = 6 * SECONDS_PER_CASE + 30.0


@dataclass(frozen=True)
class Source:
    """Where cases come from: a seed, and folders of models, beside those at hand or `only` they."""

    seed: int
    corpora: tuple[Path, ...] = ()
    only: bool = False

    def models(self) -> Corpus:
        """The models to mutate."""
        return corpus(self.corpora, folders_only=self.only)


@dataclass
class Tally:
    """What a run has found so far."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    peak_bytes: int = 0
    findings: list[str] = field(default_factory=list)


def _spawn(source: Source, first: int, count: int, folder: Path) -> subprocess.Popen[str]:
    numbers = [str(n) for n in (source.seed, first, count)]
    words = [sys.executable, "-m", "tests.fuzz.worker", *numbers, str(folder)]
    words += ["only" if source.only else "all", *map(str, source.corpora)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def _lines(process: subprocess.Popen[str]) -> tuple[queue.Queue[str | None], threading.Thread]:
    """What the process prints, line by line, then None; and who reads it."""
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                found.put(line.strip())
        found.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return found, reader


def _store(tally: Tally, source: Source, number: int, folder: Path, what: str) -> None:
    name, content = case_bytes(source.models(), source.seed, number)
    (folder / f"case-{source.seed}-{number}.onnx").write_bytes(content)
    (folder / f"case-{source.seed}-{number}.txt").write_text(f"{name}\n{what}\n")
    tally.findings.append(f"case {number} ({name}): {what}")


def _one_process(tally: Tally, source: Source, first: int, end: float, folder: Path) -> int:
    """Let a process try cases from `first` on; the number of the next case to try."""
    process = _spawn(source, first, _CASES_PER_PROCESS, folder)
    (lines, reader), at = _lines(process), first
    try:
        while time.monotonic() < end:
            try:
                line = lines.get(timeout=_PATIENCE_S)
            except queue.Empty:
                _store(tally, source, at, folder, f"no end within {_PATIENCE_S:.0f} s")
                return at + 1
            if line is None:
                code = process.wait()
                _store(tally, source, at, folder, f"the process ended with code {code}")
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
        reader.join()
    return at + 1


def fuzz(seconds: float, source: Source, folder: Path) -> Tally:
    """Try cases for `seconds`; findings are stored in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tally, number, start = Tally(), 0, time.monotonic()
    while time.monotonic() < start + seconds:
        known = len(tally.findings)
        number = _one_process(tally, source, number, start + seconds, folder)
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
    parser.add_argument("--only", action="store_true", help="start from the corpus folders only")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "archsim-fuzz")
    options = parser.parse_args()
    if options.only and not options.corpus:
        parser.error("--only needs --corpus")
    source = Source(options.seed, tuple(options.corpus), options.only)
    tally = fuzz(options.seconds, source, options.out)
    for finding in tally.findings:
        print(finding)
    print(f"{tally.tried} files tried, {len(tally.findings)} findings")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
