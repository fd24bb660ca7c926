"""Layers of Keras 3, each in a small model. Imported by record_layers.py inside Keras' own environment."""

import keras
import numpy as np
from keras import layers as L
from keras import ops
from record_layers import case, simple

MAP, MAP3, ROW, SEQ = (7, 6, 4), (5, 6, 4, 3), (6,), (5, 4)

for i, options in enumerate([
    {}, {"padding": "same", "strides": 2}, {"dilation_rate": 2, "padding": "same"}, {"groups": 2, "use_bias": False},
    {"activation": "gelu", "padding": "same", "strides": (2, 1)},
]):  # fmt: skip
    simple("conv2d_%d" % i, MAP, lambda o=options: L.Conv2D(4, 3, **o))
simple("conv2d_first", (4, 7, 6), lambda: L.Conv2D(3, (3, 2), data_format="channels_first", padding="valid"))
for i, options in enumerate(
    [{"padding": "causal", "dilation_rate": 2}, {"padding": "same", "strides": 2}, {"groups": 2}]
):
    simple("conv1d_%d" % i, (9, 4), lambda o=options: L.Conv1D(4, 3, **o))
simple("conv3d", MAP3, lambda: L.Conv3D(4, (2, 3, 2), padding="same", strides=(1, 2, 1)))
for i, options in enumerate([{"depth_multiplier": 2}, {"padding": "same", "strides": 2}, {"dilation_rate": 2}]):
    simple("depthwise2d_%d" % i, MAP, lambda o=options: L.DepthwiseConv2D(3, **o))
simple("depthwise1d", (9, 4), lambda: L.DepthwiseConv1D(3, depth_multiplier=2, padding="same"))
simple("separable2d", MAP, lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", strides=2))
simple("separable1d", (9, 4), lambda: L.SeparableConv1D(5, 3, padding="causal", activation="relu"))
for i, options in enumerate([
    {}, {"strides": 2, "padding": "same"}, {"strides": 3}, {"strides": 2, "padding": "same", "output_padding": 1},
    {"strides": (3, 2), "padding": "valid", "output_padding": (2, 1)}, {"strides": 3, "padding": "same"},
    {"dilation_rate": 2},
]):  # fmt: skip
    simple("conv2d_transpose_%d" % i, (4, 5, 3), lambda o=options: L.Conv2DTranspose(4, (3, 2), **o))
simple("conv1d_transpose", (5, 3), lambda: L.Conv1DTranspose(4, 3, strides=2, padding="same"))
simple("conv3d_transpose", (3, 4, 3, 2), lambda: L.Conv3DTranspose(3, 3, strides=2, padding="same"))
for kind in ("MaxPooling", "AveragePooling"):
    simple(kind.lower() + "1d", (9, 4), lambda k=kind: getattr(L, k + "1D")(3, strides=2, padding="same"))
    simple(kind.lower() + "2d", MAP, lambda k=kind: getattr(L, k + "2D")((3, 2), strides=(2, 1), padding="same"))
    simple(kind.lower() + "2d_valid", MAP, lambda k=kind: getattr(L, k + "2D")(3))
    simple(kind.lower() + "3d", MAP3, lambda k=kind: getattr(L, k + "3D")(2, padding="same"))
for kind in ("GlobalMaxPooling", "GlobalAveragePooling"):
    for n, shape in ((1, (9, 4)), (2, MAP), (3, MAP3)):
        simple("%s%dd" % (kind.lower(), n), shape, lambda k=kind, n=n: getattr(L, "%s%dD" % (k, n))(keepdims=n == 2))
for kind in ("AdaptiveMaxPooling", "AdaptiveAveragePooling"):
    simple(kind.lower() + "2d", (7, 6, 4), lambda k=kind: getattr(L, k + "2D")((3, 2)))
    simple(kind.lower() + "1d", (8, 4), lambda k=kind: getattr(L, k + "1D")(4))
    simple(kind.lower() + "3d", (4, 6, 4, 2), lambda k=kind: getattr(L, k + "3D")((2, 4, 2)))
simple("batch_norm", MAP, lambda: L.BatchNormalization())
simple("batch_norm_axis", MAP, lambda: L.BatchNormalization(axis=1, scale=False, epsilon=0.01))
simple("batch_norm_row", ROW, lambda: L.BatchNormalization(center=False))
simple("layer_norm", SEQ, lambda: L.LayerNormalization())
simple("layer_norm_axes", MAP, lambda: L.LayerNormalization(axis=[1, 3], center=False))
simple("layer_norm_rms", SEQ, lambda: L.LayerNormalization(rms_scaling=True))
simple("group_norm", (5, 6, 8), lambda: L.GroupNormalization(4))
simple("group_norm_first", (8, 5, 6), lambda: L.GroupNormalization(-1, axis=1, scale=False))
simple("rms_norm", SEQ, lambda: L.RMSNormalization())
simple("unit_norm", SEQ, lambda: L.UnitNormalization(axis=1))
simple("spectral_norm", MAP, lambda: L.SpectralNormalization(L.Conv2D(3, 3)), keep=True)
for name in ("celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid "
             "log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
             "sparse_sigmoid squareplus tanh tanh_shrink threshold").split():  # fmt: skip
    simple("activation_" + name, ROW, lambda n=name: L.Activation(n))
simple("re_lu", ROW, lambda: L.ReLU(max_value=1.2, negative_slope=0.2, threshold=0.5))
simple("leaky_re_lu", ROW, lambda: L.LeakyReLU(negative_slope=0.1))
simple("elu", ROW, lambda: L.ELU(alpha=0.7))
simple("p_re_lu", MAP, lambda: L.PReLU(shared_axes=[1]))
simple("softmax", SEQ, lambda: L.Softmax(axis=1))
simple("softmax_axes", SEQ, lambda: L.Softmax(axis=(1, 2)))
for kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate"):
    case(kind.lower(), SEQ, SEQ)(lambda x, y, k=kind: getattr(L, k)()([x, y]))
case("add_broadcast", MAP, (4,))(lambda x, y: L.Add()([L.Conv2D(4, 1)(x), y]))
case("concat_axis", MAP, MAP)(lambda x, y: L.Concatenate(axis=1)([L.Conv2D(3, 1)(x), L.Conv2D(3, 1)(y)]))
case("dot", (5, 4), (6, 4))(lambda x, y: L.Dot(axes=(2, 2), normalize=True)([x, y]))
case("dot_rows", ROW, ROW)(lambda x, y: L.Dot(axes=1)([x, y]))
simple("flatten_dense", MAP, lambda: keras.Sequential([L.Conv2D(3, 2), L.Flatten(), L.Dropout(0.5), L.Dense(4)]))
simple("flatten_first", (4, 7, 6), lambda: keras.Sequential([L.Conv2D(3, 2, data_format="channels_first"),
                                                             L.Flatten(data_format="channels_first")]))  # fmt: skip
simple("reshape", SEQ, lambda: L.Reshape((2, -1)))
simple("permute", MAP, lambda: keras.Sequential([L.Conv2D(3, 2), L.Permute((3, 1, 2)), L.Conv2D(2, 2)]))
simple("repeat_vector", ROW, lambda: L.RepeatVector(3))
simple("zero_padding1d", SEQ, lambda: L.ZeroPadding1D((1, 2)))
simple("zero_padding2d", MAP, lambda: L.ZeroPadding2D(((1, 0), (2, 1))))
simple("zero_padding3d", MAP3, lambda: L.ZeroPadding3D(((1, 0), (2, 1), (0, 1))))
simple("cropping1d", SEQ, lambda: L.Cropping1D((1, 2)))
simple("cropping2d", MAP, lambda: L.Cropping2D(((1, 0), (2, 1))))
simple("cropping3d", MAP3, lambda: L.Cropping3D(((1, 0), (2, 1), (0, 1))))
simple("up_sampling1d", SEQ, lambda: L.UpSampling1D(3))
for word in ("nearest", "bilinear", "bicubic"):
    simple("up_sampling2d_" + word, MAP, lambda w=word: L.UpSampling2D((2, 3), interpolation=w))
simple("up_sampling3d", MAP3, lambda: L.UpSampling3D((2, 1, 2)))
simple("dense_3d", SEQ, lambda: L.Dense(3, activation="softmax"))
simple("dense_map", MAP, lambda: keras.Sequential([L.Conv2D(5, 2), L.Dense(3, activation="softmax"), L.Conv2D(2, 1)]))
simple("einsum_dense", SEQ, lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"))
simple("embedding", (5,), lambda: L.Embedding(7, 3), dtypes=["int32"])


@case("excite", MAP)
def excite(x):
    x = L.Conv2D(4, 2)(x)
    y = L.GlobalAveragePooling2D()(x)
    y = L.Reshape((1, 1, 4))(y)
    y = L.Dense(2, activation="relu")(y)
    y = L.Conv2D(4, 1, activation="sigmoid")(y)
    return L.Conv2D(2, 1)(L.Multiply()([x, y]))


# --- recurrent -------------------------------------------------------------------------------------------------------
for kind in ("LSTM", "GRU", "SimpleRNN"):
    low = kind.lower()
    simple(low, SEQ, lambda k=kind: getattr(L, k)(3))
    simple(low + "_sequences", SEQ, lambda k=kind: getattr(L, k)(3, return_sequences=True, go_backwards=True))
    simple(low + "_state", SEQ, lambda k=kind: getattr(L, k)(3, return_state=True, unroll=True))
    simple(low + "_relu", SEQ, lambda k=kind: getattr(L, k)(3, activation="relu", return_sequences=True))
    simple(
        low + "_gelu", SEQ, lambda k=kind: getattr(L, k)(3, activation="gelu", return_sequences=True, go_backwards=True)
    )
    case(low + "_masked", SEQ, masked=True)(
        lambda x, k=kind: [getattr(L, k)(3, return_sequences=True)(L.Masking()(x)), getattr(L, k)(3)(L.Masking()(x))]
    )
    case(low + "_masked_back", SEQ, masked=True)(
        lambda x, k=kind: getattr(L, k)(3, return_sequences=True, return_state=True, go_backwards=True)(L.Masking()(x))
    )
    case(low + "_masked_selu", SEQ, masked=True)(
        lambda x, k=kind: getattr(L, k)(3, return_sequences=True, activation="selu")(L.Masking()(x))
    )
    case(low + "_free", (None, 4))(lambda x, k=kind: getattr(L, k)(3, return_sequences=True)(x))
    for mode in ("concat", "sum", "mul", "ave", None):
        simple("bi%s_%s" % (low, mode), SEQ, lambda k=kind, m=mode: L.Bidirectional(
            getattr(L, k)(3, return_sequences=m != "sum"), merge_mode=m))  # fmt: skip
    case("bi%s_masked" % low, SEQ, masked=True)(lambda x, k=kind: L.Bidirectional(
        getattr(L, k)(3, return_sequences=True, return_state=True))(L.Masking()(x)))  # fmt: skip
simple("gru_before", SEQ, lambda: L.GRU(3, reset_after=False, return_sequences=True))
simple("gru_before_gelu", SEQ, lambda: L.GRU(3, reset_after=False, activation="gelu"))
for gate in ("hard_sigmoid", "relu", "softsign", "linear", "elu", "softplus", "leaky_relu"):
    simple("lstm_gate_" + gate, SEQ, lambda a=gate: L.LSTM(3, recurrent_activation=a, return_sequences=True))
    simple("gru_gate_" + gate, SEQ, lambda a=gate: L.GRU(3, recurrent_activation=a, activation=a))
    simple(
        "bilstm_gate_" + gate,
        SEQ,
        lambda a=gate: L.Bidirectional(L.LSTM(3, recurrent_activation=a, activation="softsign")),
    )
case("lstm_initial", SEQ, (3,), (3,))(lambda x, h, c: L.LSTM(3, return_sequences=True)(x, initial_state=[h, c]))
case("gru_initial", SEQ, (3,))(lambda x, h: L.GRU(3)(x, initial_state=h))
case("encoder_decoder", SEQ, SEQ)(lambda x, y: (lambda e: L.LSTM(3, return_sequences=True)(y, initial_state=e[1:]))(
    L.LSTM(3, return_state=True)(x)))  # fmt: skip
simple("rnn_stacked", SEQ, lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4), L.SimpleRNNCell(2)], return_sequences=True))
simple("rnn_cell", SEQ, lambda: L.RNN(L.GRUCell(3), go_backwards=True))
case("embedding_mask", (6,), dtypes=["int32"], high=3)(lambda x: L.LSTM(3)(L.Embedding(5, 4, mask_zero=True)(x)))
case("average_mask", (6,), dtypes=["int32"], high=3, low=0)(
    lambda x: L.GlobalAveragePooling1D()(L.Dense(3)(L.Embedding(5, 4, mask_zero=True)(x)))
)
case("concat_mask", SEQ, SEQ, masked=True)(lambda x, y: L.LSTM(2, return_sequences=True)(
    L.Concatenate()([L.Masking()(x), L.Masking()(y)])))  # fmt: skip
for n, shape in ((1, (4, 6, 2)), (2, (4, 5, 6, 2)), (3, (3, 4, 3, 4, 2))):
    simple(
        "conv_lstm%dd" % n,
        shape,
        lambda n=n: getattr(L, "ConvLSTM%dD" % n)(3, 3, padding="same", return_sequences=True),
    )
simple("conv_lstm2d_last", (3, 7, 6, 2), lambda: L.ConvLSTM2D(
    3, (3, 2), strides=2, return_state=True, go_backwards=True, recurrent_activation="hard_sigmoid"))  # fmt: skip
simple("time_distributed_dense", (4, 5, 6), lambda: L.TimeDistributed(L.Dense(3)))
simple("time_distributed_conv", (3, 7, 6, 4), lambda: keras.Sequential([
    L.TimeDistributed(L.Conv2D(3, 3)), L.TimeDistributed(L.MaxPooling2D()), L.TimeDistributed(L.Flatten()), L.LSTM(2)]))  # fmt: skip
case("time_distributed_model", (3, 7, 6, 4))(lambda x: L.TimeDistributed(keras.Sequential(
    [L.Input((7, 6, 4)), L.Conv2D(3, 3), L.GlobalAveragePooling2D()]))(x))  # fmt: skip
# --- attention -------------------------------------------------------------------------------------------------------
case("mha", SEQ, (6, 5))(lambda q, v: L.MultiHeadAttention(2, 3, value_dim=4)(q, v, return_attention_scores=True))
case("mha_causal", SEQ)(
    lambda x: L.MultiHeadAttention(2, 3, output_shape=6, use_bias=False)(x, x, use_causal_mask=True)
)
case("mha_mask", (6,), dtypes=["int32"], high=3)(lambda x: (lambda e: L.MultiHeadAttention(2, 3)(e, e))(
    L.Embedding(5, 4, mask_zero=True)(x)))  # fmt: skip
case("mha_4d", (3, 4, 5))(lambda x: L.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x))
case("gqa", SEQ)(lambda x: L.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True))
case("attention", SEQ, (6, 4))(lambda q, v: L.Attention(use_scale=True)([q, v]))
case("attention_concat", SEQ, (6, 4))(lambda q, v: L.Attention(score_mode="concat", use_scale=True)([q, v]))
case("attention_causal", SEQ)(lambda q: L.Attention()([q, q], use_causal_mask=True))
case("additive_attention", SEQ, (6, 4), (6, 4))(lambda q, v, k: L.AdditiveAttention()([q, v, k]))
# --- preprocessing ---------------------------------------------------------------------------------------------------
simple("rescaling", MAP, lambda: L.Rescaling([0.5, 1.0, 2.0, 3.0], [0.0, 1.0, 0.0, -1.0]))
simple("normalization", MAP, lambda: L.Normalization(axis=-1, mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 0.5, 0.1]))
simple("normalization_invert", ROW, lambda: L.Normalization(axis=None, mean=0.1, variance=2.0, invert=True))
case("normalization_adapted", ROW, keep=True)(lambda x: adapted()(x))
for word in ("nearest", "bilinear", "bicubic"):
    simple("resizing_up_" + word, MAP, lambda w=word: L.Resizing(11, 9, interpolation=w))
    simple("resizing_down_" + word, (12, 10, 3), lambda w=word: L.Resizing(5, 7, interpolation=w))
simple("center_crop", MAP, lambda: L.CenterCrop(4, 3))
simple("random_flip", MAP, lambda: L.RandomFlip())
simple("discretization", ROW, lambda: L.Discretization(bin_boundaries=[-1.0, 0.0, 0.7]))
for mode in ("one_hot", "multi_hot", "count"):
    simple(
        "category_" + mode,
        (1,) if mode == "one_hot" else (4,),
        lambda m=mode: L.CategoryEncoding(7, output_mode=m),
        dtypes=["int32"],
    )
simple("integer_lookup", (4,), lambda: L.IntegerLookup(vocabulary=[3, 5, 1]), dtypes=["int32"])
# --- operations ------------------------------------------------------------------------------------------------------
case("ops_arithmetic", SEQ, SEQ)(lambda x, y: [x + y, 2 - x, x * 0.5, x / y, x ** 2, -x, abs(x), x // 2, x % 2, x > y,
                                               ops.maximum(x, 0.3), ops.where(x > 0, x, 0.1 * x)])  # fmt: skip
case("ops_functions", SEQ)(lambda x: [getattr(ops, n)(x) for n in (
    "exp square sign floor ceil round sin cos tanh erf sigmoid relu silu gelu softmax softplus isnan expm1 relu6 "
    "log_sigmoid hard_sigmoid").split()])  # fmt: skip
case("ops_positive", SEQ)(lambda x: (lambda p: [ops.sqrt(p), ops.log(p), ops.rsqrt(p), ops.log1p(p), ops.log2(p),
                                                ops.log10(p), ops.reciprocal(p)])(ops.abs(x) + 0.1))  # fmt: skip
case("ops_reductions", MAP)(lambda x: [ops.mean(x, axis=(1, 2)), ops.sum(x, axis=-1, keepdims=True), ops.max(x, axis=1),
                                       ops.min(x, axis=2), ops.prod(x, axis=-1), ops.var(x, axis=1), ops.std(x, axis=-1),
                                       ops.norm(x, axis=-1), ops.argmax(x, axis=1), ops.logsumexp(x, axis=-1),
                                       ops.any(x > 1, axis=1), ops.cumsum(x, axis=1)])  # fmt: skip
case("ops_shapes", MAP)(lambda x: [ops.reshape(x, (-1, 42, 4)), ops.transpose(x, (0, 3, 1, 2)), ops.expand_dims(x, 1),
                                   x[:, 1:5:2, ..., -1], x[:, None, 0], ops.concatenate([x, x], axis=2),
                                   ops.stack([x, 2 * x], axis=-1), ops.split(x, 2, axis=2)[1], ops.flip(x, axis=1),
                                   ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))), ops.tile(x, (1, 2, 1, 1)),
                                   ops.repeat(x, 2, axis=1), ops.take(x, [0, 2], axis=1), ops.squeeze(x[:, :1], 1),
                                   ops.roll(x, 2, axis=1), ops.swapaxes(x, 1, 2), ops.moveaxis(x, -1, 1)])  # fmt: skip
case("ops_products", SEQ, SEQ)(lambda x, y: [ops.matmul(x, ops.transpose(y, (0, 2, 1))), ops.einsum("bij,bkj->bik", x, y),
                                             ops.one_hot(ops.argmax(x, -1), 4), ops.top_k(x, 2)[0], ops.zeros_like(x),
                                             ops.clip(x, -1, 1), ops.cast(x > 0, "int32")])  # fmt: skip
case("ops_conv", MAP)(lambda x: L.Conv2D(2, 1)(ops.relu(L.Conv2D(4, 2)(x)) * ops.sigmoid(L.Conv2D(4, 2)(x)) + 1.0))
case("ops_resize", MAP)(lambda x: ops.image.resize(x, (9, 9), interpolation="bilinear"))


def adapted():
    layer = L.Normalization()
    layer.adapt(np.random.RandomState(0).rand(20, 6))
    return layer


@case("mixed_float16", MAP)
def mixed(x):
    y = L.Conv2D(4, 3, dtype="mixed_float16", activation="relu")(x)
    y = L.GlobalAveragePooling2D(dtype="mixed_float16")(y)
    return L.Dense(3, dtype="float32")(y)


@case("shared_twice", MAP, MAP)
def shared(x, y):
    conv, norm = L.Conv2D(3, 3), L.BatchNormalization()
    inner = keras.Sequential([L.Input((5, 4, 3)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3)])
    a, b = norm(conv(x)), norm(conv(y))
    return [inner(a), inner(b), L.Subtract()([inner(a), inner(b)])]


@case("legacy_h5", MAP, suffix=".h5")
def legacy(x):
    x = L.Conv2D(3, 3)(x)
    x = keras.Sequential([L.Input((5, 4, 3)), L.BatchNormalization(), L.Conv2D(2, 2)])(x)
    return L.Bidirectional(L.GRU(2))(L.Reshape((4, -1))(x))


for mode in ("int8",):
    case("quantized_" + mode, ROW, after=lambda model, m=mode: model.quantize(m))(
        lambda x: L.Dense(3)(L.Dense(5, activation="relu")(x))
    )
case("lora", ROW, after=lambda model: model.layers[1].enable_lora(2))(lambda x: L.Dense(3)(x))
