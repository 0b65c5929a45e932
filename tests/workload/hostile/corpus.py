"""All hostile files.

    python -m tests.workload.hostile.corpus FOLDER

writes them into a folder, to be looked at or tried with the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.workload.hostile import attributes, bodies, containers, folding, graphs, tensors
from tests.workload.hostile.case import Case, PathCase

BATCHES: dict[str, tuple[Case | PathCase, ...]] = {
    "containers": containers.CASES,
    "graphs": graphs.CASES,
    "tensors": tensors.CASES,
    "attributes": attributes.CASES,
    "folding": folding.CASES,
    "bodies": bodies.CASES,
}


def main() -> None:
    """Write the corpus into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for cases in BATCHES.values():
        for case in cases:
            case.write(folder)


if __name__ == "__main__":
    main()
