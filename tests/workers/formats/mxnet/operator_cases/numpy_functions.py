"""Functions of MXNet's numpy interface."""
# Data for Python 3.8, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import mxnet as mx
import numpy as np

from operator_cases import case, distinct, normal, positive, steps, unit, v, values, whole

S = mx.sym


def numpy_functions():
    N, X = (mx.sym.np, mx.sym.npx)

    def a(name):
        return v(name).as_np_ndarray()

    def np_case(name, build, eager=None, **inputs):
        case("np-" + name, build, numpy=True, eager=eager, **inputs)
    x = normal("N", 3, 4)
    for op in ("absolute ceil floor cos sin tan cosh sinh tanh arcsinh exp negative sign square expm1 degrees radians cbrt "
               "arctan fix trunc rint logical_not isnan isfinite isinf").split():
        np_case(op, lambda op=op: getattr(N, op)(a("x")), x=steps("N", 3, 4) if op in ("rint", "fix", "trunc") else x)
    for op in ["log", "log2", "log10", "log1p", "sqrt", "reciprocal"]:
        np_case(op, lambda op=op: getattr(N, op)(a("x")), x=positive("N", 3, 4))
    for op in ("add subtract multiply maximum minimum hypot arctan2 copysign equal not_equal greater less "
               "greater_equal less_equal").split():
        np_case(op, lambda op=op: getattr(N, op)(a("x"), a("z")), x=x, z=normal(3, 1))
    np_case("true_divide", lambda: N.true_divide(a("x"), a("z")), x=x, z=positive(4))
    np_case("power", lambda: N.power(a("x"), a("z")), x=positive("N", 3), z=normal(3))
    np_case("mod", lambda: N.mod(a("x"), a("z")), x=x, z=positive(4))
    np_case("ldexp", lambda: N.ldexp(a("x"), a("z")), x=x, z=whole(-2, 3, 4))
    for op, number in (("add", 1.5), ("subtract", 2), ("multiply", 3), ("true_divide", 4), ("power", 2), ("mod", 3),
        ("maximum", 0.1), ("minimum", 0.1), ("equal", 1), ("greater", 0), ("less_equal", 0), ("arctan2", 2)):
        np_case("scalar-" + op, lambda op=op, number=number: getattr(N, op)(a("x"), number), x=x)
    np_case("rarctan2", lambda: N.arctan2(2, a("x")), x=x)
    np_case("copysign-scalar", lambda: mx.sym.Group([N.copysign(a("x"), -2), N.copysign(3, a("x"))]), x=x)
    np_case("ldexp-scalar", lambda: mx.sym.Group([N.ldexp(a("x"), 3), N.ldexp(3, a("x"))]), x=whole(-3, 4, "N", 3))
    np_case("rpower", lambda: 2 ** a("x"), x=x)
    np_case("rmod", lambda: 7 % a("x"), x=positive("N", 3))
    np_case("not_equal-scalar", lambda: mx.sym.Group([N.not_equal(a("x"), 1), N.less(a("x"), 1), N.greater_equal(a("x"), 1)]),
        x=whole(0, 3, "N", 3))
    np_case("isposinf", lambda: mx.sym.Group([N.isposinf(a("x")), N.isneginf(a("x"))]), x=values(1.0, np.inf, -np.inf))
    np_case("where-left", lambda: N.where(a("c"), 2.0, a("x")), c=whole(0, 2, "N", 3), x=normal("N", 3))
    np_case("logspace", lambda: a("x") * N.logspace(0, 1, 4), x=normal("N", 4))
    np_case("zeros", lambda: a("x") + N.zeros((3,)), x=normal("N", 3))
    np_case("atleast_3d", lambda: N.atleast_3d(a("x")), x=normal(3, 2))
    np_case("arcsin", lambda: mx.sym.Group([N.arcsin(a("x")), N.arccos(a("x")), N.arctanh(a("x"))]), x=unit("N", 3))
    np_case("nonzero", lambda: X.nonzero(a("x")), eager=lambda x: [mx.npx.nonzero(x)], x=whole(0, 2, 3, 4))
    np_case("norm", lambda: N.linalg.norm(a("x")), x=x)
    np_case("hsplit", lambda: mx.sym.Group([s for s in N.hsplit(a("x"), 3)]), x=x)
    np_case("npx-convolution", lambda: X.pooling(X.convolution(a("x"), a("w"), a("b"), kernel=(3, 3), num_filter=4),
        kernel=(2, 2), stride=(2, 2), pool_type="max"), x=normal("N", 2, 6, 6), w=normal(4, 2, 3, 3), b=normal(4))
    np_case("npx-dense", lambda: X.dropout(X.fully_connected(a("x"), a("w"), a("b"), num_hidden=4)), x=normal("N", 3),
        w=normal(4, 3), b=normal(4))
    np_case("npx-erf", lambda: mx.sym.Group([X.erf(a("x")), X.erfinv(a("x")), X.gamma(a("x")), X.gammaln(a("x"))]),
        x=unit("N", 3))
    np_case("rsubtract", lambda: 2 - a("x"), x=x)
    np_case("rtrue_divide", lambda: 2 / a("x"), x=positive("N", 3))
    np_case("where", lambda: N.where(a("c"), a("x"), a("z")), c=whole(0, 2, "N", 3), x=normal("N", 3), z=normal(3))
    np_case("where-scalar", lambda: N.where(a("c"), a("x"), 2.0), c=whole(0, 2, "N", 3), x=normal("N", 3))
    for op in ["sum", "max", "min", "prod", "mean", "std", "var"]:
        np_case(op + "-axis", lambda op=op: getattr(N, op)(a("x"), axis=1), x=x)
        np_case(op + "-keep", lambda op=op: getattr(N, op)(a("x"), axis=(0, 2), keepdims=True), x=x)
        np_case(op + "-all", lambda op=op: getattr(N, op)(a("x")), x=x)
    np_case("var-ddof", lambda: N.var(a("x"), axis=1, ddof=1), x=x)
    np_case("average", lambda: N.average(a("x"), axis=1, weights=a("w")), x=normal("N", 3), w=positive("N", 3))
    np_case("argmax", lambda: N.argmax(a("x"), axis=1), x=x)
    np_case("argmax-all", lambda: N.argmax(a("x")), x=x)
    np_case("argmin", lambda: N.argmin(a("x"), axis=-1), x=x)
    np_case("cumsum", lambda: N.cumsum(a("x"), axis=1), x=x)
    np_case("any", lambda: N.any(a("x"), axis=1), x=whole(0, 2, "N", 3))
    np_case("all", lambda: N.all(a("x"), axis=1), x=whole(0, 2, "N", 3))
    np_case("reshape", lambda: N.reshape(a("x"), (-1, 12)), x=x)
    for index, shape in enumerate(((-2, -1), (-2, -5), (-4,), (-2, -6, 3, 1, -4), (-1, 2))):
        np_case("npx_reshape-%d" % index, lambda shape=shape: X.reshape(a("x"), shape), x=x)
    np_case("npx_reshape-skip", lambda: X.reshape(a("x"), (-2, -3, -2)), x=normal("N", 1, 4))
    np_case("npx_reshape-reverse", lambda: X.reshape(a("x"), (-1, -2), reverse=True), x=x)
    np_case("transpose", lambda: N.transpose(a("x")), x=x)
    np_case("transpose-axes", lambda: N.transpose(a("x"), (0, 2, 1)), x=x)
    np_case("swapaxes", lambda: N.swapaxes(a("x"), 1, 2), x=x)
    np_case("moveaxis", lambda: N.moveaxis(a("x"), 1, -1), x=x)
    np_case("squeeze", lambda: N.squeeze(a("x")), x=normal(1, 3, 1))
    np_case("squeeze-all", lambda: N.squeeze(a("x")), x=normal(1, 1))
    np_case("expand_dims", lambda: N.expand_dims(a("x"), 1), x=x)
    np_case("concatenate", lambda: N.concatenate([a("x"), a("x")], axis=2), x=x)
    np_case("concatenate-0", lambda: N.concatenate([a("x"), a("x")]), x=normal(2, 3))
    np_case("stack", lambda: N.stack([a("x"), a("x")], axis=1), x=x)
    np_case("hstack", lambda: N.hstack([a("x"), a("x")]), eager=lambda x: [mx.np.hstack([x, x])], x=normal("N", 3))
    np_case("vstack", lambda: N.vstack([a("x"), a("x")]), x=normal(3))
    np_case("dstack", lambda: N.dstack([a("x"), a("x")]), eager=lambda x: [mx.np.dstack([x, x])], x=x)
    np_case("split", lambda: mx.sym.Group([s for s in N.split(a("x"), [1, 3], axis=2)]), x=x)
    np_case("dot", lambda: N.dot(a("x"), a("z")), x=normal("N", 3), z=normal(3, 4))
    np_case("dot-nd", lambda: N.dot(a("x"), a("z")), x=normal(2, 3), z=normal(4, 3, 2))
    np_case("dot-1d", lambda: N.dot(a("x"), a("z")), x=normal(3), z=normal(3))
    np_case("matmul", lambda: N.matmul(a("x"), a("z")), x=normal("N", 2, 3), z=normal(3, 4))
    np_case("einsum", lambda: N.einsum("bij,jk->bik", a("x"), a("z")), x=normal("N", 2, 3), z=normal(3, 4))
    np_case("tensordot", lambda: N.tensordot(a("x"), a("z"), axes=([1, 2], [1, 0])), x=x, z=normal(4, 3, 2))
    np_case("tensordot-int", lambda: N.tensordot(a("x"), a("z"), axes=1), x=x, z=normal(4, 2))
    np_case("clip", lambda: N.clip(a("x"), -0.5, 0.5), x=x)
    np_case("tile", lambda: N.tile(a("x"), (2, 1)), x=normal("N", 3))
    np_case("repeat", lambda: N.repeat(a("x"), 2, axis=1), x=x)
    np_case("flip", lambda: N.flip(a("x"), 1), x=x)
    np_case("roll", lambda: N.roll(a("x"), (1, -2), axis=(1, 2)), x=x)
    np_case("roll-flat", lambda: N.roll(a("x"), 3), x=normal("N", 3))
    np_case("rot90", lambda: mx.sym.Group([N.rot90(a("x"), k, axes=(1, 2)) for k in (1, 2, 3)]), x=x)
    np_case("around", lambda: mx.sym.Group([N.around(a("x")), N.around(a("x"), 1)]), x=steps("N", 3))
    np_case("nan_to_num", lambda: N.nan_to_num(a("x"), nan=0.5), x=values(1.0, np.nan, np.inf, -np.inf))
    np_case("diff", lambda: N.diff(a("x"), n=2), x=x)
    np_case("tril", lambda: N.tril(a("x"), -1), x=x)
    np_case("diag", lambda: N.diag(a("x"), 1), x=normal(3, 4))
    np_case("diagonal", lambda: N.diagonal(a("x"), 0, 1, 2), x=x)
    np_case("trace", lambda: N.trace(a("x")), x=normal(3, 4))
    np_case("diagflat", lambda: N.diagflat(a("x"), 1), x=normal(2, 2))
    np_case("pad", lambda: N.pad(a("x"), ((0, 0), (1, 2), (0, 1)), constant_values=2), x=x)
    np_case("pad-reflect", lambda: N.pad(a("x"), ((0, 0), (1, 2), (0, 1)), mode="reflect"), x=x)
    np_case("broadcast_to", lambda: N.broadcast_to(a("x"), (2, 3, 4)), x=normal(3, 1))
    np_case("polyval", lambda: N.polyval(a("p"), a("x")), p=normal(3), x=normal(5))
    np_case("atleast_2d", lambda: N.atleast_2d(a("x")), x=normal(3))
    np_case("take", lambda: N.take(a("x"), a("i"), axis=1), x=x, i=whole(0, 3, 2, dtype="i4"))
    np_case("ones", lambda: a("x") * N.ones((3,)) + N.arange(3) + N.full((3,), 2.0) + N.linspace(0, 1, 3),
        x=normal("N", 3))
    np_case("identity", lambda: N.dot(a("x"), N.eye(3)) + N.dot(a("x"), N.identity(3)), x=normal("N", 3))
    np_case("ones_like", lambda: N.ones_like(a("x")) + N.zeros_like(a("x")) + N.full_like(a("x"), 3.0), x=x)
    np_case("sort", lambda: N.sort(a("x")), x=distinct("N", 3, 4))
    np_case("argsort", lambda: N.argsort(a("x")), x=distinct("N", 3, 4))
    np_case("unique", lambda: N.unique(a("x")), eager=lambda x: [mx.np.unique(x)], x=whole(0, 4, 12))
    np_case("hanning", lambda: a("x") * N.hanning(5) + N.hamming(5) + N.blackman(5), x=normal("N", 5))
    np_case("indices", lambda: N.indices((2, 3)) + a("x"), x=whole(0, 3, 3, dtype="i4"))
    np_case("relu", lambda: X.relu(a("x")), x=x)
    np_case("sigmoid", lambda: X.sigmoid(a("x")), x=x)
    np_case("softmax", lambda: X.softmax(a("x"), axis=1), x=x)
    np_case("log_softmax", lambda: X.log_softmax(a("x")), x=x)
    np_case("one_hot", lambda: X.one_hot(a("i"), 4), i=whole(0, 4, "N", 2))
    np_case("pick", lambda: X.pick(a("x"), a("i"), axis=1), x=normal("N", 4), i=whole(0, 4, "N"))
    np_case("topk", lambda: X.topk(a("x"), k=2), x=distinct("N", 3, 4))
    np_case("gather_nd", lambda: X.gather_nd(a("x"), a("i")), x=normal(3, 4), i=values([0.0, 2.0], [3.0, 1.0]))
    np_case("layer_norm", lambda: X.layer_norm(a("x"), a("g"), a("b")), x=x, g=normal(4), b=normal(4))
    np_case("leaky_relu", lambda: X.leaky_relu(a("x"), act_type="gelu"), x=x)
    np_case("activation", lambda: X.activation(a("x"), act_type="softrelu"), x=x)
    np_case("batch_dot", lambda: X.batch_dot(a("x"), a("z"), transpose_b=True), x=normal("N", 2, 3), z=normal("N", 4,
        3))
    np_case("embedding", lambda: X.embedding(a("i"), a("w"), 5, 3), i=whole(0, 5, "N", 2), w=normal(5, 3))
    np_case("arange_like", lambda: X.arange_like(a("x"), axis=1), x=x)
    np_case("batch_flatten", lambda: X.batch_flatten(a("x")), x=x)
    np_case("smooth_l1", lambda: X.smooth_l1(a("x"), scalar=1.0), x=x)
    np_case("sequence_mask", lambda: X.sequence_mask(a("x"), a("n"), use_sequence_length=True), x=normal(4, "N"),
        n=whole(1, 4, "N"))
    np_case("bitwise", lambda: N.bitwise_or(a("x"), a("z")) + N.bitwise_xor(a("x"), a("z")), x=whole(0, 9, "N", 3,
        dtype="i4"), z=whole(0, 9, 3, dtype="i4"))
    np_case("bitwise_not", lambda: N.bitwise_not(a("x")), x=whole(0, 9, "N", 3, dtype="i4"))
    np_case("int-divide", lambda: a("x") / 2, x=whole(0, 9, "N", 3, dtype="i4"))
    np_case("int-scalar", lambda: a("x") * 1.5 + 1, x=whole(0, 9, "N", 3, dtype="i4"))
