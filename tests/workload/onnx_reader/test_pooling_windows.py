"""Windows of a pooling, by arithmetic, are those that loops over every element find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.workload.onnx_reader.families.pooling import Windows, _axis


@given(
    size=st.integers(1, 40),
    out=st.integers(1, 25),
    kernel=st.integers(1, 15),
    stride=st.integers(1, 7),
    dilation=st.integers(1, 6),
    before=st.integers(0, 20),
)
def test_windows_equal_loops(
    size: int, out: int, kernel: int, stride: int, dilation: int, before: int
) -> None:
    places = [
        index * stride + tap * dilation - before for index in range(out) for tap in range(kernel)
    ]
    inside = [place for place in places if 0 <= place < size]
    found = _axis(size, out, kernel, stride, dilation, before)
    assert found == Windows(len(inside), len(set(inside)))


def test_long_axis_with_a_short_kernel_takes_no_loop_over_it() -> None:
    """Each of the n - 1 windows of two has two taps, and all n elements are covered."""
    length = 2**40
    assert _axis(length, length - 1, 2, 1, 1, 0) == Windows(2 * (length - 1), length)


@pytest.mark.parametrize(("stride", "dilation"), [(0, 1), (1, 0), (-1, 1)])
def test_windows_that_do_not_move_are_refused(stride: int, dilation: int) -> None:
    with pytest.raises(ValueError, match="windows"):
        _axis(10, 3, 2, stride, dilation, 0)
