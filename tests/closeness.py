"""Comparing quantities in SI units, which are far below one."""

from __future__ import annotations

from typing import Any

import pytest


def close(expected: Any, rel: float = 1e-9) -> Any:
    """Equal to a relative tolerance and nothing else.

    `pytest.approx` accepts any difference of 1e-12, whatever the tolerance: for picojoules and square
    micrometres that is everything.
    """
    return pytest.approx(expected, rel=rel, abs=0.0)
