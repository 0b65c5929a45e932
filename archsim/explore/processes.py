"""Work that is shared out to other processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from archsim.errors import InputError

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


def worked(
    work: Callable[[ItemT], AnswerT], items: Sequence[ItemT], jobs: int = 1
) -> Generator[tuple[ItemT, AnswerT], None, None]:
    """Every item with what `work` makes of it, as they get done, by `jobs` processes (>= 1).

    With one job all is done in order, and here.  Otherwise `work`, items and answers travel between
    processes.  The processes end with the iteration, with an exception that `work` raises (which
    is raised here too), and with this process, however that ends.
    """
    if min(jobs, len(items)) <= 1:
        for item in items:
            yield item, work(item)
        return
    workers = [_Worker[ItemT, AnswerT].start(work) for _ in range(min(jobs, len(items)))]
    try:
        yield from _shared_out(workers, items)
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in workers:
            worker.process.join()


@dataclass(slots=True)
class _Worker(Generic[ItemT, AnswerT]):
    """A process, the pipe to it, and the item that it works on."""

    process: BaseProcess
    pipe: Connection
    item: list[ItemT]

    @classmethod
    def start(cls, work: Callable[[ItemT], AnswerT]) -> _Worker[ItemT, AnswerT]:
        """A process that waits for items; it shares nothing with this one but the pipe."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(work, there), daemon=True)
        with _interrupts_held():
            process.start()
        there.close()  # so that its end is seen here
        return cls(process, here, [])

    def take(self, item: ItemT) -> None:
        """Begin with an item."""
        self.item = [item]
        with suppress(BrokenPipeError):  # `answer` will say so
            self.pipe.send(item)

    def answer(self) -> tuple[ItemT, AnswerT]:
        """The item and its answer; raises what the work has raised."""
        try:
            error, answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise InputError(
                f"a process that shared the work was ended from outside "
                f"(exit code {self.process.exitcode}), perhaps for want of memory.",
                place="--jobs",
                remedy="Go on with --resume and fewer jobs.",
            ) from None
        if error is not None:
            raise error
        return self.item.pop(), answer


def _shared_out(
    workers: Sequence[_Worker[ItemT, AnswerT]], items: Sequence[ItemT]
) -> Iterator[tuple[ItemT, AnswerT]]:
    waiting = iter(items)
    for worker, item in zip(workers, waiting, strict=False):
        worker.take(item)
    busy = {worker.pipe: worker for worker in workers}
    while busy:
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]  # only pipes were waited for
            done = worker.answer()
            for item in waiting:
                worker.take(item)
                break
            else:
                del busy[worker.pipe]
            yield done


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Interrupts wait for the end; a process started here never sees one, not even as it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Where it is not there yet it would be started with the first process, and let interrupts through.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Callable[[ItemT], AnswerT], pipe: Connection) -> None:
    """Answer items until the pipe closes; an interrupt is a matter of the process at its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError):
        while True:
            item = pipe.recv()
            try:
                answer = work(item)
            except Exception as error:  # noqa: BLE001 - raised again by the process that asked
                pipe.send((error, None))
            else:
                pipe.send((None, answer))
