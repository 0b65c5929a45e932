"""What the claims are held against: a YAML file of numbers, and the chips that ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from archsim.architecture import Architecture
from archsim.baseline.gpu_spec import GpuSpec
from archsim.config.loading import load
from archsim.fields import Component, Quantity
from archsim.resources import data_folder

YARDSTICKS = "arch_configs/claims/protonic.yaml"

_Seconds = Annotated[float, Quantity("s", above=0)]
_Joules = Annotated[float, Quantity("J", above=0)]
_Metres = Annotated[float, Quantity("m", above=0)]
_Number = Annotated[float, Quantity(above=0)]


class Yardsticks(Component):
    """Numbers that a claim states or is compared with; `projection` is the RPU's architecture."""

    description: str
    architecture: str
    projection: str
    gpu: str
    workload: str
    batch: Annotated[int, Quantity(integer=True, minimum=1)]
    response_s: _Seconds
    previous_pulse_min_s: _Seconds
    previous_pulse_max_s: _Seconds
    previous_ratio: _Number
    later_pulse_min_s: _Seconds
    later_pulse_max_s: _Seconds
    transfer_energy_j: _Joules
    gate_energy_j: _Joules
    channel_width_m: _Metres
    channel_length_m: _Metres
    synapse_response_s: _Seconds
    synapse_side_m: _Metres
    synapse_speed_ratio: _Number
    synapse_size_ratio: _Number
    training_samples: _Number
    cycles: _Number
    pulses_fast_min: _Number
    pulses_fast_max: _Number
    pulses_slow_min: _Number
    pulses_slow_max: _Number
    acceleration: _Number
    efficiency: _Number
    noise_bound: _Number
    ir_drop_bound: _Number
    settling_bound: _Number
    layer_inputs: _Number
    layer_outputs: _Number


@dataclass(frozen=True, slots=True)
class Court:
    """The yardsticks, and the machines that they name."""

    yardsticks: Yardsticks
    chip: Architecture
    projection: Architecture
    gpu: GpuSpec


def load_court() -> Court:
    """The yardsticks that ship, with their chips and GPU."""
    configs = data_folder("arch_configs")
    yardsticks = load("protonic", Yardsticks, configs / "claims").value
    return Court(
        yardsticks,
        load(yardsticks.architecture, Architecture, configs).value,
        load(yardsticks.projection, Architecture, configs).value,
        load(yardsticks.gpu, GpuSpec, configs / "gpu").value,
    )
