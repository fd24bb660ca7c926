"""Picking by indices, putting to indices, and asking where something is."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.activation import computable
from workers.formats.tflite.read.align import place, single
from workers.formats.tflite.read.layer import BOOL, DTYPES, F32, I64, Array, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder


@reads("GATHER")
def gather(g: GraphBuilder, layer: Layer) -> Out:
    """Along one axis; the first ``batch_dims`` axes of data and indices go together."""
    rank, count = layer.rank(0), layer.rank(1)
    axis = layer.axis(layer.i("axis"), rank)
    batch = layer.i("batch_dims")
    batch += count if batch < 0 else 0
    if not 0 <= batch <= min(axis, count):
        raise layer.malformed(f"its batch_dims {batch} do not fit its axis {axis}")
    real = not layer.moves(0)
    indices = layer.x(g, 1)
    if batch == 0:
        if count == 1 and rank > 1:
            x, first = single(g, layer, real=real)
            return Out(g.Gather(x, indices, axis=place(axis, rank, first)), first=first, real=real)
        return Out(g.Gather(layer.x(g, 0, real=real), indices, axis=axis), real=real, known=_picked(layer))
    x = layer.x(g, 0, real=real)
    if axis > batch:
        x = g.Transpose(x, perm=[*range(batch), axis, *range(batch, axis), *range(axis + 1, rank)])
    y = g.GatherND(x, g.Unsqueeze(whole(g, indices), [-1]), batch_dims=batch)
    if axis > batch:
        inner, middle = count - batch, axis - batch
        y = g.Transpose(y, perm=[*range(batch), *range(count, count + middle), *range(batch, batch + inner),
                                 *range(count + middle, count + rank - batch - 1)])  # fmt: skip
    return Out(y, real=real)


def _picked(layer: Layer) -> Array | None:
    """Elements of a small vector of integers by known places."""
    known, index = layer.known(0), layer.known(1)
    if known is None or known.ndim != 1 or index is None or any(isinstance(item, str) for item in index.flat):
        return None
    places = index.astype(np.int64)
    if places.size and (places.min() < 0 or places.max() >= known.size):
        return None
    return np.asarray(known[places], object)


@reads("GATHER_ND")
def gather_nd(g: GraphBuilder, layer: Layer) -> Out:
    real = not layer.moves(0)
    return Out(g.GatherND(layer.x(g, 0, real=real), whole(g, layer.x(g, 1))), real=real)


@reads("SCATTER_ND")
def scatter_nd(g: GraphBuilder, layer: Layer) -> Out:
    """Inputs: indices, updates, the shape; updates to one place add up."""
    shape = whole(g, layer.x(g, 2))
    x = layer.x(g, 1)
    plain = computable(g, x)
    zero = np.zeros((), (plain.dtype or F32).numpy())
    ground = g.Expand(zero, shape)
    return Out(g.ScatterND(ground, whole(g, layer.x(g, 0)), plain, reduction="add"))


@reads("SPARSE_TO_DENSE")
def sparse_to_dense(g: GraphBuilder, layer: Layer) -> Out:
    """Inputs: indices of 0 to 2 axes, the shape, values of which there may be one for all, the rest's value."""
    rank = layer.rank(0)
    indices = whole(g, layer.x(g, 0))
    layer.rank(1, 1)
    axes = layer.dims(1)[0]
    if rank < 2:
        indices = g.Reshape(indices, [-1, 1] if axes == 1 or rank == 1 else [1, -1])
    values = layer.x(g, 2)
    if layer.rank(2) == 0:
        values = g.Expand(values, g.Shape(indices, start=0, end=1))
    ground = g.Expand(layer.x(g, 3), whole(g, layer.x(g, 1)))
    return Out(g.ScatterND(ground, indices, values))


@reads("ONE_HOT")
def one_hot(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: indices, how many, the values on and off; an index outside is off everywhere."""
    rank = layer.rank(0)
    axis = layer.i("axis")
    axis = layer.axis(axis, rank, extra=1) if axis != -1 else rank
    depth = layer.integer(1, "depth")
    if not 0 <= depth <= 1 << 24:
        raise layer.malformed(f"its depth is {depth}")
    numbers = np.arange(depth, dtype=np.int64).reshape([-1, *[1] * (rank - axis)])
    hit = g.Equal(g.Unsqueeze(whole(g, layer.x(g, 0)), [axis]), numbers)
    return g.Where(hit, layer.x(g, 2), layer.x(g, 3))


@reads("WHERE")
def where(g: GraphBuilder, layer: Layer) -> Value:
    """The places of what is true, a row each."""
    x = layer.x(g, 0)
    return g.Transpose(g.NonZero(cast(g, x, BOOL)), perm=[1, 0])


@reads("UNIQUE")
def unique(g: GraphBuilder, layer: Layer) -> list[Value]:
    """In the order of first appearance, and for each element the place of its like."""
    layer.rank(0, 1)
    x = layer.x(g, 0)
    values, _, inverse, _ = g.ops("Unique", x if x.dtype == F32 else cast(g, x, I64), outputs=4, axis=0, sorted=0)
    return [values, inverse]


@reads("CAST", "STABLEHLO_CONVERT")
def cast_(g: GraphBuilder, layer: Layer) -> Out:
    """Numbers as stored, whatever they stand for; a constant is made in the new type when it is written."""
    kind = layer.outs[0].type
    if kind not in DTYPES or kind.startswith("complex"):
        raise layer.unsupported(f"ONNX runtimes have no type {kind}")
    held = layer.held(0)
    if held.array is not None and not held.quantised and held.dtype.is_floating_point():
        make, dtype = held.array, DTYPES[kind]
        return Out(array=lambda: make().astype(dtype.numpy()), shape=held.shape, dtype=dtype)
    x, first = single(g, layer, real=False)
    return Out(
        cast(g, x, DTYPES[kind]), first=first, real=False, known=layer.known(0) if kind in ("int32", "int64") else None
    )


@reads("BITCAST")
def bitcast(g: GraphBuilder, layer: Layer) -> Out:
    """ONNX cannot see the bits of one type as another's; between types of one kind nothing is to be done."""
    if layer.outs[0].type == layer.held(0).tensor.type:
        x, first = single(g, layer, real=False)
        return Out(g.Identity(x), first=first, real=False)
    raise layer.unsupported("ONNX cannot take the bits of one type for those of another")


@reads("BUCKETIZE")
def bucketize(g: GraphBuilder, layer: Layer) -> Out:
    """How many of the ascending boundaries are not above the value."""
    bounds = np.asarray([float(x) for x in layer.op.options.get("boundaries", ())], np.float32)
    x, first = single(g, layer)
    reached = g.GreaterOrEqual(g.Unsqueeze(cast(g, x, F32), [-1]), bounds)
    return Out(g.ReduceSum(cast(g, reached, I64), [-1], keepdims=0), first=first)


@reads("MATRIX_DIAG")
def matrix_diag(g: GraphBuilder, layer: Layer) -> Out:
    """The last axis onto the diagonal of two."""
    size = layer.size(0, layer.rank(0) - 1)
    x = layer.x(g, 0)
    zero = layer.as_type(0, 0)
    return Out(g.Where(np.eye(size, dtype=bool), g.Unsqueeze(x, [-1]), zero))


@reads("MATRIX_SET_DIAG")
def matrix_set_diag(g: GraphBuilder, layer: Layer) -> Out:
    rank = layer.rank(0)
    rows, columns = layer.size(0, rank - 2), layer.size(0, rank - 1)
    small = min(rows, columns)
    x, diagonal = layer.x(g, 0), layer.x(g, 1)
    if small < columns:
        diagonal = g.Pad(diagonal, [*[0] * (rank - 1), *[0] * (rank - 2), columns - small], layer.as_type(1, 0))
    return Out(g.Where(np.eye(rows, columns, dtype=bool), g.Unsqueeze(diagonal, [-2]), x))


@reads("DYNAMIC_UPDATE_SLICE", "STABLEHLO_DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(g: GraphBuilder, layer: Layer) -> Out:
    """A piece written over the data at computed places, which are moved until it fits: element by element."""
    shape, piece = layer.sizes(0), layer.sizes(1)
    if len(shape) != len(piece) or any(b > a for a, b in zip(shape, piece, strict=True)):
        raise layer.malformed(f"a piece of {piece} does not fit into {shape}")
    if int(np.prod(piece)) > 1 << 22:
        raise layer.unsupported("its piece is too large to be written element by element")
    if layer.type == "DYNAMIC_UPDATE_SLICE":
        starts = whole(g, layer.x(g, 2))
    else:
        starts = g.Concat(*(g.Reshape(whole(g, layer.x(g, i + 2)), [1]) for i in range(len(shape))), axis=0)
    last = np.asarray([a - b for a, b in zip(shape, piece, strict=True)], np.int64)
    begin = g.Max(g.Min(starts, last), np.zeros(len(shape), np.int64))
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in piece), indexing="ij"), -1).astype(np.int64)
    real = not layer.moves(0, 1)
    y = g.ScatterND(layer.x(g, 0, real=real), g.Add(g.constant(grid), begin), layer.x(g, 1, real=real))
    return Out(y, real=real)


@reads("DILATE")
def dilate(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: data, steps, the value between; elements move apart along every axis."""
    steps, shape = layer.integers(1, "steps"), layer.sizes(0)
    if len(steps) != len(shape) or min(steps, default=1) < 1:
        raise layer.malformed(f"its steps {steps} do not fit an input of {len(shape)} axes")
    x = layer.x(g, 0)
    fill = layer.x(g, 2)
    for axis, (size, step) in enumerate(zip(shape, steps, strict=True)):
        if step > 1 and size > 1:
            x = g.Unsqueeze(x, [axis + 1])
            pads = [0] * (2 * (len(shape) + 1))
            pads[len(shape) + 1 + axis + 1] = step - 1
            wide = [*(0 for _ in range(axis)), size * step, *shape[axis + 1 :]]
            x = g.Reshape(g.Pad(x, pads, fill), wide)
            x = g.Slice(x, [0], [(size - 1) * step + 1], [axis])
    return x
