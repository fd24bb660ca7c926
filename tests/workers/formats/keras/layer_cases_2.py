"""Layers of Keras 2.2 and of tf.keras, each in a small model. Imported by record_layers.py. Keeps to Python 3.6."""

import os

from record_layers import L, case, keras, simple

OLD = not os.environ.get("TF_USE_LEGACY_KERAS")
MAP, MAP3, ROW, SEQ = (7, 6, 4), (5, 6, 4, 3), (6,), (5, 4)

simple("conv1d", (9, 4), lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2))
simple("conv2d", MAP, lambda: L.Conv2D(4, (3, 2), padding="same", strides=2, activation="elu"))
simple("conv3d", MAP3, lambda: L.Conv3D(4, (2, 3, 2), padding="same"))
simple("conv2d_transpose", (4, 5, 3), lambda: L.Conv2DTranspose(4, (3, 2), strides=2, padding="same"))
simple("conv2d_transpose_valid", (4, 5, 3), lambda: L.Conv2DTranspose(4, 3, strides=(3, 2)))
simple("conv3d_transpose", (3, 4, 3, 2), lambda: L.Conv3DTranspose(3, 3, strides=2, padding="same"))
simple("depthwise2d", MAP, lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"))
simple("separable2d", MAP, lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", strides=2))
simple("separable1d", (9, 4), lambda: L.SeparableConv1D(5, 3, padding="same"))
simple("local1d", (9, 4), lambda: L.LocallyConnected1D(3, 3, strides=2, activation="relu"))
simple("local2d", MAP, lambda: L.LocallyConnected2D(3, (3, 2), strides=(2, 1)))
simple("max_pooling1d", (9, 4), lambda: L.MaxPooling1D(3, strides=2, padding="same"))
simple("average_pooling3d", MAP3, lambda: L.AveragePooling3D(2, padding="same"))
simple("batch_norm", MAP, lambda: L.BatchNormalization(axis=2))
simple("cropping1d", SEQ, lambda: L.Cropping1D(1))
simple("up_sampling2d", MAP, lambda: L.UpSampling2D((2, 3), interpolation="bilinear"))
simple("up_sampling3d", MAP3, lambda: L.UpSampling3D((2, 1, 2)))
simple("thresholded_re_lu", ROW, lambda: L.ThresholdedReLU(0.4))
simple("leaky_re_lu", ROW, lambda: L.LeakyReLU(0.15))
simple("re_lu", ROW, lambda: L.ReLU(max_value=1.0))
simple(
    "activation_layer", ROW, lambda: L.Dense(4, activation=L.LeakyReLU(0.2)) if OLD else L.Dense(4, activation="swish")
)
simple("p_re_lu", SEQ, lambda: L.PReLU())
simple("embedding", (5,), lambda: L.Embedding(7, 3), dtypes=["int32"])
simple("dense_3d", SEQ, lambda: L.Dense(3, activation="hard_sigmoid"))
simple("flatten_dense", MAP, lambda: Chain([L.Conv2D(3, 2), L.Flatten(), L.Dense(4)]))
case("dot", (5, 4), (6, 4))(lambda x, y: L.Dot(axes=2, normalize=True)([x, y]))
case("dot_axes", (5, 4), (3, 5))(lambda x, y: L.Dot(axes=(1, 2))([x, y]))
case("merges", SEQ, SEQ)(lambda x, y: [getattr(L, k)()([x, y]) for k in (
    "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")])  # fmt: skip
for kind in ("LSTM", "GRU", "SimpleRNN"):
    low = kind.lower()
    simple(low, SEQ, lambda k=kind: getattr(L, k)(3, return_sequences=True))
    simple(low + "_back", SEQ, lambda k=kind: getattr(L, k)(3, return_sequences=True, go_backwards=True))
    case(low + "_states", SEQ)(lambda x, k=kind: getattr(L, k)(3, return_state=True)(x))
    case(low + "_masked", SEQ, masked=True)(
        lambda x, k=kind: [getattr(L, k)(3, return_sequences=True)(L.Masking()(x)), getattr(L, k)(3)(L.Masking()(x))]
    )
    simple("bi" + low, SEQ, lambda k=kind: L.Bidirectional(getattr(L, k)(3), merge_mode="ave"))
    case("bi%s_masked" % low, SEQ, masked=True)(
        lambda x, k=kind: L.Bidirectional(getattr(L, k)(3, return_sequences=True))(L.Masking()(x))
    )
simple("gru_after", SEQ, lambda: L.GRU(3, reset_after=True))
case("lstm_initial", SEQ, (3,), (3,))(lambda x, h, c: L.LSTM(3)(x, initial_state=[h, c]))
case("rnn_stacked", SEQ)(lambda x: L.RNN([L.LSTMCell(3), L.GRUCell(4)], return_sequences=True)(x))
simple("conv_lstm2d", (3, 7, 6, 2), lambda: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True))
simple("conv_lstm2d_last", (3, 7, 6, 2), lambda: L.ConvLSTM2D(3, 3, strides=2))
simple("time_distributed", (3, 7, 6, 4), lambda: L.TimeDistributed(L.Conv2D(3, 3)))
case("embedding_mask", (6,), dtypes=["int32"], high=3)(
    lambda x: L.LSTM(3)(L.Dropout(0.5)(L.Embedding(5, 4, mask_zero=True)(x)))
)


class Chain(object):
    """Layers one after the other, without a model of their own."""

    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@case("nested_frozen", MAP, MAP)
def nested_frozen(x, y):
    """Weights of a nested model: those that are trained first."""
    inner = keras.models.Sequential([
        L.Conv2D(3, 2, input_shape=MAP), L.BatchNormalization(), L.Conv2D(3, 2, trainable=False),
        L.BatchNormalization(), L.Conv2D(2, 1),
    ])  # fmt: skip
    return [inner(x), inner(y)]


if not OLD:
    import tensorflow as tf

    simple("conv1d_transpose", (5, 3), lambda: L.Conv1DTranspose(4, 3, strides=2))
    simple("depthwise1d", (9, 4), lambda: L.DepthwiseConv1D(3))
    simple("layer_norm", MAP, lambda: L.LayerNormalization(axis=[1, 2]))
    simple("group_norm", MAP, lambda: L.GroupNormalization(2))
    simple("unit_norm", SEQ, lambda: L.UnitNormalization())
    simple("gelu", ROW, lambda: L.Activation("gelu"))
    case("mha", SEQ, (6, 5))(lambda q, v: L.MultiHeadAttention(2, 3)(q, v, return_attention_scores=True))
    case("attention", SEQ, (6, 4))(lambda q, v: L.Attention(use_scale=True)([q, v]))
    case("additive_attention", SEQ, (6, 4))(lambda q, v: L.AdditiveAttention()([q, v]))
    simple("rescaling", MAP, lambda: L.Rescaling(0.5, -1.0))
    simple("resizing", MAP, lambda: L.Resizing(9, 11))
    simple("center_crop", MAP, lambda: L.CenterCrop(4, 3))
    simple("einsum_dense", SEQ, lambda: L.EinsumDense("...x,xy->...y", output_shape=3, bias_axes="y"))
    simple("nested_keras", MAP, lambda: keras.models.Sequential([
        L.InputLayer(MAP), L.Conv2D(3, 2), L.BatchNormalization()]), suffix=".keras")  # fmt: skip
    case("functions", SEQ, SEQ, suffix=".keras")(lambda x, y: [
        x + y, 2.0 - x, x * 0.5, x / 2.0, tf.square(x), tf.reduce_mean(x, -1, keepdims=True), tf.nn.relu6(x),
        tf.reshape(x, (-1, 20)), tf.transpose(x, (0, 2, 1)), tf.concat([x, y], 1), x[:, 1:3], x[:, -1, None],
        tf.matmul(x, y, transpose_b=True), tf.clip_by_value(x, -1.0, 1.0), tf.where(x > 0, x, y), tf.expand_dims(x, 2),
        tf.split(x, 2, axis=-1)[1], tf.nn.softmax(x), tf.tile(x, (1, 2, 1)), tf.stack([x, y], 2), tf.pad(x, ((0, 0), (1, 2), (0, 0))),
        tf.maximum(x, y), tf.sigmoid(x), tf.reduce_max(x, 1), tf.gather(x, [1, 0], axis=1), tf.squeeze(x[:, :1], 1)])  # fmt: skip
    case("hard_swish", MAP)(
        lambda x: (lambda y: L.Conv2D(2, 1)(y * tf.nn.relu6(y + 3.0) * 0.16666667))(L.Conv2D(4, 2)(x))
    )
