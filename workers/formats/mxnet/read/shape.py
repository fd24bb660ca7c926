"""Moving, joining, repeating and padding without computing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import BF16, F16, F32, F64, Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, formed, reshaped, shape_value
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("transpose", "_np_transpose", "_npi_transpose")
def transpose(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Without axes in reverse order."""
    rank = len(layer.shape(x))
    axes = [layer.axis(axis, rank) for axis in layer.integers("axes")] or list(range(rank))[::-1]
    if sorted(axes) != list(range(rank)):
        raise layer.malformed(f"its axes {axes} do not fit an input of {rank} axes")
    return x if axes == sorted(axes) else g.Transpose(x, perm=axes)


@reads("SwapAxis", "swapaxes", "_npi_swapaxes")
def swap_axis(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = len(layer.shape(x))
    one, two = (layer.axis(layer.integer(key, 0), rank) for key in ("dim1", "dim2"))
    order = list(range(rank))
    order[one], order[two] = two, one
    return x if one == two else g.Transpose(x, perm=order)


@reads("_np_moveaxis")
def moveaxis(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = len(layer.shape(x))
    source = [layer.axis(axis, rank) for axis in layer.integers("source")]
    target = [layer.axis(axis, rank) for axis in layer.integers("destination")]
    if len(source) != len(target) or len(set(source)) != len(source) or len(set(target)) != len(target):
        raise layer.malformed(f"axes {source} cannot be moved to {target}")
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return g.Transpose(x, perm=order)


# --- joining and cutting apart ---------------------------------------------------------------------------------------


@reads("Concat", "concat")
def concat(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Along ``dim``, by default 1."""
    return _joined(g, layer, xs, layer.integer("dim", 1))


@reads("_npi_concatenate")
def concatenate(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Along ``axis``, which older files call ``dim``; None flattens."""
    if layer.node.attrs.get("axis", "").strip() == "None":
        flat = [reshaped(g, layer, x, [times(layer.shape(x))]) for x in xs]
        return _joined(g, layer, flat, 0)
    return _joined(g, layer, xs, layer.integer("axis", layer.integer("dim", 1)))


@reads("_npi_hstack", "_npi_vstack", "_npi_dstack", "_npi_column_stack")
def stacked(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Along the first axis (vstack), the second (hstack, column_stack) or the third, with axes added for that."""
    kind, raised = layer.type.removeprefix("_npi_"), []
    for x in xs:
        have = layer.shape(x)
        if kind == "vstack" and len(have) < 2:
            x = reshaped(g, layer, x, [1, times(have)])
        elif kind == "column_stack" and len(have) < 2:
            x = reshaped(g, layer, x, [times(have), 1])
        elif kind == "dstack" and len(have) < 3:
            x = reshaped(g, layer, x, [*([1] * (2 - len(have))), *have, 1])
        elif not have:
            x = reshaped(g, layer, x, [1])
        raised.append(x)
    flat = bool(raised) and len(layer.shape(raised[0])) == 1
    return _joined(g, layer, raised, {"vstack": 0, "dstack": 2}.get(kind, 0 if flat else 1))


def _joined(g: GraphBuilder, layer: Layer, xs: Sequence[Value], axis: int) -> Value:
    if not xs:
        raise layer.malformed("it has no inputs")
    axis = layer.axis(axis, len(layer.shape(xs[0])))
    _check_beside(layer, xs, axis)
    if len(xs) == 1:
        return xs[0]
    sizes = [layer.shape(x)[axis] for x in xs]
    joined = g.Concat(*_one_type(g, layer, xs), axis=axis)
    if isinstance(sizes[0], str) and len(set(sizes)) == 1:
        return formed(
            joined, [*layer.shape(joined)[:axis], times([len(xs), sizes[0]]), *layer.shape(joined)[axis + 1 :]]
        )
    return joined


def _check_beside(layer: Layer, xs: Sequence[Value], axis: int) -> None:
    """All axes but the one joined must agree."""
    first = layer.shape(xs[0])
    for x in xs[1:]:
        layer.rank(x, len(first))
        for place, (one, two) in enumerate(zip(first, layer.shape(x), strict=True)):
            if place != axis:
                layer.same(one, two, f"the size of axis {place}")


def _one_type(g: GraphBuilder, layer: Layer, xs: Sequence[Value]) -> list[Value]:
    floats = [layer.element(x) for x in xs if layer.is_float(x)]
    wide = next((dtype for dtype in (F64, F32, BF16, F16) if dtype in floats), layer.element(xs[0]))
    return [cast(g, x, wide) for x in xs]


@reads("_rnn_param_concat", "_npi_rnn_param_concat")
def rnn_param_concat(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """The packed vector of a recurrent layer, whose pieces are kept for it to pick from."""
    arrays = [g.const(x) for x in xs]
    pieces = [array.reshape(-1) for array in arrays if array is not None]
    if not xs:
        raise layer.malformed("it has no inputs")
    if len(pieces) != len(xs):
        return _joined(g, layer, xs, layer.integer("dim", 1))
    whole = ir.LazyTensor(
        lambda: ir.Tensor(np.concatenate(pieces)), dtype=ir.DataType.from_numpy(pieces[0].dtype),
        shape=ir.Shape([sum(piece.size for piece in pieces)]),
    )  # fmt: skip
    packed = g.weight(f"{layer.name}.packed", whole)
    layer.scope.packed[packed] = pieces
    return packed


@reads("stack", "_npi_stack")
def stack(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Side by side along a new axis."""
    if not xs:
        raise layer.malformed("it has no inputs")
    rank = len(layer.shape(xs[0]))
    axis = layer.axis(layer.integer("axis", 0), rank, extra=1)
    _check_beside(layer, xs, rank)
    return g.Concat(*(g.Unsqueeze(x, [axis]) for x in _one_type(g, layer, xs)), axis=axis)


@reads("SliceChannel", "split")
def slice_channel(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """``num_outputs`` equal parts; ``squeeze_axis`` drops the axis when parts have size 1."""
    count = layer.integer("num_outputs")
    axis = layer.axis(layer.integer("axis", 1), layer.rank(x, *range(1, 33)))
    size = layer.sizes(x, axis, axis + 1)[0]
    if not 1 <= count <= 4096 or size % count:
        raise layer.malformed(f"{size} cannot be cut into {count} equal parts")
    return _parts(g, layer, x, axis, [size // count] * count)


def _parts(g: GraphBuilder, layer: Layer, x: Value, axis: int, sizes: list[int]) -> list[Value]:
    parts = [x] if len(sizes) == 1 else g.ops("Split", x, sizes, outputs=len(sizes), axis=axis)
    if not layer.flag("squeeze_axis", False):
        return parts
    if any(size != 1 for size in sizes):
        raise layer.malformed(f"its parts have sizes {sizes}, so that the axis cannot be dropped")
    return [g.Squeeze(part, [axis]) for part in parts]


@reads("_split_v2", "_npi_split", "_npi_hsplit", "_npi_dsplit")
def split_v2(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """At the places of ``indices``, which begin with 0, or into ``sections`` equal parts."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis", 1), rank)
    size = layer.sizes(x, axis, axis + 1)[0]
    sections = layer.integer("sections", 0)
    if sections:
        if not 1 <= sections <= 4096 or size % sections:
            raise layer.malformed(f"{size} cannot be cut into {sections} equal parts")
        return _parts(g, layer, x, axis, [size // sections] * sections)
    edges = [*layer.integers("indices", (0,)), size]
    edges = [min(max(edge + size if edge < 0 else edge, 0), size) for edge in edges]
    sizes = [b - a for a, b in pairwise(edges)]
    if edges[0] != 0 or any(part < 0 for part in sizes):
        raise layer.malformed(f"its indices {edges[:-1]} do not cut {size} apart")
    return _parts(g, layer, x, axis, sizes)


# --- repeating and stretching ----------------------------------------------------------------------------------------


@reads("tile", "_npi_tile")
def tile(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The whole array ``reps`` times, block behind block; the shorter of shape and reps gets ones in front."""
    have, reps = layer.shape(x), list(layer.integers("reps"))
    if any(not 0 <= count < 2**31 for count in reps):
        raise layer.malformed(f"its reps are {reps}")
    if len(reps) > len(have):
        x = reshaped(g, layer, x, [*[1] * (len(reps) - len(have)), *have])
    reps = [1] * (len(have) - len(reps)) + reps
    if all(count == 1 for count in reps):
        return x
    dims = [times(pair) for pair in zip(layer.shape(x), reps, strict=True)]
    return formed(g.Tile(x, reps), dims)


@reads("repeat", "_np_repeat")
def repeat(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Every element ``repeats`` times in a row; without an axis of the flattened array."""
    count = layer.integer("repeats")
    if not 1 <= count < 2**31:
        raise layer.malformed(f"its repeats are {count}")
    if not layer.has("axis"):
        x = reshaped(g, layer, x, [times(layer.shape(x))])
    have = layer.shape(x)
    axis = layer.axis(layer.integer("axis", 0), len(have))
    reps = [1] * (len(have) + 1)
    reps[axis + 1] = count
    tiled = g.Tile(g.Unsqueeze(x, [axis + 1]), reps)
    return reshaped(g, layer, tiled, [*have[:axis], times([have[axis], count]), *have[axis + 1 :]])


@reads("reverse", "flip", "_npi_flip")
def reverse(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = len(layer.shape(x))
    axes = sorted({layer.axis(axis, rank) for axis in layer.integers("axis")})
    if not axes:
        raise layer.malformed("it names no axis")
    count = len(axes)
    return g.Slice(x, [-1] * count, [-(2**63) + 1] * count, axes, [-1] * count)


def expanded(g: GraphBuilder, layer: Layer, x: Value, want: Sequence[Dim]) -> Value:
    """``x`` stretched to ``want`` where it has size 1; sizes that stay are 1 in ONNX's request."""
    have = layer.shape(x)
    have = (*[1] * (len(want) - len(have)), *have)
    for one, two in zip(have, want, strict=True):
        if one != 1:
            layer.same(one, two, "a size that is stretched")
    if have == tuple(want) and len(layer.shape(x)) == len(want):
        return x
    numbers = times(dim for dim in want if isinstance(dim, int))
    if isinstance(numbers, int):
        check_constant(layer, numbers)
    asked = [1 if one == two else two for one, two in zip(have, want, strict=True)]
    return formed(g.Expand(x, shape_value(g, layer, asked)), want)


@reads("broadcast_to", "_npi_broadcast_to")
def broadcast_to(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """To ``shape``, in which 0 (numpy: -1 or -2) keeps a size."""
    have = layer.shape(x)
    wanted = layer.integers("shape")
    if len(wanted) < len(have):
        raise layer.malformed(f"its shape {list(wanted)} has fewer axes than its input")
    have = (*[1] * (len(wanted) - len(have)), *have)
    return expanded(g, layer, x, [one if size <= 0 else size for one, size in zip(have, wanted, strict=True)])


@reads("broadcast_axis", "broadcast_axes")
def broadcast_axis(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The named axes, which have size 1, to the sizes given."""
    want = list(layer.shape(x))
    axes, sizes = layer.integers("axis"), layer.integers("size")
    if len(axes) != len(sizes):
        raise layer.malformed(f"it names {len(axes)} axes and {len(sizes)} sizes")
    for axis, size in zip(axes, sizes, strict=True):
        want[layer.axis(axis, len(want))] = size
    return expanded(g, layer, x, want)


@reads("broadcast_like")
def broadcast_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """To the shape of the second, or on the axes named in pairs."""
    have, other = layer.shape(x), layer.shape(like)
    left, right = layer.integers("lhs_axes"), layer.integers("rhs_axes")
    if not left and not right:
        layer.rank(like, len(have))
        return expanded(g, layer, x, other)
    if len(left) != len(right):
        raise layer.malformed("its lhs_axes and rhs_axes are no pairs")
    want = list(have)
    for one, two in zip(left, right, strict=True):
        want[layer.axis(one, len(have))] = other[layer.axis(two, len(other))]
    return expanded(g, layer, x, want)


# --- padding and blocks ----------------------------------------------------------------------------------------------


@reads("Pad", "pad")
def pad(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """``pad_width`` lists before and after axis by axis; ONNX wants all befores, then all afters."""
    width = layer.integers("pad_width")
    if len(width) != 2 * len(layer.shape(x)) or any(part < 0 for part in width):
        raise layer.malformed(f"its pad_width {list(width)} does not fit an input of {len(layer.shape(x))} axes")
    mode = layer.word("mode", "constant")
    if mode not in ("constant", "edge", "reflect"):
        raise layer.malformed(f"its mode is {mode!r}")
    value = layer.number(x, layer.real("constant_value", 0)) if mode == "constant" else None
    return g.Pad(x, [*width[::2], *width[1::2]], value, mode=mode)


@reads("depth_to_space")
def depth_to_space(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 4)
    return g.DepthToSpace(x, blocksize=layer.integer("block_size"), mode="DCR")


@reads("space_to_depth")
def space_to_depth(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 4)
    return g.SpaceToDepth(x, blocksize=layer.integer("block_size"))
