"""Joining, splitting, repeating and reversing tensors, and asking for their sizes."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.align import aligned, is_batch, place, single, sized
from workers.formats.tflite.read.held import to_first
from workers.formats.tflite.read.layer import I64, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("CONCATENATION", "STABLEHLO_CONCATENATE")
def concatenation(g: GraphBuilder, layer: Layer) -> Out:
    """Quantised parts of other scales are brought to the result's."""
    indices = [index for index in range(len(layer.inputs)) if layer.has(index)]
    if not indices:
        raise layer.malformed("it has no inputs")
    rank = layer.rank(indices[0])
    axis = layer.axis(layer.i("axis" if layer.type == "CONCATENATION" else "dimension"), rank)
    shapes = [layer.dims(index) for index in indices]
    for shape in shapes[1:]:
        if len(shape) != rank:
            raise layer.malformed("its inputs have different numbers of axes")
        for other, (a, b) in enumerate(zip(shapes[0], shape, strict=True)):
            if other != axis and "batch" in (a, b) and not (layer.scope.batch is None and None in (a, b)):
                layer.same(a, b, f"axis {other}")
    real = not (layer.moves(*indices) and layer.i("fused_activation_function") == 0)
    values, first = aligned(g, layer, *indices, real=real)
    known = [layer.known(index) for index in indices] if rank == 1 else []
    joined = (
        np.concatenate([k for k in known if k is not None]) if known and all(k is not None for k in known) else None
    )
    y = g.Concat(*values, axis=place(axis, rank, first))
    return Out(layer.activated(g, y), first=first, real=real, known=joined)


@reads("PACK")
def pack(g: GraphBuilder, layer: Layer) -> Out:
    """Tensors of one shape along a new axis."""
    if not layer.inputs:
        raise layer.malformed("it has no inputs")
    rank = layer.rank(0)
    axis = layer.axis(layer.i("axis"), rank, extra=1)
    indices = range(len(layer.inputs))
    real = not layer.moves(*indices)
    known = [layer.known(index) for index in indices] if rank == 0 else []
    scalars = [found.reshape(-1)[0] for found in known if found is not None and found.size == 1]
    stacked = np.asarray(scalars, object) if known and len(scalars) == len(known) else None
    parts = [g.Unsqueeze(layer.x(g, index, real=real), [axis]) for index in indices]
    return Out(g.Concat(*parts, axis=axis), real=real, known=stacked)


@reads("UNPACK")
def unpack(g: GraphBuilder, layer: Layer) -> list[Out]:
    rank = layer.rank(0)
    axis = layer.axis(layer.i("axis"), rank)
    count = layer.i("num")
    layer.same(layer.dims(0)[axis], count, f"axis {axis}")
    real = not layer.moves(0)
    x, known = layer.x(g, 0, real=real), layer.known(0)
    parts = g.ops("Split", x, axis=axis, num_outputs=count, outputs=count) if count > 1 else [x]
    return [
        Out(g.Squeeze(part, [axis]), real=real, known=None if known is None or rank > 1 else np.asarray(known[index]))
        for index, part in enumerate(parts)
    ]


@reads("SPLIT")
def split(g: GraphBuilder, layer: Layer) -> list[Out]:
    """Inputs: the axis, the data; into equal parts."""
    rank, count = layer.rank(1), layer.i("num_splits")
    axis = layer.axis(layer.integer(0, "axis"), rank)
    size = layer.dims(1)[axis]
    if count < 1 or (isinstance(size, int) and size % count):
        raise layer.malformed(f"axis {axis} of size {size} cannot be split into {count}")
    sizes = [size // count] * count if isinstance(size, int) else None
    return _split(g, layer, 1, axis, count, sizes)


@reads("SPLIT_V")
def split_v(g: GraphBuilder, layer: Layer) -> list[Out]:
    """Inputs: the data, the parts' sizes of which one may be -1, the axis."""
    rank, sizes = layer.rank(0), layer.integers(1, "sizes")
    axis = layer.axis(layer.integer(2, "axis"), rank)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1 or not sizes:
        raise layer.malformed(f"its sizes {sizes} leave more than one open")
    if -1 in sizes:
        rest = layer.size(0, axis) - sum(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = rest
    return _split(g, layer, 0, axis, len(sizes), sizes)


def _split(g: GraphBuilder, layer: Layer, index: int, axis: int, count: int, sizes: list[int] | None) -> list[Out]:
    size = layer.dims(index)[axis]
    if sizes is not None and isinstance(size, int) and (sum(sizes) != size or min(sizes) < 0):
        raise layer.malformed(f"axis {axis} of size {size} cannot be split into {sizes}")
    real = not layer.moves(index)
    x, first = single(g, layer, index, real=real)
    if count == 1:
        return [Out(g.Identity(x), first=first, real=real)]
    at = place(axis, layer.rank(index), first)
    if sizes is None:
        parts = g.ops("Split", x, axis=at, num_outputs=count, outputs=count)
    else:
        parts = g.ops("Split", x, sizes, axis=at, outputs=count)
    return [Out(part, first=first, real=real) for part in parts]


# --- repeating and reversing -----------------------------------------------------------------------------------------


@reads("TILE")
def tile(g: GraphBuilder, layer: Layer) -> Out:
    real = not layer.moves(0)
    known = layer.known(1)
    if known is None or any(isinstance(item, str) for item in known.flat):
        return Out(g.Tile(layer.x(g, 0, real=real), whole(g, layer.x(g, 1))), real=real)
    rank = layer.rank(0)
    x, first = single(g, layer, real=real)
    repeats = [int(item) for item in known.flat]
    if len(repeats) != rank or min(repeats, default=1) < 0:
        raise layer.malformed(f"it repeats an input of {rank} axes {repeats} times")
    order = to_first(rank) if first else list(range(rank))
    y = g.Tile(x, [repeats[axis] for axis in order])
    shape = [size if repeats[axis] == 1 else None for axis, size in enumerate(layer.dims(0))]
    return Out(sized(y, [shape[axis] for axis in order]), first=first, real=real)


@reads("BROADCAST_TO")
def broadcast_to(g: GraphBuilder, layer: Layer) -> Out:
    """A batch that only we leave free stays as it is."""
    real = not layer.moves(0)
    known = layer.known(1)
    x = layer.x(g, 0, real=real)
    shape = layer.dims(0)
    if known is None or any(isinstance(item, str) for item in known.flat):
        return Out(g.Expand(x, whole(g, layer.x(g, 1))), real=real)
    wanted = [int(item) for item in known.flat]
    if len(wanted) < len(shape):
        raise layer.malformed(f"an input of shape {list(shape)} cannot be broadcast to {wanted}")
    for axis, size in enumerate(shape, len(wanted) - len(shape)):
        if is_batch(layer, size, wanted[axis]):
            wanted[axis] = 1
    return Out(g.Expand(x, wanted), real=real)


@reads("BROADCAST_ARGS")
def broadcast_args(g: GraphBuilder, layer: Layer) -> Value:
    """The shape that two shapes broadcast to: that of the sum of two tensors of them."""
    zero = np.zeros((), np.int64)
    a, b = (g.Expand(zero, whole(g, layer.x(g, index))) for index in (0, 1))
    return g.Shape(g.Add(a, b))


@reads("REVERSE_V2")
def reverse_v2(g: GraphBuilder, layer: Layer) -> Out:
    rank = layer.rank(0)
    axes = layer.axes(1, rank)
    real = not layer.moves(0)
    x, first = single(g, layer, real=real)
    lowest = np.iinfo(np.int64).min
    at = [place(axis, rank, first) for axis in axes]
    y = g.Slice(x, [-1] * len(at), [int(lowest)] * len(at), at, [-1] * len(at)) if at else g.Identity(x)
    return Out(y, first=first, real=real)


@reads("REVERSE_SEQUENCE")
def reverse_sequence(g: GraphBuilder, layer: Layer) -> Out:
    """ONNX wants time and batch in the first two axes: others are moved there and back."""
    rank = layer.rank(0)
    time, batch = layer.axis(layer.i("seq_dim"), rank), layer.axis(layer.i("batch_dim"), rank)
    if time == batch or rank < 2:
        raise layer.malformed("its time is its batch")
    real = not layer.moves(0)
    x, lengths = layer.x(g, 0, real=real), whole(g, layer.x(g, 1))
    if {time, batch} == {0, 1}:
        return Out(g.ReverseSequence(x, lengths, time_axis=time, batch_axis=batch), real=real)
    order = [time, batch, *(axis for axis in range(rank) if axis not in (time, batch))]
    y = g.ReverseSequence(g.Transpose(x, perm=order), lengths, time_axis=0, batch_axis=1)
    return Out(g.Transpose(y, perm=[order.index(axis) for axis in range(rank)]), real=real)


# --- sizes -----------------------------------------------------------------------------------------------------------


@reads("SHAPE")
def shape(g: GraphBuilder, layer: Layer) -> Out:
    dims = layer.dims(0)
    known = np.empty(len(dims), object)
    known[:] = dims
    if all(isinstance(size, int) for size in dims):
        return Out(g.Identity(np.asarray(dims, np.int64)), known=known)
    first = len(dims) > 2 and layer.held(0).prefers_first
    found = g.Shape(layer.x(g, 0, first=first, real=layer.scope.dequantize))
    if first:
        found = g.Gather(found, [0, *range(2, len(dims)), 1])
    return Out(found, known=None if any(size is None for size in dims) else known)


@reads("RANK")
def rank(g: GraphBuilder, layer: Layer) -> Out:
    count = layer.rank(0)
    return Out(g.Identity(np.asarray(count, np.int64)), known=np.asarray(count, object))


@reads("FILL")
def fill(g: GraphBuilder, layer: Layer) -> Out:
    """Inputs: the shape, the value."""
    sizes = layer.known(0)
    real = not layer.moves(1)
    x = layer.x(g, 1, real=real)
    if sizes is None or any(isinstance(item, str) for item in sizes.flat):
        return Out(g.Expand(x, whole(g, layer.x(g, 0))), real=real)
    wanted = [int(item) for item in sizes.flat]
    if min(wanted, default=0) < 0:
        raise layer.malformed(f"its shape is {wanted}")
    return Out(g.Expand(x, np.asarray(wanted, np.int64)), real=real)


@reads("RANGE")
def range_(g: GraphBuilder, layer: Layer) -> Value:
    start, limit, delta = (g.Squeeze(layer.x(g, i)) if layer.rank(i) else layer.x(g, i) for i in range(3))
    return g.Range(start, limit, delta)


@reads("STABLEHLO_IOTA")
def stablehlo_iota(g: GraphBuilder, layer: Layer) -> Value:
    """Numbers from 0 along one axis of the result's shape."""
    shape_ = list(layer.outs[0].shape)
    axis = layer.axis(layer.i("iota_dimension"), len(shape_))
    numbers = np.arange(shape_[axis] if shape_[axis] <= 1 << 20 else 0)
    along: list[Dim] = [1] * len(shape_)
    along[axis] = -1
    return g.Expand(cast(g, g.Reshape(numbers, along), I64), np.asarray(shape_, np.int64))


@reads("STABLEHLO_BROADCAST_IN_DIM")
def stablehlo_broadcast_in_dim(g: GraphBuilder, layer: Layer) -> Value:
    """Each axis of the input goes to a named one of the result's shape."""
    dims, shape_, own = layer.ints("broadcast_dimensions"), list(layer.outs[0].shape), layer.dims(0)
    if layer.has(1):
        dims = layer.integers(1, "dimensions")
    if len(dims) != len(own) or any(not 0 <= axis < len(shape_) for axis in dims) or sorted(set(dims)) != dims:
        raise layer.malformed(f"its dimensions {dims} do not fit an input of {len(own)} axes")
    missing = [axis for axis in range(len(shape_)) if axis not in dims]
    x = g.Unsqueeze(layer.x(g, 0), missing) if missing else layer.x(g, 0)
    return g.Expand(x, np.asarray(shape_, np.int64))
