"""Cases of the rules for layers: products, convolutions, poolings, normalisations, recurrent layers."""

from __future__ import annotations

from typing import Any

from tests.workers.hub.legalise.cases import Case, Value, weight
from workers.hub.graph import GraphBuilder

PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}


def gemm(*, computed: bool = False, **attributes: Any) -> Any:
    def build(g: GraphBuilder, a: Value, *rest: Value) -> Value:
        b = rest[0] if computed else g.weight("b", weight(*((5, 4) if attributes.get("transB") else (4, 5))))
        return g.Gemm(a, b, g.weight("c", weight(5)), **(PLAIN | attributes))

    return build


def conv(*shape: int, bias: bool = True, transposed: bool = False, **attributes: Any) -> Any:
    def build(g: GraphBuilder, x: Value) -> Value:
        out = shape[1] * attributes.get("group", 1) if transposed else shape[0]
        b = g.weight("b", weight(out)) if bias else None
        axes = len(shape) - 2
        full = {
            "kernel_shape": shape[2:], "strides": [1] * axes, "dilations": [1] * axes, "pads": [0] * 2 * axes,
        } | attributes  # fmt: skip
        return g.op("ConvTranspose" if transposed else "Conv", x, g.weight("w", weight(*shape)), b, **full)

    return build


def op(name: str, **attributes: Any) -> Any:
    return lambda g, x: g.op(name, x, **attributes)


def norm(name: str, channels: int, count: int, shape: tuple[int, ...] | None = None, **attributes: Any) -> Any:
    def build(g: GraphBuilder, x: Value) -> Value:
        vectors = [g.weight(f"p{index}", abs(weight(*(shape or (channels,)))) + 0.1) for index in range(count)]
        return g.op(name, x, *vectors, **attributes)

    return build


def recurrent(
    name: str, *, gates: int, directions: int = 1, hidden: int = 3, states: str = "", outputs: tuple[int, ...] = (0, 1),
    peepholes: bool = False, bias: bool = True, **attributes: Any,
) -> Any:  # fmt: skip
    def build(g: GraphBuilder, x: Value, *initial: Value) -> list[Value]:
        w = g.weight("w", weight(directions, gates * hidden, 4))
        r = g.weight("r", weight(directions, gates * hidden, hidden) * 0.5)
        b = g.weight("b", weight(directions, 2 * gates * hidden)) if bias else None
        h, c = [*initial, None, None][:2] if states else (None, None)
        p = g.weight("p", weight(directions, 3 * hidden)) if peepholes else None
        rest = [None, h] + ([c, p] if name == "LSTM" else [])
        made = g.ops(name, x, w, r, b, *rest, outputs=3 if name == "LSTM" else 2, hidden_size=hidden, **attributes)
        return [made[index] for index in outputs]

    return build


B = "batch"
LINEAR = [
    Case("gemm-plain", [[B, 4]], gemm(alpha=0.5, beta=2.0), label="alpha-beta"),
    Case("gemm-plain", [[4, B]], gemm(transA=1, transB=1), label="transposed"),
    Case("gemm-plain", [[B, 4]], gemm(beta=0.0, alpha=3.0, transB=1), label="no-bias"),
    Case("gemm-plain", [[B, 4], [4, 5]], gemm(computed=True, alpha=2.0), label="computed"),
    Case("gemm-bias-apart", [[B, 4]], gemm(beta=0.5, transB=1)),
    Case("gemm-bias-apart", [[B, 4]], gemm(beta=0.0), label="no-bias"),
    Case("gemm-to-matmul", [[B, 4]], gemm(transB=1, alpha=0.5)),
    Case("gemm-to-matmul", [[4, B], [4, 5]], gemm(computed=True, transA=1, beta=2.0), label="computed"),
    Case("matmul-to-gemm", [[B, 4]], lambda g, x: g.MatMul(x, g.weight("w", weight(4, 5))), label="constant"),
    Case("matmul-to-gemm", [[B, 4], [4, 3]], lambda g, x, y: g.MatMul(x, y), label="computed"),
    Case("matmul-constant-first", [[B, 4, 3]], lambda g, x: g.MatMul(g.weight("w", weight(5, 4)), x)),
    Case("matmul-vector-operand", [[B, 4]], lambda g, x: g.MatMul(x, g.weight("w", weight(4))), label="right"),
    Case("matmul-vector-operand", [[4], [B, 4, 3]], lambda g, x, y: g.MatMul(x, y), label="left"),
    Case("matmul-vector-operand", [[4], [4]], lambda g, x, y: g.MatMul(x, y), label="both"),
]
CONVOLUTION = [
    Case("conv-1d-as-2d", [[B, 4, 9]], conv(6, 2, 3, group=2, strides=[2], pads=[1, 2], dilations=[2])),
    Case(
        "conv-1d-as-2d", [[B, 4, 9]],
        conv(4, 2, 3, transposed=True, group=2, strides=[2], pads=[1, 0], output_padding=[1]),
        op="ConvTranspose", label="transposed",
    ),
    Case("conv-even-padding", [[B, 3, 8, 9]], conv(4, 3, 3, 3, strides=[2, 2], pads=[0, 0, 1, 1]), label="end"),
    Case("conv-even-padding", [[B, 3, 8, 9]], conv(4, 3, 3, 2, strides=[2, 1], pads=[2, 1, 0, 1]), label="begin"),
    Case("conv-even-padding", [[B, 3, 8, 9]], conv(4, 3, 2, 2, dilations=[2, 2], pads=[0, 2, 2, 0]), label="dilated"),
    Case("conv-pad-first", [[B, 4, 8, 9]], conv(4, 2, 3, 3, group=2, pads=[1, 0, 2, 1])),
    Case(
        "conv-transpose-even-padding", [[B, 3, 5, 4]],
        conv(3, 2, 3, 3, transposed=True, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]), label="output",
    ),
    Case(
        "conv-transpose-even-padding", [[B, 3, 5, 4]],
        conv(3, 2, 2, 3, transposed=True, strides=[3, 2], pads=[0, 1, 1, 0], output_padding=[1, 0]), label="uneven",
    ),
    Case(
        "conv-transpose-even-padding", [[B, 3, 5, 4]],
        conv(3, 2, 2, 2, transposed=True, strides=[3, 2], output_padding=[2, 1]), label="beyond",
    ),
    Case("conv-dilated-kernel", [[B, 3, 8, 9]], conv(4, 3, 3, 2, dilations=[2, 3], pads=[1, 0, 1, 2])),
    Case(
        "conv-dilated-kernel", [[B, 3, 4, 5]],
        conv(3, 2, 2, 3, transposed=True, dilations=[2, 1], strides=[2, 1], pads=[1, 0, 0, 1]), op="ConvTranspose",
        label="transposed",
    ),
    Case("conv-bias-apart", [[B, 4, 5, 5]], conv(4, 4, 3, 3)),
    Case("conv-bias-apart", [[B, 4, 5]], conv(4, 3, 3, transposed=True), op="ConvTranspose", label="transposed"),
    Case("conv-transpose-one-pixel", [[B, 4, 1, 1]], conv(4, 3, 2, 3, transposed=True)),
    Case("conv-transpose-one-pixel", [[B, 4, 1, 1]], conv(4, 3, 2, 3, transposed=True, bias=False), label="no-bias"),
]  # fmt: skip
POOL = {"kernel_shape": [3, 2], "strides": [2, 2]}
POOLING = [
    Case(
        "pool-1d-as-2d", [[B, 3, 9]], op(name, kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=ceil),
        op=name, label=f"{name}-{ceil}",
    )
    for name in ("MaxPool", "AveragePool", "LpPool") for ceil in (0, 1)
] + [
    Case("pool-without-ceiling", [[B, 3, 8, 9]], op("MaxPool", **POOL, ceil_mode=1), op="MaxPool", label="max"),
    Case(
        "pool-without-ceiling", [[B, 3, 8, 9]], op("AveragePool", **POOL, ceil_mode=1), op="AveragePool", label="mean",
    ),
    Case("average-pool-divisor", [[B, 3, 8, 9]], op("AveragePool", **POOL, pads=[1, 0, 1, 1])),
    Case("average-pool-divisor", [[B, 3, 8, 9]], op("AveragePool", **POOL, ceil_mode=1), label="ceiling"),
    Case("average-pool-pad-first", [[B, 3, 8, 9]], op("AveragePool", **POOL, pads=[1, 0, 0, 1], count_include_pad=1)),
    Case("max-pool-pad-first", [[B, 3, 8, 9]], op("MaxPool", **POOL, pads=[1, 0, 0, 1])),
    *(
        Case("pool-3d-in-two", [[B, 2, 6, 5, 7]], op(name, kernel_shape=[2, 3, 2], **attributes), op=name,
             label=f"{name}-{index}")
        for name in ("MaxPool", "AveragePool")
        for index, attributes in enumerate((
            {"strides": [2, 1, 2]},
            {"strides": [2, 2, 2], "pads": [1, 1, 0, 0, 1, 1]},
            {"strides": [1, 2, 2], "ceil_mode": 1},
        ))
    ),
    Case(
        "pool-3d-in-two", [[B, 2, 6, 5, 7]],
        op("AveragePool", kernel_shape=[2, 3, 2], pads=[1, 1, 1, 0, 1, 1], count_include_pad=1), op="AveragePool",
        label="counted",
    ),
    *(
        Case(name, [[B, 3, *size]], op(f"Global{kind}Pool"), op=f"Global{kind}Pool", label=f"{kind}-{len(size)}")
        for name in ("global-pool-of-a-picture", "global-pool-to-reduce", "global-pool-to-pool")
        for kind in ("Average", "Max")
        for size in ((7,), (4, 5), (2, 3, 4))
        if not (name == "global-pool-of-a-picture" and len(size) == 2)
    ),
    Case("lp-pool-to-average", [[B, 3, 8, 9]], op("LpPool", **POOL, pads=[1, 0, 1, 1])),
    Case("lp-pool-to-average", [[B, 3, 8, 9]], op("LpPool", **POOL, p=3), label="3", tolerance=1e-4),
    Case("global-lp-pool-to-reduce", [[B, 3, 4, 5]], op("GlobalLpPool")),
    Case("global-lp-pool-to-reduce", [[B, 3, 4, 5]], op("GlobalLpPool", p=1), label="1"),
]  # fmt: skip
NORMALIZATION = [
    Case("batch-norm-to-mul-add", [[B, 3, 4, 5]], norm("BatchNormalization", 3, 4, epsilon=0.01)),
    Case("batch-norm-to-mul-add", [[B, 3]], norm("BatchNormalization", 3, 4), label="flat"),
    Case("batch-norm-to-conv", [[B, 3, 4, 5]], norm("BatchNormalization", 3, 4, epsilon=0.01)),
    Case("instance-norm-to-primitives", [[B, 3, 4, 5]], norm("InstanceNormalization", 3, 2, epsilon=0.01)),
    Case("instance-norm-of-a-picture", [[B, 3, 9]], norm("InstanceNormalization", 3, 2)),
    Case("instance-norm-of-a-picture", [[B, 3, 2, 4, 2]], norm("InstanceNormalization", 3, 2), label="block"),
    Case("instance-norm-to-primitives", [[B, 3, 9]], norm("InstanceNormalization", 3, 2), label="line"),
    Case("group-norm-to-instance-norm", [[B, 6, 4, 5]], norm("GroupNormalization", 6, 2, num_groups=2, epsilon=0.01)),
    Case("layer-norm-to-primitives", [[B, 4, 6]], norm("LayerNormalization", 6, 2, epsilon=0.01)),
    Case("layer-norm-to-primitives", [[B, 4, 6]], norm("LayerNormalization", 6, 1, (4, 6), axis=1), label="two-axes"),
    Case("lp-norm-to-div", [[B, 4, 6]], op("LpNormalization", axis=1), label="2"),
    Case("lp-norm-to-div", [[B, 4, 6]], op("LpNormalization", axis=-1, p=1), label="1"),
    Case("mvn-to-primitives", [[B, 3, 4, 5]], op("MeanVarianceNormalization", axes=[2, 3])),
    Case("mvn-to-primitives", [[B, 3, 4, 5]], op("MeanVarianceNormalization"), label="with-batch"),
    Case("lrn-to-primitives", [[B, 6, 4, 5]], op("LRN", size=3, alpha=0.5, beta=0.6, bias=2.0)),
    Case("lrn-to-primitives", [[B, 6, 4, 5]], op("LRN", size=5), label="defaults"),
]
X, N = [5, B, 4], [B, 5, 4]
H, HN = [1, B, 3], [B, 1, 3]
RECURRENT = [
    Case("recurrent-unrolled", [X], recurrent("LSTM", gates=4, outputs=(0, 1, 2)), op="LSTM", label="lstm"),
    Case("recurrent-unrolled", [X, H, H], recurrent("LSTM", gates=4, states="hc"), op="LSTM", label="lstm-states"),
    Case(
        "recurrent-unrolled", [X, H, H], recurrent("LSTM", gates=4, states="hc", peepholes=True, outputs=(0, 2)),
        op="LSTM", label="lstm-peepholes",
    ),
    Case(
        "recurrent-unrolled", [X],
        recurrent("LSTM", gates=4, directions=2, direction="bidirectional", outputs=(0, 1, 2)), op="LSTM",
        label="lstm-both-ways",
    ),
    Case("recurrent-unrolled", [X], recurrent("LSTM", gates=4, direction="reverse"), op="LSTM", label="lstm-reverse"),
    Case(
        "recurrent-unrolled", [X], recurrent("LSTM", gates=4, input_forget=1, bias=False), op="LSTM", label="lstm-tied",
    ),
    Case(
        "recurrent-unrolled", [X], recurrent("LSTM", gates=4, activations=["HardSigmoid", "Softsign", "Relu"]),
        op="LSTM", label="lstm-activations",
    ),
    Case("recurrent-unrolled", [X], recurrent("GRU", gates=3), op="GRU", label="gru"),
    Case("recurrent-unrolled", [X, H], recurrent("GRU", gates=3, states="h"), op="GRU", label="gru-state"),
    Case(
        "recurrent-unrolled", [X], recurrent("GRU", gates=3, linear_before_reset=1), op="GRU", label="gru-reset-after",
    ),
    Case(
        "recurrent-unrolled", [X], recurrent("GRU", gates=3, directions=2, direction="bidirectional", bias=False),
        op="GRU", label="gru-both-ways",
    ),
    Case("recurrent-unrolled", [X], recurrent("RNN", gates=1), op="RNN", label="rnn"),
    Case("recurrent-unrolled", [X, H], recurrent("RNN", gates=1, states="h", outputs=(1,)), op="RNN", label="rnn-last"),
]  # fmt: skip
CASES = [*LINEAR, *CONVOLUTION, *POOLING, *NORMALIZATION, *RECURRENT]
