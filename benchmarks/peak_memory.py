"""How much memory a process has used at most."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def peak_mib() -> float:
    """The largest resident memory of this process so far.

    The kernel's own account is read where there is one: that of `getrusage` begins with the memory of
    whoever started the process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
