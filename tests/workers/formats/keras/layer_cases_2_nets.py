"""How nets are put together in Keras 2 and tf.keras: masks and TensorFlow's functions. Imported by record_layers.py."""

import numpy as np
from record_layers import VERSION, L, case, keras

IDS = {"dtypes": ["int32"], "high": 4}
TENSORFLOW = "tf" in keras.__name__ or "tensorflow" in keras.__name__ or int(VERSION.split(".")[1]) > 3


@case("mask_behind_backwards", (6, 4), masked=True)
def mask_behind_backwards(x):
    """The mask of a layer that runs backwards is handed on as it came."""
    y = L.GRU(3, return_sequences=True, go_backwards=True)(L.Masking()(x))
    return L.SimpleRNN(3)(y)


@case("mask_of_one", (6,), **IDS)
def mask_of_one(x):
    """A sum counts what counts in the masks that there are."""
    y = L.Embedding(5, 4, mask_zero=True)(x)
    return L.LSTM(3)(L.Multiply()([y, L.Embedding(5, 4)(x)]))


if TENSORFLOW:
    import tensorflow as tf

    @case("masked_attention", (6,), **IDS)
    def masked_attention(x):
        """Before TensorFlow 2.10 attention knew no masks."""
        y = L.Embedding(5, 8, mask_zero=True)(x)
        a = L.MultiHeadAttention(2, 4)(y, y)
        return [a, L.Bidirectional(L.LSTM(3, return_sequences=True))(a)]


if TENSORFLOW and int(VERSION.split(".")[1]) >= 10:

    @case("functions", (4, 6))
    def functions(x):
        return [
            x[:, : tf.shape(x)[1] - 1], tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1], 2, 3]), tf.fill(tf.shape(x), 0.5), tf.ones((tf.shape(x)[0], 1)), tf.nn.crelu(x),
            tf.linalg.band_part(x, 1, 2), tf.boolean_mask(x, [True, False, True, True], axis=1), tf.math.xlogy(tf.abs(x), tf.abs(x)), x // 1.5,
            tf.clip_by_value(x, -0.5, np.inf), tf.sequence_mask(tf.cast(tf.abs(x[:, 0]), tf.int32), 3), tf.linalg.diag(x[:, 0]), tf.linalg.trace(x[:, :, :4]),
            tf.one_hot(tf.cast(tf.abs(x), tf.int32), 3, on_value=2.0, off_value=-1.0), keras.backend.batch_flatten(x), tf.pad(x, [[0, 0], [1, 1], [0, 2]], "SYMMETRIC"),
            tf.gather(x, tf.cast(tf.abs(x[:, :2, 0]), tf.int32), axis=1, batch_dims=1), tf.gather_nd(x, tf.cast(tf.abs(x[:, :2, :1]), tf.int32), batch_dims=1),
        ]  # fmt: skip

    @case("images", (6, 4, 3))
    def images(x):
        ones = np.arange(27).reshape(3, 3, 3, 1).astype("float32") / 27
        return [
            tf.image.resize(L.Conv2D(2, 3, strides=2)(x), tf.shape(x)[1:3]), tf.nn.conv2d(x, ones, 1, "SAME"), tf.nn.depthwise_conv2d(x, ones, [1, 1, 1, 1], "SAME"),
            tf.nn.conv2d_transpose(x, ones.transpose(0, 1, 3, 2), tf.stack([tf.shape(x)[0], 12, 8, 1]), 2, "SAME"), tf.nn.local_response_normalization(x, depth_radius=1),
            tf.nn.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]), keras.backend.resize_images(x, 2, 3, "channels_last"), tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
        ]  # fmt: skip
