"""Layers of graph networks: rows that belong together reduced to one, and messages along edges."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.elementwise import alike
from workers.formats.paddle.read.layer import BOOL, I32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, numbers
from workers.hub.graph import GraphBuilder

REDUCTIONS = {"SUM": "add", "MEAN": "add", "MAX": "max", "MIN": "min"}
MESSAGES = {"ADD": "Add", "MUL": "Mul", "SUB": "Sub", "DIV": "Div"}


@reads("segment_pool")
def segment_pool(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Rows with one number, which ascend, become one row; numbers that do not occur give zeros."""
    x, ids = layer.x(), cast(g, layer.x("SegmentIds"), I64)
    rows = g.Add(g.ReduceMax(ids, [0], keepdims=1), [1])
    result, counts = _reduced(g, layer, x, ids, rows, layer.word("pooltype", "SUM"))
    return {"Out": result, "SummedIds": g.Unsqueeze(cast(g, counts, layer.element(x)), [1])}


@reads("graph_send_recv")
def graph_send_recv(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Row Src_index of X goes to row Dst_index of the result for every edge."""
    x = layer.x()
    return _received(g, layer, g.Gather(x, cast(g, layer.x("Src_index"), I64), axis=0))


@reads("graph_send_ue_recv")
def graph_send_ue_recv(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """As before, with a row for each edge added to its message or multiplied by it."""
    x, edges = alike(g, layer, layer.x(), layer.x("Y"))
    return _received(g, layer, _message(g, layer, g.Gather(x, cast(g, layer.x("Src_index"), I64), axis=0), edges))


@reads("graph_send_uv")
def graph_send_uv(g: GraphBuilder, layer: Layer) -> Value:
    """For each edge what its two ends give together."""
    x, y = alike(g, layer, layer.x("x"), layer.x("y"))
    ends = (
        g.Gather(value, cast(g, layer.x(slot), I64), axis=0) for value, slot in ((x, "src_index"), (y, "dst_index"))
    )
    return _message(g, layer, *ends)


def _message(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    word = layer.word("message_op", "ADD").upper()
    if word not in MESSAGES:
        raise layer.malformed(f"its message_op is {word!r}")
    return g.op(MESSAGES[word], a, b)


def _received(g: GraphBuilder, layer: Layer, messages: Value) -> dict[str, Value]:
    """As many rows as X has, or as Out_size says if it is above zero."""
    x = layer.x()
    size = numbers(g, layer, "out_size", "Out_size", default=[0])
    known = size if isinstance(size, list) else contents(layer, size)
    if known is None or len(known) != 1 or not isinstance(known[0], int):
        raise layer.unsupported("its out_size is computed from the data; ONNX needs it to be known")
    rows = g.constant([known[0]]) if known[0] > 0 else g.Shape(x, start=0, end=1)
    places = cast(g, layer.x("Dst_index"), I64)
    result, counts = _reduced(g, layer, messages, places, rows, layer.word("reduce_op", "SUM"))
    return {"Out": result, "Dst_count": cast(g, counts, I32)}


def _reduced(g: GraphBuilder, layer: Layer, x: Value, places: Value, rows: Value, word: str) -> tuple[Value, Value]:
    """Rows [E, ...] of ``x`` put together by their ``places`` [E], zeros where nothing comes; how many came, [rows]."""
    if word.upper() not in REDUCTIONS:
        raise layer.malformed(f"its reduction is {word!r}")
    reduction, dtype = REDUCTIONS[word.upper()], layer.element(x)
    rank, where = layer.rank(x), g.Unsqueeze(places, [1])
    tail = [g.Shape(x, start=1)] if rank > 1 else []
    shape = g.Concat(rows, *tail, axis=0) if tail else rows
    ones = g.Expand(g.constant(np.asarray(1, np.int64)), g.Shape(places))
    counts = g.ScatterND(g.Expand(g.constant(np.asarray(0, np.int64)), rows), where, ones, reduction="add")
    start: object = 0
    if reduction != "add":
        numbers_of = dtype.numpy()
        limits = np.finfo(numbers_of) if np.issubdtype(numbers_of, np.floating) else np.iinfo(numbers_of)
        start = limits.min if reduction == "max" else limits.max
    base = g.Expand(layer.number(x, start), shape)
    result = g.ScatterND(base, where, x, reduction=reduction)
    wide = counts if rank == 1 else g.Unsqueeze(counts, list(range(1, rank)))
    if word.upper() == "MEAN":
        result = g.Div(result, cast(g, g.Max(wide, [1]), dtype))
    elif reduction != "add":
        result = g.Where(g.Cast(wide, to=int(BOOL)), result, layer.number(x, 0))
    dims = list(layer.shape(x))
    result.shape = ir.Shape([None, *dims[1:]])
    return result, counts
