"""Small sound models of many kinds, as a beginning for damaged ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TEXTS = (
    """<ir_version: 8, opset_import: ["" : 17]>
    image (float[n, 3, 12, 12] x) => (float[n, 5] y)
    <float[4, 3, 3, 3] w, float[4] b, float[4] s, float[5, 4] f, int64[2] shape = {0, -1}> {
      c = Conv <auto_pad = "SAME_UPPER", strides = [2, 2], kernel_shape = [3, 3]> (x, w, b)
      n = BatchNormalization (c, s, b, b, s)
      r = Relu (n)
      m = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (r)
      a = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (m)
      t = ConvTranspose <group = 4, kernel_shape = [1, 3]> (a, u)
      g = GlobalAveragePool (t)
      h = Reshape (g, shape)
      z = Gemm <transB = 1> (h, f)
      y = Softmax (z)
    }""",
    """<ir_version: 7, opset_import: ["" : 11]>
    shapes (float[n, 4, 6] x, int64[k] i) => (float[] y, int64[] v)
    <int64[1] zero = {0}, int64[1] two = {2}, int64[1] most = {9223372036854775807}, int64[3] r = {1, 2, 1},
     float[1] val = {1.0}, float[3] scales = {1.0, 1.0, 2.0}, float none = {0.5}, int64[6] pads = {0, 1, 0, 0, 1, 1}> {
      s = Shape (x)
      a = Slice (s, zero, two)
      p = Gather <axis = 0> (s, zero)
      c = Concat <axis = 0> (a, p)
      e = ConstantOfShape (c)
      u = Unsqueeze <axes = [0]> (x)
      q = Squeeze <axes = [0]> (u)
      t = Transpose <perm = [0, 2, 1]> (q)
      l = Tile (t, r)
      d = Pad <mode = "reflect"> (l, pads, none)
      o, oi = TopK <axis = 1> (d, two)
      g = GatherND (x, i2)
      f = Flatten (o)
      ll, lm = Split <axis = 1> (f)
      y = ReduceMean <axes = [1], keepdims = 0> (ll)
      v = Cast <to = 7> (oi)
    }""",
    """<ir_version: 8, opset_import: ["" : 15]>
    control (float[2, 3] x, bool go, int64 n) => (float[a, b] y, float[c, 2, 3] z) {
      w = Constant <value = float[2, 3] {1, 2, 3, 4, 5, 6}> ()
      i = If (go) <then_branch = yes () => (float[2, 3] t) { t = Add (x, w) },
                   else_branch = no () => (float[2, 3] e) { e = Mul (x, w) }>
      y, z = Loop (n, go, i) <body = step (int64 k, bool c, float[2, 3] s) => (bool d, float[2, 3] u, float[2, 3] o) {
        d = Identity (c) u = Add (s, w) o = Relu (u) }>
    }""",
    """<ir_version: 8, opset_import: ["" : 15]>
    scanned (float[5, 3] x, float[3] s) => (float[3] y, float[5, 3] z) {
      y, z = Scan <num_scan_inputs = 1, body = step (float[3] a, float[3] b) => (float[3] c, float[3] d) {
        c = Add (a, b) d = Identity (c) }> (s, x)
    }""",
    """<ir_version: 9, opset_import: ["" : 20, "local" : 1]>
    functions (float[n, 4] x) => (float[n, 4] y) {
      a = local.Outer <factor: float = 2.0> (x)
      b = local.Inner (a)
      y = LayerNormalization (b, g)
    }
    <domain: "local", opset_import: ["" : 20, "local" : 1]>
    Outer <factor> (v) => (w) { f = Constant <value_float: float = @factor> () m = Mul (v, f) w = local.Inner (m) }
    <domain: "local", opset_import: ["" : 20]>
    Inner (v) => (w) { w = Gelu (v) }""",
    """<ir_version: 8, opset_import: ["" : 13]>
    recurrent (float[t, b, 4] x) => (float[t, 1, b, 3] y, float[1, b, 3] h)
    <float[1, 12, 4] w, float[1, 12, 3] r, float[1, 24] c> {
      y, h = LSTM <hidden_size = 3> (x, w, r, c)
    }""",
    """<ir_version: 8, opset_import: ["" : 18]>
    sequences (float[4, 6] x, int64 k) => (float[a, b] y, int64 n) {
      s = SplitToSequence <axis = 0, keepdims = 1> (x)
      t = SequenceAt (s, k)
      v = SequenceInsert (s, t)
      n = SequenceLength (v)
      o = Optional (v)
      g = OptionalGetElement (o)
      y = ConcatFromSequence <axis = 0> (g)
    }""",
    """<ir_version: 8, opset_import: ["" : 13]>
    quantised (float[n, 4] x) => (float[n, 3] y)
    <float scale = {0.1}, uint8 zero = {7}, uint8[4, 3] w, float[3] ws, uint8[3] wz> {
      q = QuantizeLinear (x, scale, zero)
      a = DequantizeLinear (q, scale, zero)
      b = DequantizeLinear <axis = 1> (w, ws, wz)
      m = QLinearMatMul (q, scale, zero, w, scale, zero, scale, zero)
      k = DequantizeLinear (m, scale, zero)
      p = MatMul (a, b)
      y = Add (p, k)
    }""",
    """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
    contrib (float[2, 5, 8] x) => (float[2, 5, 8] y) <float[8, 24] w, float[24] b, float[8] g> {
      a = com.microsoft.Attention <num_heads = 2> (x, w, b)
      s = com.microsoft.SkipLayerNormalization (a, x, g, g)
      f = com.microsoft.BiasGelu (s, g)
      y = com.microsoft.FusedMatMul <transB = 1> (f, q)
    }""",
    """<ir_version: 10, opset_import: ["" : 22]>
    signal (float[1, 32, 1] x, float[2, 3, 8, 8] i) => (float[] y, float[] z, float[] m)
    <int64 st = {4}, int64 le = {8},
     float[4] sc = {1.0, 1.0, 2.0, 2.0}, float[1, 5, 4] boxes, float[1, 1, 5] scores, int64 most = {3}> {
      f = STFT (x, st, , le)
      y = ReduceSum <keepdims = 0> (f)
      z = Resize <mode = "linear"> (i, , sc)
      n = NonMaxSuppression (boxes, scores, most)
      e = Einsum <equation = "bchw,bcwk->bhk"> (i, i)
      w = Range (st, le, st)
      o = OneHot (n, most, oh)
      h = CumSum (e, ax)
      m = ReduceMax (h)
    }""",
    """<ir_version: 3, opset_import: ["" : 6]>
    oldest (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2] b, int64[4] shape = {1, 2, 4, 4}> {
      a = Add <broadcast = 1, axis = 1> (x, b)
      c = Cast <to = 1> (a)
      d = Dropout <ratio = 0.5> (c)
      t = Tile (d, shape)
      y = Reshape (d, shape)
    }""",
)
# What the texts leave open: weights by shape, or values.
OPEN: dict[str, tuple[int, ...]] = {"u": (4, 1, 1, 3), "i2": (1, 1), "g": (4,), "q": (8, 8), "oh": (2,), "ax": ()}
INTEGERS = ("i2", "ax")


def models() -> Iterator[onnx.ModelProto]:
    """Every text's model, with numbers in its weights."""
    for text in TEXTS:
        proto = onnx.parser.parse_model(text)
        _fill(proto)
        yield proto


def _fill(proto: onnx.ModelProto) -> None:
    rng = np.random.default_rng(1)
    graph = proto.graph
    declared = {info.name: info for info in graph.value_info}
    stored = {tensor.name for tensor in graph.initializer}
    made = {name for node in graph.node for name in node.output} | {value.name for value in graph.input}
    for node in graph.node:
        for name in node.input:
            if not name or name in made or name in stored:
                continue
            stored.add(name)
            info = declared.get(name)
            shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim) if info else OPEN[name]
            dtype = info.type.tensor_type.elem_type if info else TensorProto.FLOAT
            dtype = TensorProto.INT64 if name in INTEGERS else dtype
            array = np.asarray(rng.random(shape) if name not in INTEGERS else np.zeros(shape))
            graph.initializer.append(
                numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(dtype)), name)
            )
