"""Fluid's operators on sequences of several lengths joined in one tensor (LoD), read for one sequence at a time."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.paddle.read.convolution import spread
from workers.formats.paddle.read.layer import BOOL, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.recurrent import one_sequence
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder


@reads("sequence_pool")
def sequence_pool(g: GraphBuilder, layer: Layer) -> Value:
    """[T, ...] -> [1, ...]."""
    x = layer.x()
    one_sequence(layer)
    word = layer.word("pooltype", "AVERAGE").upper()
    if word == "FIRST":
        return g.Slice(x, [0], [1], [0])
    if word == "LAST":
        return g.Slice(x, [-1], [np.iinfo(np.int64).max], [0])
    operators = {"AVERAGE": "ReduceMean", "SUM": "ReduceSum", "MAX": "ReduceMax", "SQRT": "ReduceSum"}
    if word not in operators:
        raise layer.malformed(f"its pooltype is {word!r}")
    y = g.op(operators[word], x, [0], keepdims=1)
    if word != "SQRT":
        return y
    return g.Div(y, g.Sqrt(g.Cast(g.Shape(x, start=0, end=1), to=int(layer.element(x)))))


@reads("sequence_softmax")
def sequence_softmax(g: GraphBuilder, layer: Layer) -> Value:
    one_sequence(layer)
    return g.Softmax(layer.x(), axis=0)


@reads("sequence_conv", "fusion_seqconv_eltadd_relu")
def sequence_conv(g: GraphBuilder, layer: Layer) -> Value:
    """Every step with its neighbours in one row, zeros beyond the ends, times the filter [length * D, M]."""
    x, w = layer.x(), layer.x("Filter")
    one_sequence(layer)
    layer.rank(x, 2)
    length, start = layer.integer("contextLength"), layer.integer("contextStart", 0)
    width = layer.size(x, 1)
    if layer.maybe("PaddingData") is not None or not 1 <= length <= 4096 or abs(start) > 4096:
        raise layer.unsupported("the rows beyond its ends were learnt")
    rows, columns = layer.sizes(w)
    if rows != length * width:
        raise layer.malformed(f"its filter has {rows} rows for {length} steps of {width}")
    kernel = g.Transpose(reshaped(g, layer, w, [length, width, columns]), perm=[2, 1, 0])
    before, after = max(-start, 0), max(length - 1 + start, 0)
    wide = g.Unsqueeze(g.Transpose(x, perm=[1, 0]), [0])
    if start > 0:
        wide = g.Slice(wide, [start], [np.iinfo(np.int64).max], [2])
    extra = after if start <= 0 else length - 1 + start
    y = g.Conv(wide, kernel, pads=[before, extra], kernel_shape=[length])
    y = g.Transpose(g.Squeeze(y, [0]), perm=[1, 0])
    if layer.op.type == "fusion_seqconv_eltadd_relu":
        y = g.Relu(g.Add(y, layer.x("Bias")))
    return y


@reads("sequence_expand", "sequence_expand_as")
def sequence_expand(g: GraphBuilder, layer: Layer) -> Value:
    """One row for every step of Y; a sequence is repeated as a whole, once for the one sequence of Y."""
    x, y = layer.x(), layer.x("Y")
    one_sequence(layer)
    rows = layer.shape(x)[0]
    if rows != 1:
        name = next(iter(layer.op.inputs["X"]))
        var = layer.scope.program.vars.get(name)
        if var is not None and var.lod_level > 0:
            return g.Identity(x)
        raise layer.free("it repeats the row of one sequence")
    result = g.Expand(x, g.Concat(g.Shape(y, start=0, end=1), [1] * (layer.rank(x) - 1), axis=0))
    return result


@reads("sequence_concat")
def sequence_concat(g: GraphBuilder, layer: Layer) -> Value:
    one_sequence(layer)
    xs = layer.several("X")
    return g.Concat(*xs, axis=0) if len(xs) > 1 else g.Identity(xs[0])


@reads("sequence_reverse")
def sequence_reverse(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    one_sequence(layer)
    return {"Y": g.Slice(layer.x(), [-1], [np.iinfo(np.int64).min], [0], [-1])}


@reads("sequence_reshape")
def sequence_reshape(g: GraphBuilder, layer: Layer) -> Value:
    one_sequence(layer)
    return reshaped(g, layer, layer.x(), [None, layer.integer("new_dim")])


@reads("sequence_pad")
def sequence_pad(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """[T, ...] -> [1, length, ...], filled up with a value; -1 is the length of the sequence."""
    x, value = layer.x(), layer.x("PadValue")
    one_sequence(layer)
    length = layer.integer("padded_length", -1)
    count = g.Shape(x, start=0, end=1)
    rank = layer.rank(x)
    y = x
    if length >= 0:
        if times(layer.shape(value)) != 1:
            raise layer.unsupported("it fills up with a value for each feature")
        missing = g.Max(g.Sub([length], count), [0])
        pads = g.Concat([0] * rank, missing, *([[0] * (rank - 1)] if rank > 1 else []), axis=0)
        y = g.Pad(x, pads, g.Reshape(value, g.constant(np.zeros(0, np.int64))))
    return {"Out": g.Unsqueeze(y, [0]), "Length": count}


@reads("sequence_unpad")
def sequence_unpad(g: GraphBuilder, layer: Layer) -> Value:
    """[1, length, ...] -> [T, ...]."""
    x = layer.x()
    one_sequence(layer)
    if layer.shape(x)[0] != 1:
        raise layer.free("it takes one sequence")
    return g.Slice(g.Squeeze(x, [0]), [0], g.Reshape(cast(g, layer.x("Length"), I64), [1]), [0])


@reads("im2sequence")
def im2sequence(g: GraphBuilder, layer: Layer) -> Value:
    """Windows of pictures as rows [N * places, C * kh * kw]."""
    x = layer.x()
    layer.rank(x, 4)
    kernel = spread(layer, "kernels", layer.integers("kernels"), 2, 1)
    channels, area = layer.size(x, 1), kernel[0] * kernel[1]
    layer.bounded(channels * area * area)
    filters = np.tile(np.eye(area).reshape(area, 1, *kernel), (channels, 1, 1, 1))
    pads = layer.integers("paddings", [0, 0, 0, 0])
    y = g.Conv(x, layer.number(x, filters), group=channels, kernel_shape=kernel, pads=pads,
               strides=spread(layer, "strides", layer.integers("strides", [1, 1]), 2, 1))  # fmt: skip
    batch, _, height, width = layer.shape(y)
    rows = g.Transpose(y, perm=[0, 2, 3, 1])
    return reshaped(g, layer, rows, [times([batch, height, width]), channels * area])


# --- rows chosen and put back -----------------------------------------------------------------------------------------


def _rows_where(g: GraphBuilder, mask: Value) -> Value:
    return g.Squeeze(g.NonZero(mask), [0])


@reads("split_lod_tensor")
def split_lod_tensor(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The rows for which the mask [N, 1] holds, and the others."""
    x, mask = layer.x(), g.Reshape(cast(g, layer.x("Mask"), BOOL), [-1])
    return {"OutTrue": g.Compress(x, mask, axis=0), "OutFalse": g.Compress(x, g.Not(mask), axis=0)}


@reads("merge_lod_tensor", "merge_lod_tensor_infer")
def merge_lod_tensor(g: GraphBuilder, layer: Layer) -> Value:
    """Both parts in the order of the mask's rows."""
    mask = g.Reshape(cast(g, layer.x("Mask"), BOOL), [-1])
    rows = g.Concat(layer.x("InTrue"), layer.x("InFalse"), axis=0)
    places = g.Concat(_rows_where(g, mask), _rows_where(g, g.Not(mask)), axis=0)
    _, order = g.ops("TopK", places, g.Shape(places), outputs=2, axis=0, largest=0)
    y = g.Gather(rows, order, axis=0)
    y.shape = ir.Shape([layer.shape(mask)[0], *layer.shape(rows)[1:]])
    return y


@reads("ctc_align")
def ctc_align(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Labels without repetitions and blanks: of one sequence [T, 1] what is left, -1 where nothing is; of padded ones
    [N, T] with InputLength at the left, filled up."""
    x, blank, lengths = layer.x("Input"), layer.integer("blank", 0), layer.maybe("InputLength")
    ids = cast(g, x, I64)
    if lengths is None:
        one_sequence(layer)
        ids = g.Reshape(ids, [1, -1])
    before = g.Concat(g.Slice(g.Sub(g.Mul(ids, [0]), [1]), [0], [1], [1]), g.Slice(ids, [0], [-1], [1]), axis=1)
    keep = g.Not(g.Equal(ids, [blank]))
    if layer.flag("merge_repeated", True):
        keep = g.And(keep, g.Not(g.Equal(ids, before)))
    if lengths is None:
        found = g.Compress(g.Reshape(ids, [-1]), g.Reshape(keep, [-1]))
        none = g.Sub(g.Slice(g.Add(g.Mul(g.Reshape(ids, [-1]), [0]), [1]), [0], [1]),
                     g.Min(g.Shape(found), [1]))  # fmt: skip
        fill = g.Expand(g.constant(np.asarray(-1)), none)
        return {"Output": cast(g, g.Unsqueeze(g.Concat(found, fill, axis=0), [1]), layer.element(x))}
    places = g.Range(np.asarray(0), g.Squeeze(g.Shape(ids, start=1, end=2), [0]), np.asarray(1))
    inside = g.Less(g.Unsqueeze(places, [0]), g.Reshape(cast(g, lengths, I64), [-1, 1]))
    keep = g.And(keep, inside)
    size = g.Shape(ids, start=1, end=2)
    order = g.Where(keep, places, g.Add(places, size))
    _, index = g.ops("TopK", order, size, outputs=2, axis=1, largest=0)
    counts = g.ReduceSum(g.Cast(keep, to=int(I64)), [1], keepdims=1)
    chosen = g.Where(g.Less(g.Unsqueeze(places, [0]), counts), g.GatherElements(ids, index, axis=1),
                     [layer.integer("padding_value", 0)])  # fmt: skip
    return {"Output": cast(g, chosen, layer.element(x)), "OutputLength": counts}
