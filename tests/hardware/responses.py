"""Random responses of every registered model, for property tests."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from archsim.hardware.response import (
    BlendedStep,
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PiecewiseStep,
    PowerStep,
    ProtonicStep,
    Response,
    ResponseModel,
    SoftBounds,
)

REGISTERED: tuple[type[ResponseModel], ...] = get_args(get_args(Response)[0])


def _between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, width=32)


_STEP = _between(2.0**-14, 0.0625)
_SLOPE = _between(-1, 1)


def _built(model: type[ResponseModel], kind: str, **fields: Any) -> st.SearchStrategy[Any]:
    return st.builds(model, kind=st.just(kind), **fields)


def _piecewise() -> st.SearchStrategy[Any]:
    def build(inner: set[float], data: list[tuple[float, float]]) -> PiecewiseStep:
        states = (-1.0, *sorted(inner), 1.0)
        ups, downs = zip(*data[: len(states)], strict=True)
        return PiecewiseStep(kind="piecewise", states=states, steps_up=ups, steps_down=downs)

    inner = st.sets(st.integers(-9, 9).map(lambda i: i / 10), max_size=4)
    return st.builds(build, inner, st.lists(st.tuples(_STEP, _STEP), min_size=6, max_size=6))


_STEPS = {"step_up": _STEP, "step_down": _STEP}
_POWER = _built(
    PowerStep, "power", **_STEPS, exponent_up=_between(0, 3), exponent_down=_between(0, 3)
)
_EXPONENTIAL = _built(
    ExponentialStep,
    "exponential",
    **_STEPS,
    amplitude_up=_between(-2, 2),
    amplitude_down=_between(-2, 2),
    rate_up=_between(-3, 3),
    rate_down=_between(-3, 3),
)
STRATEGIES: dict[type[ResponseModel], st.SearchStrategy[Any]] = {
    ConstantStep: _built(ConstantStep, "constant", **_STEPS),
    LinearStep: _built(LinearStep, "linear", **_STEPS, slope_up=_SLOPE, slope_down=_SLOPE),
    SoftBounds: _built(SoftBounds, "soft_bounds", **_STEPS),
    PowerStep: _POWER,
    ExponentialStep: _EXPONENTIAL,
    PiecewiseStep: _piecewise(),
    ProtonicStep: _built(
        ProtonicStep, "protonic", **_STEPS, mobility=_SLOPE, filling=_between(2.0**-10, 4)
    ),
    BlendedStep: _built(
        BlendedStep, "blended", base=st.one_of(_POWER, _EXPONENTIAL), residual=_between(0, 1)
    ),
}

responses = st.one_of(*STRATEGIES.values())
