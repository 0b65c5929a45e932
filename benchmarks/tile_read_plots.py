"""Drawings of docs/explanation/tile-read.md: read error against size, voltage and converter bits.

python benchmarks/tile_read_plots.py [--out docs/images]

Errors are root mean squares relative to that of the exact product, for weights uniform in +-0.35 and
inputs uniform in +-1, of `protonic_256` and changes of it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.hardware.nodal import uniform_drop
from archsim.hardware.placement import Direction
from archsim.report.xy_plot import Axis, Series, xy_plot
from archsim.resources import data_folder
from archsim.tile_kernel.ir_drop import IrDrop, effective_weights
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.quantiser import Quantiser
from archsim.tile_kernel.read import read_forward, read_transposed

FORWARD, TRANSPOSED = Direction.FORWARD, Direction.TRANSPOSED
SIZES = (16, 32, 64, 128, 256, 512, 1024)
VOLTAGES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
BITS = tuple(range(4, 13))
BATCH = 256


def chip(changes: dict[str, object]) -> Architecture:
    """`protonic_256` with some values changed."""
    loaded: Loaded[Architecture] = load("protonic_256", Architecture, data_folder("arch_configs"))
    return override(loaded, changes).value


def error(architecture: Architecture, direction: Direction, parameters: ReadParameters) -> float:
    """Root mean square error of a full array's read, relative to the product's."""
    rng = np.random.Generator(np.random.SFC64(7))
    shape = (int(architecture.array.rows), int(architecture.array.weight_columns))
    w = rng.uniform(-0.35, 0.35, shape).astype(np.float32)
    forward = direction is FORWARD
    x = rng.uniform(-1, 1, (BATCH, shape[0 if forward else 1])).astype(np.float32)
    exact = x @ (w if forward else w.T)
    y = (read_forward if forward else read_transposed)(w, x, parameters, rng).y
    return float(np.sqrt(np.square(y - exact).mean() / np.square(exact).mean()))


def alone(parameters: ReadParameters) -> dict[str, ReadParameters]:
    """One effect at a time."""
    quiet = replace(parameters, output_noise=0.0, ir_drop=None)
    smooth = replace(quiet, dac=Quantiser(1.0), adc=Quantiser(parameters.adc.bound))
    return {
        "converters alone": quiet,
        "noise alone": replace(smooth, output_noise=parameters.output_noise),
        "wires alone": replace(smooth, ir_drop=parameters.ir_drop),
    }


def against_size() -> list[Series]:
    """All effects in both directions, each effect alone, and what the directions differ by."""
    found: dict[str, list[float]] = {}
    for n in SIZES:
        architecture = chip({"array.rows": n, "array.cols": n})
        parameters = {d: ReadParameters.from_architecture(architecture, d) for d in Direction}
        for direction, p in parameters.items():
            found.setdefault(f"{direction} read", []).append(error(architecture, direction, p))
        for name, p in alone(parameters[FORWARD]).items():
            found.setdefault(name, []).append(error(architecture, FORWARD, p))
        w = np.random.default_rng(1).uniform(-0.35, 0.35, (n, n // 2)).astype(np.float32)
        drops = [p.ir_drop for p in parameters.values()]
        seen = [effective_weights(w, drop) for drop in drops if drop is not None]
        apart = np.linalg.norm(seen[0] - seen[1]) / np.linalg.norm(w)
        found.setdefault("forward against transposed weights", []).append(float(apart))
    kinds = dict.fromkeys([*alone(parameters[FORWARD]), "forward against transposed weights"], True)
    return [
        Series(name, SIZES, values, "dashed" if name in kinds else "line")
        for name, values in found.items()
    ]


def against_voltage() -> list[Series]:
    """Both directions at 9 bits, and the forward read at 7 and 12 bits."""
    found = []
    for bits, direction in ((9, FORWARD), (9, TRANSPOSED), (7, FORWARD), (12, FORWARD)):
        chips = [chip({"read.voltage": f"{v} V", "adc.bits": bits}) for v in VOLTAGES]
        errors = [
            error(c, direction, ReadParameters.from_architecture(c, direction)) for c in chips
        ]
        found.append(Series(f"{direction} read, {bits} bits", VOLTAGES, errors))
    return found


def against_bits() -> list[Series]:
    """Read voltages from 0.1 to 1.6 V, and no noise."""
    found = []
    for volts in (0.1, 0.4, 1.6):
        chips = [chip({"read.voltage": f"{volts} V", "adc.bits": bits}) for bits in BITS]
        errors = [error(c, FORWARD, ReadParameters.from_architecture(c)) for c in chips]
        found.append(Series(f"{volts:g} V", BITS, errors))
    quiet = [
        error(c, FORWARD, alone(ReadParameters.from_architecture(c))["converters alone"])
        for c in (chip({"adc.bits": bits}) for bits in BITS)
    ]
    return [*found, Series("no noise, no wires", BITS, quiet, "dashed")]


def against_loading() -> list[Series]:
    """Mean loss of a uniform array at full input: node voltages and closed forms."""
    loadings = np.geomspace(0.003, 10, 24)
    n = 128
    ones = np.ones((n, n), np.float32)
    ours = []
    for loading in loadings:
        # As in the nodal solution: sums over n segments exceed integrals by 1 + 3 / (2 n).
        segment = loading / (n**2 * (1 + 1.5 / n))
        seen = effective_weights(ones, IrDrop(segment, segment, 0.0, "reference"))
        ours.append(1 - float(seen.sum(axis=0).mean()) / n)
    nodal = [uniform_drop(float(loading)) for loading in loadings]
    x = loadings.tolist()
    return [
        Series("nodal solution", x, nodal, "marks"),
        Series("kernel: g / (1 + s)", x, ours),
        Series("first order alone: 2/3 G r N^2", x, (2 / 3 * loadings).tolist(), "dashed"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    out = parser.parse_args().out
    share = Axis("error over signal, rms", "log")
    drawings = {
        "tile-read-size": ("Read error against array size", Axis("rows and columns", "log"), share),
        "tile-read-voltage": (
            "Read error against read voltage",
            Axis("read voltage (V)", "log", 0.04, 2.0),
            share,
        ),
        "tile-read-bits": ("Read error against converter bits", Axis("bits of the ADC"), share),
        "tile-read-wires": (
            "Loss of a uniform array in its wires",
            Axis("G r N^2", "log"),
            Axis("mean loss of output", "log", 0.001, 1.0),
        ),
    }
    series = (against_size(), against_voltage(), against_bits(), against_loading())
    for (name, (title, x_axis, y_axis)), shown in zip(drawings.items(), series, strict=True):
        (out / f"{name}.svg").write_text(xy_plot(title, x_axis, y_axis, shown) + "\n", "utf-8")
        for one in shown:
            print(name, one.label, " ".join(f"{v:.3g}" for v in one.y))


if __name__ == "__main__":
    main()
