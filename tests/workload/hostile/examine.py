"""One process that gives files to the command line, one after the other, and watches itself.

    python -m tests.workload.hostile.examine FILE...

For each file it prints one line of JSON: the exit code, what was written to either stream, the
seconds of processor time it took, and the largest resident memory so far in bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time

from archsim.cli.main import cli
from tests.memory import peak_bytes

# A runaway allocation must fail here, not take the machine down; address space is reserved freely,
# so it may be larger than the memory that a case may use.
_ADDRESS_SPACE_BYTES = 4 * 2**30


def examine(path: str) -> dict[str, object]:
    """What `archsim inspect` does with the file."""
    out, err = io.StringIO(), io.StringIO()
    # Time of the processor: that of the clock is also the other work of the machine.
    start, code = time.process_time(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(["inspect", path])
        except SystemExit as exit_request:
            code = exit_request.code
    return {
        "path": path,
        "code": code,
        "out": out.getvalue()[:2000],
        "message": err.getvalue(),
        "seconds": time.process_time() - start,
        "peak_bytes": peak_bytes(),
    }


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in sys.argv[1:]:
        print(json.dumps(examine(name)), flush=True)
