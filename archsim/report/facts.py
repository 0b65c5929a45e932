"""Facts of a run, in lists under headings: workload, architecture, GPU, memory, update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archsim.report.lookup import number, numbers, rows, section, setting, text
from archsim.report.rows import ResultMapping
from archsim.report.summary import gpu_fits, is_calibrated
from archsim.report.text import (
    NO_VALUE,
    count,
    gpu_name,
    percent,
    quantity,
    quantity_by_name,
    safe,
    words,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value of a list of facts."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class FactList:
    """Facts under a heading."""

    title: str
    facts: tuple[Fact, ...]


def fact_lists(result: ResultMapping) -> tuple[FactList, ...]:
    """Facts on the workload, the architecture, the chip's memory and wear, and the update."""
    lists = (
        FactList("Workload", _workload_facts(result)),
        FactList("Architecture", _architecture_facts(result)),
        FactList("GPU", _gpu_facts(result)),
        FactList("Memory and wear", _memory_facts(result)),
        FactList("Physical limits of the arrays", _limit_facts(result)),
        FactList("Read of one full array", _named_facts(result, "accelerator", "read")),
        FactList(
            "Energy of the updates of one step", _named_facts(result, "accelerator", "update")
        ),
        FactList(*_accuracy_facts(result)),
    )
    return tuple(found for found in lists if found.facts)


def reproduction(result: ResultMapping) -> tuple[Fact, ...]:
    """What it takes to get the same numbers again: versions, seed, hashes."""
    found = (
        Fact("archsim", safe(text(result, "archsim_version"))),
        Fact("created", safe(text(result, "created"))),
        Fact("seed", safe(text(result, "seed"))),
        Fact("network (SHA-256)", safe(text(result, "workload", "onnx_sha256"))),
        Fact("architecture (SHA-256)", safe(text(result, "architecture", "sha256"))),
        Fact("result schema", safe(text(result, "schema_version"))),
    )
    return tuple(fact for fact in found if fact.value)


def _workload_facts(result: ResultMapping) -> tuple[Fact, ...]:
    get = section(result, "workload")
    saved = number(get, "saved_activation_bytes")
    return (
        Fact("Parameters", count(number(get, "parameters"))),
        Fact("of these on arrays", count(number(get, "analog_parameters"))),
        Fact("Forward MACs per sample", count(number(get, "forward_macs"))),
        Fact("Training MACs per sample", count(number(get, "training_macs"))),
        Fact(
            "Saved activations per sample, in PyTorch with the file's number types",
            quantity(saved, "B"),
        ),
    )


def _architecture_facts(result: ResultMapping) -> tuple[Fact, ...]:
    get = section(result, "architecture")
    stale = number(result, "accelerator", "staleness_samples")
    found = [
        Fact("Device", safe(text(get, "device")) or NO_VALUE),
        Fact("Update algorithm", words(text(get, "algorithm")) or NO_VALUE),
        *_replication(section(get, "replication")),
    ]
    schedule = section(get, "schedule")
    found += [
        Fact(label, words(text(schedule, key)))
        for label, key in (
            ("Schedule", "mode"),
            ("Updates", "update"),
            ("Batch normalisation", "batchnorm"),
        )
        if key in schedule
    ]
    if stale is not None:
        found.append(Fact("Staleness of weights", f"{count(stale)} samples"))
    return tuple(found)


def _replication(value: ResultMapping) -> tuple[Fact, ...]:
    """How copies are chosen and kept equal, and how many there are."""
    copies = list(numbers(value, "copies").values())
    copied = [number for number in copies if number > 1]
    found = []
    if "policy" in value:
        found.append(Fact("Replication", words(text(value, "policy"))))
    if copies:
        found.append(Fact("Matrices with copies", f"{len(copied)} of {len(copies)}"))
        found.append(Fact("Most copies of a matrix", count(max(copies))))
    if copied and "sync" in value:
        found.append(Fact("Copies kept equal by", words(text(value, "sync"))))
    return tuple(found)


def _gpu_facts(result: ResultMapping) -> tuple[Fact, ...]:
    baseline = section(result, "baseline")
    if not baseline:
        return ()
    calibrated = "yes" if is_calibrated(result) else "no"
    needed, usable = number(baseline, "memory_bytes"), number(baseline, "usable_memory_bytes")
    of_usable = "" if usable is None else f" of {quantity(usable, 'B')}"
    shown = baseline if gpu_fits(result) else section(baseline, "best_batch")
    return (
        Fact("Model", gpu_name(text(baseline, "gpu"))),
        Fact("Precision", safe(text(baseline, "precision")) or NO_VALUE),
        Fact("Optimizer", words(text(baseline, "optimizer")) or NO_VALUE),
        Fact("Memory needed", f"{quantity(needed, 'B')}{of_usable}"),
        Fact("Share of peak rate reached", percent(number(shown, "mfu"))),
        Fact("Calibrated on measurements", calibrated),
    )


def _memory_facts(result: ResultMapping) -> tuple[Fact, ...]:
    get = section(result, "accelerator")
    wear = numbers(get, "endurance")
    bits = setting(result, "numbers.activation_bits")
    width = f", at {bits} bits" if bits else ""
    found = (
        (
            f"Waits between layers on the chip{width}",
            number(get, "saved_activation_bytes_on_chip"),
            "B",
        ),
        (
            f"Waits between layers in DRAM{width}",
            number(get, "saved_activation_bytes_spilled"),
            "B",
        ),
        ("Pulses per device and step", wear.get("pulses_per_device_per_step"), ""),
        ("Steps until worn out", wear.get("steps_to_wear_out"), ""),
    )
    return tuple(
        Fact(label, quantity(value, unit) if unit else count(value))
        for label, value, unit in found
        if value is not None
    )


# Label, key of a row of `limits`, whether a share; the worst matrix is shown with its name.
_LIMITS = (
    ("Read noise, in units of weight 1 times input 1", "read_noise", False),
    ("IR drop, mean share of the output", "ir_drop", True),
    ("RC delay of a line over a read", "settling_read", False),
    ("RC delay of a line over a pulse", "settling_update", False),
    ("Steps unasked per wanted one", "disturb_per_pulse", False),
)


def _limit_facts(result: ResultMapping) -> tuple[Fact, ...]:
    """The worst matrix for each physical limit, and what an untouched weight forgets."""
    matrices = rows(result, "limits")
    found = []
    for label, key, share in _LIMITS:
        values = [(value, row) for row in matrices if (value := number(row, key)) is not None]
        if not values:
            continue
        worst, row = max(values, key=lambda entry: entry[0])
        alike = all(value == worst for value, _ in values)
        where = "" if alike and len(values) > 1 else f" ({safe(text(row, 'matrix'))})"
        found.append(Fact(label, f"{percent(worst) if share else f'{worst:.2g}'}{where}"))
    drift = number(result, "accelerator", "retention", "drift_per_step")
    if drift is not None:
        found.append(Fact("Drift of an untouched weight in a step", percent(drift)))
    return tuple(found)


def _accuracy_facts(result: ResultMapping) -> tuple[str, tuple[Fact, ...]]:
    """Heading and facts: what training measured, or the proxies of a run that did not train."""
    get = section(result, "accuracy")
    if text(get, "kind") == "proxies" or not get:
        pairs = (("Read", "read"), ("Update", "update"))
        found = [
            Fact(
                f"{name} signal over noise, worst layer",
                f"{value:.3g} ({safe(text(get, f'worst_{key}_layer'))})",
            )
            for name, key in pairs
            if (value := number(get, f"worst_{key}_snr")) is not None
        ]
        return "Accuracy: proxies, the network was not trained", tuple(found)
    share = text(get, "metric") == "accuracy"

    def score(*path: str) -> str:
        value = number(get, *path)
        if value is None:
            return NO_VALUE
        return f"{100 * value:.2f} %" if share else f"{value:.4g}"

    facts = [
        Fact("Data", safe(text(get, "data", "name"))),
        Fact("On the tiles, mean over seeds", score("analog", "final")),
        Fact("In float32", score("float32", "final")),
        Fact("Gap", score("gap")),
    ]
    if (target := number(get, "target")) is not None:
        facts += [
            Fact(f"Time to {percent(target)}", quantity(number(get, "seconds_to_target"), "s")),
            Fact(f"Energy to {percent(target)}", quantity(number(get, "energy_to_target_j"), "J")),
        ]
    return "Accuracy, measured in training", tuple(facts)


def _named_facts(result: ResultMapping, *path: str) -> tuple[Fact, ...]:
    """Every plain entry of an object, its unit taken from its name."""
    entries = section(result, *path).items()
    return tuple(
        Fact(*quantity_by_name(str(name), value))
        for name, value in entries
        if not isinstance(value, (Mapping, list))
    )
