"""How conductance answers to pulses: one closed form per file, chosen by `kind`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from archsim.hardware.response.blended import BlendedStep
from archsim.hardware.response.constant import ConstantStep
from archsim.hardware.response.exponential import ExponentialStep
from archsim.hardware.response.linear import LinearStep
from archsim.hardware.response.model import Polarity, ResponseModel
from archsim.hardware.response.piecewise import PiecewiseStep
from archsim.hardware.response.power import PowerStep
from archsim.hardware.response.protonic import ProtonicStep
from archsim.hardware.response.soft_bounds import SoftBounds

Response: TypeAlias = Annotated[
    ConstantStep
    | LinearStep
    | SoftBounds
    | PowerStep
    | ExponentialStep
    | PiecewiseStep
    | ProtonicStep
    | BlendedStep,
    Field(discriminator="kind"),
]

__all__ = [
    "BlendedStep",
    "ConstantStep",
    "ExponentialStep",
    "LinearStep",
    "PiecewiseStep",
    "Polarity",
    "PowerStep",
    "ProtonicStep",
    "Response",
    "ResponseModel",
    "SoftBounds",
]
