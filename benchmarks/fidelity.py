"""How far the analytic fidelity is from the cycle fidelity: a row for every network and chip.

python benchmarks/fidelity.py [--batch N] [NETWORK ...]

Prints the table of docs/reference/fidelity.md: every built-in network on every shipped architecture
that holds it, with the resource that explains the difference.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.errors import InputError
from archsim.resources import data_folder
from archsim.result.evaluate import evaluate
from archsim.simulation.program import lower
from archsim.units import format_quantity
from archsim.workload.training import training_graph

NOT_ARCHITECTURES = ("references",)


COLUMNS = (
    "network",
    "architecture",
    "analytic",
    "cycle",
    "difference",
    "most of it",
    "busiest, busy",
    "links",
)
# Links that take less of the critical path are not named.
LEAST = 0.01


def links_of(result: dict[str, Any]) -> str:
    """Share of the critical path that links of the mesh take, and the one that is queued for most."""
    accelerator = result["accelerator"]
    share = accelerator["latency_by_limit_s"].get("mesh", 0.0) / accelerator["step_latency_s"]
    queues = result["cycle"]["critical_path"]["queues_s"]
    longest = next((name for name in queues if name.startswith("mesh:")), "")
    return f"{100 * share:.0f} % {longest}".rstrip() if share >= LEAST else ""


def main() -> None:
    """Print the table and the median."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("networks", nargs="*", default=names_in(data_folder("workloads")))
    given = parser.parse_args()
    folder = data_folder("arch_configs")
    chips = [name for name in names_in(folder) if name not in NOT_ARCHITECTURES]
    found, refused = [], []
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|")
    for name in given.networks:
        network = Job(model=name).read()
        graph = training_graph(network.workload, network.options)
        program = lower(graph)
        for chip in chips:
            loaded = load(chip, Architecture, folder)
            try:
                result = evaluate(graph, program, loaded, given.batch, fidelity="cycle").result
            except InputError:
                refused.append(f"{name} on {chip}")
                continue
            fidelity, stalls = result["fidelity"], result["cycle"]["stalls"]
            difference = fidelity["difference"]
            found.append(abs(difference["relative"]))
            cells = (
                name,
                chip,
                format_quantity(fidelity["other_step_latency_s"], "s"),
                format_quantity(result["accelerator"]["step_latency_s"], "s"),
                f"{100 * difference['relative']:+.1f} %",
                difference["resource"] or "",
                f"{stalls['resource']}, {100 * stalls['utilisation']:.0f} %",
                links_of(result),
            )
            print(f"| {' | '.join(cells)} |")
    print()
    median = 100 * statistics.median(found)
    print(f"Median of the absolute differences: {median:.1f} %; largest ", end="")
    print(f"{100 * max(found):.1f} %; {len(found)} pairs.  Too large for the chip: ", end="")
    print(f"{', '.join(refused) or 'none'}.")


if __name__ == "__main__":
    main()
