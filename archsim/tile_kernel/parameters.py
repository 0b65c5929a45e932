"""What a read of one array does to a product: every parameter, as one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from archsim.errors import InputError, did_you_mean
from archsim.hardware.placement import Direction
from archsim.tile_kernel.ir_drop import IrDrop
from archsim.tile_kernel.quantiser import TRANSPARENT, Quantiser

if TYPE_CHECKING:
    from archsim.architecture import Architecture

NoiseManagement = Literal["abs_max", "none", "constant"]
BoundManagement = Literal["none", "iterative", "worst_case"]
NOISE_MANAGEMENTS: tuple[NoiseManagement, ...] = ("abs_max", "none", "constant")
BOUND_MANAGEMENTS: tuple[BoundManagement, ...] = ("none", "iterative", "worst_case")


@dataclass(frozen=True, slots=True)
class ReadParameters:
    """One direction of reading one array; the defaults are an ideal array.

    An input vector x is divided by a scale, converted by `dac`, multiplied by the weights with
    noise, converted by `adc`, and multiplied by the scale again.

    * `noise_management`: the scale is max|x| (`abs_max`), `constant_scale` (`constant`) or 1
      (`none`).  max|x| counts up to `largest_scale`; what exceeds it is clipped.
    * `input_noise`, `output_noise`: standard deviations of noise added behind the DAC and before
      the ADC, in units of input 1 and of weight 1 times input 1; each conversion draws anew.
    * `weight_noise`: standard deviation of each weight, drawn anew for each vector.  It is added
      at the outputs with the same distribution: Gaussian of deviation `weight_noise` * |x|_2.
    * `ir_drop`: wire resistance, or None for none.
    * `serial_bits`: inputs are fed bit by bit, each bit is converted, and shifted and added.
    * `pair_reference`: each weight is a pair of columns that are converted apart and subtracted
      digitally; this is the conductance of the second one in units of weights (that of `ir_drop`
      where there is one).  `output_noise` and the bound of `adc` are those of one conversion, and a
      vector is read again if any column of it clips.  None: one conversion per weight.
    * `bound_management`: what follows if an output exceeds the ADC's bound.  `iterative`: the
      vector is read again at half the input, up to a division by `largest_division` and as long
      as the DAC's step stays below `coarsest_resolution` of its whole range.  `worst_case`: it is
      read once more, scaled by max(sum of positive inputs, sum of negative ones) *
      `assumed_weight` / bound, as if all weights had that size.  `none`: it stays clipped.
    """

    dac: Quantiser = TRANSPARENT
    adc: Quantiser = TRANSPARENT
    noise_management: NoiseManagement = "none"
    constant_scale: float = 1.0
    largest_scale: float = math.inf
    bound_management: BoundManagement = "none"
    largest_division: float = 1000.0
    coarsest_resolution: float = 0.25
    assumed_weight: float = 1.0
    input_noise: float = 0.0
    weight_noise: float = 0.0
    output_noise: float = 0.0
    ir_drop: IrDrop | None = None
    serial_bits: bool = False
    pair_reference: float | None = None

    def __post_init__(self) -> None:
        _one_of("noise_management", self.noise_management, NOISE_MANAGEMENTS)
        _one_of("bound_management", self.bound_management, BOUND_MANAGEMENTS)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and math.isnan(value):
                raise InputError(f"{field.name} is not a number", place="read parameters")
        for name in ("input_noise", "weight_noise", "output_noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    f"{name} is {getattr(self, name):g}, expected a standard deviation of at "
                    "least 0",
                    place="read parameters",
                )
        for name in ("constant_scale", "largest_scale", "coarsest_resolution", "assumed_weight"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"{name} is {getattr(self, name):g}, expected a number above 0",
                    place="read parameters",
                )
        if self.largest_division < 1:
            raise InputError(
                f"largest_division is {self.largest_division:g}, expected at least 1",
                place="read parameters",
            )
        if self.pair_reference is not None:
            self._check_pairs(self.pair_reference)
        if self.serial_bits:
            self._check_serial()

    def _check_pairs(self, reference: float) -> None:
        if not 0 <= reference < math.inf:
            raise InputError(
                f"pair_reference is {reference:g}, expected a conductance of at least 0",
                place="read parameters",
            )
        drop = self.ir_drop
        if drop is not None and (drop.layout != "differential" or drop.reference != reference):
            raise InputError(
                f"pair_reference is {reference:g}, but the wires are those of a {drop.layout} "
                f"layout with a reference of {drop.reference:g}",
                place="read parameters",
            )

    def _check_serial(self) -> None:
        if self.dac.step == 0 or not math.isfinite(self.dac.bound):
            raise InputError(
                "serial_bits needs a dac with a step and a bound", place="read parameters"
            )
        if self.bound_management != "none":
            raise InputError(
                f"bound_management '{self.bound_management}' cannot help bit-serial inputs, whose "
                "bits are of full size however small the number",
                place="read parameters",
                remedy="Use 'none'.",
            )
        if self.input_noise > 0:
            raise InputError(
                "input_noise is that of an analog input, but serial_bits feeds bits",
                place="read parameters",
                remedy="Use output_noise.",
            )

    @property
    def most_divided(self) -> float:
        """Largest power of two by which iterative bound management divides an input."""
        allowed = self.largest_division
        if self.dac.step > 0:
            resolution = self.dac.step / (2.0 * self.dac.bound)
            allowed = min(allowed, self.coarsest_resolution / resolution)
        return 2.0 ** math.floor(math.log2(max(allowed, 1.0)))

    def without_ir_drop(self) -> ReadParameters:
        """The same read with wires of no resistance (see `effective_weights`)."""
        return replace(self, ir_drop=None)

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        direction: Direction = Direction.FORWARD,
        *,
        noise_management: NoiseManagement = "abs_max",
        bound_management: BoundManagement | None = None,
    ) -> ReadParameters:
        """The read that the architecture's converters, wires, devices and read voltage make.

        Bound management is `iterative` if not said otherwise, and `none` for bit-serial inputs.
        Raises `InputError` for what the kernel does not compute.
        """
        from archsim.tile_kernel.from_architecture import read_parameters

        return read_parameters(architecture, direction, noise_management, bound_management)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            f"{name} is '{value}', expected one of {', '.join(allowed)}",
            place="read parameters",
            remedy=did_you_mean(value, allowed),
        )
