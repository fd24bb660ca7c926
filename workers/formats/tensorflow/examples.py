"""Serving graphs that parse serialised examples: their dense features are the model's inputs instead of the text."""

from __future__ import annotations

from dataclasses import dataclass

from workers.formats.tensorflow.dtypes import ONNX, plain
from workers.formats.tensorflow.graph import Graph, Node, Ref, attr
from workers.formats.tensorflow.tensors import array_of


@dataclass(frozen=True, slots=True)
class Feature:
    """A dense feature: its key, the tensor that holds it, its element type and its shape behind the batch."""

    key: str
    ref: Ref
    dtype: str
    shape: list[int | None] | None


def features(graph: Graph, needed: set[Ref]) -> list[Feature]:
    """The dense features that a graph reads out of examples; none where it also reads sparse ones, or text."""
    found: list[Feature] = []
    for node in graph.nodes.values():
        if node.op not in ("ParseExample", "ParseExampleV2"):
            continue
        sparse = int(attr(node, "Nsparse" if node.op == "ParseExample" else "num_sparse", "i") or 0)
        dense = _dense(graph, node, sparse)
        read = {ref for ref in needed if ref.node == node.name}
        chosen = [item for item in dense if item.ref in read]
        if len(chosen) != len(read) or any(item.dtype not in ONNX or item.dtype == "DT_STRING" for item in chosen):
            return []
        found += chosen
    return found


def _dense(graph: Graph, node: Node, sparse: int) -> list[Feature]:
    types, shapes = attr(node, "Tdense", "list"), attr(node, "dense_shapes", "list")
    count = len(types.type) if types is not None else 0
    keys = _keys(graph, node, sparse, count)
    if len(keys) != count:
        return []
    result = []
    for index, key in enumerate(keys):
        shape = shapes.shape[index] if shapes is not None and index < len(shapes.shape) else None
        dims = None
        if shape is not None and not shape.unknown_rank:
            dims = [int(dim.size or 0) if (dim.size or 0) >= 0 else None for dim in shape.dim]
        result.append(Feature(key, Ref(node.name, 3 * sparse + index), plain(types.type[index]), dims))
    return result


def _keys(graph: Graph, node: Node, sparse: int, count: int) -> list[str]:
    """Constants: one a key in the first version, one vector in the second."""
    first = node.op == "ParseExample"
    refs = node.inputs[2 + sparse : 2 + sparse + count] if first else node.inputs[3:4]
    found: list[str] = []
    for ref in refs:
        source = graph.nodes.get(ref.node)
        tensor = attr(source, "value", "tensor") if source is not None and source.op == "Const" else None
        if tensor is None:
            return []
        array = array_of(tensor, ref.node, graph.file).reshape(-1)
        found += [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array]
    return found
