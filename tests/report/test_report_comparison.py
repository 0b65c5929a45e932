"""Differences between architectures are attributed without remainder."""

from __future__ import annotations

import copy
import csv
import io
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.report.attribution import (
    breakdowns,
    compare_csv,
    comparison_json,
    labels,
    shared_warnings,
)
from archsim.report.comparison_page import comparison_html
from archsim.report.drivers import drivers
from archsim.report.frames import compare_frame, energy_frame, layer_frame
from archsim.result.energy import EnergyRow

Result = dict[str, Any]
Builder = Callable[..., tuple[Result, list[EnergyRow]]]


def trio(make_result: Builder) -> list[Result]:
    """Three architectures, one of which has a component that the others lack."""
    results = [
        make_result(scale=scale, name=name)[0]
        for scale, name in ((1.0, "base"), (0.6, "large"), (1.7, "rival"))
    ]
    chip = results[1]["accelerator"]
    chip["energy_by_component_j"]["optical_link"] = 0.11
    chip["step_energy_j"] += 0.11
    chip["energy_by_phase_j"]["transfer"] = 0.11
    return results


def minimal(parts: dict[str, float], total: float) -> Result:
    """A result that holds one breakdown."""
    chip = {"step_energy_j": total, "energy_by_component_j": parts}
    return {"architecture": {"name": "a"}, "accelerator": chip}


parts = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e3), min_size=1)


@given(parts, parts, st.floats(0, 1e4), st.floats(0, 1e4))
def test_parts_of_a_difference_add_up_to_it(
    one: dict[str, float], two: dict[str, float], total_one: float, total_two: float
) -> None:
    """Whatever the parts, and whether or not they add up to their total, nothing is lost."""
    (found,) = breakdowns([minimal(one, total_one), minimal(two, total_two)])
    for index in (0, 1):
        column = [row[index] for row in found.parts]
        assert math.fsum(column) == pytest.approx(found.totals[index], rel=1e-8, abs=1e-6)
    change = math.fsum(found.differences(1))
    assert change == pytest.approx(total_two - total_one, rel=1e-8, abs=1e-5)
    assert found.change(1) == total_two - total_one


def test_what_overlaps_is_a_part_of_its_own(make_result: Builder) -> None:
    """Phases of a pipeline add up to more than the step; the overlap is shown as negative."""
    one, two = make_result()[0], make_result()[0]
    two["accelerator"]["step_latency_s"] *= 0.8
    time = breakdowns([one, two])[0]
    assert time.items[-1] == "overlap and waiting"
    assert time.parts[-1][0] == pytest.approx(0, abs=1e-12)
    assert time.parts[-1][1] == pytest.approx(-0.2 * time.totals[0])
    assert "overlap and waiting" in comparison_html([one, two])


def test_an_architecture_does_not_differ_from_itself(make_result: Builder) -> None:
    """All differences of a result to itself are zero, and the page says equal."""
    result = make_result()[0]
    for found in breakdowns([result, copy.deepcopy(result)]):
        assert set(found.differences(1)) == {0.0}
    assert len(re.findall("are equal to within", comparison_html([result, result]))) == 4


def test_swapping_two_architectures_turns_the_signs(make_result: Builder) -> None:
    """Who is compared with whom decides the sign and nothing else."""
    one, two, _ = trio(make_result)
    for there, back in zip(breakdowns([one, two]), breakdowns([two, one]), strict=True):
        forward = dict(zip(there.items, there.differences(1), strict=True))
        backward = dict(zip(back.items, back.differences(1), strict=True))
        assert {item: -value for item, value in forward.items()} == backward


def test_equal_names_are_told_apart() -> None:
    """Two results of one architecture get different labels."""
    named = [{"architecture": {"name": name}} for name in ("a", "b", "a")]
    assert labels(named) == ("a", "b", "a (2)")


@pytest.mark.parametrize("count", [0, 1])
def test_one_architecture_is_no_comparison(make_result: Builder, count: int) -> None:
    """Fewer than two results are refused with a remedy."""
    with pytest.raises(InputError, match="--arch twice"):
        comparison_html([make_result()[0]] * count)


def test_the_page_names_the_best_and_the_causes(make_result: Builder) -> None:
    """The headline says who wins; each difference names its largest cause first."""
    html = comparison_html(trio(make_result)).replace("\N{NO-BREAK SPACE}", " ")
    heading = re.search("<h1>(.*?)</h1>", html)
    assert heading is not None
    assert heading[1].endswith(
        "large is the fastest and needs the least energy of 3 architectures."
    )
    reason = re.search(r"rival takes 674 mJ more than base: line \+(\d+) mJ, ADC \+(\d+) mJ", html)
    assert reason is not None
    assert int(reason[1]) > int(reason[2])


def test_hostile_names_are_text(make_result: Builder) -> None:
    """Names of architectures, networks and settings cannot leave their place."""
    results = trio(make_result)
    evil = "<script>alert(1)</script>"
    results[0]["architecture"]["name"] = evil
    results[1]["workload"]["name"] = evil
    results[2]["assumptions"][0]["path"] = evil
    html = comparison_html(results)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 3


def warned(result: Result, *warnings: tuple[str, str]) -> Result:
    """A result with these warnings: code and message."""
    rows = [{"code": code, "message": message, "layer": ""} for code, message in warnings]
    return {**result, "warnings": rows}


def test_equal_warnings_are_said_once(make_result: Builder) -> None:
    """A message that several architectures share stands once, with their names; common ones first."""
    base, large, rival = trio(make_result)
    results = [
        warned(base, ("noise", "too loud by 2"), ("wear", "worn out")),
        warned(large, ("noise", "too loud by 3"), ("wear", "worn out")),
        warned(rival, ("wear", "worn out"), ("heat", "too hot")),
    ]
    wear, noise, heat = shared_warnings(results)
    assert (wear.code, wear.messages) == ("wear", ((("base", "large", "rival"), "worn out"),))
    assert noise.messages == ((("base",), "too loud by 2"), (("large",), "too loud by 3"))
    assert noise.names == ("base", "large")
    assert heat.names == ("rival",)
    html = comparison_html(results)
    assert html.count("worn out") == 1
    assert "<strong>base</strong>: too loud by 2" in html


def test_a_comparison_does_not_open_with_warnings(make_result: Builder) -> None:
    """The overview comes first, and the warnings are folded."""
    html = comparison_html(trio(make_result))
    assert html.index("Overview") < html.index("<details>") < html.index("kind of warnings")


def test_relative_changes_add_up(make_result: Builder) -> None:
    """Every part's share of the first total, added up, is the relative change of the total."""
    results = trio(make_result)
    for found in breakdowns(results):
        shares = [found.relative(part) for part in found.differences(1)]
        total = found.totals[1] / found.totals[0] - 1
        assert math.fsum(share or 0.0 for share in shares) == pytest.approx(total, abs=1e-9)


def test_time_is_also_attributed_to_units(make_result: Builder) -> None:
    """Where results say what limits the step, that is a breakdown of its own."""
    one, two = make_result()[0], make_result()[0]
    for result, share in ((one, 0.75), (two, 0.5)):
        chip = result["accelerator"]
        step_s = chip["step_latency_s"]
        chip["latency_by_limit_s"] = {"arrays": share * step_s, "mesh": (1 - share) * step_s}
    time = breakdowns([one, two])[1]
    assert (time.title, time.by, time.items) == ("Time per step", "unit", ("arrays", "mesh"))
    assert "Time per step by unit" in comparison_html([one, two])


def test_what_drives_the_cost_is_tabled(make_result: Builder) -> None:
    """Copies, intervals, hops and spills of each architecture, a dash where one does not say."""
    one, two = make_result()[0], make_result()[0]
    one["architecture"]["replication"] = {"policy": "auto", "copies": {"a": 4, "b": 1, "c": 1}}
    one["accelerator"]["read"] = {
        "forward_integration_s": 80e-9,
        "forward_conversion_s": 120e-9,
        "forward_interval_s": 120e-9,
    }
    one["assumptions"].append({"path": "mesh.side", "value": "17", "source": "assumed"})
    rows = {driver.label: driver.values for driver in drivers([one, two])}
    plain = {k: tuple(v.replace("\N{NO-BREAK SPACE}", " ") for v in w) for k, w in rows.items()}
    assert plain["Copies of a matrix, mean"] == ("2, at most 4", "–")
    assert plain["Interval of forward reads"] == ("120 ns (conversion)", "–")
    # Mean Manhattan distance of two of 17 x 17 tiles, by counting.
    side = range(17)
    mean = sum(abs(a - b) + abs(c - d) for a in side for b in side for c in side for d in side)
    assert plain["Hops between two tiles, mean"] == (f"{mean / 17**4:.3g}", "–")
    spilled = one["accelerator"]["saved_activation_bytes_spilled"]
    share = spilled / (spilled + one["accelerator"]["saved_activation_bytes_on_chip"])
    assert plain["Waiting data in DRAM"] == (f"{100 * share:.0f} %",) * 2
    assert "Interval of transposed reads" not in rows
    assert "Why they differ" in comparison_html([one, two])


def test_unlike_questions_are_pointed_out(make_result: Builder) -> None:
    """Different batches or networks make a comparison doubtful, and the page says so first."""
    alike = comparison_html(trio(make_result))
    assert "do not answer the same question" not in alike
    results = trio(make_result)
    results[1]["workload"]["batch"] = 64
    unlike = comparison_html(results)
    assert "The batch is not the same (base: 256, large: 64, rival: 256)." in unlike
    assert unlike.index("The batch is not the same") < unlike.index("<svg")


def test_settings_that_differ_are_listed(make_result: Builder) -> None:
    """A setting that is the same everywhere is no reason for a difference."""
    results = trio(make_result)
    results[1]["assumptions"][2]["value"] = 0.0213
    html = comparison_html(results)
    assert "0.0213" in html
    assert "update.pulse_probability" in html
    assert "array.wire_resistance" not in html


def test_results_without_a_gpu_or_a_breakdown_are_compared(make_result: Builder) -> None:
    """What one of them lacks is left out; the rest is compared."""
    results = trio(make_result)
    for result in results:
        result["baseline"], result["ratios"] = None, None
    del results[2]["accelerator"]["area_by_component_m2"]
    html = comparison_html(results)
    assert "Area by component" not in html
    assert "Energy per step by component" in html
    assert "Speed-up over GPU" not in html


def test_the_table_of_a_comparison_holds_the_numbers(make_result: Builder) -> None:
    """The CSV has every part with all its digits, and a total for each breakdown."""
    results = trio(make_result)
    table = list(csv.DictReader(io.StringIO(compare_csv(results))))
    total = [r for r in table if (r["quantity"], r["item"]) == ("Energy per step", "total")]
    assert len(total) == 2
    for name, result in zip(("base", "large", "rival"), results, strict=True):
        assert float(total[0][name]) == result["accelerator"]["step_energy_j"]


def test_the_data_of_a_comparison_are_complete(make_result: Builder) -> None:
    """The JSON holds the results as they are, and for each breakdown what the page shows."""
    results = trio(make_result)
    data = comparison_json(results)
    assert data["results"] == results
    assert (data["schema_version"], data["archsim_version"]) == (1, "0.1.0")
    for stored, found in zip(data["differences"], breakdowns(results), strict=True):
        assert stored["totals"] == list(found.totals)
        for index in range(3):
            change = math.fsum(item["changes"][index] for item in stored["items"])
            assert change == pytest.approx(stored["changes"][index], abs=1e-9)


def test_the_frame_of_a_comparison_adds_up(make_result: Builder) -> None:
    """Parts add up to the total in every column, differences included."""
    frame = compare_frame(trio(make_result))
    assert list(frame.columns[:3]) == ["quantity", "by", "item"]
    assert list(frame.columns[3:]) == ["base", "large", "rival", "large - base", "rival - base"]
    groups = list(frame.groupby(["quantity", "by"]))
    assert len(groups) == 4
    for _, group in groups:
        block = group.set_index("item").drop(columns=["quantity", "by"])
        by_parts = block.drop(index="total").sum()
        assert by_parts.to_numpy() == pytest.approx(block.loc["total"].to_numpy(), rel=1e-9)


def test_the_frames_of_a_run_agree(result: Result, energy_rows: list[EnergyRow]) -> None:
    """Energy by layer is the same from the layer table as from the energy table."""
    layers = layer_frame(result).groupby("name")["energy_j"].sum()
    energy = energy_frame(energy_rows).groupby("layer")["energy_j"].sum()
    assert energy.sort_index().to_numpy() == pytest.approx(layers.sort_index().to_numpy())
    assert layers.sum() == pytest.approx(result["accelerator"]["step_energy_j"])
    assert list(layer_frame({}).columns)[:2] == ["name", "kind"]
