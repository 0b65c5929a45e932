"""Local functions, branches and loops that never end, or unfold into more than anyone can hold."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from tests.workload.hostile.case import Case
from tests.workload.hostile.making import call, function, graph, model, node, scalar, value

_NAMED = ("'bad'",)


def _calling(*functions: onnx.FunctionProto, name: str = "F0") -> ModelProto:
    return model([call(name)], functions=functions)


def _chain(length: int, calls: int) -> ModelProto:
    """Functions that each call the next one `calls` times."""
    functions = []
    for i in range(length):
        names = ["a", *(f"t{k}" for k in range(calls - 1)), "b"]
        nodes = [call(f"F{i + 1}", [names[k]], [names[k + 1]]) for k in range(calls)]
        functions.append(function(f"F{i}", nodes))
    functions.append(function(f"F{length}", [node("Relu", ["a"], ["b"])]))
    return _calling(*functions)


def _branch(nodes: Sequence[NodeProto], output: str = "r") -> GraphProto:
    return graph(nodes, {}, [output], name="branch")


def _if(then: GraphProto | None, other: GraphProto | None, condition: str = "c") -> NodeProto:
    branches = {"then_branch": then, "else_branch": other}
    given = {name: body for name, body in branches.items() if body is not None}
    return node("If", [condition], ["y"], **given)


def _chosen(then: GraphProto | None, other: GraphProto | None) -> ModelProto:
    return model([_if(then, other)], stored=[scalar("c", True)])


def _recursive_branch() -> ModelProto:
    """A function whose branch calls the function."""
    body = _branch([call("F0", ["a"], ["r"])])
    choose = helper.make_node("If", ["c"], ["b"], then_branch=body, else_branch=body)
    constant = helper.make_node("Constant", [], ["c"], value=scalar("", True))
    return _calling(function("F0", [constant, choose]))


def _step(nodes: Sequence[NodeProto], outputs: Sequence[str] = ("go", "s_out")) -> GraphProto:
    """A loop's body with one state s."""
    given = [
        value("i", [], TensorProto.INT64),
        value("on", [], TensorProto.BOOL),
        value("s", [4, 16]),
    ]
    go = helper.make_node("Identity", ["on"], ["go"])
    results = [value("go", [], TensorProto.BOOL), *(value(name, None) for name in outputs[1:])]
    return helper.make_graph([go, *nodes], "body", given, results)


_RELU = helper.make_node("Relu", ["s"], ["s_out"], name="step")


def _loop(body: GraphProto | None, trips: int | None, condition: str = "") -> ModelProto:
    stored = [scalar("yes", True)] + ([] if trips is None else [scalar("trips", trips)])
    given = {} if body is None else {"body": body}
    inputs = ["" if trips is None else "trips", condition, "x"]
    return model([node("Loop", inputs, ["y"], **given)], stored=stored)


def _nested_loops(depth: int, trips: int) -> ModelProto:
    """Loops in loops: a file of a few hundred bytes, trips ** depth iterations."""
    body = _step([_RELU])
    for _ in range(depth - 1):
        count = helper.make_node("Constant", [], ["n"], value=scalar("", trips))
        inner = helper.make_node("Loop", ["n", "", "s"], ["s_out"], name="inner", body=body)
        body = _step([count, inner])
    return _loop(body, trips)


def _branches_in_loop(trips: int, nodes: int) -> ModelProto:
    """A short loop body, whose branch is long."""
    names = ["s", *(f"t{k}" for k in range(nodes - 1)), "r"]
    long = [helper.make_node("Relu", [names[k]], [names[k + 1]]) for k in range(nodes)]
    branch = _branch(long)
    yes = helper.make_node("Constant", [], ["c"], value=scalar("", True))
    choose = helper.make_node("If", ["c"], ["s_out"], then_branch=branch, else_branch=branch)
    return _loop(_step([yes, choose]), trips)


def _cyclic_branch() -> ModelProto:
    ring = [helper.make_node("Relu", ["r"], ["t"]), helper.make_node("Relu", ["t"], ["r"])]
    return _chosen(_branch(ring), _branch(ring))


def _scan(first: int, second: int, count: int) -> ModelProto:
    given = [value("a", [16]), value("b", [16])]
    body = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["r"])], "body", given, [value("r", None)]
    )
    return model(
        [node("Scan", ["p", "q"], ["y"], body=body, num_scan_inputs=count)],
        {"p": [first, 16], "q": [second, 16]},
    )


_FINE = _branch([helper.make_node("Relu", ["x"], ["r"])])

CASES: tuple[Case, ...] = (
    Case(
        "function_calls_itself",
        lambda: _calling(function("F0", [call("F0", ["a"], ["b"])])),
        ("'F0' calls itself",),
    ),
    Case(
        "functions_call_each_other",
        lambda: _calling(
            function("F0", [call("F1", ["a"], ["b"])]), function("F1", [call("F0", ["a"], ["b"])])
        ),
        ("calls itself",),
    ),
    Case("function_calls_itself_in_a_branch", _recursive_branch, ("'F0' calls itself",)),
    Case("functions_unfold", lambda: _chain(40, 10), ("unfold",)),
    Case("functions_nested", lambda: _chain(400, 1), ("nested",)),
    Case("function_missing", lambda: _calling(name="Missing"), ("Missing", *_NAMED)),
    Case(
        "function_twice",
        lambda: _calling(
            function("F0", [node("Relu", ["a"], ["b"])]),
            function("F0", [node("Tanh", ["a"], ["b"])]),
        ),
        ("F0",),
    ),
    Case(
        "function_with_too_many_inputs",
        lambda: model(
            [call("F0", ["x", "x", "x"])], functions=[function("F0", [node("Relu", ["a"], ["b"])])]
        ),
        ("local functions",),
    ),
    Case(
        "function_without_output",
        lambda: _calling(function("F0", [node("Relu", ["a"], ["c"])])),
        ("'y'",),
    ),
    Case("if_without_branches", lambda: _chosen(None, None), _NAMED),
    Case("if_without_chosen_branch", lambda: _chosen(None, _FINE), _NAMED),
    Case(
        "if_without_condition",
        lambda: model([_if(_FINE, _FINE, "missing")]),
        ("'missing'", *_NAMED),
    ),
    Case("branch_without_output", lambda: _chosen(_branch([], "r"), _FINE), ("'r'",)),
    Case("branch_in_a_circle", _cyclic_branch, ("cycle",)),
    Case(
        "branch_reads_nothing",
        lambda: _chosen(_branch([helper.make_node("Relu", ["ghost"], ["r"])]), _FINE),
        ("'ghost'",),
    ),
    Case("loop_without_body", lambda: _loop(None, 3), _NAMED),
    Case("loop_without_end", lambda: _loop(_step([_RELU]), None), (*_NAMED, "never ends")),
    Case(
        "loop_with_true_condition",
        lambda: _loop(_step([_RELU]), None, "yes"),
        (*_NAMED, "iterations"),
    ),
    Case("loop_huge", lambda: _loop(_step([_RELU]), 2**62), (*_NAMED, "iterations")),
    Case("loops_in_loops", lambda: _nested_loops(6, 1000), ("iterations",)),
    Case("loop_of_long_branches", lambda: _branches_in_loop(20_000, 1000), ("bad",)),
    Case("loop_body_misfit", lambda: _loop(graph([_RELU], {"s": [4, 16]}, ["s_out"]), 3), _NAMED),
    Case("loop_empty_body", lambda: _loop(GraphProto(name="body"), 3), _NAMED),
    Case("scan_unequal", lambda: _scan(5, 7, 2), _NAMED),
    Case("scan_of_nothing", lambda: _scan(5, 5, 0), _NAMED),
    Case("scan_of_too_many", lambda: _scan(5, 5, 2**40), _NAMED),
    Case("scan_endless", lambda: _scan(2**40, 2**40, 2), (*_NAMED, "iterations")),
    Case(
        "sequence_outside",
        lambda: model(
            [node("SequenceConstruct", ["x", "x"], ["q"]), node("SequenceAt", ["q", "i"], ["y"])],
            stored=[scalar("i", 99)],
        ),
        ("'bad_2'",),
    ),
    Case(
        "split_into_a_billion",
        lambda: model(
            [node("SplitToSequence", ["x"], ["q"]), node("SequenceAt", ["q", "i"], ["y"])],
            {"x": [2**40]},
            stored=[scalar("i", 0)],
        ),
        _NAMED,
    ),
    Case(
        "reshape_by_input",
        lambda: model([node("Reshape", ["x", "s"], ["y"])], {"x": [4, 16], "s": [2]}),
        _NAMED,
    ),
)
