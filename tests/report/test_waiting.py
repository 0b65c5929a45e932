"""The section on waiting of a run that was timed cycle by cycle."""

from __future__ import annotations

from typing import Any

from archsim.report.page import render_html
from archsim.report.waiting import waiting

Result = dict[str, Any]


def test_stalls_that_do_not_happen_are_left_out(result: Result) -> None:
    """Rows follow the result's numbers; shares are of the step."""
    found = waiting(result)
    assert found is not None
    seconds = result["cycle"]["stalls"]["seconds"]
    assert len(found.stalls) == sum(value > 0 for value in seconds.values())
    assert found.stalls[0].name == "Works"
    assert "93" in found.stalls[0].share
    assert found.resource == "arrays of layer1/layer1.0/conv2/Conv.weight"


def test_the_busiest_resources_come_first_whatever_they_are(result: Result) -> None:
    """Arrays, units and links in one order; links without a name are counted."""
    found = waiting(result)
    assert found is not None
    names = [line.name for line in found.busy]
    assert names[0] == "arrays of layer1/layer1.0/conv2/Conv.weight"
    assert names[1:4] == ["arrays of fc.weight", "mesh link 1,0→0,0", "Vector unit"]
    assert names[-1] == "7 more links of the mesh"
    assert "4" in found.busy[-1].share
    assert "How long resources work" in render_html(result, [])
    del result["cycle"]["utilisation"]
    older = waiting(result)
    assert older is not None
    assert older.busy == ()


def test_steps_say_what_they_waited_for(result: Result) -> None:
    found = waiting(result)
    assert found is not None
    assert found.first[0].note.startswith("from the start")
    assert "after unit: arrays of layer1" in found.longest[0].note
    assert found.longest[0].name.endswith("sample 3")
    assert "sample" not in found.longest[1].name


def test_an_analytic_run_and_an_older_file_have_no_such_section(result: Result) -> None:
    result["cycle"] = None
    assert waiting(result) is None
    del result["cycle"]
    assert waiting(result) is None
    assert "What waits for what" not in render_html(result, [])


def test_names_of_tasks_are_escaped(result: Result) -> None:
    """They come from files that others wrote."""
    hostile = "<script>x</script>\u202e"
    path = result["cycle"]["critical_path"]
    for row in (*path["tasks"], *path["first"], *path["longest"]):
        row["task"] = hostile
        row["through"] = row["by"] = f"arrays:{hostile}"
    path["queues_s"] = {f"arrays:{hostile}": 1e-3}
    result["cycle"]["stalls"]["resource"] = f"arrays:{hostile}"
    page = render_html(result, [], "timeline.json")
    assert "<script>x" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;x" in page
