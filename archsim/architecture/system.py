"""Several equal chips in a row, and the links between neighbours."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.memory import Link


class System(Component):
    """At most `max_chips` chips in a row, each joined to its neighbours by a `link` in either direction.

    A network takes as few of them as hold one copy of each of its weight matrices, but no fewer
    than `min_chips`: what these have to spare may hold copies (`mapping.replication`).
    """

    link: Link
    max_chips: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e5)]
    min_chips: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e5)] = 1

    def links(self, chips: Scalar | NDArray[np.intp]) -> Scalar:
        """Links, one direction each, between `chips` chips in a row."""
        return 2.0 * (np.asarray(chips, dtype=np.float64) - 1.0)
