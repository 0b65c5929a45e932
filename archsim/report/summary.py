"""The answer of a run in words: one sentence, a row of cards, a table of machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.report.accuracy_section import gap_words
from archsim.report.lookup import number, quotient, section, text
from archsim.report.rows import ResultMapping
from archsim.report.text import (
    NO_VALUE,
    count,
    faster,
    gpu_name,
    interval,
    less_energy,
    percent,
    quantity,
    safe,
    times,
    words,
)


@dataclass(frozen=True, slots=True)
class Card:
    """One headline figure: what it is, its value, and what to know about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A headline ratio, > 1 if the accelerator is better; its range is None without ranges."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Machine:
    """One column of the machine table: the accelerator, or the GPU in one setting."""

    name: str
    setting: str
    batch: float | None
    step_latency_s: float | None
    samples_per_s: float | None
    step_energy_j: float | None

    @property
    def energy_per_sample_j(self) -> float | None:
        """Energy of one sample in joules."""
        return quotient(self.step_energy_j, self.batch)

    @property
    def latency_per_sample_s(self) -> float | None:
        """Time of a step over its samples, in seconds."""
        return quotient(self.step_latency_s, self.batch)

    @property
    def average_power_w(self) -> float | None:
        """Energy of a step over its time, in watts."""
        return quotient(self.step_energy_j, self.step_latency_s)


def ratio(result: ResultMapping, name: str) -> Ratio | None:
    """`speedup` or `energy_ratio` of a result; None if there is no GPU to compare with."""
    value = number(result, "ratios", name, "value")
    if value is None:
        return None
    low = number(result, "ratios", name, "low")
    high = number(result, "ratios", name, "high")
    return Ratio(value, low, high)


def answer_sentence(result: ResultMapping) -> str:
    """What the run found, in one sentence.

    For example: `resnet50, batch 256: 1.9 ms per step on protonic_256, 14 × faster and 160 × less
    energy than one H100 (GPU model not calibrated).`
    """
    workload = safe(text(result, "workload", "name"))
    architecture = safe(text(result, "architecture", "name"))
    batch = count(number(result, "workload", "batch"))
    latency = quantity(number(result, "accelerator", "step_latency_s"), "s", 2)
    head = f"{workload}, batch {batch}: {latency} per step on {architecture}"
    speed, energy = ratio(result, "speedup"), ratio(result, "energy_ratio")
    if speed is None or energy is None:
        joules = quantity(number(result, "accelerator", "step_energy_j"), "J", 2)
        return f"{head}, for {joules}. No GPU was asked for to compare with."
    rival = gpu_name(text(result, "baseline", "gpu"))
    sure = "" if is_calibrated(result) else " (GPU model not calibrated)"
    link = "and" if (speed.value >= 1) == (energy.value >= 1) else "but"
    verdict = f"{faster(speed.value)} {link} {less_energy(energy.value)}"
    if number(result, "baseline", "largest_batch") == 0:
        return (
            f"{head}; one {rival} cannot hold even one sample. Against one with memory enough, per "
            f"sample: {verdict}{sure}."
        )
    if not gpu_fits(result):
        best = count(number(result, "baseline", "best_batch", "batch"))
        return (
            f"{head}; one {rival} cannot hold this batch. Per sample, against its best batch of "
            f"{best}: {verdict}{sure}."
        )
    than = "as" if verdict.startswith("as fast") else "than"
    return f"{head}, {verdict} {than} one {rival}{sure}."


def gpu_fits(result: ResultMapping) -> bool:
    """Whether the GPU can hold the batch asked for; if not, ratios are per sample at its best one."""
    baseline = section(result, "baseline")
    return baseline.get("fits") is not False and baseline.get("compared") != "best_batch"


def cards(result: ResultMapping) -> tuple[Card, ...]:
    """The headline figures; without a GPU the two ratios become time and energy per step."""
    return (*_ratio_cards(result), _area_card(result), _power_card(result), _array_card(result))


def limits_card(result: ResultMapping) -> Card:
    """What limits the step."""
    bottleneck = section(result, "accelerator").get("bottleneck")
    if isinstance(bottleneck, Mapping):
        bottleneck = ", ".join(f"{words(str(k))} {safe(str(v))}" for k, v in bottleneck.items())
    bottleneck = safe(str(bottleneck)) if bottleneck else ""
    critical = safe(text(result, "accelerator", "critical"))
    note = bottleneck if critical and bottleneck not in critical else ""
    return Card("What limits it", critical or bottleneck or NO_VALUE, note)


def certainty_card(result: ResultMapping) -> Card:
    """How sure the headline is: ranges, calibration, accuracy, fidelity."""
    speed = ratio(result, "speedup")
    span = interval(speed.low, speed.high) if speed is not None else ""
    value = f"Speed-up {span}" if span else "Point estimate: no ranges given"
    energy = ratio(result, "energy_ratio")
    energy_span = interval(energy.low, energy.high) if energy is not None else ""
    notes = [f"Energy ratio {energy_span}." if span and energy_span else ""]
    if result.get("baseline") is not None and not is_calibrated(result):
        notes.append("The GPU model is not calibrated on measured throughput.")
    if text(result, "accuracy", "kind") == "proxies" or result.get("accuracy") is None:
        notes.append("Whether the network still learns on this device was not simulated.")
    elif text(result, "accuracy", "kind") == "measured":
        gap = gap_words(section(result, "accuracy"))
        notes.append(f"Trained on the tiles, the gap to float32 is {gap}.")
    notes.append(_fidelity(result))
    return Card("How sure", value, " ".join(note for note in notes if note))


def machines(result: ResultMapping) -> tuple[Machine, ...]:
    """The accelerator, then the GPU at the same batch, at its best batch, with its usual rule.

    Of a GPU that cannot hold the batch no times are given, since it does not take that step.
    """
    batch = number(result, "workload", "batch")
    found = [
        _machine(
            safe(text(result, "architecture", "name")), "", section(result, "accelerator"), batch
        )
    ]
    baseline = section(result, "baseline")
    if not baseline:
        return tuple(found)
    rival = gpu_name(text(baseline, "gpu"))
    optimizer = words(text(baseline, "optimizer"))
    fits = gpu_fits(result)
    same = ["at the same batch", optimizer, "" if fits else "does not fit its memory"]
    found.append(_machine(rival, _listed(same), baseline if fits else {}, batch))
    best, usual = section(baseline, "best_batch"), section(baseline, "usual_optimizer")
    if best:
        found.append(_machine(rival, "at its best batch", best, batch))
    if usual and fits:
        name = words(text(usual, "optimizer") or text(usual, "name"))
        found.append(_machine(rival, _listed(["with its usual optimizer", name]), usual, batch))
    return tuple(found)


def _listed(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)


def is_calibrated(result: ResultMapping) -> bool:
    """Whether the GPU's efficiencies were fitted to measured throughput."""
    return bool(section(result, "baseline").get("calibrated", False))


def _ratio_cards(result: ResultMapping) -> tuple[Card, Card]:
    latency_s = number(result, "accelerator", "step_latency_s")
    energy_j = number(result, "accelerator", "step_energy_j")
    speed, energy = ratio(result, "speedup"), ratio(result, "energy_ratio")
    if speed is None or energy is None:
        return (
            Card("Time per step", quantity(latency_s, "s")),
            Card("Energy per step", quantity(energy_j, "J")),
        )
    chip, *rivals = machines(result)
    if gpu_fits(result):
        per, rival = "per step", rivals[0]
        times_s = (chip.step_latency_s, rival.step_latency_s)
        energies_j = (chip.step_energy_j, rival.step_energy_j)
    else:
        per, rival = f"per sample, GPU at batch {count(rivals[-1].batch)}", rivals[-1]
        times_s = (chip.latency_per_sample_s, rival.latency_per_sample_s)
        energies_j = (chip.energy_per_sample_j, rival.energy_per_sample_j)
    return (
        _ratio_card(speed, ("Speed-up", "Slow-down"), f"{against(*times_s, 's')} {per}"),
        _ratio_card(energy, ("Less energy", "More energy"), f"{against(*energies_j, 'J')} {per}"),
    )


def against(ours: float | None, theirs: float | None, unit: str) -> str:
    """Two values of one quantity: `1.9 ms against 27 ms`."""
    return f"{quantity(ours, unit)} against {quantity(theirs, unit)}"


def _ratio_card(found: Ratio, labels: tuple[str, str], note: str) -> Card:
    better = found.value >= 1
    # A slow-down by 2 is a speed-up by a half, and the ends of its range change places.
    inverse = [quotient(1.0, v) for v in (found.value, found.high, found.low)]
    shown, low, high = (found.value, found.low, found.high) if better else inverse
    span = interval(low, high)
    value = times(shown) if shown is not None else NO_VALUE
    note += f"; {span} within the given ranges" if span else ""
    return Card(labels[0] if better else labels[1], value, note)


def _area_card(result: ResultMapping) -> Card:
    density = number(result, "accelerator", "power_density_w_per_m2")
    note = f"{quantity(density, 'W/m^2')} on average" if density is not None else ""
    return Card("Area", quantity(number(result, "accelerator", "area_m2"), "m^2"), note)


def _power_card(result: ResultMapping) -> Card:
    note = ""
    if section(result, "baseline"):
        best = section(result, "baseline", "best_batch")
        shown = section(result, "baseline") if gpu_fits(result) else best
        rival = _machine("", "", shown, None)
        note = (
            f"{gpu_name(text(result, 'baseline', 'gpu'))}: {quantity(rival.average_power_w, 'W')}"
        )
    return Card(
        "Average power", quantity(number(result, "accelerator", "average_power_w"), "W"), note
    )


def _array_card(result: ResultMapping) -> Card:
    used = count(number(result, "architecture", "arrays_used"))
    available = number(result, "architecture", "arrays_available")
    chips = number(result, "architecture", "chips")
    parts = [f"of {count(available)}" if available is not None else ""]
    if chips is not None:
        parts.append(f"on {count(chips)} chip{'' if chips == 1 else 's'}")
    utilisation = number(result, "accelerator", "array_utilisation")
    if utilisation is not None:
        parts.append(f"utilisation {percent(utilisation)}")
    return Card("Arrays used", used, ", ".join(part for part in parts if part))


def _fidelity(result: ResultMapping) -> str:
    mode = words(text(result, "fidelity", "mode"))
    other = words(text(result, "fidelity", "other_mode"))
    other_s = number(result, "fidelity", "other_step_latency_s")
    step_s = number(result, "accelerator", "step_latency_s")
    if not mode:
        return ""
    if other_s is None or not step_s:
        return f"Timing is {mode}."
    change = 100 * (other_s / step_s - 1)
    return f"Timing is {mode}; {other} timing gives {quantity(other_s, 's')} ({change:+.1f} %)."


def _machine(
    name: str, setting: str, values: Mapping[str, Any], default_batch: float | None
) -> Machine:
    batch = number(values, "batch")
    return Machine(
        name=name,
        setting=setting,
        batch=batch if batch is not None else default_batch,
        step_latency_s=number(values, "step_latency_s"),
        samples_per_s=number(values, "samples_per_s"),
        step_energy_j=number(values, "step_energy_j"),
    )
