"""Cases of the rules for arithmetic, activations, reductions and rearranging."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.workers.hub.legalise.cases import Case, weight
from tests.workers.hub.legalise.table_layers import op

B = "batch"
X4, X3, X2 = [B, 3, 4, 5], [B, 4, 6], [B, 6]


def one(name: str, **attributes: Any) -> Any:
    return op(name, **attributes)


def with_constant(name: str, constant: Any, *, first: bool = False, **attributes: Any) -> Any:
    array = np.asarray(constant, np.float32)
    return lambda g, x: g.op(name, *((array, x) if first else (x, array)), **attributes)


def of(name: str) -> Any:
    return lambda g, *inputs: g.op(name, *inputs)


ELEMENTWISE = [
    Case("sub-constant-to-add", [X4], with_constant("Sub", weight(3, 1, 1))),
    Case("sub-to-add", [X2, X2], of("Sub")),
    Case("neg-to-mul", [X2], one("Neg")),
    Case("div-constant-to-mul", [X2], with_constant("Div", [1, 2, 3, 4, 5, 6])),
    Case("div-to-mul", [X2, X2], of("Div"), low=0.5),
    Case("reciprocal-to-pow", [X2], one("Reciprocal"), low=0.5),
    Case("reciprocal-to-div", [X2], one("Reciprocal"), low=0.5),
    Case("sqrt-to-pow", [X2], one("Sqrt"), low=0.0),
    *(
        Case("pow-by-arithmetic", [X2], with_constant("Pow", exponent), low=0.5, label=str(exponent))
        for exponent in (-1, -0.5, 0.5, 1, 2, 3, 4)
    ),
    Case("pow-to-exp-log", [X2], with_constant("Pow", 2.5, first=True)),
    Case("sum-to-add", [X2, X2, X2], of("Sum")),
    Case("sum-to-add", [X2], of("Sum"), label="one"),
    Case("mean-to-sum", [X2, X2, X2], of("Mean")),
    *(Case("extremum-of-one", [X2], of(name), op=name, label=name) for name in ("Max", "Min")),
    *(Case("extremum-of-two", [X2, X2, X2], of(name), op=name, label=name) for name in ("Max", "Min")),
    *(Case("extremum-to-clip", [X2], with_constant(name, 0.3), op=name, label=name) for name in ("Max", "Min")),
    Case("extremum-to-clip", [X2], with_constant("Max", 0.3, first=True), op="Max", label="first"),
    Case("min-to-max", [X2, X2], of("Min")),
    Case("abs-to-max", [X2], one("Abs")),
    Case("identity", [X2], lambda g, x: g.Relu(g.Identity(x))),
    Case("dropout-at-inference", [X2], lambda g, x: g.Relu(g.Dropout(x))),
    Case("dropout-at-inference", [X2], lambda g, x: g.Dropout(x), label="output"),
    Case("broadcast-by-tiling", [[B, 3, 1, 1], X4], of("Add"), op="Add", label="first"),
    Case("broadcast-by-tiling", [[2, 3, 4, 5], [4, 5]], of("Mul"), op="Mul", label="fewer-axes"),
    Case("broadcast-by-tiling", [X4, [B, 1, 4, 5]], of("Max"), op="Max", label="channels"),
    Case("broadcast-by-tiling", [[B, 3, 1, 5], [B, 1, 4, 1]], of("Sub"), op="Sub", label="both"),
    Case("expand-to-tile", [[B, 1, 4]], lambda g, x: g.Expand(x, [1, 3, 1]), label="middle"),
    Case("expand-to-tile", [[1, 4]], lambda g, x: g.Expand(x, [2, 3, 4]), label="more-axes"),
    Case("tile-to-concat", [X3], lambda g, x: g.Tile(x, [1, 2, 3])),
]
ACTIVATION = [
    Case("hard-sigmoid-to-clip", [X2], one("HardSigmoid", alpha=0.3, beta=0.4)),
    Case("hard-swish-to-hard-sigmoid", [X2], one("HardSwish"), low=-5, high=5),
    Case("clip-from-zero-to-relu", [X2], lambda g, x: g.Clip(x, np.float32(0))),
    Case("clip-one-bound-to-relu", [X2], lambda g, x: g.Clip(x, np.float32(-0.5)), label="low"),
    Case("clip-one-bound-to-relu", [X2], lambda g, x: g.Clip(x, None, np.float32(0.5)), label="high"),
    Case("clip-both-bounds", [X2], lambda g, x: g.Clip(x, np.float32(-0.5)), label="low"),
    Case("clip-both-bounds", [X2], lambda g, x: g.Clip(x, None, np.float32(0.5)), label="high"),
    Case("clip-to-max-min", [X2], lambda g, x: g.Clip(x, np.float32(-0.5), np.float32(0.5))),
    Case("clip-to-max-min", [X2], lambda g, x: g.Clip(x, None, np.float32(0.5)), label="high"),
    Case("clip-to-relu-pair", [X2], lambda g, x: g.Clip(x, np.float32(-0.5), np.float32(0.7))),
    Case("relu-to-max", [X2], one("Relu")),
    Case("leaky-relu-to-prelu", [X4], one("LeakyRelu", alpha=0.2)),
    Case("leaky-relu-to-relu-pair", [X4], one("LeakyRelu", alpha=0.2)),
    Case("prelu-to-leaky-relu", [X4], with_constant("PRelu", [0.2])),
    Case("prelu-to-relu-pair", [X4], with_constant("PRelu", weight(3, 1, 1))),
    Case("prelu-to-relu-pair", [X4, X4], of("PRelu"), label="computed"),
    Case("elu-to-exp", [X2], one("Elu", alpha=0.7)),
    Case("selu-to-elu", [X2], one("Selu")),
    Case("selu-to-elu", [X2], one("Selu", alpha=1.5, gamma=0.9), label="other"),
    Case("celu-to-elu", [X2], one("Celu", alpha=1.5)),
    Case("mish-to-tanh", [X2], one("Mish")),
    Case("softsign-to-div", [X2], one("Softsign")),
    Case("softplus-to-log", [X2], one("Softplus"), low=-80, high=80),
    Case("tanh-to-sigmoid", [X2], one("Tanh")),
    Case("sigmoid-to-tanh", [X2], one("Sigmoid")),
    Case("thresholded-relu-to-where", [X2], one("ThresholdedRelu", alpha=0.4)),
    Case("thresholded-relu-to-mul", [X2], one("ThresholdedRelu", alpha=0.4)),
    Case("gelu-to-erf", [X2], one("Gelu")),
    Case("gelu-to-erf", [X2], one("Gelu", approximate="tanh"), label="tanh"),
    Case("erf-by-polynomial", [[B, 4000]], one("Erf"), low=-4, high=4, tolerance=5e-7),
    Case("softmax-last-axis", [X4], one("Softmax", axis=1), op="Softmax"),
    Case("softmax-last-axis", [X4], one("LogSoftmax", axis=2), op="LogSoftmax", label="log"),
    Case("log-softmax-by-log-sum", [X3], one("LogSoftmax", axis=1), low=-200, high=200),
    Case("log-softmax-to-log", [X3], one("LogSoftmax", axis=1)),
    Case("softmax-to-exp", [X3], one("Softmax", axis=1), low=-200, high=200),
    Case("function-body", [X2], one("Softplus"), op="Softplus", label="plain"),
    Case("function-body", [X2], one("Celu", alpha=1.3), op="Celu", label="by-type"),
    Case("function-body", [X2], one("Shrink", lambd=0.4, bias=0.1), op="Shrink", label="two-attributes"),
]
EVERY = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare")


def reduce(name: str, axes: list[int] | None, keepdims: int = 1) -> Any:
    return lambda g, x: g.op(name, x, axes, keepdims=keepdims)


REDUCTION = [
    Case("reduce-nothing", [[B, 1, 4, 1]], reduce("ReduceSum", [1, 3], 0), op="ReduceSum"),
    *(
        Case(rule, [[B, 3, *size]], reduce(name, list(range(-len(size), 0)), keep), label=f"{len(size)}-{keep}")
        for rule, name in (
            ("reduce-mean-to-global-pool", "ReduceMean"),
            ("reduce-max-to-global-pool", "ReduceMax"),
        )
        for size in ((4, 5), (6,))
        for keep in (0, 1)
    ),
    *(Case("reduce-keeping-axes", [X4], reduce(name, [1, 3], 0), op=name, label=name) for name in EVERY),
    *(Case("reduce-dropping-axes", [X4], reduce(name, [1, -1], 1), op=name, label=name) for name in EVERY),
    Case("reduce-keeping-axes", [[2, 3]], reduce("ReduceSum", None, 0), op="ReduceSum", label="all"),
    Case("reduce-l2-to-sum-square", [X4], reduce("ReduceL2", [1], 0)),
    Case("reduce-sum-square-to-sum", [X4], reduce("ReduceSumSquare", [1, 2])),
    Case("reduce-l1-to-sum", [X4], reduce("ReduceL1", [2])),
    Case("reduce-log-sum", [X4], reduce("ReduceLogSum", [2]), low=0.1),
    Case("reduce-log-sum-exp", [X4], reduce("ReduceLogSumExp", [2, 3], 0), low=-200, high=200),
    Case("reduce-log-sum-exp", [X4], reduce("ReduceLogSumExp", [1]), label="kept"),
    Case("reduce-min-to-max", [X4], reduce("ReduceMin", [2, 3], 0)),
    Case("reduce-mean-to-sum", [X4], reduce("ReduceMean", [1, 3])),
    Case("reduce-sum-to-mean", [X4], reduce("ReduceSum", [1, 3], 0)),
    *(
        Case("reduce-by-pooling", [X4], reduce(name, axes, keep), op=name, label=f"{name}-{axes}-{keep}")
        for name in ("ReduceMean", "ReduceMax")
        for axes in ([1], [1, 2], [3])
        for keep in (0, 1)
    ),
    Case("reduce-last-axes", [X4], reduce("ReduceSum", [1], 0), op="ReduceSum"),
    Case("reduce-last-axes", [X4], reduce("ReduceL2", [0, 2], 1), op="ReduceL2", label="kept"),
    Case("reduce-one-axis", [X4], reduce("ReduceMax", [1, 3], 0), op="ReduceMax"),
    Case("reduce-one-axis", [X4], reduce("ReduceSum", [2, 3]), op="ReduceSum", label="kept"),
    Case("arg-min-to-arg-max", [X4], lambda g, x: g.ArgMin(x, axis=1, keepdims=0, select_last_index=1)),
]


def reshaped_like(g: Any, x: Any, y: Any) -> Any:
    """A Reshape by a computed shape, which shape inference over the whole graph has seen through."""
    z = g.Reshape(x, g.Shape(y))
    z.shape = y.shape
    return z


def filled_like(g: Any, x: Any) -> Any:
    """A block as large as x, whose computed size shape inference has seen through."""
    block = g.ConstantOfShape(g.Shape(x))
    block.shape = x.shape
    return g.Add(x, block)


SHAPE = [
    Case("reshape-to-known-shape", [X4, [B, 12, 5]], reshaped_like),
    Case(
        "transpose-of-transpose", [X4],
        lambda g, x: g.Transpose(g.Transpose(x, perm=[0, 2, 3, 1]), perm=[0, 3, 2, 1]), label="one",
    ),
    Case(
        "transpose-of-transpose", [X4],
        lambda g, x: g.Transpose(g.Transpose(x, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2]), label="none",
    ),
    Case("constant-of-known-shape", [[2, 3]], filled_like),
    Case("shape-change-to-reshape", [[B, 1, 4]], lambda g, x: g.Squeeze(x, [1]), op="Squeeze", label="squeeze"),
    Case("shape-change-to-reshape", [X2], lambda g, x: g.Unsqueeze(x, [0, 2]), op="Unsqueeze", label="unsqueeze"),
    Case("shape-change-to-reshape", [X4], lambda g, x: g.Flatten(x, axis=1), op="Flatten", label="flatten"),
    Case("reshape-to-flatten", [X4], lambda g, x: g.Reshape(x, [0, -1])),
    Case("transpose-nothing", [X3], one("Transpose", perm=[0, 1, 2])),
    Case("transpose-of-ones-to-reshape", [[B, 1, 4, 1]], one("Transpose", perm=[0, 3, 1, 2])),
    Case("depth-to-space-to-transpose", [[B, 12, 2, 3]], one("DepthToSpace", blocksize=2), label="dcr"),
    Case("depth-to-space-to-transpose", [[B, 12, 2, 3]], one("DepthToSpace", blocksize=2, mode="CRD"), label="crd"),
    Case("space-to-depth-to-transpose", [[B, 3, 4, 6]], one("SpaceToDepth", blocksize=2)),
    Case("concat-of-one", [X3], one("Concat", axis=1)),
    Case("shape-known", [[2, 3, 4]], one("Shape", start=1)),
    Case("shape-known", [[B, 3, 4]], one("Shape", start=-2), label="part"),
    Case("size-known", [[2, 3, 4]], one("Size")),
    Case("cast-to-same-type", [X3], one("Cast", to=1)),
    Case("cast-like-to-cast", [X3, X2], lambda g, x, y: g.CastLike(g.Cast(x, to=7), y)),
]  # fmt: skip


def split(sizes: list[int] | None, **attributes: Any) -> Any:
    count = attributes.get("num_outputs") or len(sizes or ())
    return lambda g, x: g.ops("Split", x, sizes, outputs=count, **attributes)


def cut(starts: list[int], ends: list[int], axes: list[int], steps: list[int] | None = None) -> Any:
    return lambda g, x: g.Slice(x, starts, ends, axes, steps)


INDEXING = [
    Case("split-of-one", [X3], split([6], axis=-1)),
    Case("split-sizes-given", [[B, 7]], split(None, axis=1, num_outputs=3)),
    Case("split-to-slices", [[B, 7]], split([1, 4, 2], axis=1)),
    Case("split-to-slices", [[B, 7]], split(None, axis=-1, num_outputs=3), label="uneven"),
    Case("slice-nothing", [X3], cut([0], [9], [2])),
    Case("slice-one-axis", [X4], cut([1, -3], [3, -1], [1, 3])),
    Case("slice-to-split", [X3], cut([1], [3], [2]), label="middle"),
    Case("slice-to-split", [X3], cut([0], [2], [1]), label="begin"),
    Case("slice-to-split", [X3], cut([-2], [99], [2]), label="end"),
    Case("slice-step-to-gather", [X3], cut([1], [6], [2], [2])),
    Case("slice-step-to-gather", [X3], cut([-1], [-99], [2], [-1]), label="reversed"),
    Case("gather-to-slices", [X3], lambda g, x: g.Gather(x, [0, 1, 3, -1], axis=2)),
    Case("gather-to-slices", [X3], lambda g, x: g.Gather(x, np.asarray(2), axis=1), label="scalar"),
    Case("gather-to-slices", [X3], lambda g, x: g.Gather(x, np.asarray([[0, 1], [3, 2]]), axis=1), label="matrix"),
    Case("gather-to-matmul", [X3], lambda g, x: g.Gather(x, [5, 0, 0], axis=-1)),
    Case("gather-to-matmul", [X4], lambda g, x: g.Gather(x, [3, 0, -2], axis=2), label="inner"),
]


def pad(pads: list[int], value: float | None = None, mode: str = "constant", axes: list[int] | None = None) -> Any:
    filler = None if value is None else np.float32(value)
    return lambda g, x: g.Pad(x, pads, filler, axes, mode=mode)


def resize(scales: list[float] | None = None, sizes: list[int] | None = None, **attributes: Any) -> Any:
    return lambda g, x: g.Resize(x, None, None if scales is None else np.float32(scales), sizes, **attributes)


def padded_conv(g: Any, x: Any) -> Any:
    return g.Conv(g.Pad(x, [0, 0, 0, 1, 0, 0, 1, 2]), g.weight("w", weight(2, 3, 3, 3)), pads=[1, 0, 0, 1])


def padded_pool(g: Any, x: Any) -> Any:
    return g.AveragePool(g.Pad(x, [1, 1, 1, 1], None, [2, 3]), kernel_shape=[3, 3], strides=[2, 2])


CONTENTS = [
    Case("pad-nothing", [X3], pad([0] * 6)),
    Case("pad-negative-to-slice", [X3], pad([0, -1, 0, 0, 0, -2])),
    Case("pad-negative-to-slice", [X3], pad([0, -1, 2, 0, 0, 1], 0.5), label="mixed"),
    Case("pad-by-convolution", [X4], pad([0, 0, 1, 2, 0, 0, 0, 3], 0.0)),
    Case("pad-by-convolution", [[B, 3, 7]], pad([0, 0, 1, 0, 0, 2]), label="line"),
    Case("pad-by-concat", [[2, 3, 4]], pad([1, 0, 2, 0, 3, 0], 0.5)),
    Case("pad-into-consumers", [X4], padded_conv, label="conv"),
    Case("pad-into-consumers", [X4], padded_pool, label="mean"),
    Case("pad-all-axes", [X4], pad([1, 2, 0, 3], 0.5, axes=[-1, 2])),
    Case("pad-all-axes", [X4], pad([1, 1], mode="reflect", axes=[3]), label="reflect"),
    Case("resize-all-axes", [X4], resize([2.0, 1.5], axes=[-1, 2], mode="linear")),
    Case("resize-all-axes", [[2, 3, 4, 5]], resize(sizes=[9, 7], axes=[3, 2], mode="cubic"), label="sizes"),
    *(
        Case("pad-to-matmul", [X4], pad([0, 0, 2, 1, 0, 0, 1, 3], mode=mode), label=mode)
        for mode in ("reflect", "edge", "wrap")
    ),
    Case("resize-nearest-to-conv-transpose", [X4], resize([1, 1, 2, 3])),
    Case(
        "resize-nearest-to-conv-transpose", [X4],
        resize(sizes=[8, 10], axes=[2, 3], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        label="floor",
    ),
    Case(
        "resize-to-matmul", [X4], resize([1, 1, 2, 2], nearest_mode="ceil"), label="nearest-ceil",
    ),
    *(
        Case("resize-to-matmul", [X4], resize([1, 1, *factors], mode=mode, coordinate_transformation_mode=places),
             label=f"{mode}-{places}-{factors[0]}")
        for mode in ("nearest", "linear", "cubic")
        for places in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
        for factors in ((2.0, 1.6), (0.5, 0.75))
    ),
    Case("resize-to-matmul", [X4], resize(sizes=[7, 9], axes=[2, 3], mode="linear"), label="sizes"),
    Case("resize-to-matmul", [X4], resize([0.5, 0.6], axes=[2, 3], mode="linear", antialias=1), label="antialias"),
]  # fmt: skip
CASES = [*ELEMENTWISE, *ACTIVATION, *REDUCTION, *SHAPE, *INDEXING, *CONTENTS]
