"""Recurrent layers, control flow, sequences, quantised arithmetic, detection, signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from tests.workers.formats.pytorch.runs import Case, normal
from workers.hub.graph import GraphBuilder

FLOAT, INT, BOOL = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.BOOL
SEQUENCE = normal(5, 3, 4)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(
    op: str,
    name: str,
    says: str,
    directions: int = 1,
    bias: bool = True,
    lengths: list[int] | None = None,
    states: bool = False,
    peepholes: bool = False,
    outputs: int = 0,
    **settings: Any,
) -> Case:
    rows, hidden = GATES[op] * 6, 6
    batch_first = settings.get("layout", 0)
    state_shape = (3, directions, hidden) if batch_first else (directions, 3, hidden)

    def build(g: Any, x: Any) -> Any:
        weights = [normal(directions, rows, 4) * 0.4, normal(directions, rows, hidden) * 0.4]
        rest: list[Any] = [normal(directions, 2 * rows) if bias else None, None, None]
        if lengths is not None:
            rest[1] = np.array(lengths, np.int32)
        if states:
            rest[2] = normal(*state_shape)
        if op == "LSTM":
            rest += [normal(*state_shape) if states else None, normal(directions, 3 * hidden) if peepholes else None]
        count = outputs or (3 if op == "LSTM" else 2)
        return g.ops(op, x, *weights, *rest, outputs=count, hidden_size=hidden, **settings)

    x = SEQUENCE.transpose(1, 0, 2).copy() if batch_first else SEQUENCE
    return Case(f"{op.lower()}_{name}", [x], build, says=says)


RECURRENT = [
    recurrent("LSTM", "plain", "nn.LSTM(4, 6)"),
    recurrent("LSTM", "no_bias", "nn.LSTM(4, 6, bias=False)", bias=False, states=True),
    recurrent("LSTM", "both", "bidirectional=True", directions=2, direction="bidirectional", states=True),
    recurrent("LSTM", "reverse", ".flip(0)", direction="reverse"),
    recurrent("LSTM", "peepholes", "lstm_steps(", peepholes=True),
    recurrent("LSTM", "lengths", "lstm_steps(", lengths=[5, 2, 3], directions=2, direction="bidirectional"),
    recurrent("LSTM", "clip_coupled", "coupled=True", clip=0.5, input_forget=1),
    recurrent("LSTM", "activations", "lambda x", activations=["HardSigmoid", "Softsign", "Relu"]),
    recurrent("GRU", "before_reset", "nn.GRU(4, 6)", linear_before_reset=1, states=True),
    recurrent("GRU", "both", "bidirectional=True", 2, direction="bidirectional", linear_before_reset=1),
    recurrent("GRU", "after_reset", "gru_steps(", directions=2, direction="bidirectional"),
    recurrent("GRU", "lengths", "gru_steps(", lengths=[1, 5, 3], direction="reverse", linear_before_reset=1),
    recurrent("RNN", "plain", "nn.RNN(4, 6)", states=True),
    recurrent("RNN", "relu", 'nn.RNN(4, 6, nonlinearity="relu")', activations=["Relu"]),
    recurrent("RNN", "affine", "rnn_steps(", activations=["Affine"], activation_alpha=[0.5], activation_beta=[0.1]),
]


def stacked(directions: int, join: Any, says: str) -> Case:
    """An LSTM whose sequence is joined as exporters write it, and read by a second layer."""
    settings = {"hidden_size": 6, "direction": "bidirectional" if directions == 2 else "forward"}

    def build(g: Any, x: Any) -> Any:
        y = g.op("LSTM", x, normal(directions, 24, 4) * 0.4, normal(directions, 24, 6) * 0.4, **settings)
        return g.Neg(join(g, y))

    return Case(f"lstm_joined_{directions}", [SEQUENCE], build, says=says)


RECURRENT += [
    stacked(1, lambda g, y: g.Squeeze(y, [1]), "y0 = -lstm_out"),
    stacked(2, lambda g, y: g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), [0, 0, -1]), "y0 = -lstm_out"),
]


def sub_graph(name: str, inputs: list[ir.Value], build: Any) -> ir.Graph:
    """A body with these inputs; ``build(g)`` returns its outputs."""
    g = GraphBuilder(name)
    g.graph.inputs.extend(inputs)
    for index, value in enumerate(build(g)):
        g.output(value, f"{name}_out{index}")
    return g.graph


def variable(name: str, dtype: ir.DataType = FLOAT, shape: tuple[int, ...] | None = ()) -> ir.Value:
    return ir.Value(name=name, shape=None if shape is None else ir.Shape(shape), type=ir.TensorType(dtype))


def choose(g: Any, x: Any, c: Any) -> Any:
    return g.If(
        c,
        then_branch=sub_graph("then", [], lambda b: [b.Mul(x, 2.0)]),
        else_branch=sub_graph("else", [], lambda b: [b.Neg(x)]),
    )


def loop(g: Any, x: Any, limit: Any) -> Any:
    """Doubles until the sum passes the limit, seven times at most; collects what it saw."""
    i, c, state = variable("i", INT), variable("c", BOOL), variable("state", shape=(3,))

    def body(b: Any) -> list[Any]:
        doubled = b.Mul(state, 2.0)
        step = b.Add(doubled, b.Cast(i, to=int(FLOAT)))
        return [b.Less(b.ReduceSum(step, keepdims=0), limit), step, doubled]

    return g.ops("Loop", 7, np.array(True), x, outputs=2, body=sub_graph("body", [i, c, state], body))


def counted(g: Any, x: Any) -> Any:
    i, c, state = variable("i", INT), variable("c", BOOL), variable("state", shape=(3,))
    body = sub_graph("body", [i, c, state], lambda b: [b.Identity(c), b.Add(state, 1.0)])
    return g.Loop(4, None, x, body=body)


def scan(g: Any, x: Any, start: Any) -> Any:
    state, item = variable("state", shape=(4,)), variable("item", shape=(4,))
    body = sub_graph("body", [state, item], lambda b: [b.Add(state, item), b.Mul(b.Add(state, item), 2.0)])
    settings = {"scan_input_axes": [1], "scan_input_directions": [1], "scan_output_axes": [1]}
    return g.ops("Scan", start, x, outputs=2, num_scan_inputs=1, body=body, **settings)


CONTROL = [
    Case("if_true", [normal(3), np.array(True)], choose, says="if x1:"),
    Case("if_false", [normal(3), np.array(False)], choose, says="else:"),
    Case("loop", [np.abs(normal(3)) + 1, np.float32(40)], loop, says="break"),
    Case("loop_counted", [normal(3)], counted, says="for _ in range(4):"),
    Case("scan", [normal(2, 5, 4)[0].T.copy(), normal(4)], scan, says="for item in reversed(x0.unbind(1)):"),
    Case(
        "sequence",
        [normal(4, 3)],
        lambda g, x: g.ConcatFromSequence(
            g.SequenceErase(g.SequenceInsert(g.SplitToSequence(x, axis=0), g.Neg(g.Slice(x, [0], [1], [0])), 1), 0),
            axis=1,
        ),
        says=".split(1, dim=0)",
    ),
    Case("sequence_at", [normal(4, 3)], lambda g, x: g.SequenceAt(g.SequenceConstruct(x, g.Neg(x)), 1)),
]

INT8 = np.array([[-128, 3, 127], [5, -6, 7]], np.int8)
UINT8 = np.arange(2 * 2 * 4 * 4, dtype=np.uint8).reshape(2, 2, 4, 4) * 3
KERNEL = np.arange(3 * 2 * 3 * 3, dtype=np.uint8).reshape(3, 2, 3, 3) * 4
QUANTISED = [
    Case("quantize", [normal(3, 4) * 9], lambda g, x: g.QuantizeLinear(x, 0.1, np.uint8(100))),
    Case("quantize_axis", [normal(3, 4) * 9],
         lambda g, x: g.QuantizeLinear(x, [0.1, 0.2, 0.3], np.zeros(3, np.int8), axis=0)),
    Case("dequantize", [INT8], lambda g, x: g.DequantizeLinear(x, 0.1, np.int8(3))),
    Case("dequantize_axis", [INT8], lambda g, x: g.DequantizeLinear(x, [0.1, 0.2], np.array([3, 4], np.int8), axis=0)),
    Case("dynamic", [normal(3, 4)], lambda g, x: g.ops("DynamicQuantizeLinear", x, outputs=3)),
    Case("matmul_integer", [INT8.view(np.uint8), INT8.T.copy()],
         lambda g, a, b: g.MatMulInteger(a, b, np.uint8(120), np.int8(2))),
    Case("conv_integer", [UINT8], lambda g, x: g.ConvInteger(x, KERNEL, np.uint8(7), np.uint8(9), pads=[1, 1, 1, 1])),
    Case(
        "qlinear_conv",
        [UINT8],
        lambda g, x: g.QLinearConv(
            x, 0.02, np.uint8(7), KERNEL, np.array([0.01, 0.02, 0.03], np.float32), np.array([9, 8, 7], np.uint8), 0.4,
            np.uint8(60), np.array([5, -6, 7], np.int32), pads=[1, 1, 1, 1],
        ),
    ),
    Case(
        "qlinear_matmul",
        [INT8.view(np.uint8)],
        lambda g, a: g.QLinearMatMul(
            a, 0.02, np.uint8(120), INT8.T.copy().view(np.uint8), 0.03, np.uint8(90), 0.2, np.uint8(80)
        ),
    ),
]  # fmt: skip

BOXES = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [5, 5, 4, 4]]], np.float32)
SCORES = np.array([[[0.9, 0.75, 0.6, 0.95, 0.1], [0.2, 0.8, 0.3, 0.3, 0.7]]], np.float32)
ROIS = np.array([[0.5, 0.5, 4.2, 3.9], [1, 2, 5, 5]], np.float32)
DETECTION = [
    Case("nms", [BOXES, SCORES], lambda g, b, s: g.NonMaxSuppression(b, s, 3, 0.5, 0.25), says="non_max_suppression("),
    Case("nms_none", [BOXES, SCORES], lambda g, b, s: g.NonMaxSuppression(b, s)),
    Case("nms_centred", [np.abs(BOXES) + 0.5, SCORES],
         lambda g, b, s: g.NonMaxSuppression(b, s, 2, 0.4, center_point_box=1)),
    Case(
        "max_roi_pool",
        [normal(2, 3, 8, 9), np.array([[0, 1, 1, 6, 5], [1, 0, 2, 8, 7]], np.float32)],
        lambda g, x, r: g.MaxRoiPool(x, r, pooled_shape=[2, 3], spatial_scale=0.9),
    ),
    Case(
        "roi_align",
        [normal(2, 3, 6, 7), ROIS, np.array([1, 0])],
        lambda g, x, r, i: g.RoiAlign(x, r, i, output_height=2, output_width=3, sampling_ratio=2, spatial_scale=0.8),
    ),
    Case(
        "roi_align_adaptive",
        [normal(2, 3, 6, 7), ROIS, np.array([1, 0])],
        lambda g, x, r, i: g.RoiAlign(
            x, r, i, output_height=2, output_width=2, coordinate_transformation_mode="output_half_pixel"
        ),
    ),
    Case("deform_conv", [normal(1, 2, 5, 5), normal(1, 18, 3, 3) * 0.5, np.abs(normal(1, 9, 3, 3))],
         lambda g, x, o, m: g.DeformConv(x, normal(3, 2, 3, 3), o, normal(3), m)),
    Case("col2im", [normal(1, 9, 6)], lambda g, x: g.Col2Im(x, [4, 5], [3, 3]), says="F.fold("),
    Case("col2im_1_axis", [normal(1, 6, 4)], lambda g, x: g.Col2Im(x, [6], [3]), says="col2im("),
]  # fmt: skip

SIGNALS = [
    Case("dft", [normal(1, 8, 3, 1)], lambda g, x: g.DFT(x, None, 1)),
    Case("dft_onesided", [normal(1, 8, 1)], lambda g, x: g.DFT(x, None, 1, onesided=1)),
    Case("dft_inverse", [normal(1, 8, 2)], lambda g, x: g.DFT(x, None, 1, inverse=1)),
    Case("stft", [normal(1, 24, 1)], lambda g, x: g.STFT(x, 4, np.hanning(8).astype(np.float32))),
    Case("hann", [np.array(9)], lambda g, n: g.HannWindow(n), says="torch.hann_window"),
    Case("hamming", [np.array(9)], lambda g, n: g.HammingWindow(n, periodic=0)),
    Case("blackman", [np.array(9)], lambda g, n: g.BlackmanWindow(n)),
    Case("mel", [np.array(8), np.array(16), np.array(8000)],
         lambda g, b, n, r: g.MelWeightMatrix(b, n, r, 0.0, 4000.0)),
    Case(
        "tf_idf",
        [np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]])],
        lambda g, x: g.TfIdfVectorizer(
            x, mode="TFIDF", min_gram_length=1, max_gram_length=2, max_skip_count=2, ngram_counts=[0, 3],
            ngram_indexes=[0, 1, 2, 3, 4], pool_int64s=[3, 7, 8, 6, 7, 5, 6], weights=[1.0, 2.0, 0.5, 1.5, 3.0],
        ),
    ),
    Case("nll", [normal(3, 4), np.array([1, 0, 3])],
         lambda g, x, t: g.NegativeLogLikelihoodLoss(x, t), says="F.nll_loss"),
    Case(
        "cross_entropy",
        [normal(3, 4, 2), np.array([[1, 0], [3, 2], [0, 1]])],
        lambda g, x, t: g.SoftmaxCrossEntropyLoss(x, t, np.abs(normal(4)), ignore_index=1, reduction="sum"),
        says="F.cross_entropy",
    ),
]  # fmt: skip

CASES = RECURRENT + CONTROL + QUANTISED + DETECTION + SIGNALS
