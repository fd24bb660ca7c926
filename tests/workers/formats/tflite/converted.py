"""Functions that TensorFlow's converter turns into the operators under test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

F, B = tf.float32, tf.bool
Spec = tuple[list[int | None], Any]


@dataclass(frozen=True)
class Case:
    """``span`` and ``whole`` bound drawn floats and integers, ``values`` gives inputs by their place, one a sample."""

    function: Callable[..., Any]
    specs: Sequence[Spec]
    span: tuple[float, float] = (-2.0, 2.0)
    whole: tuple[int, int] = (-5, 6)
    values: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    quantise: str = ""


CASES: dict[str, Case] = {}


def case(name: str, function: Callable[..., Any], *specs: Spec, **more: Any) -> None:
    CASES[name] = Case(function, specs, **more)


def weight(*shape: int, seed: int = 0) -> Any:
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 0.4)


IMAGE: Spec = ([None, 9, 8, 3], F)
ROWS: Spec = ([None, 6], F)
CUBE: Spec = ([None, 5, 6], F)

# --- functions of one and two ----------------------------------------------------------------------------------------

for name, function in {
    "abs": tf.abs, "ceil": tf.math.ceil, "cos": tf.cos, "exp": tf.exp, "floor": tf.floor, "neg": tf.negative,
    "relu": tf.nn.relu, "round": tf.round, "sign": tf.sign, "sin": tf.sin, "square": tf.square, "tanh": tf.tanh,
    "logistic": tf.sigmoid, "elu": tf.nn.elu, "relu6": tf.nn.relu6, "softmax": tf.nn.softmax,
    "log_softmax": tf.nn.log_softmax, "gelu": tf.nn.gelu, "l2_normalization": lambda x: tf.math.l2_normalize(x, -1),
    "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True), "leaky_relu": lambda x: tf.nn.leaky_relu(x, 0.3),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6, "relu_n1_to_1": lambda x: tf.clip_by_value(x, -1, 1),
    "relu_0_to_1": lambda x: tf.clip_by_value(x, 0, 1), "zeros_like": lambda x: tf.zeros_like(x) + x,
}.items():  # fmt: skip
    case(name, function, CUBE)
for name, function in {"sqrt": tf.sqrt, "rsqrt": tf.math.rsqrt, "log": tf.math.log}.items():
    case(name, function, CUBE, span=(0.1, 4.0))
for name, function in {"abs_int": tf.abs, "neg_int": tf.negative, "square_int": tf.square, "sign_int": tf.sign}.items():
    case(name, function, ([None, 5], tf.int32))
case("softmax_beta", lambda x: tf.nn.softmax(x * 1.0), ([None, 3, 4, 5], F))
case("softmax_axis", lambda x: tf.nn.softmax(x, axis=1), CUBE)
for name, function in {
    "add": tf.add, "sub": tf.subtract, "mul": tf.multiply, "maximum": tf.maximum, "minimum": tf.minimum,
    "squared_difference": tf.math.squared_difference, "floor_mod": tf.math.floormod, "less": tf.less,
    "floor_div": tf.math.floordiv, "greater": tf.greater, "equal": tf.equal, "not_equal": tf.not_equal,
    "greater_equal": tf.greater_equal, "less_equal": tf.less_equal,
}.items():  # fmt: skip
    case(name, function, CUBE, CUBE)
    case(f"{name}_broadcast", function, CUBE, ([1, 6], F))
for name, function in {
    "add_int": tf.add, "mul_int": tf.multiply, "floor_div_int": tf.math.floordiv, "floor_mod_int": tf.math.floormod,
    "maximum_int": tf.maximum, "squared_difference_int": tf.math.squared_difference,
    "div_int": lambda a, b: tf.raw_ops.TruncateDiv(x=a, y=b), "equal_int": tf.equal,
}.items():  # fmt: skip
    divisors = [[[3, -2, 4, 5, -7]], [[-3, 2, 1, -5, 7]]]
    case(name, function, ([None, 5], tf.int32), ([1, 5], tf.int32), whole=(-40, 40), values={1: divisors})
case("atan2", tf.atan2, CUBE, CUBE)
case("div", tf.divide, CUBE, CUBE, span=(0.5, 3.0))
case("pow", tf.pow, CUBE, CUBE, span=(0.5, 3.0))
case("pow_int", tf.pow, ([None, 5], tf.int32), ([None, 5], tf.int32), whole=(0, 4))
case("add_relu", lambda a, b: tf.nn.relu(a + b), CUBE, CUBE)
case("sub_relu6", lambda a, b: tf.nn.relu6(a - b), CUBE, CUBE)
case("mul_n1", lambda a, b: tf.clip_by_value(a * b, -1, 1), CUBE, CUBE)
case("add_n", lambda a, b, c: tf.add_n([a, b, c]), CUBE, CUBE, CUBE)
case("logical", lambda a, b: (a & b, a | b, ~a), ([None, 4], B), ([None, 4], B))
case("bitwise_xor", tf.bitwise.bitwise_xor, ([None, 4], tf.int32), ([None, 4], tf.int32), whole=(-100, 100))
case("right_shift", tf.bitwise.right_shift, ([None, 4], tf.int32), ([1, 4], tf.int32), whole=(-100, 100),
     values={1: [[[0, 1, 3, 5]]]})  # fmt: skip
case("select", lambda c, a, b: tf.where(c, a, b), ([None, 6], B), ROWS, ROWS)
case("select_broadcast", lambda c, a, b: tf.where(c, a, b), ([None, 1], B), ROWS, ([1, 6], F))
case("prelu", tf.keras.layers.PReLU(alpha_initializer=tf.constant_initializer(0.3), shared_axes=[1, 2]), IMAGE)

# --- convolution nets ------------------------------------------------------------------------------------------------

K = weight(3, 3, 3, 4)
for padding in ("SAME", "VALID"):
    for stride in (1, 2):
        case(f"conv_{padding.lower()}_{stride}",
             lambda x, p=padding, s=stride: tf.nn.relu(tf.nn.conv2d(x, K, s, p) + weight(4)), IMAGE)  # fmt: skip
        case(f"depthwise_{padding.lower()}_{stride}", lambda x, p=padding, s=stride: tf.nn.depthwise_conv2d(
            x, weight(3, 2, 3, 2), [1, s, s, 1], p) + weight(6), IMAGE)  # fmt: skip
        for pool in ("MAX", "AVG"):
            case(f"{pool.lower()}_pool_{padding.lower()}_{stride}",
                 lambda x, p=padding, s=stride, k=pool: tf.nn.pool(x, [3, 2], k, [s, s], p), IMAGE)  # fmt: skip
        case(f"transpose_conv_{padding.lower()}_{stride}", lambda x, p=padding, s=stride: tf.nn.conv2d_transpose(
            x, weight(3, 3, 4, 3), [2, *(((9 * s, 8 * s)) if p == "SAME" else ((8 * s + 3, 7 * s + 3))), 4], s, p
        ) + weight(4), ([2, 9, 8, 3], F))  # fmt: skip
case("conv_dilated", lambda x: tf.nn.conv2d(x, K, 1, "SAME", dilations=2), IMAGE)
case("conv_dilated_valid", lambda x: tf.nn.conv2d(x, K, 1, "VALID", dilations=[2, 3]), IMAGE)
case("conv_grouped", lambda x: tf.nn.conv2d(x, weight(3, 3, 2, 6), 1, "SAME"), ([None, 6, 5, 4], F))
case("conv_wide_stride", lambda x: tf.nn.conv2d(x, K, [1, 3, 2, 1], "SAME"), IMAGE)
case("conv_computed_weight", lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), IMAGE, ([3, 3, 3, 2], F))
case("depthwise_dilated", lambda x: tf.nn.depthwise_conv2d(x, weight(3, 3, 3, 1), [1] * 4, "SAME", dilations=[2, 2]),
     IMAGE)  # fmt: skip
case("conv_free_plane", lambda x: tf.nn.conv2d(x, K, 2, "SAME"), ([1, None, None, 3], F),
     values={0: [np.ones([1, 7, 6, 3]), np.ones([1, 4, 9, 3])]})  # fmt: skip
case("conv_1d", lambda x: tf.nn.conv1d(x, weight(3, 6, 4), 2, "SAME"), CUBE)
case("conv_3d", lambda x: tf.nn.conv3d(x, weight(2, 3, 2, 3, 4), [1, 1, 2, 1, 1], "SAME"), ([2, 4, 5, 4, 3], F))
case("conv_3d_transpose", lambda x: tf.nn.conv3d_transpose(x, weight(2, 3, 2, 4, 3), [2, 8, 10, 8, 4], 2),
     ([2, 4, 5, 4, 3], F))  # fmt: skip
case("transpose_conv_free", tf.keras.layers.Conv2DTranspose(4, 3, 2, "same", kernel_initializer=tf.constant_initializer(
    0.1)), IMAGE)  # fmt: skip
case("lrn", lambda x: tf.nn.lrn(x, 1, 1.2, 0.3, 0.6), ([None, 4, 4, 7], F))
for name, corners, centres in (("plain", False, False), ("corners", True, False), ("centres", False, True)):
    for size in ((17, 21), (4, 3), (18, 16)):
        for kind in ("bilinear", "nearest_neighbor"):
            operation = tf.raw_ops.ResizeBilinear if kind == "bilinear" else tf.raw_ops.ResizeNearestNeighbor
            case(f"resize_{kind}_{name}_{size[0]}", lambda x, o=operation, s=size, a=corners, h=centres: o(
                images=x, size=list(s), align_corners=a, half_pixel_centers=h), IMAGE)  # fmt: skip
case("space_to_depth", lambda x: tf.nn.space_to_depth(x, 2), ([None, 4, 6, 3], F))
case("depth_to_space", lambda x: tf.nn.depth_to_space(x, 2), ([None, 2, 3, 8], F))
case("space_to_batch", lambda x: tf.space_to_batch(x, [2, 3], [[1, 0], [2, 1]]), ([2, 3, 6, 3], F))
case("batch_to_space", lambda x: tf.raw_ops.BatchToSpaceND(input=x, block_shape=[2, 3], crops=[[1, 0], [0, 2]]),
     ([6, 3, 4, 2], F))  # fmt: skip
case("pad", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]]), IMAGE)
case("pad_value", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [1, 0]], constant_values=2.5), IMAGE)
case("mirror_pad_reflect", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3]], "REFLECT"), CUBE)
case("mirror_pad_symmetric", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3]], "SYMMETRIC"), CUBE)
case("net_flatten", lambda x: tf.reshape(tf.nn.conv2d(x, K, 2, "SAME"), [-1, 80]) @ weight(80, 5), IMAGE)
case("net_mean_scale", lambda x: (y := tf.nn.conv2d(x, K, 1, "SAME")) * tf.sigmoid(
    tf.nn.conv2d(tf.reduce_mean(y, [1, 2], keepdims=True), weight(1, 1, 4, 4), 1, "SAME")), IMAGE)  # fmt: skip
case("net_concat_split", lambda x: tf.concat(tf.split(tf.nn.conv2d(x, K, 1, "SAME"), 2, -1)[::-1], -1), IMAGE)
case("net_slices", lambda x: tf.nn.conv2d(x, K, 1, "SAME")[:, 1:-1, ::2, 1:], IMAGE)
case("net_channels_first", lambda x: tf.transpose(tf.nn.relu(tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), K, 1, "SAME")),
     [0, 3, 1, 2]), ([None, 3, 8, 9], F))  # fmt: skip
case("net_bias_plane", lambda x: tf.nn.conv2d(x, K, 1, "SAME") + weight(9, 8, 1) * weight(4), IMAGE)
case("net_attention", lambda x: tf.nn.softmax(
    (y := tf.reshape(tf.nn.conv2d(x, K, 1, "SAME"), [-1, 72, 4])) @ tf.transpose(y, [0, 2, 1])) @ y, IMAGE)  # fmt: skip
case("net_argmax", lambda x: (tf.argmax(tf.nn.conv2d(x, K, 1, "SAME"), -1), tf.reduce_max(x, 3)), IMAGE)
case("net_squeeze", lambda x: tf.squeeze(tf.nn.avg_pool2d(tf.nn.conv2d(x, K, 1, "SAME"), [9, 8], 1, "VALID"), [1, 2]),
     IMAGE)  # fmt: skip
case("net_shape_reshape", lambda x: tf.reshape(y := tf.nn.conv2d(x, K, 2, "SAME"), [tf.shape(y)[0], -1, 2]), IMAGE)
case("net_tile_reverse", lambda x: tf.tile(tf.reverse(tf.nn.conv2d(x, K, 2, "SAME"), [1]), [1, 1, 2, 1]), IMAGE)

case("net_free_rows", lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2], 3]) @ weight(3, 5),
     ([None, None, None, 3], F), values={0: [np.ones([1, 7, 6, 3]), np.ones([3, 4, 9, 3])]})  # fmt: skip

# --- products --------------------------------------------------------------------------------------------------------

case("dense", lambda x: tf.nn.relu(x @ weight(6, 4) + weight(4)), ROWS)
case("dense_cube", lambda x: tf.tensordot(x, weight(6, 4), 1) + weight(4), CUBE)
case("dense_keep", tf.keras.layers.Dense(4, "relu", kernel_initializer=tf.constant_initializer(0.1)), CUBE)
case("dense_computed", lambda a, b: a @ b, ROWS, ([6, 3], F))
case("batch_matmul", lambda a, b: tf.matmul(a, b), CUBE, ([None, 6, 4], F))
case("batch_matmul_adjoint", lambda a, b: tf.matmul(a, b, adjoint_a=True, adjoint_b=True), CUBE, ([None, 4, 5], F))
case("batch_matmul_broadcast", lambda a: tf.matmul(a, weight(2, 1, 6, 4)), ([3, 5, 6], F))
case("einsum", lambda a, b: tf.einsum("bij,bkj->bik", a, b), CUBE, ([None, 4, 6], F))

# --- reductions ------------------------------------------------------------------------------------------------------

for name, function in {
    "mean": tf.reduce_mean, "sum": tf.reduce_sum, "reduce_prod": tf.reduce_prod, "reduce_max": tf.reduce_max,
    "reduce_min": tf.reduce_min,
}.items():  # fmt: skip
    case(name, lambda x, f=function: f(x, [1]), CUBE)
    case(f"{name}_keep", lambda x, f=function: f(x, [-1, 1], keepdims=True), ([None, 3, 4, 5], F))
    case(f"{name}_int", lambda x, f=function: f(x, 1), ([None, 5], tf.int32))
case("reduce_all_any", lambda x: (tf.reduce_all(x, 1), tf.reduce_any(x, [1, 2], keepdims=True)), ([None, 3, 2], B))
case("sum_all", lambda x: tf.reduce_sum(x), ([3, 4], F))
case("arg_max", lambda x: (tf.argmax(x, 1), tf.argmin(x, -1, tf.int32)), CUBE)
case("cumsum", lambda x: (tf.cumsum(x, 1), tf.cumsum(x, -1, exclusive=True, reverse=True)), CUBE)
case("top_k", lambda x: tf.math.top_k(x, 3), CUBE)
case("segment_sum", lambda x: tf.math.segment_sum(x, [0, 0, 1, 1, 2]), ([5, 3], F))
for name, function in {
    "sum": tf.math.unsorted_segment_sum, "prod": tf.math.unsorted_segment_prod, "max": tf.math.unsorted_segment_max,
    "min": tf.math.unsorted_segment_min,
}.items():  # fmt: skip
    case(f"unsorted_segment_{name}", lambda x, f=function: f(x, tf.constant([2, 0, 2, -1, 1]), 4), ([5, 3], F))

# --- shapes ----------------------------------------------------------------------------------------------------------

case("reshape", lambda x: tf.reshape(x, [-1, 15, 2]), CUBE)
case("reshape_shape", lambda x: tf.reshape(x, [tf.shape(x)[0], 3, 10]), CUBE)
case("expand_squeeze", lambda x: tf.squeeze(tf.expand_dims(tf.expand_dims(x, 1), -1), [1]), CUBE)
case("transpose", lambda x: tf.transpose(x, [2, 0, 1]), CUBE)
case("transpose_5d", lambda x: tf.transpose(x, [0, 4, 2, 1, 3]), ([None, 2, 3, 4, 5], F))
case("pack_unpack", lambda x: tf.stack(tf.unstack(x, axis=1)[::-1], axis=2), CUBE)
case("concat", lambda a, b: tf.concat([a, b, a], -1), CUBE, ([None, 5, 2], F))
case("concat_batch", lambda a, b: tf.concat([a, b], 0), ROWS, ROWS)
case("split_v", lambda x: tf.split(x, [1, 3, -1], 2), CUBE)
case("tile", lambda x: tf.tile(x, [2, 1, 3]), CUBE)
case("reverse", lambda x: tf.reverse(x, [1, 2]), CUBE)
case("reverse_sequence", lambda x: tf.reverse_sequence(x, [2, 4], 1, 0), ([2, 5, 6], F))
case("reverse_sequence_turned", lambda x: tf.reverse_sequence(x, [2, 4, 3, 1, 2, 5], 1, 2), ([2, 5, 6], F))
case("broadcast_to", lambda x: tf.broadcast_to(x, [2, 3, 6]), ([3, 1], F))
case("broadcast_args", lambda a, b: tf.raw_ops.BroadcastArgs(s0=a, s1=b), ([3], tf.int32), ([2], tf.int32),
     values={0: [[4, 1, 3]], 1: [[5, 1], [2, 3]]})  # fmt: skip
case("fill_shape", lambda x: tf.fill(tf.shape(x), 2.0) * x + tf.cast(tf.rank(x), F), CUBE)
case("fill_range", lambda n: (tf.fill([n, 2], 1.5), tf.range(0, n * 2, 2)), ([], tf.int32), values={0: [3, 5]})
case("slice", lambda x: tf.slice(x, [0, 1, 2], [-1, 3, 2]), CUBE)
case("slice_computed", lambda x, b: tf.slice(x, b, [1, 2, -1]), ([2, 5, 6], F), ([3], tf.int32),
     values={1: [[0, 1, 2], [1, 3, 0]]})  # fmt: skip
for name, function in {
    "plain": lambda x: x[:, 1:4, ::2], "negative": lambda x: x[:, -1:0:-2, ::-1], "shrink": lambda x: x[:, -1],
    "shrink_both": lambda x: x[:, 2, 3], "ellipsis": lambda x: x[..., 1:],
    "new": lambda x: x[:, tf.newaxis, 1, :, tf.newaxis],
    "ellipsis_new": lambda x: x[tf.newaxis, ..., 2, tf.newaxis], "batch": lambda x: x[0], "part": lambda x: x[:1],
}.items():  # fmt: skip
    case(f"strided_slice_{name}", function, CUBE)
case("strided_slice_computed", lambda x, i: (x[:, i], x[:, i:], x[:, :i, 1]), CUBE, ([], tf.int32), values={1: [2, 3]})
case("gather", lambda x: tf.gather(x, [[2, 0], [1, 1]], axis=1), CUBE)
case("gather_rows", lambda i: tf.gather(weight(7, 4), i), ([None, 3], tf.int32), whole=(0, 7))
case("gather_nd_batch", lambda x, i: tf.gather_nd(x, tf.expand_dims(i, -1), batch_dims=1), CUBE,
     ([None, 2], tf.int32), whole=(0, 5))  # fmt: skip
case("gather_batch", lambda x, i: tf.gather(x, i, axis=1, batch_dims=1), CUBE, ([None, 2], tf.int32), whole=(0, 5))
case("gather_batch_axis", lambda x, i: tf.gather(x, i, axis=2, batch_dims=1), CUBE, ([None, 2], tf.int32), whole=(0, 5))
case("gather_nd", lambda x: tf.gather_nd(x, [[0, 1], [0, 4]]), CUBE)
case("scatter_nd", lambda x: tf.scatter_nd([[3], [1], [3]], x, [5, 2]), ([3, 2], F))
case("one_hot", lambda i: tf.one_hot(i, 4, 2.0, -1.0), ([None, 3], tf.int32), whole=(-1, 5))
case("one_hot_axis", lambda i: tf.one_hot(i, 4, axis=1), ([None, 3], tf.int32), whole=(0, 4))
case("where", lambda x: tf.where(x > 0), ([3, 4], F))
case("unique", lambda x: tf.unique(x), ([8], tf.int32), whole=(0, 4))
case("sparse_to_dense", lambda v: tf.raw_ops.SparseToDense(
    sparse_indices=[[0, 1], [2, 2]], output_shape=[3, 4], sparse_values=v, default_value=-1.0), ([2], F))  # fmt: skip
case("matrix_diag", lambda x: tf.linalg.diag(x), ROWS)
case("matrix_set_diag", lambda x, d: tf.linalg.set_diag(x, d), CUBE, ([None, 5], F))
case("cast", lambda x: (tf.cast(x, tf.int32), tf.cast(x, B), tf.cast(tf.cast(x, tf.int64), F)), CUBE)
case("dynamic_update_slice", lambda x, u, i: tf.raw_ops.XlaDynamicUpdateSlice(input=x, update=u, indices=i)
     if hasattr(tf.raw_ops, "XlaDynamicUpdateSlice") else x, ([4, 5], F), ([2, 3], F), ([2], tf.int32),
     values={2: [[1, 2], [3, 4]]})  # fmt: skip
case("bucketize", lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[-1.0, 0.0, 0.5]), ROWS)
case("rfft_row", lambda x: (tf.abs(tf.signal.rfft(x)), tf.math.imag(tf.expand_dims(tf.signal.rfft(x), 1))),
     ([2, 3, 16], F))  # fmt: skip
case("rfft2d", lambda x: tf.abs(tf.signal.rfft2d(x, [8, 8])), ([2, 8, 8], F))
case("rfft2d_parts", lambda x: (tf.math.real(y := tf.signal.rfft2d(x, [4, 8])), tf.math.imag(y)), ([2, 4, 8], F))
case("non_max_suppression", lambda b, s: tf.raw_ops.NonMaxSuppressionV4(
    boxes=b, scores=s, max_output_size=4, iou_threshold=0.5, score_threshold=0.2, pad_to_max_output_size=True),
    ([6, 4], F), ([6], F), span=(0, 1))  # fmt: skip
case("non_max_suppression_first", lambda b, s: tf.raw_ops.NonMaxSuppressionV4(
    boxes=b[0], scores=s[0], max_output_size=5, iou_threshold=0.5, score_threshold=0.0, pad_to_max_output_size=True),
    ([1, 12, 4], F), ([1, 12], F), span=(0.0, 1.0))  # fmt: skip
case("non_max_suppression_soft", lambda b, s: tf.raw_ops.NonMaxSuppressionV5(
    boxes=b, scores=s, max_output_size=9, iou_threshold=0.8, score_threshold=0.3, soft_nms_sigma=0.4,
    pad_to_max_output_size=True), ([12, 4], F), ([12], F), span=(0.0, 1.0))  # fmt: skip
case("non_max_suppression_scores", lambda b, s: tf.raw_ops.NonMaxSuppressionV5(
    boxes=b, scores=s, max_output_size=5, iou_threshold=0.5, score_threshold=0.2, soft_nms_sigma=0.0,
    pad_to_max_output_size=True), ([6, 4], F), ([6], F), span=(0, 1))  # fmt: skip
case("fake_quant", lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1.3, 2.1, 8), CUBE)
case("embedding", lambda i: tf.nn.embedding_lookup(weight(9, 4), i), ([None], tf.int32), whole=(0, 9))

# --- control ---------------------------------------------------------------------------------------------------------

case("if", lambda c, x: tf.cond(c, lambda: x * 2 + 1, lambda: tf.reverse(x, [1])), ([], B), ROWS,
     values={0: [True, False]})  # fmt: skip
case("while", lambda x, n: tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * 1.5 - 1), [0, x]), ROWS,
     ([], tf.int32), values={1: [3, 0]})  # fmt: skip
case("while_sum", lambda x: tf.while_loop(
    lambda i, s: tf.reduce_sum(s) < 20, lambda i, s: (i + 1, s + tf.abs(x[:, i % 6])),
    [0, tf.reduce_sum(x, 1) * 0]), ([2, 6], F))  # fmt: skip

# --- recurrent -------------------------------------------------------------------------------------------------------


def cells(layer: Any) -> Any:
    layer.build([2, 5, 6])
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.4 for w in layer.get_weights()])
    return layer


for name, layer in {
    "keras_lstm": tf.keras.layers.LSTM(4, return_sequences=True), "keras_lstm_last": tf.keras.layers.LSTM(4),
    "keras_gru": tf.keras.layers.GRU(4, return_sequences=True), "keras_rnn": tf.keras.layers.SimpleRNN(4),
    "keras_bidirectional": tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(4, return_sequences=True)),
    "keras_lstm_time_major": tf.keras.layers.LSTM(3, unroll=True),
}.items():  # fmt: skip
    case(name, cells(layer), ([2, 5, 6], F))

# --- quantised -------------------------------------------------------------------------------------------------------

NET = {
    "conv": lambda x: tf.nn.relu6(tf.nn.conv2d(x, K, 1, "SAME") + weight(4)),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, weight(3, 3, 3, 2), [1, 1, 1, 1], "SAME") + weight(6),
    "dense": lambda x: tf.reshape(x, [-1, 216]) @ weight(216, 5) + weight(5),
    "add": lambda x: tf.nn.relu(x + x[:, ::-1]),
    "mul": lambda x: x * x[:, ::-1],
    "pools": lambda x: (tf.nn.max_pool2d(x, 2, 2, "SAME"), tf.nn.avg_pool2d(x, 2, 2, "SAME")),
    "concat": lambda x: tf.concat([x, x * 0.3], -1),
    "softmax": tf.nn.softmax,
    "logistic": tf.sigmoid,
    "tanh": tf.tanh,
    "mean": lambda x: tf.reduce_mean(x, [1, 2]),
    "resize": lambda x: tf.image.resize(x, [18, 16]),
    "transpose_conv": lambda x: tf.nn.conv2d_transpose(x, weight(3, 3, 4, 3), [1, 18, 16, 4], 2),
    "pad_slice": lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]])[:, 1:, ::2],
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.2),
    "prelu": lambda x: tf.maximum(x, 0.0) + weight(1, 1, 3) * tf.minimum(x, 0.0),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "split_pack": lambda x: tf.stack(tf.split(x, 3, -1), 1),
    "reduce_max": lambda x: tf.reduce_max(x, 1),
    "arg_max": lambda x: tf.argmax(x, -1, tf.int32),
    "batch_matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "sub_minimum": lambda x: tf.minimum(x - x[:, :, ::-1], 0.5 * x),
}
NET |= {
    "mean_rows": lambda x: tf.reduce_mean(x, -1),
    "mean_plane": lambda x: tf.reduce_mean(x * x, [1, 2], keepdims=True),
    "mean_channels": lambda x: tf.reduce_mean(tf.nn.relu(x), [0, 1, 2]),
}
ONE: Spec = ([1, 9, 8, 3], F)
for name, function in NET.items():
    case(f"int8_{name}", function, ONE, quantise="int8")
for name in ("conv", "dense", "depthwise", "pools", "add"):
    case(f"uint8_{name}", NET[name], ONE, quantise="uint8")
for name in ("conv", "dense", "depthwise", "add", "mul", "softmax", "logistic", "tanh", "concat", "transpose_conv"):
    case(f"int16_{name}", NET[name], ONE, quantise="int16")
for name in ("conv", "dense", "depthwise"):
    case(f"float16_{name}", NET[name], IMAGE, quantise="float16")
case(
    "dynamic_conv",
    lambda x: tf.nn.conv2d(x, weight(3, 3, 16, 16), 1, "SAME"),
    ([None, 5, 5, 16], F),
    quantise="dynamic",
)
case("dynamic_dense", lambda x: x @ weight(64, 32) + weight(32), ([None, 64], F), quantise="dynamic")
