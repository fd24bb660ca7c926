"""Gathering, scattering and selecting by index."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import FLOATS, D
from workers.formats.pytorch.write.weights import weight_of
from workers.hub.node import Array, Node, constant_of


@writes("Gather")
def gather(net: NetWriter, node: Node) -> None:
    """Rows of a weight matrix by number are nn.Embedding; one number takes its axis away, as Python's index does."""
    dim, table = axis(node, 0), node.const(0)
    indices = node.x(1)
    matrix = table is not None and table.ndim == 2 and dim == 0 and node.dtype() in FLOATS
    if table is not None and matrix and _given(indices):
        state = {"weight": weight_of(node.x(0))}
        path = net.module(node, text.call("nn.Embedding", *state["weight"].shape), "embedding", state)
        net.set(node, f"{path}({net.plain(indices)})")
        return
    before = ":, " * dim if dim >= 0 else "..., "
    known, run = net.as_ints(indices), _consecutive(constant_of(indices))
    place = net.plain(indices) if known is None or not known.scalar else str(known.items[0])
    if run is not None:
        place = f"{run[0]}:{run[1]}"
    net.set(node, f"{net.parameter(node, 0) if matrix else net.x(node)}[{before}{place}]")


def _given(indices: ir.Value) -> bool:
    """Whether the indices are an input of the model, cast or not: numbers of words, which are not negative."""
    producer = indices.producer()
    source = producer.inputs[0] if producer is not None and producer.op_type == "Cast" else indices
    return source is not None and source.is_graph_input()


def _consecutive(indices: Array | None) -> tuple[int, int] | None:
    """First and last + 1 when the constant vector counts up by one."""
    if indices is None or indices.ndim != 1 or indices.size == 0 or indices[0] < 0:
        return None
    first = int(indices[0])
    return (first, first + indices.size) if np.array_equal(indices, np.arange(first, first + indices.size)) else None


def _places(net: NetWriter, node: Node, index: int, dim: int) -> str:
    """Indices as int64; negative ones count from the end, which torch.gather does not know."""
    value = node.x(index)
    array, producer = constant_of(value), value.producer()
    places = net.plain(value)
    counted = producer is not None and producer.op_type in ("TopK", "ArgMax", "ArgMin", "NonZero")
    if counted or (array is not None and (array.size == 0 or array.min() >= 0)):
        return places if value.dtype is D.INT64 else f"{places}.to(torch.int64)"
    wide = places if value.dtype is D.INT64 else f"{places}.to(torch.int64)"
    return f"{wide} % {net.plain(node.x(0))}.shape[{dim}]"


@writes("GatherElements")
def gather_elements(net: NetWriter, node: Node) -> None:
    dim = axis(node, 0)
    net.set(node, f"torch.gather({net.x(node)}, {dim}, {_places(net, node, 1, dim)})")


@writes("GatherND")
def gather_nd(net: NetWriter, node: Node) -> None:
    call = text.call(net.helper("gather_nd"), net.x(node), net.plain(node.x(1)), node.i("batch_dims"))
    net.set(node, call)


REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@writes("ScatterElements")
def scatter_elements(net: NetWriter, node: Node) -> None:
    dim, reduction = axis(node, 0), node.s("reduction", "none")
    given = [net.x(node), str(dim), _places(net, node, 1, dim), net.x(node, 2)]
    if reduction == "none":
        net.set(node, text.call("torch.scatter", *given))
    else:
        net.set(node, text.call("torch.scatter_reduce", *given, reduce=f'"{REDUCTIONS[reduction]}"'))


@writes("ScatterND")
def scatter_nd(net: NetWriter, node: Node) -> None:
    reduction = node.s("reduction", "none")
    given = [net.x(node), net.plain(node.x(1)), net.x(node, 2), f'"{REDUCTIONS.get(reduction, "none")}"']
    net.set(node, text.call(net.helper("scatter_nd"), *given))


@writes("Compress")
def compress(net: NetWriter, node: Node) -> None:
    x, condition = net.x(node), net.x(node, 1)
    places = f"torch.nonzero({condition}).squeeze(1)"
    if node.has("axis"):
        net.set(node, f"torch.index_select({x}, {node.i('axis')}, {places})")
    else:
        net.set(node, f"{x}.reshape(-1)[{places}]")


@writes("OneHot")
def one_hot(net: NetWriter, node: Node) -> None:
    call = text.call(net.helper("one_hot"), net.x(node), net.integer(node, 1), net.x(node, 2), node.i("axis", -1))
    net.set(node, call)


@writes("ReverseSequence", only_if=rank_known)
def reverse_sequence(net: NetWriter, node: Node) -> None:
    given = [net.x(node), net.plain(node.x(1)), node.i("batch_axis", 1), node.i("time_axis")]
    net.set(node, text.call(net.helper("reverse_sequence"), *given))
