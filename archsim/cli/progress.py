"""A progress bar on standard error, for what takes long and where somebody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# What is done sooner needs no bar.
_PATIENCE_S = 0.7
_PERIOD_S = 0.1


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None] | None]:
    """Gives a function that takes the share done, in 0..1; None where standard error is no terminal.

    The bar appears when the work has taken a while, and goes away when it ends.
    """
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(what)
    try:
        yield bar.tell
    finally:
        bar.close()


class _Bar:
    """A bar that starts late and is drawn a few times a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + _PATIENCE_S
        self._drawn: tuple[Progress, TaskID] | None = None

    def tell(self, share: float) -> None:
        """Hear which share is done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PERIOD_S
        if self._drawn is None:
            self._drawn = self._start()
        progress, task = self._drawn
        progress.update(task, completed=share, refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn is not None:
            self._drawn[0].stop()

    def _start(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import Progress

        progress = Progress(console=Console(file=sys.stderr), auto_refresh=False, transient=True)
        progress.start()
        return progress, progress.add_task(self._what, total=1.0)
