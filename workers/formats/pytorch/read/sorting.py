"""Sorting and choosing the largest."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.pytorch.read.layer import BOOL, I64, Layer, reads
from workers.hub.graph import GraphBuilder, Value


def _count(layer: Layer, x: Value, axis: int, k: Any) -> int:
    """``k``, which must be there along ``axis``."""
    count, size = layer.integer(k), layer.dim(x, axis)
    if count < 1 or (isinstance(size, int) and count > size):
        raise layer.malformed(f"it asks for {count} elements of {size if isinstance(size, int) else 'a free axis'}")
    return count


@reads("aten::topk")
def topk(
    g: GraphBuilder, layer: Layer, self: Value, k: Any, dim: Any = -1, largest: Any = True, sorted: Any = True
) -> tuple[Value, Value]:
    count = (
        g.constant([_count(layer, self, layer.axis(self, dim), k)])
        if layer.known(k) is not None
        else g.Reshape(k.scalar(g), [1])
    )
    values, indices = g.ops(
        "TopK", self, count, outputs=2, axis=layer.axis(self, dim), largest=int(bool(largest)), sorted=1
    )
    return values, indices


@reads("aten::sort", "aten::argsort", "aten::msort")
def sort(
    g: GraphBuilder, layer: Layer, self: Value, *args: Any, dim: Any = -1, descending: Any = False, stable: Any = False
) -> Any:
    """sort(x, dim, descending), or sort(x, stable, dim, descending)."""
    rest = list(args[1:] if args and (isinstance(args[0], bool) or args[0] is None) else args)
    axis = layer.axis(self, rest[0] if rest else dim if layer.type != "aten::msort" else 0)
    down = rest[1] if len(rest) > 1 else descending
    x = cast(g, self, I64) if self.dtype == BOOL else self
    if not layer.rank(self):
        return self, g.constant(0)
    values, indices = g.ops(
        "TopK", x, g.Shape(x, start=axis, end=axis + 1), outputs=2, axis=axis, largest=int(bool(down)), sorted=1
    )
    for made in (values, indices):
        layer.shaped(made, layer.dims(self))
    if layer.type == "aten::argsort":
        return indices
    values = cast(g, values, self.dtype or ir.DataType.FLOAT)
    return values if layer.type == "aten::msort" else (values, indices)


@reads("aten::kthvalue")
def kthvalue(g: GraphBuilder, layer: Layer, self: Value, k: Any, dim: Any = -1, keepdim: Any = False) -> Any:
    axis = layer.axis(self, dim)
    count = _count(layer, self, axis, k)
    both = g.ops("TopK", self, [count], outputs=2, axis=axis, largest=0, sorted=1)
    found = [g.Slice(x, [count - 1], [count], [axis]) for x in both]
    return tuple(found if keepdim else [g.Squeeze(x, [axis]) for x in found])


@reads("aten::median", "aten::nanmedian")
def median(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False) -> Any:
    """The lower of the two middle values."""
    if dim is None:
        flat = g.Reshape(self, [-1])
        return kthvalue(g, layer, flat, (layer.static(flat, 0) + 1) // 2, 0)[0]
    return kthvalue(g, layer, self, (layer.static(self, layer.axis(self, dim)) + 1) // 2, dim, keepdim)


@reads("aten::unique_consecutive", "aten::_unique", "aten::_unique2", "aten::unique_dim")
def unique(g: GraphBuilder, layer: Layer, self: Value, *args: Any, **named: Any) -> Any:
    word = layer.type.rpartition("::")[2]
    if word in ("unique_consecutive", "unique_dim"):
        raise layer.unsupported("ONNX has no counterpart of this form")
    values, _, inverse, counts = g.ops("Unique", self, outputs=4, sorted=1)
    shaped = g.Reshape(inverse, g.Shape(self))
    return (values, shaped) if word == "_unique" else (values, shaped, counts)
