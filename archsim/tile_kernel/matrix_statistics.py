"""What a weight matrix on arrays has done so far: the measured activities that costs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.tile_kernel.algorithms.contract import LearnReport
from archsim.tile_kernel.read import ReadOutput


@dataclass(frozen=True, slots=True)
class ReadTotals:
    """Sums over the reads of one direction.

    `vectors` put in; `array_vectors` counts each once per array that it is fed to, `array_reads`
    the reads of single arrays, repeats included.  The other fields are sums over array reads or
    array vectors of what `ReadOutput` states as means.
    """

    vectors: int = 0
    array_vectors: int = 0
    array_reads: int = 0
    clipped: float = 0.0
    clipped_inputs: float = 0.0
    abs_input: float = 0.0
    square_input: float = 0.0

    @classmethod
    def of(cls, output: ReadOutput) -> ReadTotals:
        """Of one read of a batch, with `repeats` [batch, tile]."""
        reads, pairs = int(output.repeats.sum()), output.repeats.size
        return cls(
            vectors=len(output.repeats),
            array_vectors=pairs,
            array_reads=reads,
            clipped=output.clipped_share * pairs,
            clipped_inputs=output.clipped_input_share * pairs,
            abs_input=output.mean_abs_input * reads,
            square_input=output.mean_square_input * reads,
        )

    def __add__(self, other: ReadTotals) -> ReadTotals:
        return ReadTotals(
            self.vectors + other.vectors,
            self.array_vectors + other.array_vectors,
            self.array_reads + other.array_reads,
            self.clipped + other.clipped,
            self.clipped_inputs + other.clipped_inputs,
            self.abs_input + other.abs_input,
            self.square_input + other.square_input,
        )

    @property
    def repeats(self) -> float:
        """Mean reads per vector and array (`read.repeats` of an architecture), at least 1."""
        return self.array_reads / self.array_vectors if self.array_vectors else 1.0

    @property
    def clipped_share(self) -> float:
        """Share of returned conversions that the ADC clipped."""
        return self.clipped / self.array_vectors if self.array_vectors else 0.0

    @property
    def clipped_input_share(self) -> float:
        """Share of inputs that the DAC clipped."""
        return self.clipped_inputs / self.array_vectors if self.array_vectors else 0.0

    @property
    def mean_abs_input(self) -> float:
        """E|x| of inputs as fed, relative to full scale (`read.mean_abs_input`)."""
        return self.abs_input / self.array_reads if self.array_reads else 0.0

    @property
    def mean_square_input(self) -> float:
        """E[x^2] of inputs as fed, relative to full scale (`read.mean_square_input`)."""
        return self.square_input / self.array_reads if self.array_reads else 0.0


@dataclass(frozen=True, slots=True)
class MatrixTotals:
    """Sums since the matrix was made, or over several matrices.

    `minibatches` updates of `update_vectors` vector pairs in all; `device_vectors` is the sum over
    them of the devices that hold a weight and could have taken a pulse: pulses per device and
    vector are pulses over it.
    """

    forward: ReadTotals = field(default_factory=ReadTotals)
    transposed: ReadTotals = field(default_factory=ReadTotals)
    learnt: LearnReport = field(default_factory=LearnReport)
    minibatches: int = 0
    update_vectors: int = 0
    device_vectors: int = 0

    def __add__(self, other: MatrixTotals) -> MatrixTotals:
        return MatrixTotals(
            self.forward + other.forward,
            self.transposed + other.transposed,
            self.learnt + other.learnt,
            self.minibatches + other.minibatches,
            self.update_vectors + other.update_vectors,
            self.device_vectors + other.device_vectors,
        )

    @property
    def pulses_per_vector(self) -> float:
        """Mean pulses, up and down, on a device that takes gradients, per vector pair."""
        pulses = self.learnt.update.pulses_up + self.learnt.update.pulses_down
        return pulses / self.device_vectors if self.device_vectors else 0.0


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """The devices of one role that hold a weight: how worn, and how many sit at a bound.

    `pulses_mean` and `pulses_most` count programming pulses per device since it was made,
    `wear` is the largest share of `endurance_pulses` taken.  `half_selects_mean` and `_most` count
    slots on one fired line only, where updates disturb; they are not in the wear, since no
    endurance under part of the voltage was published.  A device is saturated within 1 % of
    its range from a bound.
    """

    devices: int
    pulses_mean: float
    pulses_most: float
    wear: float
    half_selects_mean: float
    half_selects_most: float
    saturated_share: float


@dataclass(frozen=True, slots=True)
class MatrixStatistics:
    """What `AnalogMatrix.statistics` gives.

    `bounded_share` is the share of the weights last programmed that device bounds kept away.
    """

    totals: MatrixTotals
    devices: Mapping[str, DeviceStatistics]
    bounded_share: float
