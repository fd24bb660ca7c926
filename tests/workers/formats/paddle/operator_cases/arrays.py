"""Shapes, parts, indices, reductions and constants."""

import paddle
import paddle.nn.functional as F

from operator_cases import case, distinct, normal, steps, truth, whole


def shapes():
    x = normal("N", 3, 4)
    case("reshape", lambda x: paddle.reshape(x, [0, -1]), x=x)
    case("reshape-front", lambda x: paddle.reshape(x, [-1, 2, 2]), x=x)
    case("reshape-by-shape", lambda x: paddle.reshape(x, [paddle.shape(x)[0], 2, 6]), x=x)
    case("reshape-joined", lambda x: paddle.reshape(x, [paddle.shape(x)[0] * 3, 4]), x=x)
    case("transpose", lambda x: paddle.transpose(x, [2, 0, 1]), x=x)
    case("flatten", lambda x: paddle.flatten(x, 1, -1), x=x)
    case("flatten-front", lambda x: paddle.flatten(x, 0, 1), x=x)
    case("squeeze", lambda x: paddle.squeeze(x, [1, 2]), x=normal("N", 1, 4))
    case("squeeze-negative", lambda x: paddle.squeeze(x, -1), x=normal("N", 3, 1))
    case("unsqueeze", lambda x: paddle.unsqueeze(x, [0, -1, 2]), x=x)
    case("concat", lambda x, y: paddle.concat([x, y], 1), x=x, y=normal("N", 2, 4))
    case("concat-last", lambda x, y: paddle.concat([x, y, x], -1), x=x, y=normal("N", 3, 2))
    case("stack", lambda x: paddle.stack([x, x * 2], 1), x=x)
    case("split", lambda x: paddle.split(x, 2, 2), x=x)
    case("split-sections", lambda x: paddle.split(x, [1, -1], 1), x=x)
    case("chunk", lambda x: paddle.chunk(x, 3, 1), x=x)
    case("unstack", lambda x: paddle.unstack(x, 1), x=x)
    case("unbind", lambda x: paddle.unbind(x, 2), x=x)
    case("tile", lambda x: paddle.tile(x, [1, 2, 3]), x=x)
    case("tile-more", lambda x: paddle.tile(x, [2, 1, 1, 2]), x=x)
    case("expand", lambda x: paddle.expand(x, [-1, 3, 5]), x=normal("N", 3, 1))
    case("expand-more", lambda x: paddle.expand(x, [2, -1, 3, 4]), x=normal("N", 1, 4))
    case("expand-as", lambda x, y: paddle.expand_as(x, y), x=normal("N", 1, 4), y=x)
    case("broadcast-to", lambda x: paddle.broadcast_to(x, [-1, 3, 4]), x=normal("N", 1, 4))
    case("broadcast-tensors", lambda x, y: paddle.broadcast_tensors([x, y]), x=normal("N", 1, 4), y=normal(3, 1))
    case("flip", lambda x: paddle.flip(x, [1, 2]), x=x)
    case("roll", lambda x: paddle.roll(x, [1, -2], [1, 2]), x=x)
    case("roll-flat", lambda x: paddle.roll(x, 3), x=normal(3, 4))
    case("rot90", lambda x: paddle.rot90(x, 1, [1, 2]), x=x)
    case("meshgrid", lambda x, y: paddle.meshgrid(x, y), x=normal(3), y=normal(4))
    case("repeat-interleave", lambda x: paddle.repeat_interleave(x, 2, 1), x=x)
    case("repeat-each", lambda x, r: paddle.repeat_interleave(x, r, 1), x=x, r=whole(1, 3, 3))
    case("shape", paddle.shape, x=x)
    case("numel", paddle.numel, x=x)
    case("moveaxis", lambda x: paddle.moveaxis(x, 0, 2), x=x)
    case("t", paddle.t, x=normal("N", 4))
    case("assign", paddle.assign, x=x)
    case("is-empty", paddle.is_empty, x=x)


def slices():
    x = normal("N", 5, 6)
    case("slice", lambda x: paddle.slice(x, [1, 2], [1, -3], [4, 100]), x=x)
    case("index", lambda x: x[:, 1, 2:5], x=x)
    case("index-last", lambda x: x[..., -1], x=x)
    case("index-step", lambda x: x[:, ::2, ::-1], x=x)
    case("index-back", lambda x: x[:, 4:1:-1], x=x)
    case("strided-slice", lambda x: paddle.strided_slice(x, [1, 2], [0, 5], [5, 0], [2, -2]), x=x)
    case("slice-by-shape", lambda x, y: x[:, : paddle.shape(y)[1]], x=x, y=normal("N", 3))
    case("crop", lambda x: paddle.crop(x, [-1, 3, 4], [0, 1, 2]), x=x)
    case("set-value", lambda x: paddle.static.setitem(x * 1, (slice(None), slice(1, 3)), 0.5), x=x)
    case("set-tensor", lambda x, y: paddle.static.setitem(x * 1, (slice(None), 2), y), x=x, y=normal("N", 6))
    case("set-step", lambda x: paddle.static.setitem(x * 1, (slice(None), slice(0, 5, 2), slice(1, 2)), 7.0), x=x)
    case(
        "set-row",
        lambda x, y: paddle.static.setitem(x * 1, (slice(None), slice(1, 3), slice(2, 5)), y),
        x=x,
        y=normal(3),
    )


def indexing():
    x = normal("N", 5, 6)
    case("gather", lambda x, i: paddle.gather(x, i, 1), x=x, i=whole(0, 5, 4))
    case("gather-rows", lambda x, i: paddle.gather(x, i), x=normal(5, 6), i=whole(0, 5, 4, dtype="i4"))
    case("gather-nd", paddle.gather_nd, x=normal(4, 5, 6), i=whole(0, 4, 3, 2))
    case("index-select", lambda x, i: paddle.index_select(x, i, 2), x=x, i=whole(0, 6, 4))
    case("index-sample", paddle.index_sample, x=normal("N", 5), i=whole(0, 5, "N", 3))
    case("take-along", lambda x, i: paddle.take_along_axis(x, i, 1), x=x, i=whole(0, 5, "N", 2, 6))
    case("put-along", lambda x, i: paddle.put_along_axis(x, i, paddle.to_tensor(9.0), 1), x=x, i=whole(0, 5, "N", 1, 6))
    case("put-along-add", lambda x, i, v: paddle.put_along_axis(x, i, v, 1, "add"), x=x, i=whole(0, 5, "N", 1, 6),
         v=normal("N", 1, 6))  # fmt: skip
    case("scatter", lambda x, i, u: paddle.scatter(x, i, u), x=normal(5, 6), i=distinct_rows(5, 3), u=normal(3, 6))
    case(
        "scatter-add", lambda x, i, u: paddle.scatter(x, i, u, False), x=normal(5, 6), i=whole(0, 5, 4), u=normal(4, 6)
    )
    case(
        "scatter-nd-add",
        lambda x, i, u: paddle.scatter_nd_add(x, i, u),
        x=normal(5, 6),
        i=whole(0, 5, 4, 1),
        u=normal(4, 6),
    )
    case("scatter-nd", lambda i, u: paddle.scatter_nd(i, u, [5, 6]), i=whole(0, 5, 4, 1), u=normal(4, 6))
    case("index-add", lambda x, i, v: paddle.index_add(x, i, 1, v), x=x, i=whole(0, 5, 3), v=normal("N", 3, 6))
    case("index-put", lambda x, i, j, v: paddle.index_put(x, (i, j), v, True), x=normal(4, 5), i=whole(0, 4, 6),
         j=whole(0, 5, 6), v=normal(6))  # fmt: skip
    case("one-hot", lambda x: F.one_hot(x, 7), x=whole(0, 7, "N", 3))
    case("top-k", lambda x: list(paddle.topk(x, 3)), x=distinct("N", 7))
    case("top-k-smallest", lambda x: list(paddle.topk(x, 2, 1, False)), x=distinct("N", 5, 3))
    case("argmax", lambda x: paddle.argmax(x, 1), x=distinct("N", 5, 3))
    case("argmax-flat", lambda x: paddle.argmax(x), x=distinct(4, 5))
    case("argmax-keep", lambda x: paddle.argmax(x, -1, True, "int32"), x=distinct("N", 5))
    case("argmin", lambda x: paddle.argmin(x, 1), x=distinct("N", 5))
    case("argsort", lambda x: paddle.argsort(x, 1), x=distinct("N", 5))
    case("sort", lambda x: paddle.sort(x, 1, True), x=distinct("N", 5))
    case("kthvalue", lambda x: list(paddle.kthvalue(x, 2, 1)), x=distinct("N", 5))
    case("median", lambda x: paddle.median(x, 1), x=distinct("N", 5))
    case("nonzero", paddle.nonzero, x=truth("N", 5))
    case("masked-select", paddle.masked_select, x=normal("N", 5), m=truth("N", 5))
    case("masked-fill", lambda x, m: paddle.masked_fill(x, m, 0.5), x=normal("N", 5), m=truth("N", 5))
    case("unique", lambda x: list(paddle.unique(x, True, True, True)), x=whole(0, 5, "N", 4))
    case(
        "multiplex",
        lambda x, y, i: paddle.multiplex([x, y], i),
        x=normal(4, 3),
        y=normal(4, 3),
        i=whole(0, 2, 4, 1, dtype="i4"),
    )
    case("searchsorted", paddle.searchsorted, x=sorted_row(6), v=normal("N", 3))
    case("bucketize", lambda v, x: paddle.bucketize(v, x, right=True), v=steps("N", 3), x=sorted_row(6))
    case("shard-index", lambda x: paddle.shard_index(x, 20, 2, 1, -1), x=whole(0, 20, "N", 1))
    case("tril", lambda x: paddle.tril(x, 1), x=normal("N", 4, 5))
    case("triu", lambda x: paddle.triu(x, -1), x=normal("N", 4, 5))
    case("diag", lambda x: paddle.diag(x, 1, 0.5), x=normal(4))
    case("diag-of", lambda x: paddle.diag(x, -1), x=normal(4, 5))
    case("diagonal", lambda x: paddle.diagonal(x, 1, 1, 2), x=normal("N", 4, 5))
    case("diag-embed", lambda x: F.diag_embed(x, -1), x=normal("N", 4))
    case("trace", lambda x: paddle.trace(x, 0, 1, 2), x=normal("N", 4, 5))
    case("sequence-mask", lambda x: F.sequence_mask(x, 6, "float32"), x=whole(0, 6, "N"))
    case("sequence-mask-free", lambda x: F.sequence_mask(x), x=whole(1, 6, "N"))


def distinct_rows(count, size):
    from operator_cases import Drawn

    return Drawn((size,), lambda r, s: r.permutation(count)[: s[0]].astype("i8"))


def sorted_row(size):
    import numpy as np

    from operator_cases import Drawn

    return Drawn((size,), lambda r, s: np.sort(r.normal(0, 1, s)).astype("f4"))


def reductions():
    x = normal("N", 3, 4)
    for name in ("sum", "mean", "max", "min", "prod", "logsumexp", "amax", "amin"):
        function = getattr(paddle, name)
        case(name, lambda x, f=function: f(x, 1), x=x)
        case(name + "-keep", lambda x, f=function: f(x, [1, 2], keepdim=True), x=x)
        case(name + "-all", lambda x, f=function: f(x), x=x)
    for name in ("any", "all"):
        function = getattr(paddle, name)
        case(name, lambda x, f=function: f(x, 1), x=truth("N", 3, 4))
        case(name + "-all", lambda x, f=function: f(x), x=truth("N", 3))
    case("sum-int", lambda x: paddle.sum(x, 1), x=whole(0, 9, "N", 3, dtype="i4"))
    case("sum-bool", lambda x: paddle.sum(x, 1), x=truth("N", 3))
    case("var", lambda x: paddle.var(x, 1), x=x)
    case("std", lambda x: paddle.std(x, [1, 2], False, True), x=x)
    case("count-nonzero", lambda x: paddle.count_nonzero(x, 1), x=whole(0, 2, "N", 4))
    case("nansum", lambda x: paddle.nansum(x, 1), x=x)


def creations():
    x = normal("N", 3)
    case("full", lambda x: x + paddle.full([1, 3], 2.5), x=x)
    case("full-like", lambda x: paddle.full_like(x, 2.5), x=x)
    case("zeros-like", paddle.zeros_like, x=x)
    case("ones-like", lambda x: paddle.ones_like(x, "int64"), x=x)
    case("full-by-shape", lambda x: paddle.full([paddle.shape(x)[0], 2], 1.5), x=x)
    case("eye", lambda x: paddle.matmul(x, paddle.eye(3, 4)), x=x)
    case("arange", lambda x: x + paddle.arange(3).astype("float32"), x=x)
    case("arange-by-shape", lambda x: paddle.arange(paddle.shape(x)[0]), x=x)
    case("linspace", lambda x: x * paddle.linspace(0, 1, 3), x=x)
    case("assign-value", lambda x: x + paddle.to_tensor([1.5, 2.5, -1.0]), x=x)
    case("tril-indices", lambda x: paddle.tril_indices(3, 4, 1).astype("float32").sum() + x, x=x)
    case("empty-like", lambda x: paddle.empty_like(x) * 0 + x, x=x)


def control():
    x = normal("N", 3)

    def branch(x):
        return paddle.static.nn.cond(paddle.mean(x) > 0, lambda: x * 2, lambda: x - 1)

    def several(x):
        return list(paddle.static.nn.cond(paddle.sum(x) < 3.0, lambda: (x * 2, x + 1), lambda: (x - 1, x * x)))

    def loop(x):
        i = paddle.full([1], 0, "int64")
        _, y = paddle.static.nn.while_loop(lambda i, y: i < 4, lambda i, y: [i + 1, y * 1.5 + 1], [i, x])
        return y

    def case_(x):
        index = paddle.argmax(x[0])
        return paddle.static.nn.switch_case(index, {0: lambda: x, 1: lambda: x * 2}, lambda: x * 3)

    def array(x):
        i = paddle.full([1], 0, "int64")
        rows = paddle.tensor.create_array("float32")
        paddle.tensor.array_write(x, i, rows)
        paddle.tensor.array_write(x * 2, i + 1, rows)
        return paddle.tensor.array_read(rows, i + 1) + paddle.tensor.array_length(rows).astype("float32")

    def filled(x):
        i, n = paddle.full([1], 0, "int64"), paddle.full([1], 3, "int64")
        rows = paddle.tensor.create_array("float32")
        paddle.tensor.array_write(x, i, rows)
        go = paddle.less_than(i, n)
        w = paddle.static.nn.control_flow.While(go)
        with w.block():
            before = paddle.tensor.array_read(rows, i)
            paddle.increment(i, 1)
            paddle.tensor.array_write(before * 2 + 1, i, rows)
            paddle.assign(paddle.less_than(i, n), go)
        return paddle.tensor.array_read(rows, i)

    case("cond", branch, x=x)
    case("cond-several", several, x=x)
    case("while", loop, x=x)
    case("switch-case", case_, x=x)
    case("array", array, x=x)
    case("array-loop", filled, only="old", x=x)
