"""Functions of one and two values."""

# ruff: noqa: E501

import paddle
import paddle.nn.functional as F

from operator_cases import case, normal, positive, special, steps, truth, unit, whole


def unary():
    for name in ("abs", "acosh", "asinh", "atan", "ceil", "cos", "cosh", "exp", "erf", "expm1", "floor", "round", "sign",
                 "sin", "sinh", "square", "tan", "tanh", "trunc", "neg"):  # fmt: skip
        source = (
            positive("N", 3, 4)
            if name == "acosh"
            else steps("N", 3, 4)
            if name in ("round", "trunc")
            else normal("N", 3, 4)
        )
        function = (lambda x: paddle.acosh(x + 1)) if name == "acosh" else getattr(paddle, name)
        case(name, function, x=source)
    for name in ("acos", "asin", "atanh"):
        case(name, getattr(paddle, name), x=unit("N", 3, 4))
    for name in ("log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt"):
        case(name, getattr(paddle, name), x=positive("N", 3, 4))
    for name in ("isnan", "isinf", "isfinite"):
        case(name, getattr(paddle, name), x=special("N", 4))
    case("logit", lambda x: paddle.logit(x, 1e-3), x=unit("N", 4))
    case("exp-int", paddle.exp, x=whole(0, 4, "N", 3, dtype="i4"))
    case("clip", lambda x: paddle.clip(x, -0.3, 0.5), x=normal("N", 5))
    case("clip-low", lambda x: paddle.clip(x, min=0.1), x=normal("N", 5))
    case("clip-int", lambda x: paddle.clip(x, 1, 3), x=whole(0, 6, "N", 5))
    case("cast-int", lambda x: paddle.cast(x, "int32"), x=normal("N", 5))
    case("cast-bool", lambda x: paddle.cast(x, "bool"), x=whole(0, 2, "N", 5))
    case("scale", lambda x: paddle.scale(x, 2.5, 0.5, bias_after_scale=False), x=normal("N", 4))
    case("scale-int", lambda x: paddle.scale(x, 3.0, 2.0), x=whole(-5, 5, "N", 4))
    case("pow", lambda x: paddle.pow(x, 2.5), x=positive("N", 4))
    case("pow-int", lambda x: paddle.pow(x, 2), x=whole(-5, 5, "N", 4))
    case("cumsum", lambda x: paddle.cumsum(x, 1), x=normal("N", 4, 3))
    case("cumsum-flat", lambda x: paddle.cumsum(x), x=normal("N", 4))
    case("cumsum-int", lambda x: paddle.cumsum(x, 1), x=whole(-5, 5, "N", 4, dtype="i4"))
    case("cumprod", lambda x: paddle.cumprod(x, 1), x=normal("N", 4, 3))
    case("cummax", lambda x: list(paddle.cummax(x, 1)), x=steps("N", 6))
    case("cummin", lambda x: list(paddle.cummin(x, 1)), x=steps("N", 6))
    case("logcumsumexp", lambda x: paddle.logcumsumexp(x, 1), x=normal("N", 4))


def activations():
    x = normal("N", 4, 3, 3)
    for name in ("relu", "relu6", "sigmoid", "softsign", "silu", "mish", "hardswish", "hardsigmoid", "tanhshrink", "selu",
                 "softplus", "log_sigmoid", "hardtanh", "swish", "softshrink", "hardshrink", "elu", "celu", "leaky_relu",
                 "gelu", "thresholded_relu", "softmax", "log_softmax"):  # fmt: skip
        case(name, getattr(F, name), x=x)
    case("gelu-tanh", lambda x: F.gelu(x, True), x=x)
    case("elu-alpha", lambda x: F.elu(x, 0.3), x=x)
    case("celu-alpha", lambda x: F.celu(x, 0.3), x=x)
    case("leaky-slope", lambda x: F.leaky_relu(x, 0.3), x=x)
    case("softplus-beta", lambda x: F.softplus(x, 2.0, 1.5), x=x)
    case("softshrink-wide", lambda x: F.softshrink(x, 0.8), x=x)
    case("hardshrink-wide", lambda x: F.hardshrink(x, 0.8), x=x)
    case("hardsigmoid-slope", lambda x: F.hardsigmoid(x, 0.3, 0.4), x=x)
    case("hardtanh-wide", lambda x: F.hardtanh(x, -0.4, 0.7), x=x)
    case("thresholded", lambda x: F.thresholded_relu(x, 0.4), x=x)
    case("stanh", lambda x: paddle.stanh(x, 0.5, 1.3), x=x)
    case("maxout", lambda x: F.maxout(x, 2, 1), x=x)
    case("softmax-axis", lambda x: F.softmax(x, 1), x=x)
    case("log-softmax-axis", lambda x: F.log_softmax(x, 1), x=x)
    case("rrelu", lambda x: F.rrelu(x, training=False), only="new", x=x)
    case("prelu-all", lambda x: paddle.nn.PReLU(1)(x), x=x)
    case("prelu-channel", lambda x: paddle.nn.PReLU(4, 0.3)(x), x=x)
    case("prelu-last", lambda x: paddle.nn.PReLU(3, 0.3, data_format="NHWC")(x), x=x)
    case("glu", lambda x: F.glu(x, 1), x=x)
    case("normalize", lambda x: F.normalize(x, 2, 1), x=x)
    case("dropout-up", lambda x: F.dropout(x, 0.4, training=False, mode="upscale_in_train"), x=x)
    case("dropout-down", lambda x: F.dropout(x, 0.4, training=False, mode="downscale_in_infer"), x=x)
    case("alpha-dropout", lambda x: F.alpha_dropout(x, 0.4, training=False), x=x)
    case("label-smooth", lambda x: F.label_smooth(x, epsilon=0.2), x=positive("N", 4))


def binary():
    pair = {"x": normal("N", 3, 4), "y": normal("N", 3, 4)}
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "atan2", "equal",
                 "not_equal", "greater_than", "greater_equal", "less_than", "less_equal", "remainder"):  # fmt: skip
        case(name, getattr(paddle, name), **pair)
        if name == "atan2":
            continue
        case(name + "-row", getattr(paddle, name), x=steps("N", 3, 4), y=steps(4))
    case("elementwise-pow", paddle.pow, x=positive("N", 3), y=normal("N", 3))
    case("floor-divide", paddle.floor_divide, x=whole(-9, 9, "N", 4), y=whole(1, 4, "N", 4))
    case("floor-divide-negative", paddle.floor_divide, x=whole(-9, 9, "N", 4), y=whole(-4, -1, "N", 4))
    case("divide-int", paddle.divide, x=whole(-9, 9, "N", 4), y=whole(1, 4, "N", 4))
    case("remainder-int", paddle.remainder, x=whole(-9, 9, "N", 4), y=whole(1, 4, "N", 4))
    case("heaviside", paddle.heaviside, x=steps("N", 4), y=normal("N", 4))
    case("lerp", lambda x, y: paddle.lerp(x, y, 0.3), **pair)
    case("add-n", lambda x, y: paddle.add_n([x, y, x]), **pair)
    case("isclose", lambda x, y: paddle.isclose(x, y, 0.5, 0.1), **pair)
    case("equal-all", paddle.equal_all, x=whole(0, 2, 3), y=whole(0, 2, 3))
    for name in ("logical_and", "logical_or", "logical_xor"):
        case(name, getattr(paddle, name), x=truth("N", 4), y=truth("N", 4))
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        case(name, getattr(paddle, name), x=whole(0, 99, "N", 4), y=whole(0, 99, "N", 4))
        case(name + "-bool", getattr(paddle, name), x=truth("N", 4), y=truth("N", 4))
    case("logical-not", paddle.logical_not, x=truth("N", 4))
    case("bitwise-not", paddle.bitwise_not, x=whole(0, 99, "N", 4))
    case("where", lambda c, x, y: paddle.where(c, x, y), c=truth("N", 3, 4), **pair)
    case("kron", paddle.kron, x=normal(2, 3), y=normal(2, 2))
    case("cross", lambda x, y: paddle.cross(x, y, 1), **pair)
    case("dist", lambda x, y: paddle.dist(x, y, 2), **pair)
    case("dist-3", lambda x, y: paddle.dist(x, y, 3), **pair)


def linear():
    case("matmul", paddle.matmul, x=normal("N", 3, 4), y=normal(4, 2))
    case("matmul-turned", lambda x, y: paddle.matmul(x, y, True, True), x=normal("N", 4, 3), y=normal("N", 2, 4))
    case("matmul-vectors", paddle.matmul, x=normal(4), y=normal(4))
    case("bmm", paddle.bmm, x=normal("N", 3, 4), y=normal("N", 4, 2))
    case("mv", paddle.mv, x=normal("N", 4), y=normal(4))
    case("dot", paddle.dot, x=normal("N", 4), y=normal("N", 4))
    case("addmm", lambda i, x, y: paddle.addmm(i, x, y, 0.5, 2.0), i=normal("N", 2), x=normal("N", 4), y=normal(4, 2))
    case("linear", lambda x: paddle.nn.Linear(4, 3)(x), x=normal("N", 5, 4))
    case("bilinear", lambda x, y: paddle.nn.Bilinear(4, 3, 2)(x, y), x=normal("N", 4), y=normal("N", 3))
    case("einsum", lambda x, y: paddle.einsum("bij,jk->bik", x, y), x=normal("N", 3, 4), y=normal(4, 2))
    case(
        "einsum-heads",
        lambda x, y: paddle.einsum("bqhd,bkhd->bhqk", x, y),
        x=normal("N", 3, 2, 4),
        y=normal("N", 5, 2, 4),
    )
    case(
        "multi-dot", lambda x, y, z: paddle.linalg.multi_dot([x, y, z]), x=normal(2, 3), y=normal(3, 4), z=normal(4, 2)
    )
    case("cosine", lambda x, y: F.cosine_similarity(x, y, 1), x=normal("N", 4), y=normal("N", 4))
    case("inner", paddle.inner, x=normal("N", 4), y=normal(3, 4))
    case("attention", lambda x: paddle.nn.MultiHeadAttention(8, 2)(x, x, x), x=normal("N", 5, 8))
    case("encoder", lambda x: paddle.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)(x), x=normal("N", 5, 8))
    case("sdpa", lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True, training=False), only="new",
         x=normal("N", 5, 2, 4))  # fmt: skip
