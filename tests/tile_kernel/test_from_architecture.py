"""One object, two faces: what prices an array also says what it computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.hardware import limits
from archsim.hardware.placement import Direction
from archsim.resources import data_folder
from archsim.tile_kernel.ir_drop import IrDrop, effective_columns, effective_weights
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import read_forward, read_transposed

FOLDER = data_folder("arch_configs")
FORWARD, TRANSPOSED = Direction.FORWARD, Direction.TRANSPOSED
SHIPPED = ["protonic_128", "protonic_256", "protonic_512", "protonic_1024", "rpu_4096"]


def chip(name: str = "protonic_256", **changes: object) -> Architecture:
    loaded = load(name, Architecture, FOLDER)
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return override(loaded, dotted).value if dotted else loaded.value


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_architecture_reads(name: str, direction: Direction) -> None:
    """Bits, bound, noise and wires of the architecture, in both directions."""
    architecture = chip(name)
    p = ReadParameters.from_architecture(architecture, direction)
    assert p.dac.largest_code == pytest.approx(2 ** (architecture.read.input_bits - 1) - 1)
    assert p.adc.largest_code == pytest.approx(2 ** (architecture.adc.bits - 1) - 1)
    assert p.adc.bound == architecture.read.output_bound
    assert p.ir_drop is not None
    assert p.output_noise > 0
    w = np.random.default_rng(1).uniform(-0.3, 0.3, (16, 12)).astype(np.float32)
    rng = np.random.Generator(np.random.SFC64(1))
    assert np.isfinite(read_forward(w, np.ones((2, 16), np.float32), p, rng).y).all()


@pytest.mark.parametrize("name", SHIPPED)
def test_measured_noise_of_a_read_is_that_of_the_limits(name: str) -> None:
    """Devices, integrator and converter: the deviation of reads equals `limits.read_noise`."""
    architecture = chip(name)
    p = ReadParameters.from_architecture(architecture, noise_management="none").without_ir_drop()
    rng = np.random.Generator(np.random.SFC64(2))
    w = np.random.default_rng(1).uniform(-0.5, 0.5, (30, 40)).astype(np.float32)
    x = np.rint(np.random.default_rng(2).uniform(-63, 63, (3000, 30))).astype(np.float32) / 63
    errors = read_forward(w, x, p, rng).y - x @ w
    # Symmetric codes make steps of 2/(2^bits - 2) of the range, the limits count 2/2^bits.
    assert errors.std() == pytest.approx(float(limits.read_noise(architecture.crossbar)), rel=0.01)


def test_noise_of_a_transposed_read_is_that_of_its_rows() -> None:
    """A row has all 256 physical columns on it, a pair of columns 2 * 256 cells."""
    architecture = chip()
    forward, transposed = (
        float(np.square(ReadParameters.from_architecture(architecture, d).output_noise))
        for d in (FORWARD, TRANSPOSED)
    )
    integrator = float(np.square(limits.integrator_noise(architecture.crossbar)))
    assert transposed - integrator == pytest.approx((forward - integrator) / 2)


def test_more_voltage_or_time_reads_with_less_noise() -> None:
    """Device noise falls with the voltage and with the root of the time."""

    def device_noise(**changes: object) -> float:
        architecture = chip(**changes)
        p = ReadParameters.from_architecture(architecture)
        integrator = float(limits.integrator_noise(architecture.crossbar))
        return float(np.sqrt(p.output_noise**2 - integrator**2))

    base = device_noise()
    assert device_noise(read__voltage="0.2 V") == pytest.approx(base / 2)
    assert device_noise(read__time_step="2.5 ns") == pytest.approx(base / 2)


def test_bit_serial_slots_are_noisier() -> None:
    """Each conversion has one of seven slots of the charge: the root of seven times the noise."""
    pulsed = ReadParameters.from_architecture(chip())
    serial = ReadParameters.from_architecture(
        chip(
            read__encoding="bit_serial",
            periphery__input_driver={"extends": "drivers/isaac_1bit"},
            read__time_step="11.428571428571429 ns",
        )
    )
    assert serial.serial_bits
    assert serial.bound_management == "none"
    assert serial.output_noise == pytest.approx(pulsed.output_noise * np.sqrt(7), rel=1e-6)


def test_wires_load_reads_as_the_limits_say() -> None:
    """Small weights of a full array lose the row wire's share once, and the column wire's twice:
    with the weight itself, and because it loads the column of its pair's first device."""
    architecture = chip("protonic_512")
    p = ReadParameters.from_architecture(architecture)
    assert p.ir_drop is not None
    rows, cols = int(architecture.array.rows), int(architecture.array.weight_columns)
    above, below = (
        effective_weights(np.full((rows, cols), w, np.float32), p.ir_drop).astype(np.float64)
        for w in (0.01, -0.01)
    )
    lost = 1 - ((above - below) / 0.02).mean()
    # The limits' drop is half of the rows' and half of the columns' for a square array.
    either = float(limits.ir_drop(architecture.crossbar)) / 2
    assert lost == pytest.approx(either + 2 * either, rel=0.03)


def test_doubled_periphery_reads_back_from_the_far_ends() -> None:
    """Shared circuits serve both directions at one end: then both see the same weights."""
    doubled, shared = chip(), chip(periphery__sides="shared")
    for architecture, same in ((doubled, False), (shared, True)):
        forward, transposed = (
            ReadParameters.from_architecture(architecture, d).ir_drop for d in (FORWARD, TRANSPOSED)
        )
        assert (forward == transposed) is same


def test_wires_without_resistance_make_no_drop() -> None:
    """No wire resistance, no IR drop to compute."""
    architecture = chip(array__wire_resistance="0 Ohm/um")
    assert ReadParameters.from_architecture(architecture).ir_drop is None


def apart(**changes: object) -> Architecture:
    """Both columns of a pair converted; the bound holds the sum of a column."""
    return chip(periphery__subtract_before_adc=False, read__output_bound=60, **changes)


def test_pairs_converted_apart_are_as_noisy_as_the_limits_say() -> None:
    """Two integrators and two converters per output: twice their variance."""
    architecture = apart()
    p = ReadParameters.from_architecture(architecture, noise_management="none").without_ir_drop()
    rng = np.random.Generator(np.random.SFC64(2))
    w = np.random.default_rng(1).uniform(-0.5, 0.5, (30, 40)).astype(np.float32)
    x = np.rint(np.random.default_rng(2).uniform(-63, 63, (3000, 30))).astype(np.float32) / 63
    errors = read_forward(w, x, p, rng).y - x @ w
    assert errors.std() == pytest.approx(float(limits.read_noise(architecture.crossbar)), rel=0.01)
    # The conversion is coarse enough to count.
    together = chip(read__output_bound=60)
    assert errors.std() > 1.05 * float(limits.read_noise(together.crossbar))


@pytest.mark.parametrize("wires", [False, True])
def test_pairs_converted_apart_are_two_rounded_columns(wires: bool) -> None:
    """Without noise: the difference of both columns, each rounded by itself, as the wires leave
    them; weights below -reference keep their sign and size."""
    p = replace(
        ReadParameters.from_architecture(apart(), noise_management="none"), output_noise=0.0
    )
    p = p if wires else p.without_ir_drop()
    w = np.random.default_rng(1).uniform(-1, 1, (30, 40)).astype(np.float32)
    x = np.rint(np.random.default_rng(2).uniform(-63, 63, (50, 30))).astype(np.float32) / 63
    assert p.pair_reference is not None
    reference = np.float32(p.pair_reference)
    assert w.min() < -reference
    first, second = np.maximum(w + reference, 0), reference + np.maximum(-w - reference, 0)
    if p.ir_drop is not None:
        first, second = effective_columns(w, p.ir_drop)
        np.testing.assert_allclose(first - second, effective_weights(w, p.ir_drop), atol=1e-7)
    step = np.float32(p.adc.step)
    expected = step * (np.rint(x @ first / step) - np.rint(x @ second / step))
    found = read_forward(w, x, p, np.random.default_rng(1)).y
    # A sum on a half step may round either way.
    assert np.mean(np.abs(found - expected) > 1e-4) < 1e-3
    assert np.abs(found - x @ (first - second)).max() <= 1.01 * step


def test_a_column_alone_fills_the_converter() -> None:
    """Inputs of one sign clip columns whose difference is small, and are read again."""
    p = ReadParameters.from_architecture(chip(periphery__subtract_before_adc=False))
    together = ReadParameters.from_architecture(chip())
    w = np.random.default_rng(1).uniform(-0.1, 0.1, (100, 8)).astype(np.float32)
    x = np.ones((4, 100), dtype=np.float32)
    rng = np.random.Generator(np.random.SFC64(3))
    assert read_forward(w, x, together, rng).repeats.max() == 1
    assert read_forward(w, x, p, rng).repeats.min() > 1


def test_pairs_apart_are_a_matter_of_forward_reads() -> None:
    """A transposed read senses rows; parameters that contradict each other are refused."""
    backward = ReadParameters.from_architecture(apart(), TRANSPOSED)
    assert backward.pair_reference is None
    w = np.ones((3, 2), np.float32)
    with pytest.raises(InputError, match="transposed read senses rows"):
        read_transposed(
            w, np.ones((1, 2)), ReadParameters(pair_reference=0.5), np.random.default_rng(1)
        )
    with pytest.raises(InputError, match="pair_reference is -1"):
        ReadParameters(pair_reference=-1.0)
    with pytest.raises(InputError, match=r"reference layout with a reference of 0\.2"):
        ReadParameters(pair_reference=0.5, ir_drop=IrDrop(1e-6, 1e-6, 0.2, layout="reference"))
