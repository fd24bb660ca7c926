"""Functions of one value and of two, activations."""
# Data for Python 3.8, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import mxnet as mx

from operator_cases import case, distinct, normal, positive, steps, unit, v, values, whole

S = mx.sym


def unary():
    for op in ["abs", "ceil", "floor", "cos", "sin", "tan", "cosh", "sinh", "tanh", "arcsinh", "exp", "negative", "sign", "relu", "sigmoid", "erf", "softsign", "square", "expm1", "degrees", "radians", "cbrt", "arctan", "logical_not", "round", "rint", "fix", "trunc"]:
        make = steps("N", 3, 4) if op in ("round", "rint", "fix", "trunc", "ceil", "floor",
            "logical_not") else normal("N", 3, 4)
        case("unary-" + op, lambda op=op: getattr(S, op)(v("x"), name="y"), x=make)
    for op in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "gamma", "gammaln", "rcbrt"]:
        case("unary-" + op, lambda op=op: getattr(S, op)(v("x"), name="y"), x=positive("N", 3, 4))
    for op in ["arcsin", "arccos", "arctanh", "erfinv"]:
        case("unary-" + op, lambda op=op: getattr(S, op)(v("x"), name="y"), x=unit("N", 3, 4))
    case("unary-arccosh", lambda: S.arccosh(v("x") + 1.0, name="y"), x=positive("N", 3))
    case("unary-gamma-negative", lambda: S.Group([S.gamma(v("x")), S.gammaln(v("x"))]), x=values(-3.3, -2.5, -0.5,
        -0.1, 0.1, 0.5, 1, 7.5, 20, 33))
    case("unary-round-halves", lambda: S.Group([S.round(v("x")), S.rint(v("x")), S.fix(v("x"))]), x=values(-2.5, -1.5,
        -0.5, 0.49999997, 0.5, 1.5, 2.5, -0.49999997))
    case("quadratic", lambda: S.contrib.quadratic(v("x"), a=2, b=-1, c=0.5, name="y"), x=normal("N", 3))
    case("clip", lambda: S.clip(v("x"), a_min=-0.5, a_max=0.75, name="y"), x=normal("N", 3, 4))
    case("smooth_l1", lambda: S.smooth_l1(v("x"), scalar=1.5, name="y"), x=normal("N", 9))
    case("ste", lambda: S.Group([S.contrib.round_ste(v("x")), S.contrib.sign_ste(v("x")), S.contrib.gradientmultiplier(
        v("x"), scalar=3)]), x=steps("N", 3))
    case("hard_sigmoid", lambda: S.hard_sigmoid(v("x"), alpha=0.3, beta=0.4, name="y"), x=normal("N", 9))


def binary():
    for op in ["add", "sub", "mul", "div", "maximum", "minimum", "power", "hypot", "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or", "logical_xor", "mod"]:
        two = op.startswith("logical") or "equal" in op or ("er" in op[-4:] and op != "power")
        make = whole(-2, 3, "N", 3, 4) if two else (positive if op in ("power", "div") else normal)("N", 3, 4)
        other = whole(-2, 3, 1, 3, 1) if two else (positive if op in ("power", "div") else normal)(1, 3, 1)
        case("broadcast-" + op, lambda op=op: getattr(S, "broadcast_" + op)(v("a"), v("b"), name="y"), a=make,
            b=other)
    case("mod-signs", lambda: S.broadcast_mod(v("a"), v("b"), name="y"), a=values(7.5, -7.5, 7.5, -7.5, 0.3, 6, -6,
        5), b=values(2, 2, -2, -2, 0.1, 3, 3, 0))
    for op, number in (("plus", 1.5), ("minus", 2), ("rminus", 2), ("mul", -3), ("div", 4), ("rdiv", 2.5), ("power",
        2), ("rpower", 2), ("mod", 3), ("rmod", 7), ("maximum", 0.2), ("minimum", 0.2), ("hypot", 3), ("equal", 1),
        ("not_equal", 1), ("greater", 1), ("greater_equal", 1), ("lesser", 1), ("lesser_equal", 1), ("logical_and",
        1), ("logical_or", 0), ("logical_xor", 1)):
        make = whole(1, 5, "N", 3) if op in ("power", "rdiv", "mod", "rmod") else whole(-2, 3, "N", 3)
        case("scalar-" + op, lambda op=op, number=number: getattr(S._internal, "_%s_scalar" % op)(v("x"),
            scalar=number, name="y"), x=make)
    case("scalar-int", lambda: S._internal._plus_scalar(v("x"), scalar=2, name="y"), x=whole(-5, 5, "N", 3,
        dtype="i4"))
    case("add_n", lambda: S.add_n(v("a"), v("b"), v("c"), name="y"), a=normal("N", 3), b=normal("N", 3), c=normal("N",
        3))
    case("where", lambda: S.where(v("c"), v("a"), v("b"), name="y"), c=whole(0, 2, "N", 3), a=normal("N", 3),
        b=normal("N", 3))
    case("where-rows", lambda: S.where(v("c"), v("a"), v("b"), name="y"), c=whole(0, 2, "N"), a=normal("N", 3, 2),
        b=normal("N", 3, 2))
    case("elemwise-chain", lambda: (v("a") + v("b")) * v("a") - v("b") / (v("a") + 10.0), a=normal("N", 3),
        b=normal("N", 3))
    case("maximum", lambda: S.maximum(v("a"), v("b")), a=normal("N", 3), b=normal("N", 3))
    case("cast-uint8", lambda: S.Cast(S.Cast(v("x"), dtype="uint8"), dtype="float32", name="y"), x=values(0, 1.9, 255,
        256, 300.7, -1, -1.9))
    case("cast-int32", lambda: S.Cast(v("x"), dtype="int32", name="y"), x=steps("N", 5))
    case("amp", lambda: S.Group(list(S.amp_multicast(S.Cast(v("a"), dtype="float16"), v("b"), num_outputs=2))),
        a=normal("N", 3), b=normal("N", 3))


def activations():
    for act in ["relu", "sigmoid", "tanh", "softrelu", "softsign"]:
        case("Activation-" + act, lambda act=act: S.Activation(v("x"), act_type=act, name="y"), x=normal("N", 3, 4))
    for act in ["leaky", "elu", "selu", "gelu", "rrelu"]:
        case("LeakyReLU-" + act, lambda act=act: S.LeakyReLU(v("x"), act_type=act, name="y")[0], x=normal("N", 3, 4))
    case("LeakyReLU-prelu", lambda: S.LeakyReLU(v("x"), act_type="prelu", name="y"), x=normal("N", 3, 4, 4))
    case("LeakyReLU-prelu2d", lambda: S.LeakyReLU(v("x"), act_type="prelu", name="y"), x=normal("N", 3))
    case("LeakyReLU-prelu1", lambda: S.LeakyReLU(v("x"), v("g", shape=(1,)), act_type="prelu", name="y"),
        x=normal("N", 3, 4))
    for op in ["softmax", "log_softmax", "softmin"]:
        case("%s-default" % op, lambda op=op: getattr(S, op)(v("x"), name="y"), x=normal("N", 3, 4))
        case("%s-axis-temperature" % op, lambda op=op: getattr(S, op)(v("x"), axis=1, temperature=2.5, name="y"),
            x=normal("N", 3, 4))
    for axis in (1, 2):
        other = 4 if axis == 1 else 3
        case("softmax-length%d" % axis, lambda axis=axis: S.softmax(v("x"), v("n"), axis=axis, use_length=True,
            name="y"), x=normal("N", 3, 4), n=whole(1, 4, "N", other, dtype="i4"))
    case("softmax-length0", lambda: S.softmax(v("x"), v("n"), use_length=True, name="y"), x=normal(3, 4), n=values(0,
        2, 4, dtype="i4"))
    for mode in ("instance", "channel"):
        case("SoftmaxActivation-" + mode, lambda mode=mode: S.SoftmaxActivation(v("x"), mode=mode, name="y"),
            x=normal("N", 3, 4, 2))
    case("SoftmaxOutput", lambda: S.SoftmaxOutput(v("x"), name="y"), x=normal("N", 5))
    case("SoftmaxOutput-flat", lambda: S.SoftmaxOutput(v("x"), name="y"), x=normal("N", 3, 4))
    case("SoftmaxOutput-multi", lambda: S.SoftmaxOutput(v("x"), multi_output=True, name="y"), x=normal("N", 3, 4))
    case("SoftmaxOutput-preserve", lambda: S.SoftmaxOutput(v("x"), preserve_shape=True, name="y"), x=normal("N", 3,
        4))
    case("losses", lambda: S.Group([S.LinearRegressionOutput(v("x"), name="a"), S.LogisticRegressionOutput(v("x"),
        name="b"), S.MAERegressionOutput(v("x"), name="c"), S.SVMOutput(v("x"), name="d"), S.MakeLoss(v("x"),
        name="e"), S.make_loss(v("x"), name="f"), S.BlockGrad(v("x"), name="g"), S.identity(v("x"), name="h")]),
        x=normal("N", 5))
    case("Dropout", lambda: S.Dropout(v("x"), p=0.3, name="y") + 0.0, x=normal("N", 5))
