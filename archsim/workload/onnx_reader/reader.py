"""Reading a network: from an ONNX file or model to a bound, understood Workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import onnx

from archsim.errors import InputError
from archsim.workload.collecting import collection_paused
from archsim.workload.graph import Note, Op, OpKind, Workload
from archsim.workload.onnx_reader.assembly import (
    Placed,
    dataflow,
    fuse_biases,
    needed,
    operators_of,
    parameters_of,
)
from archsim.workload.onnx_reader.binding import (
    Binding,
    SampleAxis,
    bind,
    declared_inputs,
    symbols_of,
)
from archsim.workload.onnx_reader.checking import check_model
from archsim.workload.onnx_reader.computed import with_computed_weights
from archsim.workload.onnx_reader.constants import Constant, initial_constants
from archsim.workload.onnx_reader.departures import departures
from archsim.workload.onnx_reader.equal_tensors import equal_tensors
from archsim.workload.onnx_reader.functions import inline_functions
from archsim.workload.onnx_reader.loading import (
    load_model,
    opset_versions,
    origin_of,
)
from archsim.workload.onnx_reader.nodes import (
    Node,
    check_definitions,
    decode_nodes,
    in_order,
    live_nodes,
    summarise,
)
from archsim.workload.onnx_reader.patterns.fusion import fuse_patterns
from archsim.workload.onnx_reader.registry import COUNTED
from archsim.workload.onnx_reader.retying import retied
from archsim.workload.onnx_reader.sample_axis import (
    SampleAxes,
    chosen_axis,
    sample_axes,
    samples_notes,
)
from archsim.workload.onnx_reader.trace import Traced, check_supported, trace
from archsim.workload.ties import NO_TIES, Ties

_NONE: Mapping[str, int] = MappingProxyType({})
_NO_SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({})


@collection_paused()
def read_workload(
    path: Path | str,
    *,
    name: str | None = None,
    batch: int | None = None,
    dims: Mapping[str, int] = _NONE,
    shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    trip_counts: Mapping[str, int] = _NONE,
    ties: Ties = NO_TIES,
) -> Workload:
    """The network in the ONNX file at `path`, with its dimensions bound.

    `dims` binds symbolic dimensions by name, `shapes` an input's whole shape, `batch` the leading
    dimension that is the batch; a symbolic batch that nothing binds is 1.  `trip_counts` says, by
    the names of nodes, how often a loop runs where the data decide, and how many elements a search
    (NonZero, Compress, Unique, NonMaxSuppression) finds.  `ties` says which stored tensors are one
    parameter, where the exporter lost or invented that.  No other file is opened:
    the values of externally stored weights are not needed.  Raises `InputError` for bad input, and
    its subclass `UnsupportedOperators` with the list of all operators that are not understood.
    """
    path = Path(path)
    model, digest = load_model(path)
    try:
        return workload_from_model(
            model,
            name=name or path.stem,
            sha256=digest,
            batch=batch,
            dims=dims,
            shapes=shapes,
            trip_counts=trip_counts,
            ties=ties,
        )
    except InputError as error:
        # Errors from inside name the node; the reader also needs to know in which file.
        error.place = f"{path}: {error.place}" if error.place else str(path)
        error.args = (str(error),)
        raise


@dataclass(frozen=True, slots=True)
class Bindable:
    """What of a model can be bound: names of symbolic dimensions, of inputs, of nodes that count."""

    symbols: frozenset[str]
    inputs: frozenset[str]
    counted: frozenset[str]


def bindable(model: onnx.ModelProto) -> Bindable:
    """The names that `dims`, `shapes` and `trip_counts` of `workload_from_model` may use."""
    declared = declared_inputs(model.graph)
    check_model(model)
    model = inline_functions(model)
    return Bindable(
        symbols_of(declared),
        frozenset(entry.name for entry in declared),
        frozenset(_counted(model.graph, opset_versions(model), "")),
    )


def _counted(graph: onnx.GraphProto, versions: Mapping[str, int], path: str) -> Iterator[str]:
    """Paths and names of the nodes that a count may be given for, those inside others too."""
    for node in decode_nodes(graph, versions):
        place = f"{path}{node.name}"
        if node.op_type in COUNTED:
            yield from (place, node.name)
        for attribute, inner in node.subgraphs.items():
            # The bodies of loops are one path with the loop, branches have one each.
            label = f"{place}/{attribute}/" if node.op_type == "If" else f"{place}/"
            yield from _counted(inner, versions, label)


@collection_paused()
def workload_from_model(
    model: onnx.ModelProto,
    *,
    name: str,
    sha256: str = "",
    batch: int | None = None,
    dims: Mapping[str, int] = _NONE,
    shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    trip_counts: Mapping[str, int] = _NONE,
    ties: Ties = NO_TIES,
) -> Workload:
    """The network in `model`, as `read_workload`; `model` is not changed."""
    bindings = Bindings(batch, dims, shapes, trip_counts, ties)
    return understood(model, name=name, sha256=sha256, bindings=bindings).workload


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the user says of a file, as in `read_workload`."""

    batch: int | None = None
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trip_counts: Mapping[str, int] = field(default_factory=dict)
    ties: Ties = NO_TIES


@dataclass(frozen=True, slots=True)
class Understood:
    """A workload, and what it was made of.

    `model` has its functions inlined; `pieces` are those that the workload's ops were made of, each
    with its node of the file, in the order of `ops`; `constants` are the stored tensors with ties
    applied; `batch_symbol` is the symbolic dimension that counts samples, if there is one.
    """

    workload: Workload
    model: onnx.ModelProto
    traced: Traced
    pieces: tuple[Placed, ...]
    ops: tuple[Op, ...]
    constants: Mapping[str, Constant]
    batch_symbol: str


def understood(
    model: onnx.ModelProto, *, name: str, sha256: str = "", bindings: Bindings
) -> Understood:
    """The network in `model`, as `read_workload`, with what it was made of."""
    check_model(model)
    model = inline_functions(model)
    graph = model.graph
    declared = declared_inputs(graph)
    constants = initial_constants(graph)
    results = tuple(dict.fromkeys(value.name for value in graph.output))
    nodes = decode_nodes(graph, opset_versions(model))
    check_definitions(nodes, [*(entry.name for entry in declared), *constants], results)
    live, dead = live_nodes(nodes, results)
    ordered = in_order(live)
    ordered, constants = retied(ordered, constants, bindings.ties)
    check_supported(ordered, constants, opset_versions(model))
    axes = sample_axes(ordered, [entry.name for entry in declared], constants)
    declared_shapes = {entry.name: entry.dimensions or () for entry in declared}
    samples = chosen_axis(axes, declared_shapes, bindings.batch)
    binding = bind(
        declared,
        batch=bindings.batch,
        dims=bindings.dims,
        shapes=bindings.shapes,
        samples=samples,
    )
    inputs = [(e.name, e.element_type, binding.shapes[e.name]) for e in declared]
    traced = trace(
        ordered, inputs, constants, frozenset(results), model.opset_import, bindings.trip_counts
    )
    results = traced.tensors_of(results)
    outputs = tuple(result for result in results if result in traced.scope.tensors)
    found, tensors = with_computed_weights(traced, model.opset_import)
    pieces = fuse_biases(needed(found, outputs), traced.scope)
    pieces = fuse_patterns(pieces, replace(traced.scope, tensors=tensors))
    ops, matrices = operators_of(pieces, traced.dormant)
    present = {tensor for op in ops for tensor in (*op.inputs, *op.outputs)}
    present.update(entry.name for _, piece in pieces for entry in piece.internal)
    present.update(outputs, (entry.name for entry in declared))
    parameters = parameters_of([*pieces, *traced.dormant])
    notes = (
        *_notes(model, pieces, dead, binding, results, outputs),
        *_samples_notes(axes, samples, binding),
        *departures(graph.node, opset_versions(model)),
        *equal_tensors(graph.initializer, constants, parameters),
        *traced.notes,
    )
    workload = Workload(
        name=name,
        sha256=sha256,
        samples=binding.samples,
        graph=dataflow(ops),
        tensors={n: t for n, t in tensors.items() if n in present},
        matrices=matrices,
        parameters=parameters,
        inputs=tuple(entry.name for entry in declared),
        outputs=outputs,
        notes=notes,
        bindings=dict(binding.symbols),
        origin=origin_of(model),
    )
    return Understood(
        workload, model, traced, tuple(pieces), tuple(ops), constants, binding.batch_symbol
    )


def _samples_notes(
    axes: SampleAxes, samples: SampleAxis | None, binding: Binding
) -> tuple[Note, ...]:
    if binding.batch_symbol or not binding.shapes:
        return ()
    shape = binding.shapes[samples.name if samples else next(iter(binding.shapes))]
    return tuple(samples_notes(axes, samples, shape))


def _notes(
    model: onnx.ModelProto,
    pieces: Sequence[Placed],
    dead: Sequence[Node],
    binding: Binding,
    results: Sequence[str],
    outputs: Sequence[str],
) -> tuple[Note, ...]:
    found = []
    if binding.assumed_batch:
        found.append(
            Note("batch_assumed", f"'{binding.assumed_batch}' was not bound, and is taken as 1.")
        )
    if dead:
        found.append(
            Note("dead_code", f"Nodes that no output depends on are left out: {summarise(dead)}.")
        )
    if len(outputs) < len(results):
        constant = ", ".join(f"'{name}'" for name in results if name not in outputs)
        found.append(Note("constant_output", f"Outputs that no input changes: {constant}."))
    if model.training_info:
        found.append(Note("training_info", "The training information in the file is not used."))
    convolves = any(node.op_type == "Conv" for node, _ in pieces)
    if convolves and not any(piece.kind is OpKind.NORMALISATION for _, piece in pieces):
        found.append(
            Note(
                "no_normalisation",
                "The network convolves without any normalisation: exporters often fold it into "
                "the convolutions.",
            )
        )
    once: dict[str, Note] = {}
    for _, piece in pieces:
        for note in piece.notes:
            once.setdefault(note.code, note)
    return (*found, *once.values())
