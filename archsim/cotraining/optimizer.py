"""Optimizers of the digital parameters: biases, norm parameters, embeddings, digital matrices."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from archsim.fields import Component, Quantity

F32: TypeAlias = NDArray[np.float32]
# Arrays that an optimizer keeps for one parameter, of its shape; changed in place.
Moments: TypeAlias = tuple[F32, ...]

_Share = Annotated[float, Quantity(minimum=0, maximum=0.999999)]
_Factor = Annotated[float, Quantity(above=0, maximum=1e3)]


class _Digital(Component):
    """`rate_factor` multiplies the learning rate of the schedule, which is that of the arrays."""

    rate_factor: _Factor = 1.0


class Sgd(_Digital):
    """w -= rate * g."""

    kind: Literal["sgd"]

    def start(self, parameter: F32) -> Moments:
        """Nothing is kept."""
        return ()

    def step(
        self, parameter: F32, gradient: F32, moments: Moments, rate: float, count: int
    ) -> None:
        """Change `parameter` in place."""
        parameter -= np.float32(rate * self.rate_factor) * gradient


class Momentum(_Digital):
    """v = momentum * v + g; w -= rate * v."""

    kind: Literal["momentum"]
    momentum: _Share = 0.9

    def start(self, parameter: F32) -> Moments:
        """The velocity."""
        return (np.zeros_like(parameter),)

    def step(
        self, parameter: F32, gradient: F32, moments: Moments, rate: float, count: int
    ) -> None:
        """Change `parameter` and the velocity in place."""
        (velocity,) = moments
        velocity *= np.float32(self.momentum)
        velocity += gradient
        parameter -= np.float32(rate * self.rate_factor) * velocity


class Adam(_Digital):
    """Adam with bias correction (Kingma and Ba 2015, arXiv:1412.6980)."""

    kind: Literal["adam"]
    beta_1: _Share = 0.9
    beta_2: _Share = 0.999
    epsilon: _Factor = 1e-8

    def start(self, parameter: F32) -> Moments:
        """Running means of the gradient and of its square."""
        return (np.zeros_like(parameter), np.zeros_like(parameter))

    def step(
        self, parameter: F32, gradient: F32, moments: Moments, rate: float, count: int
    ) -> None:
        """Change `parameter` and the means in place; `count` is the number of this step, from 1."""
        mean, square = moments
        mean += np.float32(1.0 - self.beta_1) * (gradient - mean)
        square += np.float32(1.0 - self.beta_2) * (np.square(gradient) - square)
        scale = rate * self.rate_factor / (1.0 - self.beta_1**count)
        root = np.sqrt(square / np.float32(1.0 - self.beta_2**count)) + np.float32(self.epsilon)
        parameter -= np.float32(scale) * mean / root


DigitalOptimizer = Annotated[Sgd | Momentum | Adam, Field(discriminator="kind")]
