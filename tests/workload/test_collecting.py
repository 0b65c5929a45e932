"""The collector of reference cycles is left as it was found."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from archsim.workload.collecting import collection_paused


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    (gc.enable if was_enabled else gc.disable)()


@collection_paused()
def paused() -> bool:
    return not gc.isenabled()


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_paused_and_restored(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    assert paused()
    assert gc.isenabled() == enabled
    with pytest.raises(ValueError, match="inside"), collection_paused():
        raise ValueError("inside")
    assert gc.isenabled() == enabled


def test_inner_pause_does_not_end_the_outer_one() -> None:
    gc.enable()
    with collection_paused():
        assert paused()
        assert not gc.isenabled()
    assert gc.isenabled()
