"""The operators that record_operators.py runs in Caffe2: one or more small nets for each, one a branch of its arguments.

Imported by Caffe2's own Python (3.7) only. A case names the operator, the blobs that are fed (arrays or functions of
the batch), the parameters that the init net fills, how many outputs it has, and its arguments.
"""

# Data for Python 3.7, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import zlib

import numpy as np

CASES = []


def case(name, inputs, params=None, outs=1, op=None, **args):
    """``inputs`` by blob name in the operator's order, '' in front of a name that stands in ``params``."""
    CASES.append(dict(name=name, op=op or name.split("-")[0], inputs=inputs, params=params or {}, outs=outs, args=args))


def r(name):
    return np.random.RandomState(zlib.crc32(name.encode()) % 2**31)


def normal(*shape):
    """'N' stands for the batch."""
    return lambda n, seed="x": r(seed + str(shape)).normal(0, 1, [n if s == "N" else s for s in shape]).astype("f4")


def positive(*shape):
    return lambda n, seed="x": r(seed + str(shape)).uniform(.3, 3, [n if s == "N" else s for s in shape]).astype("f4")


def unit(*shape):
    return lambda n, seed="x": r(seed + str(shape)).uniform(-.95, .95, [n if s == "N" else s for s in shape]).astype("f4")


def distinct(*shape):
    def make(n, seed="x"):
        sizes = [n if s == "N" else s for s in shape]
        return (r(seed + str(shape)).permutation(int(np.prod(sizes))).reshape(sizes) / 7).astype("f4")
    return make


def whole(low, high, *shape, **kw):
    dtype = kw.get("dtype", "i4")
    return lambda n, seed="x": r(seed + str(shape)).randint(low, high, [n if s == "N" else s for s in shape]).astype(dtype)


def v(*data, **kw):
    return np.asarray(data, kw.get("dtype", "f4"))


def i4(*data):
    return np.asarray(data, "i4")


def i8(*data):
    return np.asarray(data, "i8")


def p(*shape):
    return r("param" + str(shape)).normal(0, .5, shape).astype("f4")


def var(*shape):
    return r("var" + str(shape)).uniform(.5, 2, shape).astype("f4")


X = dict(x=normal("N", 4, 9, 11))
XL = dict(x=normal("N", 9, 11, 4))


def convolutions():
    w, wl, b = p(6, 4, 3, 3), p(6, 3, 3, 4), p(6)
    for name, a in (("plain", dict(kernel=3)), ("all", dict(kernels=[3, 3], strides=[2, 1], pads=[1, 0, 2, 1], dilations=[2, 1])),
                    ("hw", dict(kernel_h=3, kernel_w=3, stride_h=2, stride_w=3, pad_t=1, pad_l=2, pad_b=0, pad_r=1, dilation_h=1, dilation_w=2)),
                    ("partial-pad", dict(kernel=3, pad_t=1, pad_l=1)), ("valid", dict(kernel=3, stride=2, legacy_pad=1)),
                    ("same", dict(kernel=3, stride=2, legacy_pad=2)), ("same3", dict(kernel=3, stride=3, legacy_pad=2)),
                    ("legacy3", dict(kernel=3, stride=2, pad=1, legacy_pad=3))):
        case("Conv-" + name, X, dict(w=w, b=b), **a)
        case("Conv-nhwc-" + name, XL, dict(w=wl, b=b), order="NHWC", **a)
    case("Conv-nobias", X, dict(w=w), kernel=3)
    case("Conv-group", X, dict(w=p(6, 2, 3, 3), b=b), kernel=3, group=2)
    case("Conv-group-nhwc", XL, dict(w=p(6, 3, 3, 2), b=b), kernel=3, group=2, order="NHWC")
    case("Conv-depthwise", X, dict(w=p(4, 1, 3, 3), b=p(4)), kernel=3, group=4, pad=1, engine="DEPTHWISE_3x3")
    case("Conv1D", dict(x=normal("N", 4, 11)), dict(w=p(5, 4, 3), b=p(5)), kernels=[3], strides=[2], pads=[1, 0])
    case("Conv2D", X, dict(w=w, b=b), kernel=3)
    case("Conv3D", dict(x=normal("N", 2, 4, 5, 6)), dict(w=p(3, 2, 2, 3, 2), b=p(3)), kernels=[2, 3, 2], pads=[1, 0, 1, 0, 1, 0])
    case("ConvRelu", X, dict(w=w, b=b), kernel=3)
    t, tl = p(4, 5, 3, 3), p(4, 3, 3, 5)
    case("ConvTranspose", X, dict(w=t, b=p(5)), kernel=3, stride=2)
    case("ConvTranspose-adj", X, dict(w=t, b=p(5)), kernel=3, stride=2, pad=1, adj=1)
    case("ConvTranspose-hw", X, dict(w=t), kernel_h=3, kernel_w=3, stride_h=3, stride_w=2, pad_t=1, pad_l=0, pad_b=1, pad_r=2, adj_h=2, adj_w=1)
    case("ConvTranspose-nhwc", XL, dict(w=tl, b=p(5)), kernels=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1], adjs=[1, 0], order="NHWC")
    case("ConvTranspose-group", X, dict(w=p(4, 3, 3, 3), b=p(6)), kernel=3, stride=2, group=2)
    case("LC", dict(x=normal("N", 3, 5, 6)), dict(w=p(3, 4, 2, 3, 3, 3), b=p(3, 4, 2)), kernel=3)
    case("LC-nhwc", dict(x=normal("N", 5, 6, 3)), dict(w=p(3, 4, 2, 3, 3, 3), b=p(3, 4, 2)), kernel=3, order="NHWC")
    case("LC1D", dict(x=normal("N", 3, 7)), dict(w=p(5, 2, 3, 3), b=p(5, 2)), kernels=[3])
    case("Im2Col", dict(x=normal("N", 3, 5, 6)), kernel=3, stride=2, pad=1)
    case("Col2Im", dict(c=normal("N", 12, 4, 5), x=normal("N", 3, 5, 6)), kernel=2)


def poolings():
    for op in ("MaxPool", "AveragePool"):
        for name, a in (("plain", dict(kernel=3, stride=2)), ("pad", dict(kernel=3, stride=2, pads=[1, 2, 0, 1])), ("hw", dict(kernel_h=2, kernel_w=4, stride_h=3, stride_w=2)),
                        ("valid", dict(kernel=3, stride=2, legacy_pad=1)), ("same", dict(kernel=3, stride=2, legacy_pad=2)), ("same2", dict(kernel=2, stride=2, legacy_pad=2)),
                        ("legacy", dict(kernel=3, stride=2, legacy_pad=3)), ("legacy-pad", dict(kernel=3, stride=2, pad=1, legacy_pad=3)), ("legacy-pad2", dict(kernel=2, stride=3, pad=1, legacy_pad=3)),
                        ("global", dict(global_pooling=1)), ("count", dict(kernel=3, stride=2, pad=1, count_include_pad=1)), ("count-legacy", dict(kernel=3, stride=2, pad=1, count_include_pad=1, legacy_pad=3))):
            if op == "MaxPool" and "count" in name:
                continue
            case("%s-%s" % (op, name), X, **a)
            case("%s-nhwc-%s" % (op, name), XL, order="NHWC", **a)
        case(op + "1D", dict(x=normal("N", 3, 9)), kernels=[3], strides=[2], pads=[1, 1])
        case(op + "2D", X, kernel=2)
        case(op + "3D", dict(x=normal("N", 2, 4, 5, 6)), kernels=[2, 3, 2], strides=[1, 2, 2])
    for power in (1., 2., 3.):
        case("LpPool-%d" % power, X, p=power, kernel=3, stride=2)
    case("LpPool-pad", X, p=2., kernel=3, stride=2, pad=1)
    case("LpPool-nhwc", XL, p=2., kernel=3, stride=2, order="NHWC")


def norms():
    bn = dict(s=var(4), b=p(4), m=p(4), v=var(4))
    case("SpatialBN", X, bn, is_test=1)
    case("SpatialBN-nhwc", XL, bn, is_test=1, epsilon=.01, order="NHWC")
    case("SpatialBN-2d", dict(x=normal("N", 4)), bn, is_test=1)
    case("SpatialBN-3d", dict(x=normal("N", 4, 2, 3, 5)), bn, is_test=1)
    case("LRN", X, outs=2, size=3, alpha=.3, beta=.75, bias=2.)
    case("LRN-even", X, outs=2, size=4, alpha=.3, beta=.5)
    case("LRN-nhwc", XL, outs=2, size=3, alpha=.3, beta=.75, order="NHWC")
    case("LRN-wide", X, outs=1, size=5, alpha=.3, beta=.75)
    case("InstanceNorm", X, dict(s=var(4), b=p(4)), outs=3, epsilon=.01)
    case("InstanceNorm-nhwc", XL, dict(s=var(4), b=p(4)), order="NHWC")
    case("GroupNorm", X, dict(s=var(4), b=p(4)), outs=3, group=2)
    case("GroupNorm-nhwc", XL, dict(s=var(4), b=p(4)), group=2, order="NHWC")
    case("GroupNorm-2d", dict(x=normal("N", 6)), dict(s=var(6), b=p(6)), group=3)
    case("LayerNorm", dict(x=normal("N", 4, 5)), outs=3, epsilon=.01)
    case("LayerNorm-axis", dict(x=normal("N", 4, 5)), outs=3, axis=2)
    case("LayerNorm-affine", dict(x=normal("N", 4, 5)), dict(g=p(20), b=p(20)), outs=3, elementwise_affine=1)
    case("RMSNorm", dict(x=normal("N", 4, 5)), dict(g=p(20), b=p(20)), outs=2, eps=.01)
    case("RMSNorm-axis", dict(x=normal("N", 4, 5)), dict(g=p(5), b=p(5)), outs=2, axis=2)
    case("AffineChannel", X, dict(s=var(4), b=p(4)))
    case("AffineChannel-nhwc", XL, dict(s=var(4), b=p(4)), order="NHWC")
    for op in ("Normalize", "NormalizeL1"):
        case(op, dict(x=normal("N", 4, 5)))
        case(op + "-axis", dict(x=normal("N", 4, 5)), axis=1)
    case("NormalizePlanarYUV", dict(x=normal("N", 3, 4, 5)), dict(m=p(1, 3), s=var(1, 3)))


def dense():
    x = dict(x=normal("N", 4, 5))
    case("FC", dict(x=normal("N", 4)), dict(w=p(3, 4), b=p(3)))
    case("FC-flat", x, dict(w=p(3, 20), b=p(3)))
    case("FC-axis", x, dict(w=p(3, 5), b=p(3)), axis=2)
    case("FC-negative", x, dict(w=p(3, 5), b=p(3)), axis=-1)
    case("FC-4d", x, dict(w=p(3, 20, 1, 1), b=p(3)))
    case("FC-axis_w", x, dict(w=p(3, 2, 5), b=p(6)), axis=2, axis_w=2)
    case("FCTransposed", dict(x=normal("N", 4)), dict(w=p(4, 3), b=p(3)))
    case("FCTransposed-axis", x, dict(w=p(5, 3), b=p(3)), axis=2)
    for ta in (0, 1):
        for tb in (0, 1):
            a, b = ((4, 3), (3, 4))[ta], ((5, 4), (4, 5))[tb]
            a = ((3, 4), (4, 3))[ta]
            b = ((4, 5), (5, 4))[tb]
            case("MatMul-%d%d" % (ta, tb), dict(a=normal(*a), b=normal(*b)), trans_a=ta, trans_b=tb)
            case("BatchMatMul-%d%d" % (ta, tb), dict(a=normal("N", *a), b=normal("N", *b)), trans_a=ta, trans_b=tb)
    case("MatMul-axis", dict(a=normal(2, 3, 4), b=normal(2, 2, 5)), axis_a=2, axis_b=2)
    case("BatchMatMul-broadcast", dict(a=normal("N", 2, 3, 4)), dict(b=p(4, 5)), broadcast=1)
    case("BatchMatMul-4d", dict(a=normal("N", 2, 3, 4), b=normal("N", 2, 4, 5)))
    for op in ("DotProduct", "L1Distance", "SquaredL2Distance", "CosineSimilarity"):
        case(op, dict(a=normal("N", 5), b=normal("N", 5)))
    case("RowMul", dict(x=normal(3, 4), w=normal(3)))
    case("SquareRootDivide", dict(x=normal(3, 4), w=v(2, 0, 3)))
    case("ElementwiseLinear", dict(x=normal("N", 4)), dict(w=p(4), b=p(4)))
    case("ElementwiseLinear-axis", dict(x=normal("N", 3, 4)), dict(w=p(12), b=p(12)))


def elementwise():
    a, b = dict(a=normal("N", 3, 4, 5)), normal("N", 3, 4, 5)
    for op in ("Add", "Sub", "Mul", "Div", "EQ", "NE", "GT", "GE", "LT", "LE"):
        case(op, dict(a, b=b))
        case(op + "-broadcast", a, dict(b=p(5)), broadcast=1)
        case(op + "-axis", a, dict(b=p(3)), broadcast=1, axis=1)
        case(op + "-axis2", a, dict(b=p(3, 4)), broadcast=1, axis=1)
        case(op + "-str", a, dict(b=p(3)), broadcast=1, axis_str="C", order="NCHW")
        case(op + "-numpy", a, dict(b=p(3, 1, 5)))
        case(op + "-int", dict(a=whole(1, 5, "N", 4), b=whole(1, 5, "N", 4)))
        case(op + "-long", dict(a=whole(-9, 9, "N", 4, dtype="i8")), dict(b=i8(1, 2, -3, 4)))
    case("Add-nhwc", dict(a=normal("N", 4, 5, 3)), dict(b=p(3)), broadcast=1, axis_str="C", order="NHWC")
    for op in ("And", "Or", "Xor"):
        case(op, dict(a=whole(0, 2, "N", 4, dtype="?"), b=whole(0, 2, "N", 4, dtype="?")))
    case("Not", dict(a=whole(0, 2, "N", 4, dtype="?")))
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        case(op, dict(a=whole(0, 99, "N", 4), b=whole(0, 99, "N", 4)))
    case("Pow", dict(x=positive("N", 4)), exponent=1.7)
    case("Pow-square", dict(x=normal("N", 4)), exponent=2.)
    case("Pow-tensor", dict(x=positive("N", 4), y=normal("N", 4)))
    case("Pow-broadcast", dict(x=positive("N", 4)), dict(y=p(1)), broadcast=1)
    case("Mod", dict(x=whole(-9, 9, "N", 4)), divisor=3)
    case("Mod-sign", dict(x=whole(-9, 9, "N", 4, dtype="i8")), divisor=3, sign_follow_divisor=1)
    abc = dict(a=normal("N", 4), b=normal("N", 4, ), c=unit("N", 4))
    for op in ("Sum", "Max", "Min", "Mean"):
        case(op, abc)
        case(op + "-one", dict(a=normal("N", 4)))
    case("Sum-int", dict(a=whole(0, 9, "N", 4), b=whole(3, 9, "N", 4)))
    case("WeightedSum", dict(a=normal("N", 4)), dict(w=v(.3)))
    case("WeightedSum-two", dict(a=normal("N", 4), w=v(.3), b=unit("N", 4), u=v(2.)))
    case("Where", dict(c=whole(0, 2, "N", 4, dtype="?"), x=normal("N", 4), y=unit("N", 4)))
    case("Where-rows", dict(c=whole(0, 2, "N", dtype="?"), x=normal("N", 4), y=unit("N", 4)), broadcast_on_rows=1)
    nan = v([1, np.nan, 3], [np.nan, 0, 2])
    case("ReplaceNaN", dict(x=nan), value=1.5)
    case("IsNaN", dict(x=nan))
    case("Bucketize", dict(x=unit("N", 4)), boundaries=[-.5, 0., .3, .9])
    case("Bucketize-tie", dict(x=v(-.5, 0, .25, 2)), boundaries=[-.5, 0., .25])
    case("BatchBoxCox", dict(x=positive("N", 3)), dict(l1=v(.5, 0, 2), l2=v(.1, .2, 0)))
    case("SigmoidCrossEntropyWithLogits", dict(x=normal("N", 4), t=whole(0, 2, "N", 4, dtype="f4")))
    case("HasElements", dict(x=normal("N", 4)))
    case("IsEmpty", dict(x=normal("N", 4)))
    case("StumpFunc", dict(x=normal("N", 4)), threshold=.2, low_value=-1., high_value=3.)
    case("SumReduceLike", dict(a=normal(2, 3, 4), b=normal(3, 4)))


def activations():
    x = dict(x=normal("N", 3, 4))
    for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Abs", "Negative", "Exp", "Floor", "Ceil", "Sign", "Erf", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Mish",
               "Copy", "Alias", "StopGradient", "EnsureDense", "EnsureCPUOutput", "CopyFromCPUInput", "NanCheck", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "ThresholdedRelu", "Swish", "Gelu", "Sqr", "Cube", "Cbrt", "Scale"):
        case(op, x)
    for op in ("Log", "Sqrt", "Rsqrt", "Reciprocal"):
        case(op, dict(x=positive("N", 3, 4)))
    for op in ("Asin", "Acos"):
        case(op, dict(x=unit("N", 3, 4)))
    for op in ("Abs", "Negative", "Sign", "Sqr"):
        case(op + "-int", dict(x=whole(-4, 5, "N", 4))) if op == "Negative" else None
    case("Dropout", x, is_test=1)
    case("LeakyRelu-alpha", x, alpha=.3)
    case("ReluN", dict(x=lambda n, seed: 5 * normal("N", 4)(n)), n=4.)
    case("PRelu", dict(x=normal("N", 3, 4, 5)), dict(s=p(3)))
    case("PRelu-one", dict(x=normal("N", 3, 4, 5)), dict(s=p(1)))
    case("PRelu-nhwc", dict(x=normal("N", 4, 5, 3)), dict(s=p(3)), order="NHWC")
    case("PRelu-2d", dict(x=normal("N", 3)), dict(s=p(3)))
    case("Elu-alpha", x, alpha=.4)
    case("Selu-args", x, alpha=1.2, scale=1.1)
    case("HardSigmoid-args", x, alpha=.3, beta=.4)
    case("ThresholdedRelu-alpha", x, alpha=.3)
    case("Gelu-fast", x, fast_gelu=1)
    case("Clip", x)
    case("Clip-min", x, min=-.5)
    case("Clip-both", x, min=-.5, max=.7)
    case("EnsureClipped", x, min=-.5, max=.7)
    case("Scale-args", x, scale=-2.5)
    case("Logit", dict(x=lambda n, seed: np.clip(unit("N", 4)(n) * .7 + .5, 0, 1)))
    case("Logit-eps", dict(x=v(-.5, 0, .01, .4, .95, 1, 2)), eps=.05)
    case("Glu", dict(x=normal("N", 6)), dim=1)
    case("Glu-3d", dict(x=normal("N", 6, 3)), dim=1)
    for axis in (1, 2, -1, 0):
        case("Softmax-%d" % axis, dict(x=normal("N" if axis else 2, 3, 4)), axis=axis)
    case("Softmax", dict(x=normal("N", 3, 2, 2)))
    case("SoftmaxWithLoss", dict(x=normal("N", 4), l=lambda n, seed: whole(0, 4, "N")(n)), outs=2)
    for to in ("float", "int32", "int64", "uint8", "bool", "double", "INT32"):
        case("Cast-" + to, dict(x=(lambda n, seed: 4 * positive("N", 4)(n))), to=to)
    case("Cast-number", dict(x=normal("N", 4)), to=2)
    case("Cast-half", dict(x=normal("N", 4)), op="FloatToHalf")
    case("HalfToFloat", dict(x=v(1, 2.5, -3, dtype="f2")))


def shapes():
    x, m = dict(x=normal("N", 3, 4, 5)), dict(x=normal(2, 3, 4))
    case("Reshape", x, outs=2, shape=[0, -1, 5])
    case("Reshape-flat", x, outs=2, shape=[-1, 20])
    case("Reshape-input", dict(x=normal(2, 3, 4)), dict(s=i8(3, -1)), outs=2)
    case("Reshape-fixed", m, outs=2, shape=[4, 6])
    case("ResizeLike", dict(x=normal(2, 6), y=normal(3, 4)))
    for axis in (0, 1, 2, 3):
        case("Flatten-%d" % axis, dict(x=normal(2, 3, 4)), axis=axis)
    case("FlattenToVec", x)
    case("Squeeze", dict(x=normal("N", 1, 4, 1)), dims=[1, 3])
    case("ExpandDims", dict(x=normal("N", 4)), dims=[1, 3])
    case("ExpandDims-front", dict(x=normal("N", 4)), dims=[0, 1])
    case("Transpose", x)
    case("Transpose-axes", x, axes=[0, 2, 3, 1])
    case("NHWC2NCHW", x)
    case("NCHW2NHWC", x)
    case("NCHW2NHWC-3d", dict(x=normal("N", 3, 4)))
    case("NHWC2NCHW-5d", dict(x=normal("N", 3, 4, 2, 2)))
    case("MergeDim", dict(x=normal(2, 3, 4)))
    case("MergeDim-2", dict(x=normal(2, 3, 4)), num_dims=2)
    case("PrependDim", dict(x=normal(6, 4)), dim_size=2)
    case("Shape", x)
    case("Shape-axes", x, axes=[2, 0])
    case("Size", x)
    ab = dict(a=normal("N", 3, 4, 5), b=normal("N", 2, 4, 5))
    case("Concat", ab, outs=2)
    case("Concat-nhwc", dict(a=normal("N", 4, 5, 3), b=normal("N", 4, 5, 2)), outs=2, order="NHWC")
    case("Concat-axis", dict(a=normal("N", 3, 4), b=normal("N", 3, 2)), outs=2, axis=2)
    case("Concat-negative", dict(a=normal("N", 3, 4), b=normal("N", 3, 2)), outs=2, axis=-1)
    case("Concat-add", dict(a=normal("N", 3), b=unit("N", 3)), outs=2, axis=1, add_axis=1)
    case("Concat-add-last", dict(a=normal("N", 3), b=unit("N", 3)), outs=2, axis=2, add_axis=1)
    case("Concat-batch", dict(a=normal(2, 3), b=normal(1, 3)), outs=2, axis=0)
    case("DepthConcat", ab, outs=2)
    case("Split", dict(x=normal("N", 6, 4)), outs=3)
    case("Split-sizes", dict(x=normal("N", 6, 4)), outs=3, split=[1, 2, 3])
    case("Split-axis", dict(x=normal("N", 6, 4)), outs=2, axis=2)
    case("Split-negative", dict(x=normal("N", 6, 4)), outs=2, axis=-1)
    case("Split-nhwc", dict(x=normal("N", 3, 2, 4)), outs=2, order="NHWC")
    case("Split-input", dict(x=normal("N", 6)), dict(s=i4(2, 4)), outs=2, axis=1)
    case("Split-add_axis", dict(x=normal("N", 3, 4)), outs=3, axis=1, add_axis=1)
    case("DepthSplit", dict(x=normal("N", 6, 4, 5)), dict(s=i4(2, 4)), outs=2)
    case("SplitByLengths", dict(x=normal(6, 4)), dict(s=i4(1, 2, 3, 0)), outs=2, axis=0)
    for starts, ends in (([0, 1], [-1, -1]), ([0, 1], [-1, -2]), ([0, 0], [-1, 2]), ([0, -3], [-1, -1]), ([0, 0], [-1, -3]), ([1, 0], [2, -1])):
        case("Slice-%s%s" % (starts, ends), dict(x=normal(3, 5)), starts=starts, ends=ends)
    case("Slice-batch", dict(x=normal("N", 5, 3)), starts=[0, 1, 0], ends=[-1, 3, -1])
    case("Slice-input", dict(x=normal(3, 5)), dict(s=i4(0, 1), e=i4(-1, -2)))
    case("Slice-fed", dict(x=normal(3, 5), s=i4(0, 1), e=i4(-1, -2)))
    case("Tile", dict(x=normal("N", 3)), tiles=3, axis=1)
    case("Tile-batch", dict(x=normal("N", 3)), tiles=2, axis=0)
    case("Tile-input", dict(x=normal("N", 3)), dict(t=i4(2), a=i4(1)))
    case("NumpyTile", dict(x=normal(2, 3)), dict(t=i8(2, 3)))
    case("Expand", dict(x=normal(3, 1)), dict(s=i8(2, 3, 4)))
    case("Expand-keep", dict(x=normal(3, 1)), dict(s=i8(-1, 4)))
    case("ChannelShuffle", dict(x=normal("N", 6, 3, 2)), group=3)
    case("ChannelShuffle-nhwc", dict(x=normal("N", 3, 2, 6)), group=3, order="NHWC")
    case("Range-stop", dict(s=i4(5)), op="Range")
    case("Range-float", dict(a=v(1), b=v(3), c=v(.4)), op="Range")
    case("BatchPermutation", dict(x=normal(4, 3, 2, 2)), dict(i=i4(2, 0, 3, 1)))
    case("ConstantFill-like", dict(x=normal("N", 3)), op="ConstantFill", value=2.5)
    case("ConstantFill-int", dict(x=normal("N", 3)), op="ConstantFill", value=2, dtype=10)
    case("ConstantFill-extra", dict(x=normal("N", 3)), op="ConstantFill", value=2., extra_shape=[2])
    case("ConstantFill-shape", dict(s=i8(2, 3)), op="ConstantFill", value=2., input_as_shape=1)
    case("ConstantFill-intdefault", dict(x=normal("N", 3)), op="ConstantFill", value=2)
    case("ResizeNearest", X, width_scale=2., height_scale=1.5)
    case("ResizeNearest-down", X, width_scale=.5, height_scale=.7)
    case("ResizeNearest-nhwc", XL, width_scale=2., height_scale=2., order="NHWC")
    case("ResizeNearest-input", X, dict(s=v(1.5, 2.)))
    case("ResizeNearest3D", dict(x=normal("N", 2, 2, 3, 4)), temporal_scale=2., width_scale=2., height_scale=2.)
    case("UpsampleBilinear", X, width_scale=2., height_scale=1.5)
    case("UpsampleBilinear-input", X, dict(s=v(1.5, 2.)))
    for mode in ("constant", "reflect", "edge"):
        case("PadImage-" + mode, X, mode=mode, pad_t=1, pad_l=2, pad_b=3, pad_r=0, value=.5)
        case("PadImage-nhwc-" + mode, XL, mode=mode, pads=[1, 2, 0, 3], order="NHWC")
    case("SpaceToBatch", dict(x=normal("N", 3, 4, 6)), block_size=2)
    case("SpaceToBatch-pad", dict(x=normal("N", 3, 4, 6)), block_size=2, pad=1)
    case("BatchToSpace", dict(x=normal(8, 3, 4, 6)), block_size=2)
    case("BatchToSpace-pad", dict(x=normal(8, 3, 4, 6)), block_size=2, pad=1)
    case("IntegralImage", dict(x=normal("N", 2, 4, 5)))


def reductions():
    x = dict(x=normal("N", 3, 4))
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"):
        case(op, x)
        case(op + "-axes", x, axes=[0, 2], keepdims=0)
        case(op + "-keep", x, axes=[1])
        case(op + "-all", x, keepdims=0)
    case("Moments", x, outs=2, axes=[1], keepdims=0)
    for side in ("Back", "Front"):
        for kind in ("Sum", "Mean", "Max"):
            case("Reduce%s%s" % (side, kind), dict(x=normal(2, 3, 4)))
            case("Reduce%s%s-2" % (side, kind), dict(x=normal(2, 3, 4)), num_reduce_dim=2)
            case("Reduce%s%s-lengths" % (side, kind), dict(x=normal(3, 3), l=i4(1, 3, 2)))
    case("RowwiseMax", dict(x=normal("N", 3, 4)))
    case("ColwiseMax", dict(x=normal("N", 3, 4)))
    case("ReduceTailSum", x)
    case("SumElements", x)
    case("SumElements-average", x, average=1)
    case("SumElementsInt", dict(x=whole(0, 9, 3, 4)))
    case("SumSqrElements", x)
    case("SumSqrElements-average", x, average=1)
    for power in (1, 2):
        case("LpNorm-%d" % power, x, p=power)
        case("LpNorm-%d-average" % power, x, p=power, average=1)
    for op in ("ArgMax", "ArgMin"):
        case(op, dict(x=distinct("N", 3, 4)))
        case(op + "-axis", dict(x=distinct("N", 3, 4)), axis=1, keepdims=0)
    case("TopK", dict(x=distinct("N", 6)), outs=2, k=3)
    case("TopK-flat", dict(x=distinct(3, 6)), outs=3, k=3)
    case("TopK-axis", dict(x=distinct(2, 6, 3)), outs=3, k=2, axis=1)
    case("TopK-beyond", dict(x=distinct(2, 3)), outs=2, k=5)


def sparse():
    table, idx, lens = p(6, 4), i8(0, 3, 5, 2, 2, 1), i4(2, 0, 3, 1)
    case("Gather-int", dict(x=normal(6, 4), i=i4(0, 5, 2)))
    case("Gather-long2d", dict(x=normal(6, 4), i=i8([0, 5], [2, 1])))
    case("Gather-axis", dict(x=normal("N", 6, 2)), dict(i=i4(0, 5, 2)), axis=1)
    case("BatchGather", dict(x=normal("N", 6, 2)), dict(i=i4(0, 5, 2)))
    case("OneHot", dict(i=i8(0, 3, 1)), dict(s=i8(5)))
    case("BatchOneHot", dict(x=whole(0, 4, "N", 2, dtype="i8")), dict(l=i4(2, 3), v=i8(0, 2, 1, 3, 0)))
    case("Find", dict(i=i4(3, 5, 7, 5), q=i4(5, 8, 3)))
    case("Find-missing", dict(i=i4(3, 5, 7), q=i4(5, 8, 3)), missing_value=-7)
    case("Unique", dict(i=i4(5, 2, 5, 9, 2)), outs=2)
    case("Unique-long", dict(i=i8(5, 2, 5, 9, 2)))
    for op in ("SparseLengthsSum", "SparseLengthsMean"):
        case(op, dict(t=table, i=idx, l=lens))
        case(op + "-int", dict(t=table, i=idx.astype("i4"), l=lens))
    case("SparseLengthsWeightedSum", dict(t=table, w=normal(6), i=idx, l=lens))
    case("SparseLengthsPositionalWeightedSum", dict(t=table, w=normal(6), i=idx, l=lens))
    for op in ("LengthsSum", "LengthsMean", "LengthsMax"):
        case(op, dict(x=normal(6, 4), l=lens))
    case("LengthsWeightedSum", dict(x=normal(6, 4), w=normal(6), l=lens))
    for op in ("SortedSegmentSum", "SortedSegmentMean", "UnsortedSegmentSum", "UnsortedSegmentMean"):
        case(op, dict(x=normal(6, 4), s=i4(0, 0, 1, 2, 2, 2)))
    case("UnsortedSegmentSum-number", dict(x=normal(6, 4), s=i4(0, 3, 1, 2, 0, 2)), num_segments=5)
    case("SparseSortedSegmentSum", dict(x=table, i=idx, s=i4(0, 0, 1, 2, 2, 2)))
    case("SparseSortedSegmentMean", dict(x=table, i=idx, s=i4(0, 0, 1, 2, 2, 2)))
    case("SparseUnsortedSegmentSum", dict(x=table, i=idx, s=i4(0, 3, 1, 2, 0, 2)))
    case("SparseUnsortedSegmentMean", dict(x=table, i=idx, s=i4(0, 3, 1, 2, 0, 2)))
    case("LengthsToRanges", dict(l=lens))
    case("SortedSegmentWeightedSum", dict(x=normal(6, 4), w=normal(6), s=i4(0, 0, 1, 2, 2, 2)))
    case("UnsortedSegmentWeightedSum", dict(x=normal(6, 4), w=normal(6), s=i4(0, 3, 1, 2, 0, 2)))
    case("SparseSortedSegmentWeightedSum", dict(x=table, w=normal(6), i=idx, s=i4(0, 0, 1, 2, 2, 2)))
    case("SparseUnsortedSegmentWeightedSum", dict(x=table, w=normal(6), i=idx, s=i4(0, 3, 1, 2, 0, 2)))
    case("ReduceFrontWeightedSum", dict(x=normal(6, 4), w=normal(6)))
    case("SegmentIdsToRanges", dict(s=i4(0, 0, 2, 3)))
    case("LengthsToOffsets", dict(l=lens))
    case("LengthsToOffsets-last", dict(l=lens), include_last_offset=1)
    case("LengthsToSegmentIds", dict(l=lens))
    case("LengthsRangeFill", dict(l=lens))
    case("LengthsToWeights", dict(l=lens))
    case("LengthsToWeights-power", dict(l=lens), power=2.)
    case("LengthsToShape", dict(l=i4(3, 3)))
    case("ReversePackedSegs", dict(x=normal(4, 3, 2), l=i4(4, 2, 1)))
    case("SequenceMask", dict(x=normal(3, 4), l=i4(4, 2, 1)), mode="sequence", fill_val=-9.)
    case("SequenceMask-3d", dict(x=normal(3, 2, 2), l=i4(4, 2, 1)), mode="sequence", fill_val=-9.)
    for mode in ("upper", "lower", "upperdiag", "lowerdiag"):
        case("SequenceMask-" + mode, dict(x=normal(4, 4)), mode=mode, fill_val=-9.)
    case("LengthsTile", dict(x=normal(4, 2), l=lens))
    case("SegmentIdsToLengths", dict(s=i4(0, 0, 2, 3)))
    case("GatherRanges", dict(x=normal(8), r=i4([[0, 2], [5, 3]], [[1, 0], [2, 2]])), outs=2)
    case("PackSegments", dict(l=lens, x=normal(6, 2)))
    case("PackSegments-mask", dict(l=lens, x=normal(6, 2)), outs=2, return_presence_mask=1)
    case("PackSegments-length", dict(l=lens, x=normal(6, 2)), max_length=2)
    case("UnpackSegments", dict(l=lens, x=normal(4, 3, 2)))
    case("BooleanMask", dict(x=normal(4, 2), m=v(1, 0, 1, 1, dtype="?")), outs=2)
    case("SparseToDense", dict(i=i4(2, 0, 2), x=normal(3, 2)))
    case("SparseToDense-like", dict(i=i4(2, 0, 2), x=normal(3, 2), y=normal(5)))
    case("BatchSparseToDense", dict(l=i8(2, 0, 1), i=i8(3, 1, 0), x=normal(3)), dense_last_dim=5, default_value=.5)
    case("SparseToDenseMask", dict(i=i4(2, 7, 4, 4), x=normal(4, 2), d=normal(2), l=i4(3, 1)), mask=[4, 2, 9])
    case("SparseToDenseMask-one", dict(i=i4(2, 7), x=normal(2, 2), d=unit(2)), mask=[4, 2, 9])
    case("SparseToDenseMask-presence", dict(i=i4(2, 7, 4, 4), x=normal(4), d=v(.5)[0], l=i4(3, 1)), outs=2, mask=[4, 2, 9], return_presence_mask=1)


def tables():
    """Embedding tables stored in few bits, made by Caffe2's own operators."""
    idx, lens = i8(0, 3, 5, 2, 2, 1), i4(2, 0, 3, 1)
    for bits in (8, 4, 2):
        made = "FloatToFused%dBitRowwiseQuantized" % bits
        for op in ("SparseLengthsSum", "SparseLengthsMean"):
            CASES.append(dict(name="%sFused%dBitRowwise" % (op, bits), op="%sFused%dBitRowwise" % (op, bits), inputs=dict(i=idx, l=lens), params={}, outs=1, args={}, first=(made, p(6, 8))))
        CASES.append(dict(name="SparseLengthsWeightedSumFused%dBitRowwise" % bits, op="SparseLengthsWeightedSumFused%dBitRowwise" % bits, inputs=dict(w=normal(6), i=idx, l=lens), params={}, outs=1, args={}, first=(made, p(6, 8))))
        CASES.append(dict(name="Fused%dBitRowwiseQuantizedToFloat" % bits, op="Fused%dBitRowwiseQuantizedToFloat" % bits, inputs={}, params={}, outs=1, args={}, first=(made, p(6, 8))))
    CASES.append(dict(name="GatherFused8BitRowwise", op="GatherFused8BitRowwise", inputs=dict(i=i4(2, 0, 5)), params={}, outs=1, args={}, first=("FloatToFused8BitRowwiseQuantized", p(6, 8))))
    sb = np.stack([var(6), p(6)], 1)
    t8 = r("t8").randint(0, 255, (6, 4)).astype("u1")
    for op in ("SparseLengthsSum8BitsRowwise", "SparseLengthsMean8BitsRowwise"):
        case(op, dict(t=t8, i=idx, l=lens, s=sb))
    case("SparseLengthsWeightedSum8BitsRowwise", dict(t=t8, w=normal(6), i=idx, l=lens, s=sb))
    case("SparseLengthsWeightedMean8BitsRowwise", dict(t=t8, w=normal(6), i=idx, l=lens, s=sb))
    case("Rowwise8BitQuantizedToFloat", dict(t=t8, s=sb))


def boxes(n, seed, image=1, batch=True):
    rng = r(seed)
    low = rng.uniform(0, 20, (n, 2))
    found = np.concatenate([low, low + rng.uniform(2, 25, (n, 2))], 1)
    return np.concatenate([np.sort(rng.randint(0, image, (n, 1)), 0), found], 1).astype("f4") if batch else found.astype("f4")


def detection():
    x = dict(x=normal(2, 3, 10, 12))
    rois = boxes(7, "rois", 2)
    for name, a in (("plain", {}), ("ratio", dict(sampling_ratio=2)), ("aligned", dict(aligned=1, sampling_ratio=3)), ("aligned-adaptive", dict(aligned=1)), ("size", dict(pooled_h=3, pooled_w=4, spatial_scale=.25))):
        a = dict(dict(pooled_h=2, pooled_w=3, spatial_scale=.4), **a)
        case("RoIAlign-" + name, dict(x, r=rois), **a)
    case("RoIAlign-nhwc", dict(x=normal(2, 10, 12, 3), r=rois), order="NHWC", pooled_h=2, pooled_w=3, spatial_scale=.4, sampling_ratio=2)
    case("RoIAlign-4", dict(x=normal(1, 3, 10, 12), r=rois[:, 1:].copy()), pooled_h=2, pooled_w=3, spatial_scale=.4)
    case("RoIPool", dict(x, r=rois), is_test=1, pooled_h=2, pooled_w=3, spatial_scale=.4)
    info1, info2 = v([40, 48, 1.5]), v([40, 48, 1.5], [36, 44, .8])
    anchors = v([-4, -4, 11, 11], [-8, -2, 15, 9], [-2, -8, 9, 15])
    for name, n, info, a in (("plain", 1, info1, {}), ("two", 2, info2, {}), ("no-plus", 1, info1, dict(legacy_plus_one=0)), ("all", 1, info1, dict(pre_nms_topN=0, post_nms_topN=0, min_size=0.)), ("correct", 1, info1, dict(correct_transform_coords=0))):
        a = dict(dict(spatial_scale=.25, pre_nms_topN=40, post_nms_topN=10, nms_thresh=.6, min_size=3.), **a)
        case("GenerateProposals-" + name, dict(s=lambda m, seed, n=n: distinct(n, 3, 5, 6)(n) / 20, d=lambda m, seed, n=n: .3 * normal(n, 12, 5, 6)(n), i=info), dict(a=anchors), outs=2, **a)
    d = lambda m, seed: .4 * normal(7, 12)(m)
    case("BBoxTransform", dict(r=boxes(7, "b", 1), d=d, i=info1), outs=2)
    case("BBoxTransform-two", dict(r=boxes(7, "b", 2), d=d, i=info2), outs=2, weights=[10., 10., 5., 5.], apply_scale=0)
    case("BBoxTransform-4", dict(r=boxes(7, "b", 1, False), d=d, i=info1), outs=1, legacy_plus_one=0)
    scores = lambda m, seed: distinct(9, 4)(m) / 6
    four = np.concatenate([boxes(9, "c%d" % k, 1, False) for k in range(4)], 1)
    case("BoxWithNMSLimit", dict(s=scores, b=four), outs=6)
    case("BoxWithNMSLimit-few", dict(s=scores, b=four), outs=6, score_thresh=.3, nms=.5, detections_per_im=5)
    case("BoxWithNMSLimit-none", dict(s=scores, b=four), outs=4, score_thresh=.3, detections_per_im=0)
    case("BoxWithNMSLimit-two", dict(s=scores, b=four, p=v(4, 5)), outs=6, score_thresh=.2, detections_per_im=6)
    case("BoxWithNMSLimit-agnostic", dict(s=scores, b=four[:, :4].copy()), outs=4, cls_agnostic_bbox_reg=1)
    case("BoxWithNMSLimit-no-plus", dict(s=scores, b=four), outs=4, legacy_plus_one=0)
    levels = dict([("r%d" % k, boxes(5, "l%d" % k)) for k in (2, 3, 4)] + [("s%d" % k, (lambda m, seed, k=k: r("s%d" % k).permutation(5).astype("f4") + k / 10.)) for k in (2, 3, 4)])
    a = dict(rpn_min_level=2, rpn_max_level=4, rpn_post_nms_topN=9, roi_min_level=2, roi_max_level=4, roi_canonical_scale=14, roi_canonical_level=3)
    case("CollectAndDistributeFpnRpnProposals", levels, outs=5, **a)
    case("CollectRpnProposals", levels, rpn_min_level=2, rpn_max_level=4, rpn_post_nms_topN=9)
    case("DistributeFpnProposals", dict(r=boxes(9, "dist")), outs=4, roi_min_level=2, roi_max_level=4, roi_canonical_scale=14, roi_canonical_level=3)


def units():
    n = dict(h=normal(1, "N", 3), c=unit(1, "N", 3), g=normal(1, "N", 12))
    lens = lambda m, seed: np.asarray([2, 1, 3][:m], "i4")
    case("LSTMUnit", dict(n, t=i4(1)), outs=2, sequence_lengths=0, forget_bias=.5)
    case("LSTMUnit-lengths", dict(n, l=lens, t=i4(1)), outs=2, sequence_lengths=1)
    case("LSTMUnit-drop", dict(n, l=lens, t=i4(1)), outs=2, sequence_lengths=1, drop_states=1)
    n = dict(h=normal(1, "N", 3), g=normal(1, "N", 9))
    case("GRUUnit", dict(n, t=i4(1)), sequence_lengths=0)
    case("GRUUnit-lengths", dict(n, l=lens, t=i4(1)), sequence_lengths=1)
    case("GRUUnit-drop", dict(n, l=lens, t=i4(1)), sequence_lengths=1, drop_states=1)
    for layers, biases, first, both in ((1, 1, 0, 0), (2, 1, 1, 1), (1, 0, 0, 1)):
        d = 1 + both
        weights = {}
        for k in range(layers):
            for direction in range(d):
                size = 4 if k == 0 else 3 * d
                for label, shape in (("wi", (12, size)), ("wh", (12, 3)), ("bi", (12,)), ("bh", (12,)))[: 4 if biases else 2]:
                    weights["w%d%d%s" % (k, direction, label)] = p(*shape) * (1 + .1 * direction)
        x = normal("N", 5, 4) if first else normal(5, "N", 4)
        case("InferenceLSTM-%d%d%d%d" % (layers, biases, first, both), dict(x=x, h=normal(layers * d, "N", 3), c=unit(layers * d, "N", 3)), weights, outs=3, num_layers=layers, has_biases=biases, batch_first=first, bidirectional=both)


FAMILIES = (convolutions, poolings, norms, dense, elementwise, activations, shapes, reductions, sparse, tables, detection, units)
