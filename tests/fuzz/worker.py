"""One process of the fuzzer: reads cases until told to stop, and says what it is at.

    python -m tests.fuzz.worker SEED FIRST COUNT FOLDER all|only [CORPUS...]

`only` starts from the models in the folders `CORPUS` and from no others.

Prints the number of each case before it starts it, so that whoever reads along knows which case
ended the process, or keeps it busy; then `done`.
"""

from __future__ import annotations

import io
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
from onnx import ModelProto

from archsim.errors import InputError
from archsim.simulation.program import lower
from archsim.workload.onnx_reader import read_workload
from archsim.workload.training import training_graph
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import Corpus, corpus
from tests.memory import peak_bytes

SECONDS_PER_CASE = 10.0
PEAK_BYTES = 2**30
# Address space is no measure of memory, but a runaway allocation must not take the machine down.
_ADDRESS_SPACE_BYTES = 4 * 2**30
_LONGEST_MESSAGE = 20_000


class Defect(Exception):
    """A case that did not end as it should."""


def case_bytes(source: Corpus, seed: int, number: int) -> tuple[str, bytes]:
    """Where case `number` of a run with `seed` comes from, and its file's content."""
    random = np.random.default_rng((seed, number))
    chosen, donor = source.draw(random), source.draw(random)
    return chosen.name, mutated(chosen.content, donor.content, random)


def symbol_sizes(content: bytes) -> dict[str, int]:
    """Sizes for the symbolic dimensions that a file names, so that most of it gets read."""
    try:
        model = ModelProto.FromString(content)
    except Exception:  # noqa: BLE001 - undecodable files are the reader's to refuse
        return {}
    names = [
        dim.dim_param
        for value in model.graph.input
        for dim in value.type.tensor_type.shape.dim
        if isinstance(dim.dim_param, str) and dim.dim_param.isidentifier()
    ]
    return {name: 4 + index for index, name in enumerate(dict.fromkeys(names))}


def check(path: Path, sizes: dict[str, int]) -> bool:
    """Read, differentiate and lower the file; True if it was fine, False if it was refused.

    Raises `Defect` for anything but an `InputError` with a readable message in time.  Time is that
    of the processor: how busy the machine is says nothing about the reader.
    """
    start = time.process_time()
    try:
        lower(training_graph(read_workload(path, dims=sizes)))
        fine = True
    except InputError as error:
        message, fine = str(error), False
        if len(message) > _LONGEST_MESSAGE:
            raise Defect(f"a message of {len(message)} characters") from error
        if any(ord(c) < 32 and c not in "\n\t" for c in message):
            raise Defect("a message with control characters") from error
    except BaseException as error:
        raise Defect("".join(traceback.format_exception(error))) from error
    seconds = time.process_time() - start
    if seconds > SECONDS_PER_CASE:
        raise Defect(f"took {seconds:.1f} s")
    return fine


def run(seed: int, first: int, count: int, folder: Path, source: Corpus) -> None:
    """Try `count` cases from number `first` on; `folder` holds the file at hand and the findings."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever the reader would print to the user's terminal is a defect as well.
    warnings.simplefilter("error")
    path = folder / "case.onnx"
    accepted = refused = 0
    for number in range(first, first + count):
        print(number, flush=True)
        name, content = case_bytes(source, seed, number)
        path.write_bytes(content)
        try:
            if check(path, symbol_sizes(content)):
                accepted += 1
            else:
                refused += 1
        except Defect as defect:
            print(f"defect {number} {name}", flush=True)
            (folder / f"case-{seed}-{number}.txt").write_text(f"{name}\n{defect}\n")
            (folder / f"case-{seed}-{number}.onnx").write_bytes(content)
    peak = peak_bytes()
    if peak > PEAK_BYTES:
        print(f"defect {first} peak memory {peak} bytes", flush=True)
    print(f"done {accepted} {refused} {peak}", flush=True)


if __name__ == "__main__":
    assert isinstance(sys.stdout, io.TextIOBase)
    run(
        int(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
        corpus([Path(entry) for entry in sys.argv[6:]], folders_only=sys.argv[5] == "only"),
    )
