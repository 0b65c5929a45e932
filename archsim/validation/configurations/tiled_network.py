"""A network on tiles of equal arrays: arrays, copies, utilisation, area, and energy of its reads."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.hardware.macro.macro import Macro, OperatingPoint
from archsim.validation.configurations.macro import class_of
from archsim.validation.estimate import (
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Outcome,
    summed,
)


class NetworkLayer(Component):
    """A weight matrix, the vectors that one sample sends through it, and the size of its tiles.

    `backward`: whether an activation gradient is computed (not for the first layer).
    """

    rows: Annotated[int, Quantity(integer=True, minimum=1)]
    cols: Annotated[int, Quantity(integer=True, minimum=1)]
    vectors: Annotated[int, Quantity(integer=True, minimum=1)]
    arrays_per_tile: Annotated[int, Quantity(integer=True, minimum=1)]
    backward: bool = True


class TiledNetworkKind(ConfigurationKind):
    """A network whose layers fill tiles with copies of themselves.

    A layer takes ceil(rows / array rows) * ceil(cols / array cols) arrays and as many whole copies
    as its tiles hold.  Rows: `LAYER.tiles`, `LAYER.copies`, `LAYER.utilisation`, `tiles`,
    `utilisation` (mean over tiles), `area.cells`, `area.converters` (of all arrays), and
    `forward.energy`, `backward.energy` of the arrays with their converters over an epoch of
    `samples`.  Every array that holds a part of a layer is read once per vector.
    """

    kind: Literal["tiled_network"]
    macro: Macro
    point: OperatingPoint
    samples: Annotated[float, Quantity(above=0)]
    layers: dict[str, NetworkLayer] = Field(min_length=1)

    def estimates(self) -> Mapping[str, Outcome]:
        """All figures."""
        found: dict[str, Outcome] = {}
        for name, layer in self.layers.items():
            found[f"{name}.tiles"] = _count(self._tiles(layer))
            found[f"{name}.copies"] = _count(self._copies(layer))
            found[f"{name}.utilisation"] = _count(self._utilisation(layer))
        tiles = sum(self._tiles(layer) for layer in self.layers.values())
        filled = sum(self._tiles(one) * self._utilisation(one) for one in self.layers.values())
        return {
            **found,
            "tiles": _count(tiles),
            "utilisation": _count(filled / tiles),
            **self._areas(),
            "forward.energy": self._reads_j(backward=False),
            "backward.energy": self._reads_j(backward=True),
        }

    def _arrays(self, layer: NetworkLayer) -> int:
        """Arrays of one copy."""
        array = self.macro.array
        return ceil(layer.rows / array.rows) * ceil(layer.cols / array.cols)

    def _copies(self, layer: NetworkLayer) -> int:
        return max(1, layer.arrays_per_tile // self._arrays(layer))

    def _tiles(self, layer: NetworkLayer) -> int:
        return ceil(self._arrays(layer) / layer.arrays_per_tile)

    def _utilisation(self, layer: NetworkLayer) -> float:
        array = self.macro.array
        return layer.rows * layer.cols / (self._arrays(layer) * array.rows * array.cols)

    def _areas(self) -> dict[str, Outcome]:
        arrays = sum(self._arrays(layer) * self._copies(layer) for layer in self.layers.values())
        shares = self.macro.area_m2()
        return {
            f"area.{name}": Estimate(
                {class_of(name, shares[name]): shares[name].value},
                "m^2",
                "area",
                "rollup" if shares[name].stated else "prediction",
                float(arrays),
            )
            for name in shares
        }

    def _reads_j(self, *, backward: bool) -> Estimate:
        reads = sum(
            layer.vectors * self._arrays(layer)
            for layer in self.layers.values()
            if layer.backward or not backward
        )
        parts = summed(
            (class_of(name, share), share.value)
            for name, share in self.macro.energy_j(self.point).items()
        )
        return Estimate(parts, "J", "energy", "prediction", reads * self.samples)


def _count(value: float) -> Estimate:
    """A number that follows from the publication's own sizes."""
    return Estimate({CircuitClass.PUBLISHED: float(value)}, "", "count", "rollup")
