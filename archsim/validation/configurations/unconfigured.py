"""A publication that states too little to be priced, or results that archsim does not model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from archsim.validation.estimate import ConfigurationKind, Outcome


class Unconfigured(ConfigurationKind):
    """No configuration: every row of the publication says itself why it is not modelled."""

    kind: Literal["none"]

    def estimates(self) -> Mapping[str, Outcome]:
        """Nothing."""
        return {}
