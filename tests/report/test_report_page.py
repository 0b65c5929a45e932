"""The page says what the result says, to anyone, and runs nothing that a file put into it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from archsim.report import charts
from archsim.report.facts import fact_lists
from archsim.report.layer_table import MOST_LINES, layer_table
from archsim.report.page import render_html
from archsim.report.summary import answer_sentence, cards, certainty_card, limits_card, machines
from archsim.result.energy import EnergyRow

Result = dict[str, Any]
Energy = list[EnergyRow]
Builder = Callable[..., tuple[Result, Energy]]
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """A page as a parser sees it: tags, attributes, text; complains about tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())


def plain(text: str) -> str:
    """`text` with ordinary spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def without_gpu(result: Result) -> None:
    """Take the GPU out of a result."""
    result["baseline"] = None
    result["ratios"] = None


def assert_harmless(page: Page) -> None:
    """No script, no handler, and nothing that a browser would fetch."""
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "img", "form", "base", "a"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "xlink:href", "action", "srcset"}:
                assert value == "data:,"


def test_the_page_leads_with_the_answer(result: Result, energy_rows: Energy) -> None:
    """The first heading is the sentence that answers the question, and so is the title."""
    html = render_html(result, energy_rows)
    first = re.search(r"<h1>(.*?)</h1>", html)
    assert first is not None
    assert first[1] == answer_sentence(result)
    assert f"<title>{answer_sentence(result)}</title>" in html
    speed = result["baseline"]["step_latency_s"] / result["accelerator"]["step_latency_s"]
    assert f"{speed:.2g} × faster" in plain(first[1])
    assert first[1].startswith("resnet50, batch 256: ")
    assert first[1].endswith("than one H100 (GPU model not calibrated).")


def test_the_page_needs_nothing_from_outside(result: Result, energy_rows: Energy) -> None:
    """No script, no request, and a policy that forbids both."""
    page = Page(render_html(result, energy_rows))
    assert_harmless(page)
    policy = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert len(policy) == 1
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_the_same_result_gives_the_same_page(make_result: Builder) -> None:
    """A page depends on its result alone."""
    assert render_html(*make_result()) == render_html(*make_result())


HOSTILE = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e"


def test_hostile_text_is_shown_and_never_run(result: Result, energy_rows: Energy) -> None:
    """Every text of a result, and every key of its maps, may be hostile."""

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {"phase", "name", *PLAIN_KEYS}
            return {k if k in kept else k + HOSTILE: poison(v) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(v) for v in value]
        return value + HOSTILE if isinstance(value, str) else value

    PLAIN_KEYS = set(result) | {k for v in result.values() if isinstance(v, dict) for k in v}
    PLAIN_KEYS |= {k for key in ("layers", "assumptions", "warnings") for k in result[key][0]}
    PLAIN_KEYS |= {"value", "low", "high"}
    rows = [EnergyRow(*(str(v) + HOSTILE for v in row[:3]), row.energy_j) for row in energy_rows]
    page = Page(render_html(poison(result), rows))
    assert_harmless(page)
    assert "alert(1)" in page.text
    assert "{{7*7}}" in page.text
    assert "\u202e" not in page.text


def test_without_a_gpu_there_is_no_comparison(result: Result, energy_rows: Energy) -> None:
    """The page gives time and energy, and says that nothing was compared."""
    without_gpu(result)
    text = Page(render_html(result, energy_rows)).text
    assert "No GPU was asked for" in text
    assert "Against the GPU" not in text
    assert [card.label for card in cards(result)][:2] == ["Time per step", "Energy per step"]
    assert charts.comparison_chart(result) is None
    assert len(machines(result)) == 1


@pytest.mark.parametrize(
    ("speed", "energy", "said"),
    [
        (14.0, 160.0, "14 × faster and 160 × less energy than one H100"),
        (0.5, 3.0, "2.0 × slower but 3.0 × less energy than one H100"),
        (0.5, 0.25, "2.0 × slower and 4.0 × more energy than one H100"),
        (1.0, 2.0, "as fast and 2.0 × less energy as one H100"),
    ],
)
def test_losing_is_said_as_plainly_as_winning(
    result: Result, speed: float, energy: float, said: str
) -> None:
    """A ratio below one is 'slower' or 'more energy'."""
    result["ratios"]["speedup"]["value"] = speed
    result["ratios"]["energy_ratio"]["value"] = energy
    assert said in plain(answer_sentence(result))
    labels = [card.label for card in cards(result)]
    assert labels[0] == ("Speed-up" if speed >= 1 else "Slow-down")
    assert labels[1] == ("Less energy" if energy >= 1 else "More energy")


def starve(result: Result) -> None:
    """Make the GPU too small for the batch, as a result says it."""
    baseline, chip = result["baseline"], result["accelerator"]
    baseline.update(fits=False, compared="best_batch", largest_batch=700)
    baseline.update(memory_bytes=99e9, usable_memory_bytes=80e9)
    best = baseline["best_batch"]
    speed = best["step_latency_s"] / best["batch"] / (chip["step_latency_s"] / 256)
    energy = best["step_energy_j"] / best["batch"] / chip["energy_per_sample_j"]
    result["ratios"]["speedup"]["value"] = speed
    result["ratios"]["energy_ratio"]["value"] = energy


def test_a_gpu_that_cannot_hold_the_batch_is_no_rival(result: Result, energy_rows: Energy) -> None:
    """The headline says so, and every ratio is per sample against the GPU's best batch."""
    starve(result)
    answer = plain(answer_sentence(result))
    assert "one H100 cannot hold this batch. Per sample, against its best batch of 512: " in answer
    assert "than one H100" not in answer
    chip, same, best = machines(result)
    assert same.step_latency_s is None
    assert "does not fit" in same.setting
    notes = [plain(card.note) for card in cards(result)[:2]]
    assert all("per sample, GPU at batch 512" in note for note in notes)
    assert chip.latency_per_sample_s is not None
    assert best.latency_per_sample_s is not None
    ratio = best.latency_per_sample_s / chip.latency_per_sample_s
    assert plain(cards(result)[0].value) == f"{ratio:.2g} ×"
    chart = charts.comparison_chart(result)
    assert chart is not None
    assert [bar.label for bar in chart.bars] == [
        "Samples per second, GPU at its best batch",
        "Energy per sample, GPU at its best batch",
    ]
    text = Page(render_html(result, energy_rows)).text
    assert "99 GB of 80 GB" in text
    result["baseline"]["largest_batch"] = 0
    assert "cannot hold even one sample" in answer_sentence(result)


def test_facts_on_copies_are_said(result: Result) -> None:
    """Policy, how copies stay equal, how many matrices have them, and the most of one."""
    result["architecture"]["replication"] = {
        "policy": "auto",
        "sync": "average",
        "copies": {"a": 16, "b": 4, "c": 1},
    }
    found = {fact.label: fact.value for fact_list in fact_lists(result) for fact in fact_list.facts}
    assert found["Replication"] == "auto"
    assert found["Matrices with copies"] == "2 of 3"
    assert found["Most copies of a matrix"] == "16"
    assert found["Copies kept equal by"] == "average"
    result["architecture"]["replication"]["copies"] = {"a": 1}
    labels = [fact.label for fact_list in fact_lists(result) for fact in fact_list.facts]
    assert "Copies kept equal by" not in labels


def test_activations_are_labelled_with_their_width(result: Result) -> None:
    """What the file would save, and what the accelerator keeps at its own width."""
    result["assumptions"].append(
        {"path": "numbers.activation_bits", "value": "8", "source": "assumed", "note": ""}
    )
    labels = [fact.label for fact_list in fact_lists(result) for fact in fact_list.facts]
    assert "Saved activations per sample, in PyTorch with the file's number types" in labels
    assert "Waits between layers on the chip, at 8 bits" in labels
    assert "Waits between layers in DRAM, at 8 bits" in labels


def test_the_energy_of_updates_is_that_of_the_step(result: Result) -> None:
    """The list of update energies says that they are of one step, not of one array."""
    titles = [fact_list.title for fact_list in fact_lists(result)]
    assert "Energy of the updates of one step" in titles


def test_how_sure_is_said(result: Result) -> None:
    """Without ranges it is a point estimate; with ranges the interval is given."""
    sure = certainty_card(result)
    assert sure.value == "Point estimate: no ranges given"
    assert "not calibrated" in sure.note
    assert "was not simulated" in sure.note
    result["ratios"]["speedup"].update(low=9.0, high=17.0)
    result["baseline"]["calibrated"] = True
    result["accuracy"] = {"final": 0.9}
    sure = certainty_card(result)
    assert plain(sure.value) == "Speed-up 9.0 to 17 ×"
    assert "calibrated" not in sure.note
    assert "simulated" not in sure.note
    assert "not calibrated" not in answer_sentence(result)


def test_a_range_is_said_in_the_words_of_its_card(result: Result) -> None:
    """A speed-up of 0.25 to 0.8 is a slow-down of 1.25 to 4."""
    result["ratios"]["speedup"] = {"value": 0.5, "low": 0.25, "high": 0.8}
    card = cards(result)[0]
    assert plain(card.value) == "2.0 ×"
    assert "1.2 to 4.0 × within the given ranges" in plain(card.note)


def test_the_other_fidelity_is_set_beside(result: Result) -> None:
    """A cycle run states what the analytic estimate was."""
    latency_s = result["accelerator"]["step_latency_s"]
    result["fidelity"] = {
        "mode": "cycle",
        "other_mode": "analytic",
        "other_step_latency_s": 0.95 * latency_s,
    }
    assert "analytic timing gives" in certainty_card(result).note
    assert "(-5.0 %)" in certainty_card(result).note


def test_what_limits_is_said_even_if_only_a_name_is_known(result: Result) -> None:
    """The sentence comes first, the bare bottleneck serves if there is none."""
    assert "93 %" in limits_card(result).value
    del result["accelerator"]["critical"]
    assert limits_card(result).value == "/layer1/layer1.0/conv2/Conv"
    result["accelerator"]["bottleneck"] = {"resource": "vector_unit"}
    assert limits_card(result).value == "resource vector_unit"


def test_warnings_stand_before_the_pictures(result: Result, energy_rows: Energy) -> None:
    """A warning is read before any chart; without warnings there is no box."""
    html = render_html(result, energy_rows)
    message = result["warnings"][0]["message"]
    assert html.index(message) < html.index("<svg")
    result["warnings"] = []
    assert 'class="warnings"' not in render_html(result, energy_rows)


def test_every_component_and_source_is_on_the_page(result: Result, energy_rows: Energy) -> None:
    """Nothing that costs or was assumed is left out."""
    text = Page(render_html(result, energy_rows)).text
    for component in result["accelerator"]["energy_by_component_j"]:
        assert component.replace("_", " ").lower() in text.lower()
    for assumption in result["assumptions"]:
        assert assumption["path"] in text
    assert "Onen et al., Science 377 (2022), fig. 3" in text
    assert "2 of 3 values have no source and were assumed." in text
    for fact in (result["command"], result["archsim_version"], result["workload"]["onnx_sha256"]):
        assert fact in text


def bar_lengths(chart: charts.Chart | None) -> list[float]:
    """Total length of each bar, per cent of the chart."""
    assert chart is not None
    drawn = [re.findall(r' width="([\d.]+)%" height="\d+\.', bar.drawing) for bar in chart.bars]
    return [sum(float(width) for width in widths) for widths in drawn]


def test_bars_are_as_long_as_their_values(result: Result, energy_rows: Energy) -> None:
    """In every chart of parts the lengths are the values over the largest value."""
    paints: dict[str, str] = {}
    for chart, values in (
        (charts.energy_chart(result, paints), result["accelerator"]["energy_by_component_j"]),
        (charts.area_chart(result, paints), result["accelerator"]["area_by_component_m2"]),
    ):
        ordered = sorted(values.values(), reverse=True)
        expected = [100 * value / ordered[0] for value in ordered]
        assert bar_lengths(chart) == pytest.approx(expected, abs=0.02)


def test_layers_are_ranked_and_the_rest_is_counted(result: Result, energy_rows: Energy) -> None:
    """The largest layers have bars in falling order; what is left is one line without a bar."""
    totals: dict[str, float] = {}
    for row in energy_rows:
        totals[row.layer] = totals.get(row.layer, 0.0) + row.energy_j
    chart = charts.layer_energy_chart(charts.layer_energy(energy_rows), {"adc": "c0"})
    *lengths, rest = bar_lengths(chart)
    ordered = sorted(totals.values(), reverse=True)
    expected = [100 * v / ordered[0] for v in ordered[: charts.TOP_LAYERS]]
    assert lengths == pytest.approx(expected, abs=0.2)
    assert rest == 0
    assert chart is not None
    assert chart.bars[-1].label == f"{len(totals) - charts.TOP_LAYERS} other layers"


def test_time_by_layer_warns_that_layers_overlap(result: Result) -> None:
    """Busy times that add up to more than the step are explained, others are not."""
    matrix = charts.layer_time(result)
    step_s = result["accelerator"]["step_latency_s"]
    total_s = sum(row["latency_s"] for row in result["layers"])
    overlapping = charts.layer_time_chart(matrix, step_s)
    assert overlapping is not None
    assert "at the same time" in overlapping.note
    sequential = charts.layer_time_chart(matrix, total_s * 1.01)
    assert sequential is not None
    assert sequential.note == ""


def test_the_profile_keeps_the_order_of_the_network(result: Result) -> None:
    """Columns follow the network, and the chip as a whole is no layer."""
    network = charts.network_order(result)
    assert network[0] == "/conv1/Conv"
    assert network[-1] == "/fc/Gemm"
    chart = charts.profile_chart("x", charts.layer_time(result), "s", {}, network)
    assert chart is not None
    assert chart.drawing is not None
    titles = re.findall(r"<title>(\S+): forward", chart.drawing)
    analog = [name for name in network if name.endswith(("Conv", "Gemm"))]
    assert titles == analog


def test_a_component_has_one_colour_on_the_whole_page(result: Result, energy_rows: Energy) -> None:
    """In every chart that shows it, a component's marks have the same class.

    Resources are no components, and their chart has one colour for all of them (`accent`).
    """
    html = render_html(result, energy_rows)
    for component in ("ADC", "driver", "vector unit"):
        marks = re.findall(rf'<rect class="(\w+)"[^>]*><title>(?:[^<]*: )?{component}[ :]', html)
        keys = re.findall(rf'class="key (\w+)"></span>{component}<', html)
        assert len(marks) > 10
        assert keys
        assert len({*marks, *keys} - {"accent"}) == 1, component


def test_parts_that_cost_nothing_break_nothing(result: Result, energy_rows: Energy) -> None:
    """Zero energy, zero time and empty maps leave their pictures out."""
    chip = result["accelerator"]
    for key in ("energy_by_component_j", "latency_by_phase_s", "latency_by_resource_s"):
        chip[key] = dict.fromkeys(chip[key], 0.0)
    chip["area_by_component_m2"] = {}
    chip["step_energy_j"] = 0.0
    rows = [row._replace(energy_j=0.0) for row in energy_rows]
    text = Page(render_html(result, rows)).text
    assert "Where the area goes" not in text
    assert "Energy by component" not in text


def test_a_tiny_network_has_a_page(make_result: Builder) -> None:
    """Three layers are ranked, and have no profile."""
    text = Page(render_html(*make_result(blocks=0))).text
    assert "Energy by layer" in text
    assert "Energy through the network" not in text


def test_a_result_of_an_older_version_has_a_page(result: Result, energy_rows: Energy) -> None:
    """Keys that were added later may be missing anywhere."""
    least = {
        "workload": {"name": "mlp"},
        "architecture": {"name": "a"},
        "accelerator": {"step_latency_s": 1e-3, "step_energy_j": 0.5},
        "layers": [],
    }
    assert "mlp, batch –: 1 ms per step on a" in Page(render_html(least, [])).text


def test_a_deep_network_fits_on_a_page(make_result: Builder) -> None:
    """Hundreds of layers with very long names: the page stays small, the rest is counted."""
    result, energy_rows = make_result(blocks=160)
    for row in result["layers"]:
        row["name"] = row["name"] + "/very_long_name" * 20
    html = render_html(result, energy_rows)
    assert len(html) < 2_000_000
    table = layer_table(result)
    assert len(table.lines) == MOST_LINES
    assert table.left_out == 160 * 4 + 4 - MOST_LINES
    assert f"{table.left_out} more layers" in html


def test_a_layer_is_one_line_whose_phases_add_up(result: Result) -> None:
    """The shares of the table add up to the whole step, and no layer appears twice."""
    table = layer_table(result)
    names = [line.name for line in table.lines]
    assert len(set(names)) == len(names) == len({row["name"] for row in result["layers"]})
    shares = [float(plain(line.share).split()[0]) for line in table.lines]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))


def test_machines_are_compared_at_their_own_batches(result: Result) -> None:
    """The GPU stands at the same batch, at its best batch and with its usual optimizer."""
    chip, same, best, usual = machines(result)
    assert [m.batch for m in (chip, same, best, usual)] == [256, 256, 512, 256]
    assert best.energy_per_sample_j == pytest.approx(91.0 / 512)
    assert chip.average_power_w == pytest.approx(result["accelerator"]["average_power_w"])
    chart = charts.comparison_chart(result)
    assert chart is not None
    assert [bar.label for bar in chart.bars] == [
        "Time per step",
        "Energy per step",
        "Samples per second, GPU at its best batch",
        "Energy per sample, GPU at its best batch",
        "Samples per second, GPU with its usual optimizer, SGD momentum",
        "Energy per sample, GPU with its usual optimizer, SGD momentum",
    ]
