"""Layers that change a shape or the order of axes and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times, whole
from workers.formats.paddle.read.elementwise import alike
from workers.formats.paddle.read.layer import I32, I64, Layer, Result, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, fixed, integer, numbers, reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("reshape", "reshape2", "view_shape")
def reshape(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """0 keeps a size, -1 takes what is left; a tensor, or one for each axis, wins over the attribute."""
    x = layer.x()
    key = "dims" if layer.op.type == "view_shape" else "shape"
    found = numbers(g, layer, key, "Shape", "ShapeTensor")
    known = found if isinstance(found, list) else contents(layer, found)
    if known is None:
        result = g.Reshape(x, cast(g, found, I64) if isinstance(found, ir.Value) else found)
        return {"Out": result}
    have = layer.shape(x)
    target: list[Dim] = []
    for place, dim in enumerate(known):
        if dim == 0 and times(have) != 0:
            if place >= len(have):
                raise layer.malformed(f"its shape {list(known)} keeps axis {place} of {len(have)}")
            dim = have[place]
            dim = dim if dim is not None else -1
        target.append(dim)
    if target.count(-1) + target.count(None) > 1 or any(isinstance(dim, int) and dim < -1 for dim in target):
        if isinstance(found, list):
            return {"Out": g.Reshape(x, found)} if found.count(-1) < 2 else _bad(layer, found)
        return {"Out": g.Reshape(x, found)}
    return {"Out": g.Identity(x) if tuple(target) == tuple(have) else
            reshaped(g, layer, x, [None if dim == -1 else dim for dim in target])}  # fmt: skip


def _bad(layer: Layer, found: Sequence[int]) -> dict[str, Value]:
    raise layer.malformed(f"its shape is {list(found)}")


@reads("transpose", "transpose2", "trans_layout")
def transpose(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    rank = layer.rank(x)
    perm = [layer.axis(axis, rank) for axis in layer.integers("axis")]
    if sorted(perm) != list(range(rank)):
        raise layer.malformed(f"its axis {perm} is no order of {rank} axes")
    return {"Out": g.Transpose(x, perm=perm) if rank else g.Identity(x)}


@reads("flatten", "flatten2", "flatten_contiguous_range")
def flatten(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """A range of axes becomes one; fluid's makes a matrix of the axes before and behind ``axis``."""
    x = layer.x()
    rank = layer.rank(x)
    if layer.op.type == "flatten_contiguous_range":
        if not rank:
            return {"Out": g.Reshape(x, [1])}
        start = layer.axis(layer.integer("start_axis", 1), rank)
        stop = layer.axis(layer.integer("stop_axis", 1), rank)
        if start > stop:
            raise layer.malformed(f"it flattens the axes from {start} to {stop}")
        return {"Out": _flat(g, layer, x, [(axis, axis + 1) for axis in range(start)]
                             + [(start, stop + 1)] + [(axis, axis + 1) for axis in range(stop + 1, rank)])}  # fmt: skip
    axis = layer.axis(layer.integer("axis", 1), rank, extra=1)
    return {"Out": _flat(g, layer, x, [(0, axis), (axis, rank)])}


def _flat(g: GraphBuilder, layer: Layer, x: Value, ranges: Sequence[tuple[int, int]]) -> Value:
    """Each range [first, stop) of axes as one; what is not known is multiplied at run time."""
    have = layer.shape(x)
    target = [times(have[first:stop]) for first, stop in ranges]
    if tuple(target) == have and all(stop - first == 1 for first, stop in ranges):
        return g.Identity(x)
    if target.count(None) < 2:
        return reshaped(g, layer, x, target)
    sizes = [[dim] if isinstance(dim, int) else g.ReduceProd(g.Shape(x, start=first, end=stop), [0], keepdims=1)
             for dim, (first, stop) in zip(target, ranges, strict=True)]  # fmt: skip
    result = g.Reshape(x, g.Concat(*sizes, axis=0), allowzero=1 if 0 in target else None)
    result.shape = ir.Shape(target)
    return result


@reads("squeeze", "squeeze2")
def squeeze(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Axes of another size than 1 stay; none named means all of size 1."""
    x = layer.x()
    dims = layer.shape(x)
    named = fixed(layer, numbers(g, layer, "axes", "AxesTensor", default=[]), "its axes")
    axes = sorted({layer.axis(axis, max(len(dims), 1)) for axis in named} if named else
                  {axis for axis, dim in enumerate(dims) if dim == 1})  # fmt: skip
    if any(axis < len(dims) and not isinstance(dims[axis], int) for axis in axes):
        raise layer.free("whether an axis goes depends on its size")
    axes = [axis for axis in axes if axis < len(dims) and dims[axis] == 1]
    return {"Out": g.Squeeze(x, axes) if axes else g.Identity(x)}


@reads("unsqueeze", "unsqueeze2")
def unsqueeze(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Axis by axis in the order given."""
    x = layer.x()
    for axis in fixed(layer, numbers(g, layer, "axes", "AxesTensor", "AxesTensorList"), "its axes"):
        x = g.Unsqueeze(x, [layer.axis(axis, layer.rank(x), extra=1)])
    return {"Out": x if x is not layer.x() else g.Identity(x)}


# --- joining and taking apart ----------------------------------------------------------------------------------------


@reads("concat")
def concat(g: GraphBuilder, layer: Layer) -> Value:
    xs = layer.several("X")
    axis = integer(g, layer, "axis", "AxisTensor", 0)
    rank = max(layer.rank(x) for x in xs)
    if len(xs) == 1:
        return g.Identity(xs[0])
    for place, x in enumerate(xs):
        xs[place] = alike(g, layer, x, xs[0])[0] if x.dtype != xs[0].dtype else x
    xs = [x for x in xs if layer.shape(x) != (0,) or rank == 1]
    return g.Concat(*xs, axis=layer.axis(axis, rank))


@reads("stack")
def stack(g: GraphBuilder, layer: Layer) -> Value:
    xs = layer.several("X")
    axis = layer.axis(layer.integer("axis", 0), layer.rank(xs[0]), extra=1)
    return g.Concat(*(g.Unsqueeze(x, [axis]) for x in xs), axis=axis)


@reads("split")
def split(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Into ``num`` equal parts or ``sections``, of which one may be -1."""
    x = layer.x()
    axis = layer.axis(integer(g, layer, "axis", "AxisTensor", 0), layer.rank(x))
    sections = fixed(
        layer, numbers(g, layer, "sections", "SectionsTensor", "SectionsTensorList", default=[]), "its sections"
    )
    count = len(layer.op.outputs.get("Out", [])) or len(sections) or layer.integer("num", 0)
    if not 1 <= count <= 65536:
        raise layer.malformed(f"it makes {count} parts")
    if not sections:
        dim = layer.shape(x)[axis]
        if isinstance(dim, int) and dim % count:
            raise layer.malformed(f"axis {axis} of size {dim} is no {count} equal parts")
        if count == 1:
            return [g.Identity(x)]
        if not isinstance(dim, int):
            return g.ops("Split", x, outputs=count, axis=axis, num_outputs=count)
        sections = [dim // count] * count
    if sections.count(-1) == 1:
        rest = layer.size(x, axis) - sum(size for size in sections if size != -1)
        sections = [rest if size == -1 else size for size in sections]
    if len(sections) != count or any(size < 0 for size in sections):
        raise layer.malformed(f"its sections are {sections}")
    return [g.Identity(x)] if count == 1 else g.ops("Split", x, sections, outputs=count, axis=axis)


@reads("unstack", "unbind")
def unstack(g: GraphBuilder, layer: Layer) -> list[Value]:
    x = layer.x()
    axis = layer.axis(layer.integer("axis", 0), layer.rank(x))
    count = len(next(iter(layer.op.outputs.values()), ())) or layer.size(x, axis)
    if layer.size(x, axis) != count or not 1 <= count <= 65536:
        raise layer.malformed(f"it makes {count} parts of an axis of size {layer.size(x, axis)}")
    parts = [x] if count == 1 else g.ops("Split", x, [1] * count, outputs=count, axis=axis)
    return [g.Squeeze(part, [axis]) for part in parts]


@reads("partial_concat", "partial_sum")
def partial(g: GraphBuilder, layer: Layer) -> Value:
    """The same columns of all inputs, side by side or summed."""
    start, length = layer.integer("start_index", 0), layer.integer("length", -1)
    parts = []
    for x in layer.all("X"):
        width = layer.size(x, 1)
        begin = start + width if start < 0 else start
        parts.append(g.Slice(x, [begin], [width if length < 0 else begin + length], [1]))
    if not parts:
        raise layer.malformed("it has no inputs")
    return g.Concat(*parts, axis=1) if layer.op.type == "partial_concat" else g.Sum(*parts)


# --- copies and sizes -------------------------------------------------------------------------------------------------


@reads("assign", "share_data", "memcpy", "memcpy_d2h", "memcpy_h2d", "lod_reset", "npu_identity", "rnn_memory_helper",
       "builtin.shadow_output", "transfer_layout", "print", "depend")  # fmt: skip
def assign(g: GraphBuilder, layer: Layer) -> Result:
    slot = "X" if layer.op.inputs.get("X") else next(iter(layer.op.inputs), "X")
    held = layer.held(slot)
    if len(held) == 1 and not isinstance(held[0], ir.Value):
        return {"Out": [held[0]]}
    return g.Identity(layer.x(slot))


@reads("shape", "shape64")
def shape(g: GraphBuilder, layer: Layer) -> Value:
    """32-bit numbers in the old operator."""
    x = layer.x("Input")
    known = whole(layer.shape(x))
    dtype = I64 if layer.op.type == "shape64" else I32
    if known is not None:
        return g.constant(np.asarray(known, dtype.numpy()))
    sizes = g.Shape(x)
    return sizes if dtype == I64 else g.Cast(sizes, to=int(I32))


@reads("size")
def size(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("Input")
    count = times(layer.shape(x))
    return g.constant(np.asarray(count, np.int64)) if isinstance(count, int) else g.Size(x)


@reads("is_empty")
def is_empty(g: GraphBuilder, layer: Layer) -> Value:
    return g.Equal(g.Size(layer.x()), np.asarray(0, np.int64))
