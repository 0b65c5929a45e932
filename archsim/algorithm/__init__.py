"""What an update rule asks of the arrays: operations, extra arrays, digital state."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from archsim.algorithm.agad import Agad
from archsim.algorithm.chopped_tiki_taka_v2 import ChoppedTikiTakaV2
from archsim.algorithm.mixed_precision import MixedPrecision
from archsim.algorithm.one_sided import OneSided
from archsim.algorithm.operations import Operations, Pulsed, Role, RoleArray, Unit, Work
from archsim.algorithm.sgd import PlainSgd
from archsim.algorithm.tiki_taka import TikiTaka
from archsim.algorithm.tiki_taka_v2 import TikiTakaV2

Algorithm: TypeAlias = Annotated[
    PlainSgd | MixedPrecision | TikiTaka | TikiTakaV2 | ChoppedTikiTakaV2 | Agad | OneSided,
    Field(discriminator="kind"),
]

__all__ = [
    "Agad",
    "Algorithm",
    "ChoppedTikiTakaV2",
    "MixedPrecision",
    "OneSided",
    "Operations",
    "PlainSgd",
    "Pulsed",
    "Role",
    "RoleArray",
    "TikiTaka",
    "TikiTakaV2",
    "Unit",
    "Work",
]
