"""TensorFlow -> ONNX: assemble the upload, find where its graph begins and ends, read it node by node.

The batch axis is left free where the file leaves it free; a node that needs its size sends the reader round once more.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from workers.errors import Unsupported, UnsupportedOperators
from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import FreeAxis, needs_size
from workers.formats.tensorflow.assemble import Assembled, assemble
from workers.formats.tensorflow.dtypes import NUMPY, plain
from workers.formats.tensorflow.entry import Entry, entry_of
from workers.formats.tensorflow.graph import attr
from workers.formats.tensorflow.read import (
    activation,
    audio,
    boxes,
    convolution,
    counting,
    creation,
    decoding,
    dropout,
    elementwise,
    graph,
    image,
    indexing,
    linear,
    lists,
    normalization,
    own,
    pooling,
    quantization,
    ragged,
    recurrent,
    reduction,
    refusals,
    resampling,
    segments,
    sets,
    shape,
    signal,
    slicing,
    solving,
    sparse,
    spatial,
    special,
)
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Shared, handles, reads
from workers.formats.tensorflow.read.network import Run, Scope, what_is
from workers.formats.tensorflow.tensors import Array
from workers.options import Options

# Importing a family registers its operators.
FAMILIES = (
    activation, audio, boxes, convolution, counting, creation, decoding, dropout, elementwise, graph, image, indexing,
    linear, lists, normalization, own, pooling, quantization, ragged, recurrent, reduction, refusals, resampling,
    segments, sets, shape, signal, slicing, solving, sparse, spatial, special,
)  # fmt: skip

APPLIED = ("input_shapes", "input_dtypes", "inputs", "outputs")


def read(request: ReadRequest) -> Reading:
    """The uploaded TensorFlow model as ONNX. Raises ConversionError with what is missing, damaged or unsayable."""
    source = assemble(request.upload, request.options)
    entry = entry_of(source, request.options)
    if not request.options.dynamic_batch:
        _fix(entry, request.options)
    run, builder, notes = _read(source, entry, request)
    sweep(builder)
    told = [note for note in run.shared.notes if note.code != "random" or _draws(builder.graph)]
    notes = [*source.notes, *entry.notes, *told, *notes]
    return Reading(builder.model(), source.files, source.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _draws(graph_: ir.Graph) -> bool:
    """Whether random numbers are still drawn."""
    return any(node.op_type.startswith("Random") or node.op_type == "Multinomial" for node in graph_.all_nodes())


def _fix(entry: Entry, options: Options) -> None:
    """Without a free batch a file's open batch axis is 1, unless the user gave it a name."""
    named = {dim for dims in options.input_shapes.values() for dim in dims if isinstance(dim, str)}
    for item in entry.inputs:
        item.shape = [1 if dim == "batch" and dim not in named else dim for dim in item.shape or []]


def _read(source: Assembled, entry: Entry, request: ReadRequest) -> tuple[Run, Builder, list[Note]]:
    try:
        return *_pass(source, entry, request), []
    except FreeAxis as error:
        if not any("batch" in (item.shape or ()) for item in entry.inputs) or not request.options.dynamic_batch:
            raise needs_size("tensorflow", entry.shapes, error, "node") from error
        blocked = error
    _fix(entry, request.options)
    try:
        run, builder = _pass(source, entry, request)
    except FreeAxis as error:
        raise needs_size("tensorflow", entry.shapes, error, "node") from error
    detail = (
        f"The batch size is fixed to 1: node {blocked.layer!r} ({blocked.type}) cannot leave it free: {blocked.reason}."
    )
    return run, builder, [Note("fixed-batch", detail, blocked.layer)]


def _pass(source: Assembled, entry: Entry, request: ReadRequest) -> tuple[Run, Builder]:
    g = Builder("tensorflow")
    run = Run(Shared(source.file), source.variables, request.progress, dict(entry.reached), len(entry.reached))
    values: dict[tuple[str, int], Entity] = {}
    for item in entry.inputs:
        values[item.ref.node, item.ref.index] = g.input(item.name, item.shape or [], item.dtype)
    for ref, data in entry.constants.items():
        values[ref.node, ref.index] = g.constant(_constant(source, ref.node, data))
    scope = Scope(run, source.graph, g, values)
    scope.reach(ref for _, ref in entry.outputs)
    results = scope.read([ref for _, ref in entry.outputs])
    if run.refused:
        raise UnsupportedOperators("tensorflow", run.refused)
    for place, node in list(run.pending):
        run.tell(place, node, f"{node} ({entry.reached[place, node]})")
    for (name, ref), entity in zip(entry.outputs, results, strict=True):
        if not isinstance(entity, ir.Value):
            reason = f"the output {name!r} is {what_is(entity)}"
            raise UnsupportedOperators("tensorflow", [Unsupported(ref.node, source.graph.nodes[ref.node].op, reason)])
        with g.layer(ref.node, source.graph.nodes[ref.node].op):
            g.output(entity, name)
    return run, g


def _constant(source: Assembled, node: str, data: object) -> Array:
    dtype = plain(attr(source.graph.nodes[node], "dtype", "type") or "DT_FLOAT")
    return np.asarray(data).astype(NUMPY.get(dtype, np.dtype(np.float32)))


def sweep(g: Builder) -> None:
    """Drop nodes and initialisers that no output needs: transposes moved away, shapes that became numbers, drafts."""
    kept: set[int] = set()
    used: set[int] = set()
    stack = list(g.graph.outputs)
    while stack:
        value = stack.pop()
        node = value.producer()
        used.add(id(value))
        if node is None or id(node) in kept:
            continue
        kept.add(id(node))
        for inside in [node, *_inner(node)]:
            kept.add(id(inside))
            stack.extend(item for item in inside.inputs if item is not None and id(item) not in used)
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                stack.extend(item for item in attribute.as_graph().outputs if id(item) not in used)
    for node in reversed(list(g.graph)):
        if id(node) not in kept:
            g.graph.remove(node)
    for name, value in list(g.graph.initializers.items()):
        if id(value) not in used:
            del g.graph.initializers[name]


def _inner(node: ir.Node) -> list[ir.Node]:
    """The nodes of its sub-graphs, those that their outputs do not need thrown out first."""
    found = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            graph_ = attribute.as_graph()
            _prune(graph_)
            for inside in graph_:
                found += [inside, *_inner(inside)]
    return found


def _prune(graph_: ir.Graph) -> None:
    wanted = {id(value) for value in graph_.outputs}
    for node in reversed(list(graph_)):
        if not any(id(output) in wanted for output in node.outputs):
            graph_.remove(node)
            continue
        for inside in [node, *_inner(node)]:
            wanted |= {id(value) for value in inside.inputs if value is not None}
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                wanted |= {id(value) for value in attribute.as_graph().outputs}


def coverage() -> Mapping[str, str]:
    """Operator names: an empty string when they are read, else the reason of their refusal."""
    return dict(sorted({**reads.coverage(), **handles.coverage(), **dict.fromkeys(INPUTS, "")}.items()))


INPUTS = ("IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2")
