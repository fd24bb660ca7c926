"""Operators to record: elementwise, products, shapes, slices, indices, reductions."""

import numpy as np
import tensorflow as tf
from operator_cases import bools, case, f, ints, pos, unit

R = tf.raw_ops


def activations():
    for op in ("Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"):
        case(op, lambda x, op=op: getattr(R, op)(features=x), x=f(3, 4))
    for op in ("Sigmoid", "Tanh", "Exp", "Erf", "Erfc", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asinh", "Atan", "Abs",
               "Neg", "Sign", "Floor", "Ceil", "Round", "Rint", "Square", "Expm1", "IsNan", "IsInf", "IsFinite",
               "ZerosLike", "OnesLike"):  # fmt: skip
        case(op, lambda x, op=op: getattr(R, op)(x=x), x=f(3, 4) * 3)
    for op in ("Log", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Log1p"):
        case(op, lambda x, op=op: getattr(R, op)(x=x), x=pos(3, 4))
    for op in ("Asin", "Acos", "Atanh"):
        case(op, lambda x, op=op: getattr(R, op)(x=x), x=unit(3, 4))
    case("Acosh", lambda x: R.Acosh(x=x), x=pos(3, 4) + 1)
    case("Round_half", lambda x: R.Round(x=x), x=np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.4], np.float32))
    case("IsNan_nan", lambda x: R.IsNan(x=x), x=np.array([np.nan, np.inf, 1, -np.inf], np.float32))
    case("IsInf_inf", lambda x: R.IsInf(x=x), x=np.array([np.nan, np.inf, 1, -np.inf], np.float32))
    case("IsFinite_inf", lambda x: R.IsFinite(x=x), x=np.array([np.nan, np.inf, 1, -np.inf], np.float32))
    case("Log1p_small", lambda x: R.Log1p(x=x), x=np.array([1e-7, -1e-7, 0, 1e-4, 3, -0.5], np.float32))
    case("Expm1_small", lambda x: R.Expm1(x=x), x=np.array([1e-7, -1e-7, 0, 1e-4, 3, -5], np.float32))
    case("Abs_int", lambda x: R.Abs(x=x), x=ints(3, 4))
    case("Neg_int64", lambda x: R.Neg(x=x), x=ints(3, 4, dtype=np.int64))
    case("Exp_double", lambda x: R.Exp(x=x), x=f(3, 4).astype(np.float64))
    case("Relu_half", lambda x: R.Relu(features=x), x=f(3, 4).astype(np.float16))
    case("Softmax", lambda x: R.Softmax(logits=x), x=f(3, 4))
    case("LogSoftmax", lambda x: R.LogSoftmax(logits=x), x=f(3, 4))
    case("LogicalNot", lambda x: R.LogicalNot(x=x), x=bools(3, 4))
    case("Invert", lambda x: R.Invert(x=x), x=ints(3, 4))
    case("Cast_int", lambda x: tf.cast(x, tf.int32), x=f(3, 4) * 5)
    case("Cast_bool", lambda x: tf.cast(x, tf.bool), x=np.array([0, 0.4, -2], np.float32))
    case("gelu", lambda x: tf.nn.gelu(x), x=f(3, 4))
    case("gelu_tanh", lambda x: tf.nn.gelu(x, approximate=True), x=f(3, 4))
    case("swish", lambda x: x * tf.sigmoid(x), x=f(3, 4))


def elementwise():
    for op in ("Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Maximum", "Minimum", "SquaredDifference", "Greater",
               "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "FloorDiv", "FloorMod", "Mod",
               "Atan2"):  # fmt: skip
        names = ("y", "x") if op == "Atan2" else ("x", "y")
        case(op, lambda a, b, op=op, n=names: getattr(R, op)(**dict(zip(n, (a, b), strict=True))), a=f(3, 4), b=f(3, 4))
        if op not in ("RealDiv", "Atan2"):
            divisor = np.where(ints(3, 4) == 0, 3, ints(3, 4, low=1)).astype(np.int32) * np.array(
                [1, -1, 1, -1], np.int32
            )
            case(op + "_int", lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=ints(3, 4), b=divisor)
    case("Add_broadcast", lambda a, b: a + b, a=f(2, 3, 4), b=f(3, 1))
    case("AddN", lambda a, b, c: tf.add_n([a, b, c]), a=f(3, 4), b=f(3, 4), c=f(3, 4))
    case("Pow", lambda a, b: R.Pow(x=a, y=b), a=pos(3, 4), b=f(3, 4))
    zeros = np.array([[0, 1, 2], [0, 0, 3]], np.float32)
    for op in ("DivNoNan", "MulNoNan"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=f(2, 3), b=zeros)
    for op in ("Xdivy", "Xlogy", "Xlog1py"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=zeros, b=pos(2, 3))
    for op in ("LogicalAnd", "LogicalOr"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=bools(3, 4), b=bools(3, 4))
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=ints(3, 4), b=ints(3, 4))
    for op in ("LeftShift", "RightShift"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=ints(3, 4), b=ints(3, 4, low=0, high=5))
    for op in ("TruncateDiv", "TruncateMod"):
        case(op, lambda a, b, op=op: getattr(R, op)(x=a, y=b), a=ints(3, 4), b=np.full((3, 4), -4, np.int32))
    case("Atan2_quadrants", lambda a, b: R.Atan2(y=a, x=b), a=np.array([1, 1, -1, -1, 0, 2], np.float32),
         b=np.array([1, -1, 1, -1, 3, 0], np.float32))  # fmt: skip
    case("ClipByValue", lambda x: R.ClipByValue(t=x, clip_value_min=-0.5, clip_value_max=0.5), x=f(3, 4))
    case("Select_rows", lambda c, a, b: R.Select(condition=c, x=a, y=b), c=bools(3), a=f(3, 4), b=f(3, 4))
    case("SelectV2", lambda c, a, b: R.SelectV2(condition=c, t=a, e=b), c=bools(3, 1), a=f(3, 4), b=f(4))
    case("Cross", lambda a, b: R.Cross(a=a, b=b), a=f(4, 3), b=f(4, 3))
    case("SoftmaxXent", lambda a, b: R.SoftmaxCrossEntropyWithLogits(features=a, labels=b)[0], a=f(3, 4), b=pos(3, 4))
    case("SparseXent", lambda a, b: R.SparseSoftmaxCrossEntropyWithLogits(features=a, labels=b)[0], a=f(3, 4),
         b=ints(3, low=0, high=4))  # fmt: skip
    case("L2Loss", lambda x: tf.nn.l2_loss(x), x=f(3, 4))
    case("ApproximateEqual", lambda a, b: R.ApproximateEqual(x=a, y=b, tolerance=0.5), a=f(3, 4), b=f(3, 4))


def linear():
    for a in (False, True):
        for b in (False, True):
            case(f"MatMul_{a}_{b}", lambda x, a=a, b=b: tf.matmul(x, f(*((5, 4) if b else (4, 5))), a, b),
                 x=f(*((4, 3) if a else (3, 4))))  # fmt: skip
    case("BatchMatMulV2", lambda a, b: R.BatchMatMulV2(x=a, y=b, adj_y=True), a=f(2, 3, 4), b=f(2, 5, 4))
    case("BatchMatMul_broadcast", lambda a, b: tf.matmul(a, b), a=f(2, 1, 3, 4), b=f(3, 4, 5), free=False)
    case("Einsum", lambda a, b: tf.einsum("bij,bjk->bik", a, b), a=f(2, 3, 4), b=f(2, 4, 5))
    case("Einsum_heads", lambda a, b: tf.einsum("btnh,bsnh->bnts", a, b), a=f(2, 3, 2, 4), b=f(2, 5, 2, 4))
    case("Einsum_weight", lambda a: tf.einsum("...i,io->...o", a, f(4, 6)), a=f(2, 3, 4))
    case("tensordot", lambda a: tf.tensordot(a, f(4, 6), [[2], [0]]), a=f(2, 3, 4))
    for low, high in ((0, -1), (-1, 0), (1, 2), (0, 0)):
        case(f"MatrixBandPart_{low}_{high}", lambda x, a=low, b=high: tf.linalg.band_part(x, a, b), x=f(2, 4, 5))
    case("MatrixDiag", lambda x: tf.linalg.diag(x), x=f(2, 4))
    case("MatrixDiagPart", lambda x: tf.linalg.diag_part(x), x=f(2, 4, 5))
    case("MatrixSetDiag", lambda x, d: tf.linalg.set_diag(x, d), x=f(2, 4, 4), d=f(2, 4))
    case("MatrixDeterminant", lambda x: tf.linalg.det(x), x=f(2, 3, 3))
    case("MatrixInverse", lambda x: tf.linalg.inv(x), x=f(3, 2, 2))
    case("eye", lambda x: x + tf.eye(4), x=f(4, 4))


def shapes():
    x = f(2, 3, 4)
    case("Shape", lambda x: tf.shape(x), x=x)
    case("Size", lambda x: tf.size(x), x=x)
    case("Rank", lambda x: tf.rank(x), x=x)
    case("Reshape_minus", lambda x: tf.reshape(x, [-1, 12]), x=x)
    case("Reshape_dynamic", lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], 2, 6])), x=x)
    case("Reshape_merge", lambda x: tf.reshape(tf.reshape(x, [-1, 4]) @ f(4, 5), tf.stack([tf.shape(x)[0], 3, 5])), x=x)
    case("Squeeze", lambda x: tf.squeeze(x, [1, -1]), x=f(2, 1, 3, 1))
    case("ExpandDims", lambda x: tf.expand_dims(x, -2), x=x)
    case("Transpose", lambda x: tf.transpose(x, [2, 0, 1]), x=x)
    case("BroadcastTo", lambda x: tf.broadcast_to(x, tf.stack([5, tf.shape(x)[0], 3])), x=f(2, 1))
    case("Tile", lambda x: tf.tile(x, [1, 2, 3]), x=x)
    case("ConcatV2", lambda a, b: tf.concat([a, b], -1), a=x, b=f(2, 3, 2))
    case("Pack", lambda a, b: tf.stack([a, b], 1), a=x, b=x + 1)
    case("Unpack", lambda x: tuple(tf.unstack(x, axis=1)), x=x)
    case("Split", lambda x: tuple(tf.split(x, 2, axis=-1)), x=x)
    case("SplitV", lambda x: tuple(tf.split(x, [1, -1], axis=2)), x=x)
    case("InvertPermutation", lambda x: tf.math.invert_permutation(x), x=np.array([2, 0, 1, 3], np.int32))
    case("Fill", lambda x: tf.fill(tf.shape(x), 3.5), x=x)
    case("Range", lambda x: tf.range(tf.shape(x)[0]) * 2, x=x)
    case("LinSpace", lambda x: x + tf.linspace(0.0, 1.0, 4), x=x)
    case("ones_like", lambda x: tf.ones_like(x) * 2, x=x)
    case("BroadcastArgs", lambda x: R.BroadcastArgs(s0=tf.shape(x), s1=[4]), x=x)
    case("EnsureShape", lambda x: tf.ensure_shape(x, [None, 3, 4]), x=x)
    case("global_pool_dense", lambda x: tf.reduce_mean(tf.nn.conv2d(x, f(3, 3, 3, 4), 1, "SAME"), [1, 2]) @ f(4, 2),
         x=f(2, 5, 5, 3))  # fmt: skip
    case("flatten_dense", lambda x: tf.reshape(tf.nn.conv2d(x, f(3, 3, 3, 4), 1, "SAME"), [-1, 100]) @ f(100, 2),
         x=f(2, 5, 5, 3))  # fmt: skip
    case("squeeze_excite", lambda x: _squeeze_excite(x), x=f(2, 5, 5, 3))
    case("concat_nets", lambda x: tf.concat([tf.nn.conv2d(x, f(3, 3, 3, 4), 1, "SAME"), x], 3), x=f(2, 5, 5, 3))
    case("channel_shuffle", lambda x: _shuffle(tf.nn.conv2d(x, f(1, 1, 3, 4), 1, "SAME")), x=f(2, 5, 5, 3))
    case("softmax_channels", lambda x: tf.nn.softmax(tf.nn.conv2d(x, f(1, 1, 3, 4), 1, "SAME")), x=f(2, 5, 5, 3))
    case("argmax_channels", lambda x: tf.argmax(tf.nn.conv2d(x, f(1, 1, 3, 4), 1, "SAME"), 3), x=f(2, 5, 5, 3))
    case("slice_channels", lambda x: tf.nn.conv2d(x, f(1, 1, 3, 4), 1, "SAME")[:, 1:, ::2, 1:3], x=f(2, 5, 5, 3))
    case("slice_pick", lambda x: tf.nn.conv2d(x, f(1, 1, 3, 4), 1, "SAME")[:, 2, :, 1], x=f(2, 5, 5, 3))


def _squeeze_excite(x):
    y = tf.nn.conv2d(x, f(3, 3, 3, 4), 1, "SAME")
    s = tf.reshape(tf.sigmoid(tf.reduce_mean(y, [1, 2]) @ f(4, 4)), [-1, 1, 1, 4])
    return tf.nn.relu(tf.nn.conv2d(y * s, f(1, 1, 4, 2), 1, "SAME"))


def _shuffle(x):
    y = tf.transpose(tf.reshape(x, [-1, 5, 5, 2, 2]), [0, 1, 2, 4, 3])
    return tf.nn.conv2d(tf.reshape(y, [-1, 5, 5, 4]), f(1, 1, 4, 2), 1, "SAME")


def slicing():
    x = f(4, 5, 6)
    case("Slice", lambda x: tf.slice(x, [1, 0, 2], [2, -1, 3]), x=x, free=False)
    for name, cut in {
        "ellipsis": (Ellipsis, 2), "newaxis": (slice(None), None, slice(1, 3)), "neg": (slice(None, None, -1),),
        "stride": (slice(None), slice(0, 5, 2), slice(-3, None)), "shrink": (slice(None), -1),
        "mix": (0, Ellipsis, None, 1), "neg2": (slice(None), slice(3, 0, -2)),
        "ell_new": (None, Ellipsis, slice(0, 2), None),
    }.items():  # fmt: skip
        case("StridedSlice_" + name, lambda x, c=cut: x[c], x=x)
    case("StridedSlice_dynamic", lambda x, n: x[:, : n[0], n[1] :], x=x, n=np.array([3, 2], np.int32), free=False)
    case("StridedSlice_shape", lambda x: x[: tf.shape(x)[0] - 1], x=x)
    case("Pad", lambda x: tf.pad(x, [[0, 0], [1, 2], [3, 0]]), x=x)
    case("PadV2", lambda x: tf.pad(x, [[0, 0], [1, 2], [3, 0]], constant_values=1.5), x=x)
    for mode in ("REFLECT", "SYMMETRIC"):
        case("MirrorPad_" + mode, lambda x, m=mode: tf.pad(x, [[0, 0], [1, 2], [3, 0]], mode=m), x=x)
    case("ReverseV2", lambda x: tf.reverse(x, [0, -1]), x=x)
    case("ReverseSequence", lambda x, n: tf.reverse_sequence(x, n, 1, 0), x=x, n=np.array([1, 2, 5, 3], np.int32))
    case("Roll", lambda x: tf.roll(x, [2, -1], [1, 2]), x=x)


def indexing():
    x = f(4, 5, 6)
    case("Gather", lambda x, i: tf.gather(x, i, axis=1), x=x, i=ints(2, 3, low=0, high=5))
    case("Gather_batch", lambda x, i: tf.gather(x, i, batch_dims=1), x=x, i=ints(4, 2, low=0, high=5))
    case("Gather_batch_axis", lambda x, i: tf.gather(x, i, batch_dims=1, axis=2), x=x, i=ints(4, 2, low=0, high=6))
    case("GatherNd", lambda x, i: tf.gather_nd(x, i), x=x, i=ints(3, 2, low=0, high=4))
    case("GatherNd_batch", lambda x, i: tf.gather_nd(x, i, batch_dims=1), x=x, i=ints(4, 2, 1, low=0, high=5))
    i = np.array([[1], [3], [1]], np.int32)
    case("ScatterNd", lambda u: tf.scatter_nd(i, u, [5, 2]), u=f(3, 2), free=False)
    for op in ("Update", "Add", "Sub", "Max", "Min"):
        places = i[:2] if op == "Update" else i
        case("TensorScatter" + op, lambda t, u, op=op, p=places: getattr(R, "TensorScatter" + op)(
            tensor=t, indices=p, updates=u), t=f(5, 2), u=f(len(places), 2), free=False)  # fmt: skip
    for axis in (-1, 0, 1):
        case(
            f"OneHot_{axis}",
            lambda i, a=axis: tf.one_hot(i, 4, 2.0, -1.0, axis=a),
            i=np.array([[0, 3], [4, -1]], np.int32),
        )
    case("TopKV2", lambda x: tuple(tf.math.top_k(x, 3)), x=x)
    case("InTopKV2", lambda p, t: tf.math.in_top_k(t, p, 2), p=f(4, 5), t=ints(4, low=0, high=5))
    case("Unique", lambda x: tuple(tf.unique(x)), x=ints(9, low=0, high=4))
    case("UniqueWithCounts", lambda x: tuple(tf.unique_with_counts(x)), x=ints(9, low=0, high=4))
    case("Where", lambda x: tf.where(x > 0), x=f(3, 4))
    case("ListDiff", lambda x, y: tuple(R.ListDiff(x=x, y=y)), x=ints(9, low=0, high=9), y=np.array([1, 5], np.int32))
    case("UnravelIndex", lambda x: tf.unravel_index(x, [3, 4]), x=np.array([0, 5, 11], np.int32))
    case("Bucketize", lambda x: R.Bucketize(input=x, boundaries=[-1.0, 0.0, 1.0]), x=f(3, 4) * 2)
    case("DynamicPartition", lambda x, p: tuple(tf.dynamic_partition(x, p, 3)), x=f(6, 2), p=ints(6, low=0, high=3))
    case("DynamicStitch", lambda a, b: tf.dynamic_stitch([[0, 3], [2, 1]], [a, b]), a=f(2, 3), b=f(2, 3))
    case("Bincount", lambda x: R.Bincount(arr=x, size=5, weights=tf.constant([], tf.float32)), x=ints(9, low=0, high=5))
    case("DenseBincount", lambda x: R.DenseBincount(input=x, size=4, weights=tf.constant([], tf.int32)),
         x=ints(2, 9, low=0, high=6))  # fmt: skip
    case("SparseToDense", lambda v: R.SparseToDense(sparse_indices=[[0, 1], [2, 0]], output_shape=[3, 2],
                                                    sparse_values=v, default_value=-1.0),
         v=f(2), free=False)  # fmt: skip
    case("SparseTensorDenseMatMul", lambda v, b: R.SparseTensorDenseMatMul(
        a_indices=tf.constant([[0, 1], [2, 0]], tf.int64), a_values=v, a_shape=tf.constant([3, 2], tf.int64), b=b),
        v=f(2), b=f(2, 4), free=False)  # fmt: skip
    ids = np.array([0, 0, 2, 2], np.int32)
    for op in ("Sum", "Mean", "Max", "Min", "Prod"):
        case(
            "Segment" + op, lambda x, op=op: getattr(R, "Segment" + op)(data=x, segment_ids=ids), x=f(4, 3), free=False
        )
        if op != "Mean":
            case("UnsortedSegment" + op, lambda x, op=op: getattr(R, "UnsortedSegment" + op)(
                data=x, segment_ids=[2, -1, 0, 2], num_segments=4), x=f(4, 3), free=False)  # fmt: skip
    for op in ("Sum", "Mean", "SqrtN"):
        case("SparseSegment" + op, lambda x, op=op: getattr(R, "SparseSegment" + op)(
            data=x, indices=[3, 1, 0, 1], segment_ids=ids), x=f(4, 3), free=False)  # fmt: skip
    case("NthElement", lambda x: R.NthElement(input=x, n=2), x=f(3, 6))


def reduction():
    x = f(3, 4, 5)
    for op in ("Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"):
        case(op, lambda x, op=op: getattr(R, op)(input=x, axis=[1]), x=x)
        case(op + "_keep", lambda x, op=op: getattr(R, op)(input=x, axis=[-1, 0], keep_dims=True), x=x)
    case("Sum_none", lambda x: R.Sum(input=x, axis=tf.constant([], tf.int32)), x=x)
    case("Sum_all", lambda x: tf.reduce_sum(x), x=x)
    case("Sum_int", lambda x: tf.reduce_sum(x, 1), x=ints(3, 4))
    case("All", lambda x: tf.reduce_all(x, 1), x=bools(3, 4))
    case("Any", lambda x: tf.reduce_any(x, [0, 1]), x=bools(3, 4))
    case("logsumexp", lambda x: tf.reduce_logsumexp(x, -1), x=x)
    case("variance", lambda x: tf.math.reduce_variance(x, 1), x=x)
    case("ArgMax", lambda x: tf.argmax(x, 1), x=x)
    case("ArgMin_int", lambda x: tf.argmin(x, -1, output_type=tf.int32), x=x)
    for exclusive in (False, True):
        for reverse in (False, True):
            kw = {"exclusive": exclusive, "reverse": reverse}
            case(f"Cumsum_{exclusive}_{reverse}", lambda x, kw=kw: tf.cumsum(x, 1, **kw), x=x)
            case(f"Cumprod_{exclusive}_{reverse}", lambda x, kw=kw: tf.math.cumprod(x, 2, **kw), x=x)
    case("CumulativeLogsumexp", lambda x: tf.math.cumulative_logsumexp(x, 1), x=x)
