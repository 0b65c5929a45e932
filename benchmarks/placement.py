"""Placement, routes and cuts into chips: seconds of processor time, and what placement saves.

OPENBLAS_NUM_THREADS=1 python benchmarks/placement.py [--runs N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.mapping.chips import multi_chip
from archsim.mapping.flows import Slices, Transfers, multicasts
from archsim.mapping.layout import TileLayout, lay_out
from archsim.mapping.placement import place_tiles
from archsim.mapping.routing import link_bits, route
from archsim.mapping.sequence import LayerSequence, repeated
from archsim.mapping.traffic import Traffic, copy_traffic, task_traffic
from archsim.resources import data_folder
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import lower
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import TaskKind, training_graph


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median processor time, which a machine shared with others stretches less than the clock."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def priced(network: str) -> tuple[Estimate, Architecture]:
    """A built-in network on the default architecture."""
    spec = load(network, WORKLOAD_MODEL, data_folder("workloads")).value
    workload = workload_from_model(spec.build(), name=network)
    program = lower(training_graph(workload, spec.training.options()))
    architecture = load("protonic_256", Architecture, data_folder("arch_configs")).value
    return estimate(program, [architecture], [256]), architecture


def on_mesh(network: str, runs: int) -> None:
    """Layout, placement and routes of a network, from its program to bits on links."""
    found, architecture = priced(network)
    program, mapping, side = found.program, found.mapping, int(architecture.mesh.side)
    bits = float(architecture.numbers.activation_bits)
    on_task = (program.matrix >= 0) & np.array([kind is not None for kind in program.kind])

    def traffic() -> Traffic:
        data = program.edge_data
        return task_traffic(
            on_task,
            program.edge_from[data],
            program.edge_to[data],
            program.output_elements * bits,
            program.input_elements * bits,
        )

    tasks = traffic()
    between = Traffic(program.matrix[tasks.source], program.matrix[tasks.target], tasks.bits)
    copies = (mapping.copies * mapping.on_array)[0]
    layout = lay_out(mapping.arrays_per_copy[0], copies, int(architecture.tile.arrays), side**2)
    place = copy_traffic(layout, between.merged())
    placed = place_tiles(layout, place, side)
    backward = np.array([kind is TaskKind.INPUT_GRADIENT for kind in program.kind])
    update = np.array([kind is TaskKind.WEIGHT_GRADIENT for kind in program.kind])

    def routes() -> object:
        grid = [
            np.broadcast_to(np.asarray(values), mapping.copies.shape)[0].astype(np.int64)
            for values in (
                mapping.place.row_splits,
                mapping.place.col_splits,
                np.ceil(mapping.place.blocks / mapping.place.blocks_per_array),
            )
        ]
        slices = Slices(layout, placed, grid[0], grid[1], grid[2])
        transfers = Transfers(
            between.source,
            between.target,
            between.bits,
            from_rows=backward[tasks.source],
            to_columns=backward[tasks.target] | update[tasks.target],
            to_every_copy=np.zeros(tasks.bits.size, dtype=np.bool_),
        )
        flows, _ = multicasts(slices, transfers)
        return link_bits(route(flows, side), flows.bits)

    print(
        f"{network} on {side} x {side}: traffic {median_s(traffic, runs):.3f} s, place "
        f"{median_s(lambda: place_tiles(layout, place, side), runs):.3f} s, routes "
        f"{median_s(routes, runs):.3f} s; bit-hops {placed.bit_hops / placed.snake_bit_hops:.2f} "
        f"of the snake's, {placed.bit_hops / place.bits.sum():.2f} hops (analytic "
        f"{float(architecture.mesh.mean_hops):.1f})"
    )


def chain(copies: int, tiles: int, side: int, runs: int) -> None:
    """A chain of equal matrices of some tiles each that fills most of a large mesh."""
    layout: TileLayout = lay_out(np.full(copies, float(tiles)), np.ones(copies), 1, side**2)
    numbers = np.arange(copies - 1)
    place = copy_traffic(layout, Traffic(numbers, numbers + 1, np.ones(copies - 1)))
    seconds = median_s(lambda: place_tiles(layout, place, side), runs)
    placed = place_tiles(layout, place, side)
    print(
        f"chain of {copies} x {tiles} tiles on {side} x {side}: place {seconds:.3f} s; bit-hops "
        f"{placed.bit_hops / placed.snake_bit_hops:.2f} of the snake's"
    )


def over_chips(blocks: int, runs: int) -> None:
    """Equal blocks of a transformer of 12,288 channels, four matrices each, over chips."""
    arrays = np.array([13_824, 4_608, 18_432, 18_432])
    block = LayerSequence(arrays, arrays / 4_608, 8.0 * arrays * 2**15, np.full(5, 12_288.0 * 32))
    none = LayerSequence(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(1))
    sequence = repeated(none, block, blocks, none)
    plan = multi_chip(sequence, 4_624, 1e9)
    seconds = median_s(lambda: multi_chip(sequence, 4_624, 1e9), runs)
    print(
        f"{blocks} blocks over {plan.chips:,} chips: {seconds:.3f} s; "
        f"{int(plan.kind.max()) + 1} kinds of chips"
    )


def main() -> None:
    """Print a line per case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for network in ("resnet50", "vgg8"):
        on_mesh(network, runs)
    for copies, tiles in ((4000, 1), (400, 10), (60, 64), (2, 2000)):
        chain(copies, tiles, 64, runs)
    for blocks in (96, 900):
        over_chips(blocks, runs)


if __name__ == "__main__":
    main()
