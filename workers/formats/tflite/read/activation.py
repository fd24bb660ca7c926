"""Functions of one value, softmax, and the parametrised rectifiers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.align import aligned, place, single
from workers.formats.tflite.read.layer import BOOL, F32, F64, I32, I64, Layer, Out, Value, activated, reads
from workers.hub.graph import GraphBuilder

COMPUTED = (F32, F64, I32, I64)
UNARY = {
    "ABS": "Abs", "CEIL": "Ceil", "COS": "Cos", "EXP": "Exp", "FLOOR": "Floor", "LOG": "Log", "LOGISTIC": "Sigmoid",
    "NEG": "Neg", "RELU": "Relu", "ROUND": "Round", "SIGN": "Sign", "SIN": "Sin", "SQRT": "Sqrt", "TANH": "Tanh",
    "HARD_SWISH": "HardSwish", "ELU": "Elu", "STABLEHLO_ABS": "Abs", "STABLEHLO_COSINE": "Cos",
    "STABLEHLO_EXPONENTIAL": "Exp", "STABLEHLO_FLOOR": "Floor", "STABLEHLO_LOG": "Log",
    "STABLEHLO_LOGISTIC": "Sigmoid", "STABLEHLO_NEGATE": "Neg", "STABLEHLO_TANH": "Tanh",
}  # fmt: skip


def computable(g: GraphBuilder, x: Value) -> Value:
    """Types that ONNX runtimes do not calculate with as one that they do; the result goes back by itself."""
    if x.dtype in COMPUTED or x.dtype is None:
        return x
    if x.dtype.is_floating_point():
        return cast(g, x, F32)
    return cast(g, x, I64 if x.dtype.name in ("UINT32", "UINT64") else I32)


@reads(*UNARY)
def unary(g: GraphBuilder, layer: Layer) -> Out:
    """What ONNX has under one name."""
    x, first = single(g, layer)
    return Out(g.op(UNARY[layer.type], computable(g, x)), first=first)


FORMULAS: dict[str, Callable[[GraphBuilder, Value], Value]] = {
    "RSQRT": lambda g, x: g.Reciprocal(g.Sqrt(x)),
    "SQUARE": lambda g, x: g.Mul(x, x),
    "RELU_N1_TO_1": lambda g, x: activated(g, x, "RELU_N1_TO_1"),
    "RELU6": lambda g, x: activated(g, x, "RELU6"),
    "RELU_0_TO_1": lambda g, x: g.Clip(x, np.float32(0), np.float32(1)),
    "STABLEHLO_RSQRT": lambda g, x: g.Reciprocal(g.Sqrt(x)),
    "STABLEHLO_CBRT": lambda g, x: g.Mul(g.Sign(x), g.Pow(g.Abs(x), np.float32(1 / 3))),
}


@reads(*FORMULAS)
def formula(g: GraphBuilder, layer: Layer) -> Out:
    """What takes two nodes."""
    x, first = single(g, layer)
    return Out(FORMULAS[layer.type](g, computable(g, x)), first=first)


@reads("LOGICAL_NOT")
def logical_not(g: GraphBuilder, layer: Layer) -> Out:
    x, first = single(g, layer)
    return Out(g.Not(cast(g, x, BOOL)), first=first)


@reads("GELU")
def gelu(g: GraphBuilder, layer: Layer) -> Out:
    x, first = single(g, layer)
    return Out(g.Gelu(x, approximate="tanh" if layer.flag("approximate") else "none"), first=first)


@reads("LEAKY_RELU")
def leaky_relu(g: GraphBuilder, layer: Layer) -> Out:
    x, first = single(g, layer)
    return Out(g.LeakyRelu(x, alpha=layer.f("alpha")), first=first)


@reads("PRELU")
def prelu(g: GraphBuilder, layer: Layer) -> Out:
    """The slope is broadcast to the data."""
    (x, slope), first = aligned(g, layer, 0, 1)
    return Out(g.PRelu(x, slope), first=first)


@reads("SOFTMAX", "LOG_SOFTMAX")
def softmax(g: GraphBuilder, layer: Layer) -> Out:
    """Over the last axis, the values first times beta."""
    rank = layer.rank()
    x, first = single(g, layer)
    if rank == 0:
        raise layer.malformed("its input has no axes")
    if layer.type == "SOFTMAX" and layer.f("beta", 1.0) != 1.0:
        x = g.Mul(x, np.float32(layer.f("beta", 1.0)))
    return Out(g.op("Softmax" if layer.type == "SOFTMAX" else "LogSoftmax", x, axis=place(rank - 1, rank, first)),
               first=first)  # fmt: skip


@reads("L2_NORMALIZATION")
def l2_normalization(g: GraphBuilder, layer: Layer) -> Out:
    """Over the last axis, by a norm of at least 1e-6."""
    rank = layer.rank()
    x, first = single(g, layer)
    norm = g.ReduceL2(x, [place(rank - 1, rank, first)], keepdims=1)
    return Out(layer.activated(g, g.Div(x, g.Max(norm, np.float32(1e-6)))), first=first)
