"""Task completions per second of the cycle engines, on the training of ResNet-50.

python benchmarks/cycle_engine.py [--samples N] [--runs N] [--in-flight N]

First a pipeline like it: fifty-three layers, each with forward, input gradient and update (one array
group), a normalisation and an activation both ways (the shared vector unit), data on the mesh and in
the buffer; then the network itself, priced on the shipped architecture.
`ignore` simulates every task event by event; `check` repeats steady periods and evaluates every
constraint of every repeated task; `trust` repeats them unchecked; all three give the same ticks.
The peak memory of the process, with all tasks written out for the reference engine, comes last.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from peak_memory import peak_mib

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import Steady, TemplateSchedule, simulate_template
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.tasks import Resources, rows
from archsim.simulation.cycle.template import Template, Window, expand
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import training_graph

LAYERS = 53
SHARED = ("vector_unit", "mesh", "buffer", "dram")


class Drawing:
    """A template under construction."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.names: list[str] = []
        self.duration: list[int] = []
        self.once: list[bool] = []
        self.edges: list[tuple[int, int]] = []
        self.holds: list[tuple[int, int, int]] = []

    def task(
        self,
        name: str,
        needs: list[int],
        duration: int,
        holds: dict[int, int],
        *,
        once: bool = False,
    ) -> int:
        """Append a task; gives its number."""
        number = len(self.names)
        self.names.append(name)
        self.duration.append(duration)
        self.once.append(once)
        self.edges += [(n, number) for n in needs]
        self.holds += [(number, r, ticks) for r, ticks in holds.items()]
        return number

    def shared(self, vector: int, mesh: int) -> dict[int, int]:
        """Ticks on the vector unit and the mesh, a little on the memories."""
        found = {LAYERS: vector, LAYERS + 1: mesh, LAYERS + 2: mesh // 2}
        return {r: ticks for r, ticks in found.items() if ticks}


def resnet(samples: int, in_flight: int, *, barriers: bool, contended: bool) -> Template:
    """The pipeline; with `barriers` every normalisation waits for the minibatch."""
    draw = Drawing(50)
    scale = 4 if contended else 1
    last = entry = draw.task("admit", [], 0, {})
    passed: list[int] = []
    reads = draw.random.integers(40_000, 100_000, LAYERS)

    def normalise(name: str, needs: list[int], vector: int) -> int:
        before = [draw.task(f"{name} barrier", needs, 0, {}, once=True)] if barriers else []
        return draw.task(name, needs + before, vector * 3, draw.shared(vector * scale, 0))

    for layer in range(LAYERS):
        read = int(reads[layer])
        mesh = draw.shared(0, int(draw.random.integers(50, 400)) * scale)
        last = draw.task(f"forward {layer}", [last], read + 700, {layer: read, **mesh})
        last = normalise(f"norm {layer}", [last], 150)
        skip = [passed[-3]] if layer % 3 == 2 and layer > 3 else []
        last = draw.task(f"relu {layer}", [last, *skip], 200, draw.shared(60 * scale, 0))
        passed.append(last)
    last = draw.task("loss", [last], 500, draw.shared(100, 0))
    for layer in reversed(range(LAYERS)):
        read = int(reads[layer])
        last = draw.task(f"relu back {layer}", [last], 200, draw.shared(60 * scale, 0))
        last = normalise(f"norm back {layer}", [last], 200)
        error = last
        if layer:
            holds = {layer: read, **draw.shared(0, 200 * scale)}
            last = draw.task(f"gradient {layer}", [error], read + 700, holds)
        update = [error, last] if layer else [error]
        last = draw.task(f"update {layer}", update, read // 2, {layer: read // 2})
        last = len(draw.names) - 2 if layer else last
    leave = draw.task("leave", [len(draw.names) - 1, last], 1, {})
    return finish(draw, samples, [] if barriers else [Window("in flight", entry, leave, in_flight)])


def finish(draw: Drawing, samples: int, windows: list[Window]) -> Template:
    """The template as arrays."""
    size = len(draw.names)
    names = (*(f"array {i}" for i in range(LAYERS)), *SHARED)
    task, resource, ticks = (np.array(column, np.int64) for column in zip(*draw.holds, strict=True))
    source, target = (
        np.array(column, np.int64) for column in zip(*sorted(set(draw.edges)), strict=True)
    )
    return Template(
        tick_s=1e-9,
        samples=samples,
        names=tuple(draw.names),
        duration=np.array(draw.duration, np.int64),
        once=np.array(draw.once, bool),
        source=source,
        target=target,
        lag=np.zeros_like(source),
        holds=rows(size, task, resource, np.ones_like(task)),
        hold_ticks=ticks[np.argsort(task, kind="stable")],
        streamed=(resource >= LAYERS)[np.argsort(task, kind="stable")],
        resources=Resources(names, np.ones(len(names), np.int64), ("unit",) * len(names)),
        windows=tuple(windows),
    )


def lowered(samples: int, in_flight: int, *, barriers: bool) -> Template:
    """ResNet-50 on protonic_256, pipelined, with immediate updates."""
    spec = load("resnet50", WORKLOAD_MODEL, data_folder("workloads")).value
    workload = workload_from_model(spec.build(), name="resnet50")
    program = lower(training_graph(workload, spec.training.options()))
    chip = load("protonic_256", Architecture, data_folder("arch_configs"))
    changes = {
        "schedule.mode": "pipelined",
        "schedule.update": "immediate",
        "schedule.batchnorm": "batch" if barriers else "running",
    }
    found = estimate(program, [override(chip, changes).value], [samples])
    execution = Execution(samples, "pipelined", "immediate", barriers, in_flight)
    return lower_cycle(program, found.costs, execution).template


def median(work: Callable[[], object], runs: int) -> float:
    """Median CPU seconds: other work on the machine counts less than with a clock."""
    times = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def main() -> None:
    """Print a line per template and engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=64)
    given = parser.parse_args()
    cases = {
        "minibatch barriers": resnet(
            given.samples, given.in_flight, barriers=True, contended=False
        ),
        "pipelined, contended units": resnet(
            given.samples, given.in_flight, barriers=False, contended=True
        ),
        "pipelined": resnet(given.samples, given.in_flight, barriers=False, contended=False),
    }
    for barriers in (False, True):
        name = f"ResNet-50 on protonic_256{', minibatch barriers' if barriers else ''}"
        cases[name] = lowered(given.samples, given.in_flight, barriers=barriers)
    for name, template in cases.items():
        tasks = expand(template)
        uses = template.holds.item.size / template.size
        print(f"{name}: {template.size} tasks, {tasks.size} instances, {uses:.1f} resources a task")
        seconds = median(lambda tasks=tasks: simulate(tasks), min(given.runs, 3))  # type: ignore[misc]
        expected = simulate(tasks)
        print(f"  reference          {tasks.size / seconds:12,.0f} tasks/s")
        for steady in ("ignore", "check", "trust"):
            run = engine(template, steady)
            seconds, found = median(run, given.runs), run()
            assert np.array_equal(found.start, expected.start)
            print(
                f"  fast, steady {steady:6s}{tasks.size / seconds:12,.0f} tasks/s  (by numpy "
                f"{found.scanned}, by events {found.stepped}, repeated {found.repeated})"
            )
    print(f"peak memory {peak_mib():.0f} MiB")


def engine(template: Template, steady: Steady) -> Callable[[], TemplateSchedule]:
    """A run of the fast engine."""
    return lambda: simulate_template(template, steady=steady)


if __name__ == "__main__":
    main()
