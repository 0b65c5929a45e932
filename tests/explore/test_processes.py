"""Work in other processes: the same answers, the same errors, and an end in any case."""

from __future__ import annotations

import os
import signal
from multiprocessing import active_children

import pytest

from archsim.errors import InputError
from archsim.explore.processes import worked


def half(number: int) -> int:
    """Something that fails for odd numbers, and dies for 100."""
    if number == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 2:
        raise InputError(f"{number} is odd", place="here", remedy="Take another.")
    return number // 2


def test_one_process_and_several_give_the_same_answers() -> None:
    """All of them, each with its item; one process keeps the order."""
    items = [2, 4, 6, 8, 10]
    alone = list(worked(half, items))
    assert alone == [(n, n // 2) for n in items]
    assert sorted(worked(half, items, jobs=2)) == alone
    assert not active_children()


def test_an_error_is_that_of_the_work() -> None:
    with pytest.raises(InputError, match=r"here: 3 is odd\. Take another\."):
        list(worked(half, [2, 3], jobs=2))
    assert not active_children()


def test_a_process_that_is_killed_is_told_of() -> None:
    """No answer is waited for in vain."""
    with pytest.raises(InputError, match=r"exit code -9.*fewer jobs"):
        list(worked(half, [100, 2], jobs=2))
    assert not active_children()
