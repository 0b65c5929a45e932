"""How much memory a test's process has used."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int:
    """The largest resident memory of this process so far.

    The kernel's own account is used, since that of the process library begins with the memory of
    whoever started the process.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0
